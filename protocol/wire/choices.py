"""What a submitter chooses by name. Without pydantic, so that the options of commands can name these values."""

from __future__ import annotations

from enum import StrEnum


class JobType(StrEnum):
    """What a job does: train an agent, or run episodes and keep their transitions."""

    TRAINING = "training"
    EXPERIENCE_COLLECTION = "experience_collection"


class Closers(StrEnum):
    """Who closes a federation's rounds: a sync-server, or the members among themselves."""

    SYNC_SERVER = "sync-server"
    WORKERS = "workers"
