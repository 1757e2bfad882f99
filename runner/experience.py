"""Experience: the transitions that an agent makes while it acts greedily and does not learn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgpack
import numpy as np

from agents.agent import Agent, Transition
from env.actions import Action
from env.gym.cluster_env import ClusterEnv
from env.gym.features import STATE_FEATURES
from runner.episode import EpisodeResult, run_episode

FORMAT_VERSION = 1


def collect_episode(
    env: ClusterEnv,
    agent: Agent,
    seed_sequence: np.random.SeedSequence,
    episode: int,
    should_stop: Callable[[], bool],
) -> tuple[EpisodeResult, list[Transition]]:
    """Run one episode greedily; what happened in it.

    Raises:
        Stopped, ClusterError: as `run_episode`.
    """
    transitions: list[Transition] = []

    def keep(transition: Transition) -> dict[str, float]:
        transitions.append(transition)
        return {}

    result = run_episode(
        env,
        agent,
        seed_sequence=seed_sequence,
        explore=False,
        learn=keep,
        episode=episode,
        should_stop=should_stop,
    )
    return result, transitions


def pack_transitions(episodes: Sequence[tuple[EpisodeResult, Sequence[Transition]]]) -> bytes:
    """Transitions as MessagePack: a map of columns of equal length n.

    `state` and `next_state` are n lists of len(`features`) floats, `action` indices into `actions`, `episode` indices
    into `episodes` (from 0), which name the scenario and tell the return; `terminated` and `truncated` are booleans.
    """
    rows = [(index, row) for index, (_, transitions) in enumerate(episodes) for row in transitions]
    content: dict[str, Any] = {
        "version": FORMAT_VERSION,
        "features": list(STATE_FEATURES),
        "actions": [action.name.lower() for action in Action],
        "episodes": [
            {"scenario": result.scenario, "target": result.target, "reward": result.reward, "solved": result.solved}
            for result, _ in episodes
        ],
        "episode": [index for index, _ in rows],
        "state": [row.state.tolist() for _, row in rows],
        "action": [int(row.action) for _, row in rows],
        "reward": [float(row.reward) for _, row in rows],
        "next_state": [row.next_state.tolist() for _, row in rows],
        "terminated": [bool(row.terminated) for _, row in rows],
        "truncated": [bool(row.truncated) for _, row in rows],
    }
    packed: bytes = msgpack.packb(content)
    return packed
