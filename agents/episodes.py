"""What trainers on many environments at a time share: means of the episodes that end, and what environments must be."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from agents.spaces import Spaces
from env.errors import AgentError

Bools = NDArray[np.bool_]


class Episodes:
    """Returns, lengths and successes of the episodes that end."""

    def __init__(self, n: int) -> None:
        self._returns, self._lengths = np.zeros(n), np.zeros(n)
        self._ended: list[NDArray[np.float64]] = []

    def add(self, rewards: NDArray[Any], taken: Bools, ended: Bools, solved: NDArray[Any] | None) -> None:
        """Add a step of n environments.

        Args:
            rewards: (n,).
            taken: False where the environment was being reset.
            ended: Whether it was an episode's last.
            solved: Whether the episode is a success, where that is known.
        """
        self._returns += rewards
        self._lengths += taken
        known = np.full(len(ended), np.nan) if solved is None else solved
        self._ended.append(np.stack([self._returns[ended], self._lengths[ended], known[ended]]))
        self._returns[ended] = self._lengths[ended] = 0.0

    def means(self) -> dict[str, float]:
        """Of those since the last call."""
        ended, self._ended = np.concatenate(self._ended, axis=1), []
        if not ended.shape[1]:
            return {}
        means = dict(zip(("return", "length", "solved"), ended.mean(axis=1).tolist(), strict=True))
        return {name: mean for name, mean in means.items() if not np.isnan(mean)}


def check_environments(name: str, spaces: Spaces, envs: VectorEnv[Any, Any, Any]) -> None:
    """Accept environments for an agent that is called `name` and was made for `spaces`.

    Raises:
        AgentError: They have other spaces, or another autoreset mode than NEXT_STEP.
    """
    shape, actions = envs.single_observation_space.shape, getattr(envs.single_action_space, "n", None)
    if shape != (len(spaces.features),) or actions != len(spaces.actions):
        raise AgentError(
            f"{name}: environments of states {shape} and {actions} actions; {spaces.id} has states "
            f"({len(spaces.features)},) and {len(spaces.actions)} actions"
        )
    if (mode := envs.metadata.get("autoreset_mode")) != AutoresetMode.NEXT_STEP:
        raise AgentError(f"{name}: autoreset mode {mode}; only {AutoresetMode.NEXT_STEP} is known")
