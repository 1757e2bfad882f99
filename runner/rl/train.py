"""Train a doctor: PPO on many of Doctor-v0's clusters at a time, in epochs (`runner.training.epochs`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import Any

from agents.ppo.agent import PPO
from agents.ppo.settings import PPOSettings
from agents.ppo.vector import train as train_vector
from agents.settings import as_mapping
from agents.spaces import doctor as doctor_spaces
from env.doctor.recording import Recording, starts_of
from env.doctor.reward import SOLVED
from env.doctor.vector_env import DoctorVectorEnv
from runner.rl.evaluator import DoctorEvaluator
from runner.rl.exam import EXAM_SEED
from runner.training.epochs import first_seed, last_measured
from runner.training.ppo import ppo_settings

EPOCH_STEPS = 1 << 16
EPOCHS, ENVIRONMENTS = 100, 256
"""Of a training where nothing else is asked for."""


@dataclass(frozen=True)
class DoctorTraining:
    """What a training is; everything random follows from `seed`.

    Attributes:
        epochs: How many.
        max_steps: Steps after which an episode is truncated.
        environments: Clusters that are stepped together.
        settings: Of PPO.
        epoch_steps: Environment steps of an epoch, of all environments together.
        recordings: Of real clusters, whose states episodes start with; none: drawn ones.
        member: Its place in a federation.
    """

    epochs: int
    max_steps: int
    seed: int
    environments: int
    settings: PPOSettings = field(default_factory=PPOSettings)
    epoch_steps: int = EPOCH_STEPS
    recordings: tuple[Recording, ...] = ()
    member: int = 0

    @property
    def problems(self) -> dict[str, Any]:
        """What episodes start with, as DoctorEnv takes it: drawn clusters, or those that were recorded."""
        return {"recorded": starts_of(self.recordings)} if self.recordings else {"problems": "varied"}

    def identity(self) -> dict[str, Any]:
        """What must be equal for a training to be gone on with."""
        return {
            "seed": self.seed,
            "max_steps": self.max_steps,
            "environments": self.environments,
            "epoch_steps": self.epoch_steps,
            "settings": as_mapping(self.settings),
            "recordings": sha256(starts_of(self.recordings).tobytes()).hexdigest() if self.recordings else None,
        }

    def new_agent(self) -> PPO:
        """A doctor that has learned nothing."""
        return PPO(seed=self.seed, settings=self.settings, spaces=doctor_spaces())

    def train(self, agent: PPO, epoch: int) -> dict[str, float]:
        """Train an epoch; what its last update measured.

        Raises:
            Stopped: A stop was asked for, see `env.interrupt`; the agent is of no more use.
        """
        envs = DoctorVectorEnv(self.environments, max_steps=self.max_steps, **self.problems)
        seed = first_seed(self, epoch, self.environments, EXAM_SEED)
        return last_measured(partial(train_vector, agent, envs, self.epoch_steps, seed=seed))

    def evaluator(self) -> DoctorEvaluator:
        """Problems that no training draws, or its recordings."""
        return DoctorEvaluator(self.max_steps, recordings=self.recordings)


def doctor_settings(
    epochs: int, changed: Mapping[str, Any] | None = None, *, epoch_steps: int = EPOCH_STEPS
) -> PPOSettings:
    """Settings of PPO for this environment, chosen by short trainings; step size and entropy fall to the end.

    Args:
        epochs: Of the training.
        changed: Others than these, by name.
        epoch_steps: Environment steps of an epoch.

    Raises:
        AgentError: A setting out of range.
    """
    own = {"minibatch_size": 1 << 9, "entropy": 0.03, "reward_scale": 1 / SOLVED}
    return ppo_settings(epochs * epoch_steps, {**own, **(changed or {})})
