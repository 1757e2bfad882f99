"""A learner of a few numbers, as a user's package would bring it: what simulated federations of a learner train.

Its two tensors have one shape, and names that do not sort as they are given, so that who mixes them up gets other
weights. Momentum and anchor stay with the member. It only adds and multiplies: equal bits on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from hashlib import sha256
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, Field

from agents.saved import checkpoint
from env.errors import ConfigError
from infra.proof.standin import federation, training
from protocol.learners.catalogue import KindOf, LearnerKind
from protocol.learners.learner import Epoch, Task
from protocol.strategies.table import Strategy
from protocol.wire.federation_documents import Federation
from protocol.wire.job_documents import SAMPLING_VERSION, TrainingSpec

NAME = "tiny"
PACKAGES: Mapping[str, str] = {"tiny-learner": "1.0"}
MODEL = ({"name": "slope", "shape": (2,)}, {"name": "bias", "shape": (2,)})
FIRST = checkpoint.write({"slope": np.ones(2, np.float32), "bias": np.full(2, -2, np.float32)})
"""What federations start from, as given with `--weights`: not what the learner itself starts from."""
EPOCH_STEPS = 100
BATCHES = 4


class Habit(StrEnum):
    """Whether two trainings from one state are alike, as the protocol asks of a learner."""

    SOUND = "repeats bit for bit"
    RESTLESS = "trains no epoch twice alike"
    FORGETFUL = "does not restore its momentum"


class TinySettings(BaseModel):
    """What can be set."""

    proximal: float = Field(default=0.0, ge=0)


class TinyLearner:
    """Two tensors that a momentum moves about; see `protocol.learners.learner.Learner`."""

    Settings: ClassVar[type[BaseModel]] = TinySettings

    def __init__(self, settings: TinySettings, task: Task) -> None:
        self.proximal = settings.proximal
        draw = np.random.default_rng(task.seed)
        self.tensors = {name: draw.random(2, dtype=np.float32) for name in ("slope", "bias")}
        self.anchor = dict(self.tensors)
        self.momentum = np.zeros(2)
        self.trained = 0

    def train(self, epoch: int, seed: int, may_stop: Callable[[], None]) -> Epoch:
        draw = np.random.default_rng(seed)
        for _ in range(BATCHES):
            may_stop()
            self.momentum = 0.5 * self.momentum + draw.random(2) - 0.5
            for name, sign in (("slope", 1.0), ("bias", -1.0)):
                back = self.proximal * (self.anchor[name] - self.tensors[name])
                moved = self.tensors[name] + sign * self.momentum + back + 0.25 * self.trained
                self.tensors[name] = moved.astype(np.float32)
        self.trained += 1
        return Epoch(1 + seed % EPOCH_STEPS, None if seed % 7 == 0 else float(self.tensors["slope"][0]))

    def state(self) -> Mapping[str, Any]:
        own = {"momentum": self.momentum, "trained": self.trained}
        return {"tensors": self.tensors, "anchor": self.anchor, **own}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.tensors, self.anchor = dict(state["tensors"]), dict(state["anchor"])
        self.momentum, self.trained = state["momentum"], state["trained"]

    def weights(self) -> Mapping[str, Any]:
        return self.tensors

    def load_weights(self, weights: Mapping[str, Any]) -> None:
        self.tensors, self.anchor = dict(weights), dict(weights)


class ForgetfulLearner(TinyLearner):
    """Saves its momentum, and begins with none."""

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore({**state, "momentum": np.zeros(2)})


def installed(habit: Habit, noise: Callable[[], float], version: str = PACKAGES["tiny-learner"]) -> KindOf:
    """What a machine has that has the learner.

    Args:
        noise: Numbers that no seed of a job's tells.
        version: Of the package.
    """

    class RestlessLearner(TinyLearner):
        """Is moved by numbers from outside."""

        def train(self, epoch: int, seed: int, may_stop: Callable[[], None]) -> Epoch:
            self.momentum = self.momentum + noise()
            return super().train(epoch, seed, may_stop)

    classes = {Habit.SOUND: TinyLearner, Habit.RESTLESS: RestlessLearner, Habit.FORGETFUL: ForgetfulLearner}
    kind = LearnerKind(NAME, classes[habit], {"tiny-learner": version})
    return lambda name: kind


def absent(name: str) -> LearnerKind:
    """What a machine has that lacks it."""
    raise ConfigError(f"learner {name!r} is unknown")


def training_of(like: TrainingSpec, strategy: Strategy | None = None) -> TrainingSpec:
    """The training of a job of the learner, as long as `like`.

    Args:
        strategy: Of the federation, which starts from `FIRST`; None of a job without one.
    """
    return TrainingSpec.model_validate(
        {
            "learner": {"name": NAME, "settings": strategy.settings if strategy else {}, "epoch_steps": EPOCH_STEPS},
            "packages": PACKAGES,
            "weights": sha256(FIRST).hexdigest() if strategy else None,
            **{name: getattr(like, name) for name in ("episodes", "seed", "max_attempts", "episode_timeout_s")},
            "steps": 1,
        }
    )


def learning(wanted: Federation, strategy: Strategy) -> Federation:
    """The same federation, but of the learner."""
    changes = {"training": training_of(wanted.training, strategy), "strategy": strategy, "model": MODEL}
    return Federation.model_validate({**dict(wanted), **changes, "version": SAMPLING_VERSION})


def tiny_federation(size: int, episodes: int, strategy: Strategy, **changes: Any) -> Federation:
    """As `infra.proof.standin.federation`, of the learner."""
    return learning(federation(size, training=training(episodes), **changes), strategy)
