"""Opens a bucket, for a command that a user waits for or for a daemon."""

from __future__ import annotations

from protocol.wire.bucket import Bucket
from protocol.wire.clock import system_clock
from protocol.wire.probe import probe
from protocol.wire.store import S3Store, valid_bucket
from runner.commands.interrupt import stop_on_signals
from runner.commands.waits import LongWaits

INTERACTIVE_PATIENCE_S = 5.0  # a person waits for `dispatch`; a daemon has time


def open_bucket(name: str, role: str = "dispatch", owner: str | None = None) -> Bucket:
    """The bucket of that name, for a command that a person waits for.

    Args:
        owner: as in S3Store.

    Raises:
        UsageError: no bucket can have this name.
        Unfit: no credentials, no region.
    """
    store = S3Store(valid_bucket(name), role=role, owner=owner)
    return Bucket(store, system_clock(), patience_s=INTERACTIVE_PATIENCE_S, watch=LongWaits(store.name))


def open_daemon_bucket(name: str, role: str, owner: str | None = None) -> Bucket:
    """A bucket for a process that runs for long: it is probed first, and SIGTERM or SIGINT ends all waits."""
    store, clock = S3Store(valid_bucket(name), role=role, owner=owner), system_clock(stop_on_signals())
    waits = LongWaits(store.name)
    probe(Bucket(store, clock, patience_s=INTERACTIVE_PATIENCE_S, watch=waits))
    return Bucket(store, clock, watch=waits)
