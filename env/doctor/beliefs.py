"""What a doctor who remembers everything may believe of a small cluster, and where each action leads to from there.

A belief is the set of clusters that fit what was seen, each with its probability.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env import jit
from env.doctor.cluster import CLUSTER, record
from env.doctor.draw import MOST_SMALL_FAULTS, start_small
from env.doctor.faults import CAUSES
from env.doctor.features import FEATURES, features
from env.doctor.graph import CHANCES, chance, small_problems
from env.doctor.rules import Outcome, turn

State = NDArray[np.float32]


@dataclass(frozen=True)
class Belief:
    """Clusters that fit what was seen, of CLUSTER, in order; and how probable each is."""

    clusters: NDArray[Any]
    weights: NDArray[np.float64]

    @property
    def key(self) -> tuple[bytes, bytes]:
        """The same for equal beliefs."""
        return self.clusters.tobytes(), np.round(self.weights, 12).tobytes()


@cache
def starts(shape: int) -> dict[bytes, Belief]:
    """The beliefs after a reset, by the state it shows."""
    problems = small_problems()
    clusters, states = np.zeros(len(problems), CLUSTER), np.empty((len(problems), len(FEATURES)), np.float32)
    weights = np.empty(len(problems))
    for i, faults in enumerate(problems):
        start_small(record(clusters, i), shape, faults)
        features(record(clusters, i), states[i])
        weights[i] = 1 / MOST_SMALL_FAULTS / math.comb(len(CAUSES), faults.bit_count())
    return {seen: belief for _, seen, belief in _grouped(clusters, weights, states)}


def _grouped(clusters: NDArray[Any], weights: NDArray[np.float64], states: State) -> list[tuple[float, bytes, Belief]]:
    """For each state that may be seen how probable it is, and the belief after it."""
    groups: dict[bytes, dict[bytes, float]] = defaultdict(lambda: defaultdict(float))
    for i, weight in enumerate(weights.tolist()):
        groups[states[i].tobytes()][clusters[i].tobytes()] += weight
    found = []
    for seen, members in groups.items():
        total, ordered = sum(members.values()), sorted(members)
        parts = np.array([members[each] for each in ordered]) / total
        found.append((total, seen, Belief(np.frombuffer(b"".join(ordered), CLUSTER), parts)))
    return found


def outcomes(belief: Belief, action: int) -> list[tuple[float, bytes, Belief]]:
    """What an action may lead to, except to the end: how probable it is, the state seen, and the belief then."""
    most = len(belief.clusters) * CHANCES
    clusters, weights = np.empty(most, CLUSTER), np.empty(most)
    states = np.empty((most, len(FEATURES)), np.float32)
    count = compiled()(belief.clusters, belief.weights, int(action), clusters, weights, states)
    return _grouped(clusters[:count], weights[:count], states[:count])


@cache
def compiled() -> Callable[..., int]:
    """The compiled `follow`; machine code is kept on disk for the next process."""
    sources = ""

    def follow(
        clusters: Any, weights: Any, action: int, following: Any, likely: Any, states: NDArray[np.float32]
    ) -> int:
        """Do an action in each cluster with all that may happen; write those that go on, and return how many."""
        sources  # noqa: B018  (numba's cache of compiled code knows a function by its own file and its closure)
        count = 0
        for i in range(len(clusters)):
            for happening in range(CHANCES):
                weight = weights[i] * chance(clusters[i], happening)
                if weight > 0:
                    following[count] = clusters[i]
                    one = following[count]
                    if turn(one, action, happening & 1 > 0, happening & 2 > 0) == Outcome.GOES_ON:
                        features(one, states[count])
                        one.started = 0
                        likely[count] = weight
                        count += 1
        return count

    sources = jit.register_callees(follow)
    return jit.compiled(follow, error_model="numpy")
