"""What the tests of named learners share: a package's learner, and jobs that name it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from infra.proof.standin import bucket_of
from infra.proof.virtual_time import World
from protocol.commands.submission import draft
from protocol.commands.submit_options import EpochsChoice, FederationChoice, JobChoice
from protocol.learners.named import NamedLearner
from protocol.wire.job_documents import LearnerSpec, Manifest, TrainingSpec
from runner.options.agents import EpisodeChoice
from runner.options.workload import WorkloadChoice

Install = Callable[..., Path]
NAMED = {"sim_arena.learners": {"walk": "my_arena:Walk"}}
SOURCE = """
import numpy as np
from pydantic import BaseModel, Field
from protocol.learners.learner import Epoch

class WalkSettings(BaseModel):
    size: int = Field(default=3, ge=1)
    proximal: float = 0.0

class Walk:
    Settings = WalkSettings

    def __init__(self, settings, task):
        self.task, self.drift = task, 0.0
        self.place = np.random.default_rng(task.seed).normal(size=settings.size).astype(np.float32)

    def train(self, epoch, seed, may_stop):
        may_stop()
        draw = np.random.default_rng(seed)
        self.drift += float(draw.normal())
        self.place = (self.place + draw.normal(size=self.place.shape) + self.drift).astype(np.float32)
        return Epoch(steps=1 + self.task.member, reward=float(self.place.mean()))

    def state(self):
        return {"place": self.place, "drift": self.drift}

    def restore(self, state):
        self.place, self.drift = state["place"], state["drift"]

    def weights(self):
        return {"place": self.place}

    def load_weights(self, weights):
        self.place = weights["place"]
"""


def spec(**changed: Any) -> TrainingSpec:
    fields = {"learner": LearnerSpec(name="walk"), "packages": {"my-arena": "1.0"}, "episodes": 3, "steps": 1}
    return TrainingSpec.model_validate(fields | {"seed": 7} | changed)


def manifest(what: TrainingSpec, job_id: str = "job") -> Manifest:
    return Manifest(version=what.version, job_id=job_id, created_at="", training=what)


def learner(what: TrainingSpec | None = None, say: Callable[[str], None] = lambda line: None) -> NamedLearner:
    return NamedLearner(bucket_of(World(seed=0)), manifest(what or spec()), say)


def drafted(*, job: dict[str, Any] | None = None, epochs: EpochsChoice | None = None, **group: Any) -> Any:
    chosen = JobChoice(**{"learner": "walk", **(job or {})})
    choice = FederationChoice(**group)
    return draft(chosen, EpisodeChoice(), WorkloadChoice(), choice, epochs or EpochsChoice(epochs=3))
