"""Environments of several kinds of workloads, stepped as if they were one vector environment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from env.lanes import VectorStep
from env.season.vector_env import SeasonVectorEnv


class JoinedSeasons(VectorEnv[NDArray[np.float32], NDArray[np.int64], NDArray[Any]]):
    """Vector environments one after the other: environment i of the whole is one of a part, in their order.

    Args:
        parts: One at least, of one variant.
    """

    metadata = SeasonVectorEnv.metadata

    def __init__(self, parts: Sequence[SeasonVectorEnv]) -> None:
        self.parts = tuple(parts)
        self.num_envs = sum(part.num_envs for part in self.parts)
        self._ends = np.cumsum([part.num_envs for part in self.parts])[:-1]
        self.single_observation_space = self.parts[0].single_observation_space
        self.single_action_space = self.parts[0].single_action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, NDArray[Any]]]:
        """Start an episode in every environment; environment i gets seed + i."""
        seeds = [seed + i for i in range(self.num_envs)] if isinstance(seed, int) else seed
        starts = [0, *self._ends.tolist(), self.num_envs]
        results = [
            part.reset(seed=None if seeds is None else seeds[start:end], options=options)
            for part, start, end in zip(self.parts, starts[:-1], starts[1:], strict=True)
        ]
        return np.concatenate([states for states, _ in results]), _together([info for _, info in results])

    def step(self, actions: NDArray[np.int64]) -> VectorStep:
        """Play a window in every environment; see `SeasonVectorEnv.step`."""
        results = [part.step(mine) for part, mine in zip(self.parts, np.split(actions, self._ends), strict=True)]
        states, rewards, terminated, truncated, infos = zip(*results, strict=True)
        joined = (np.concatenate(each) for each in (states, rewards, terminated, truncated))
        first, second, third, fourth = joined
        return first, second, third, fourth, _together(infos)


def of_kinds(kinds: Sequence[str | None], environments: int, **settings: Any) -> list[SeasonVectorEnv]:
    """Environments, as many of each kind as of any other, but for those that are left.

    Args:
        kinds: As many as environments at most; None: any.
        environments: Of all kinds together.
        settings: As of SeasonVectorEnv.
    """
    each, more = divmod(environments, len(kinds))
    return [SeasonVectorEnv(each + (number < more), kind=kind, **settings) for number, kind in enumerate(kinds)]


def _together(infos: Sequence[dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    return {name: np.concatenate([info[name] for info in infos]) for name in infos[0]}
