"""Hand-written policies: from the named features of a state to an action. The baselines to beat.

A policy is a function here and its name in `agents.kinds.POLICY_NAMES`. `autoscaler` follows Kubernetes' Horizontal Pod
Autoscaler and Vertical Pod Autoscaler.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from agents.agent import State, Transition
from agents.saved.fields import check_equal
from agents.saved.files import read_json, write_json
from env.actions import CPU_STEP_M, MEMORY_STEP_BYTES, MIN_CPU_M, MIN_MEMORY_BYTES, Action
from env.gym.features import STATE_FEATURES, squash
from env.quantity import GIB

Features = Mapping[str, float]

ONE_ACTION = 0.4
"""Between the features `cpu_over_floor` and `memory_over_floor` one action above a floor, 1/3, and two above, 1/2."""
LOWERABLE_CPU = squash(MIN_CPU_M + CPU_STEP_M, 2_000) - 1e-6
LOWERABLE_MEMORY = squash(MIN_MEMORY_BYTES + MEMORY_STEP_BYTES, 4 * GIB) - 1e-6
"""The least `cpu_request` and `memory_request` from which one action less is still within the safeguards."""


def noop(features: Features, rng: np.random.Generator) -> Action:
    """Nothing, ever."""
    return Action.NOOP


def _urgent(features: Features) -> Action | None:
    """What comes first: surplus pods away, then up what pods get too little of; None if neither is wrong."""
    if features["replicas_distance"] > 0:
        return Action.SCALE_DOWN_REPLICAS
    if features["oom_killed"] > 0:
        return Action.BUMP_MEM_SMALL
    return Action.BUMP_CPU_SMALL if features["cpu_starved"] > 0 else None


def heuristic(features: Features, rng: np.random.Generator) -> Action:
    """The rule that remembers: what was too small once in the episode is never asked for again.

    Surplus pods away first; then requests up where pods get too little; then down, by the scheduler's reasons about
    the own pending pods, else about those that neighbours lack; then missing pods. Of two reasons, that of more nodes
    counts, unless its request may not fall.
    """
    urgent = _urgent(features)
    if urgent is not None:
        return urgent
    if features["pending"] > 0:
        lower = _lower(features, features["insufficient_cpu"], features["insufficient_memory"])
    elif features["broken"] > 0:
        lower = _lower(features, features["others_insufficient_cpu"], features["others_insufficient_memory"])
    else:
        lower = None
    if lower is not None:
        return lower
    return Action.SCALE_UP_REPLICAS if features["replicas_distance"] < 0 else Action.NOOP


def _lower(features: Features, cpu_reasons: float, memory_reasons: float) -> Action | None:
    """The request to lower for these reasons of the scheduler; None if neither may fall or none is a reason."""
    may_cpu = features["cpu_over_floor"] > ONE_ACTION and features["cpu_request"] >= LOWERABLE_CPU
    may_memory = features["memory_over_floor"] > ONE_ACTION and features["memory_request"] >= LOWERABLE_MEMORY
    if cpu_reasons > 0 and may_cpu and (cpu_reasons >= memory_reasons or not may_memory):
        return Action.REDUCE_CPU_SMALL
    return Action.REDUCE_MEM_SMALL if memory_reasons > 0 and may_memory else None


def reactive(features: Features, rng: np.random.Generator) -> Action:
    """As `heuristic`, without its memory and blind to neighbours: what is observed now decides alone."""
    urgent = _urgent(features)
    if urgent is not None:
        return urgent
    if features["insufficient_cpu"] > 0 and features["insufficient_cpu"] >= features["insufficient_memory"]:
        return Action.REDUCE_CPU_SMALL
    if features["insufficient_memory"] > 0:
        return Action.REDUCE_MEM_SMALL
    if features["replicas_distance"] < 0:
        return Action.SCALE_UP_REPLICAS
    return Action.NOOP


def autoscaler(features: Features, rng: np.random.Generator) -> Action:
    """As the Horizontal and the Vertical Pod Autoscaler would, from utilisation instead of the scheduler's reasons.

    Replicas go to the target (HPA). What a pod died for goes up (VPA). While pods are pending, the request of which
    the target takes the larger share of the cluster goes down, as the HPA follows the metric that is furthest off.

    Two numbers were calibrated by a grid, on the generated problems with seeds 0 to 999, 200 of each kind, and both
    came out such that they need not be written down. CPU's share counts 1.0 times as much as memory's: that solves
    100 %, 0.5 times 95.9 % and 2 times 96.0 %. A share of the cluster below which nothing is cut only does harm,
    because nodes cannot be filled to the brim: 0.05 solves 99.3 %, 0.5 86.7 % and 1.0 62.4 %.
    """
    urgent = _urgent(features)
    if urgent is not None:
        return urgent
    if features["pending"] > 0:
        cpu_first = features["cpu_of_cluster"] >= features["memory_of_cluster"]
        return Action.REDUCE_CPU_SMALL if cpu_first else Action.REDUCE_MEM_SMALL
    if features["replicas_distance"] < 0:
        return Action.SCALE_UP_REPLICAS
    return Action.NOOP


def random(features: Features, rng: np.random.Generator) -> Action:
    """Any action, uniformly."""
    return Action(int(rng.integers(len(Action))))


def bump_cpu(features: Features, rng: np.random.Generator) -> Action:
    """More CPU, always."""
    return Action.BUMP_CPU_SMALL


def bump_mem(features: Features, rng: np.random.Generator) -> Action:
    """More memory, always."""
    return Action.BUMP_MEM_SMALL


def scale_replicas(features: Features, rng: np.random.Generator) -> Action:
    """One more replica, always."""
    return Action.SCALE_UP_REPLICAS


class Policy:
    """One of these functions as an agent; it has nothing to learn or to set."""

    learns = False

    def __init__(self, policy: Callable[[Features, np.random.Generator], Action]) -> None:
        self.name = policy.__name__
        self._policy = policy
        self._rng = np.random.default_rng(0)

    def seed(self, rng: np.random.Generator) -> None:
        """Take all randomness from `rng` from now on."""
        self._rng = rng

    def act(self, state: State, *, explore: bool) -> int:
        """The policy's action; exploring makes no difference."""
        features = dict(zip(STATE_FEATURES, state.tolist(), strict=True))
        return int(self._policy(features, self._rng))

    def learn(self, transition: Transition) -> dict[str, float]:
        """Nothing."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """The name; there is nothing else."""
        return {"agent": self.name}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Check that it is this policy's; AgentError otherwise."""
        check_equal(state, self.state_dict(), "checkpoint")

    def save(self, path: Path) -> None:
        """Write a .json file, atomically."""
        write_json(path, self.state_dict())

    def load(self, path: Path) -> None:
        """Read a .json file; AgentError if it is another agent's."""
        self.load_state_dict(read_json(path))
