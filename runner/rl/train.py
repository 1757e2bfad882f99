"""Train a doctor: PPO on many of Doctor-v0's clusters at a time, in epochs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from agents.ppo.agent import PPO
from agents.ppo.settings import PPOSettings
from agents.ppo.vector import train as train_vector
from agents.settings import as_mapping, parse_settings
from env.doctor.recording import Recording, starts_of
from env.doctor.reward import SOLVED
from env.doctor.vector_env import DoctorVectorEnv
from env.interrupt import stop_if_asked
from runner.rl.exam import EXAM_SEED

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
    """

    epochs: int
    max_steps: int
    seed: int
    environments: int
    settings: PPOSettings = field(default_factory=PPOSettings)
    epoch_steps: int = EPOCH_STEPS
    recordings: tuple[Recording, ...] = ()

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


def doctor_settings(epochs: int, changed: Mapping[str, Any] | None = None) -> PPOSettings:
    """Settings of PPO for this environment, chosen by short trainings; step size and entropy fall to the end.

    Args:
        epochs: Of the training.
        changed: Others than these, by name.

    Raises:
        AgentError: A setting out of range.
    """
    given: dict[str, Any] = {
        "hidden": (128, 128),
        "rollout_steps": 1 << 14,
        "minibatch_size": 1 << 9,
        "epochs": 2,
        "learning_rate": 1e-3,
        "entropy": 0.03,
        "anneal_steps": epochs * EPOCH_STEPS,
        "reward_scale": 1 / SOLVED,
        "gamma": 0.99,
        **(changed or {}),
    }
    return parse_settings(PPOSettings, {"learning_rate_end": min(1e-4, given["learning_rate"]), **given})


def train_epoch(agent: PPO, plan: DoctorTraining, epoch: int) -> dict[str, float]:
    """Train an epoch; what its last update measured.

    Raises:
        Stopped: A stop was asked for, see `env.interrupt`; the agent is of no more use.
    """
    metrics: dict[str, float] = {}

    def keep(update: Mapping[str, float]) -> None:
        metrics.update(update)
        stop_if_asked()

    envs = DoctorVectorEnv(plan.environments, max_steps=plan.max_steps, **plan.problems)
    train_vector(agent, envs, plan.epoch_steps, seed=_seed(plan, epoch), on_update=keep)
    return metrics


def _seed(plan: DoctorTraining, epoch: int) -> int:
    """Of an epoch's first episodes: none of another epoch, and far from those of exams."""
    return (plan.seed * 1009 + epoch) * plan.environments % EXAM_SEED
