"""Which parts of the DQN matter, and which rewards teach: the default against variants that differ in one thing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from env.errors import ConfigError
from env.gym.reward import REWARDS
from runner.bench.learning import OURS, LearningRun, settings_of

DEFAULT = "default"


@dataclass(frozen=True)
class Variant:
    """What differs from the default: settings of the DQN, or the reward."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    reward: str = "shaped"


VARIANTS: dict[str, Variant] = {
    DEFAULT: Variant(),
    "not double": Variant({"double": False}),
    "prioritised 0.6": Variant({"priority": 0.6}),
    "1-step": Variant({"n_step": 1}),
    "5-step": Variant({"n_step": 5}),
    "no action gap": Variant({"action_gap": 0.0}),
    "action gap 0.9": Variant({"action_gap": 0.9}),
    "constant step size": Variant({"halving_steps": 1_000_000_000}),
    "target every 50": Variant({"target_every": 50}),
    "target every 1000": Variant({"target_every": 1_000}),
    "Polyak target 0.005": Variant({"target_every": 1, "target_tau": 0.005}),
    "explore 2000 steps": Variant({"epsilon_steps": 2_000}),
    "epsilon to 0.02": Variant({"epsilon_end": 0.02}),
    "gamma 0.9": Variant({"gamma": 0.9}),
    "gamma 0.99": Variant({"gamma": 0.99}),
    "hidden 128, 128": Variant({"hidden": [128, 128]}),
    "batch 32": Variant({"batch_size": 32}),
    "batch 128": Variant({"batch_size": 128}),
    "an update every 4 steps": Variant({"train_every": 4}),
    "2 updates a step": Variant({"updates": 2}),
    **{f"reward {name}": Variant(reward=name) for name in REWARDS if name != Variant.reward},
}


def ablation_runs(
    names: Sequence[str], seeds: int, env_steps: int, evaluate_every: int
) -> dict[str, list[LearningRun]]:
    """Runs of each variant with seeds 1, 2, …

    Args:
        names: Keys of VARIANTS; none: all.

    Raises:
        ConfigError: no such variant.
    """
    unknown = [name for name in names if name not in VARIANTS]
    if unknown:
        raise ConfigError(f"--variant {unknown[0]}: unknown; there are {'; '.join(VARIANTS)}")
    return {
        name: [_run(VARIANTS[name], seed, env_steps, evaluate_every) for seed in range(1, seeds + 1)]
        for name in names or VARIANTS
    }


def _run(variant: Variant, seed: int, env_steps: int, evaluate_every: int) -> LearningRun:
    settings = settings_of(variant.settings)
    return LearningRun(OURS, seed, env_steps, evaluate_every, variant.reward, settings)
