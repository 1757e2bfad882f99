"""All states that a small cluster can come to, with what each action leads to: for value iteration.

Two things are left out, neither of which lets a doctor end sooner: what is known never goes stale, and how many pods a
fault concerns is not told where nothing depends on it. So the fewest steps in this graph are a lower bound of those
of the environment, and the same wherever they are at most `env.doctor.faults.KNOWN_FOR`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env import jit
from env.doctor.actions import ACTIONS
from env.doctor.cluster import CLUSTER, mendable, settle
from env.doctor.draw import CRASH_HEALS_IN, MOST_SMALL_FAULTS, NODE_HEALS_IN, start_small
from env.doctor.faults import CAUSES, FAULTS, KNOWN_FOR, Fault, bits
from env.doctor.nodes import NODE_STATES
from env.doctor.reward import reward
from env.doctor.rules import DNS_GROWS_EVERY, Outcome, turn
from env.jit import Ints

CHANCES = 4
"""What may happen in a step: bit 0, a node recovers; bit 1, pods stop crashing."""
END = -1
"""In place of a next state: the episode is solved."""

_ROOM = 2**16
_CONVERGED = 1e-12
_MOST_SWEEPS = 200  # some ten suffice
_F = Fault
_UNMENDABLE = (_F.OUT_OF_MEMORY, _F.BAD_IMAGE, _F.CLAIM_UNBOUND, _F.QUOTA_USED_UP, _F.NETWORK_POLICY)
_THERE = bits((*_UNMENDABLE, _F.CRASH_LOOP, _F.DNS))
"""Faults of which only matters whether they are there."""
_REPORTED = bits((*_UNMENDABLE, _F.NODE_NOT_READY, _F.NO_ROOM))
"""Faults of which matters whether they are known."""


def pack(cluster: Any) -> tuple[int, int]:
    """A small cluster as two numbers, less what is left out here."""
    nodes, rest = 0, 0
    for state in range(NODE_STATES):
        for pods in range(5):
            nodes = nodes << 3 | int(cluster.nodes[state, pods])
    for fault in range(FAULTS):
        if _THERE >> fault & 1:
            rest = rest << 1 | int(cluster.amount[fault] > 0)
        if _REPORTED >> fault & 1:
            rest = rest << 1 | int(cluster.known[fault] > 0)
    rest = rest << 2 | int(cluster.amount[Fault.TOO_FEW_REPLICAS])
    rest = rest << 5 | int(cluster.amount[Fault.TOO_MANY_REPLICAS])
    rest = rest << 3 | int(cluster.evicted_in)
    grows = cluster.amount[Fault.DNS] > 0
    return nodes, rest << 2 | (int(cluster.steps % DNS_GROWS_EVERY) if grows else 0)


def unpack(cluster: Any, nodes: int, rest: int) -> None:
    """The inverse: `cluster` is of the same shape and gets the state that the numbers stand for."""
    cluster.steps = rest & 3
    cluster.evicted_in = rest >> 2 & 7
    cluster.amount[Fault.TOO_MANY_REPLICAS] = rest >> 5 & 31
    cluster.amount[Fault.TOO_FEW_REPLICAS] = rest >> 10 & 3
    rest = rest >> 12
    for fault in range(FAULTS - 1, -1, -1):
        cluster.known[fault] = 0
        if _REPORTED >> fault & 1:
            cluster.known[fault] = (KNOWN_FOR + 1) * (rest & 1)
            rest = rest >> 1
        if _THERE >> fault & 1:
            cluster.amount[fault] = rest & 1
            rest = rest >> 1
    for state in range(NODE_STATES - 1, -1, -1):
        for pods in range(4, -1, -1):
            cluster.nodes[state, pods] = nodes & 7
            nodes = nodes >> 3
    cluster.started = 0
    settle(cluster)


def chance(cluster: Any, number: int) -> float:
    """How probable a combination of CHANCES is; what cannot matter does not happen."""
    node_there = cluster.amount[Fault.NODE_NOT_READY] > 0
    crash_there = cluster.amount[Fault.CRASH_LOOP] > 0
    node = 1 / NODE_HEALS_IN if node_there else 0.0
    crash = 1 / CRASH_HEALS_IN if crash_there else 0.0
    return (node if number & 1 else 1 - node) * (crash if number & 2 else 1 - crash)


def find(keys: Ints, table: Ints, count: int, first: int, second: int) -> int:
    """The row of a state in `keys`, or `count` if it is to become one; `table` hashes rows, and is changed then."""
    size = len(table)
    slot = (first * 0x1E3779B97F4A7C15 ^ second * 0x5851F42D4C957F2D) >> 20 & (size - 1)
    while table[slot] >= 0:
        row = table[slot]
        if keys[row, 0] == first and keys[row, 1] == second:
            return int(row)
        slot = slot + 1 & (size - 1)
    if count < len(keys):
        table[slot] = count
        keys[count, 0], keys[count, 1] = first, second
    return count


@cache
def compiled() -> tuple[Callable[..., int], Callable[..., None]]:
    """The compiled `explore` and `rows_of`; machine code is kept on disk for the next process."""
    sources = ""

    def explore(
        cluster: Any,
        shape: int,
        problems: Ints,
        keys: Ints,
        table: Ints,
        follows: NDArray[np.int32],
        chances: NDArray[np.float64],
        rewards: NDArray[np.float64],
        kinds: NDArray[np.int32],
    ) -> int:
        """Follow every action from every state until no new one is found.

        Args:
            cluster: One of CLUSTER, to work with.
            shape: Index in `env.doctor.draw.SHAPES`.
            problems: Sets of faults, as bits, to begin with.
            keys: States as `pack` gives them.
            table: For `find`.
            follows, chances, rewards: Results of shape (states, ACTIONS, CHANCES), see `Graph`.
            kinds: Result: how many kinds of mendable faults each state has.

        Returns:
            The number of states; if there is no room for more, it stops when it needs some.
        """
        sources  # noqa: B018  (numba's cache of compiled code knows a function by its own file and its closure)
        one, count, row = cluster[0], 0, 0
        for faults in problems:
            start_small(one, shape, faults)
            first, second = pack(one)
            count = max(count, find(keys, table, count, first, second) + 1)
        while row < count:
            for action in range(ACTIONS):
                for happening in range(CHANCES):
                    unpack(one, keys[row, 0], keys[row, 1])
                    before = kinds[row] = mendable(one)
                    chances[row, action, happening] = chance(one, happening)
                    outcome = turn(one, action, happening & 1 > 0, happening & 2 > 0)
                    rewards[row, action, happening] = reward(outcome != Outcome.GOES_ON, before, mendable(one))
                    follows[row, action, happening] = END
                    if outcome == Outcome.GOES_ON:
                        first, second = pack(one)
                        found = find(keys, table, count, first, second)
                        follows[row, action, happening] = found
                        count = max(count, found + 1)
                        if count > len(keys):
                            return count
            row += 1
        return count

    def rows_of(clusters: Any, keys: Ints, table: Ints, count: int, rows: Ints) -> None:
        """The row of each cluster in `keys`."""
        sources  # noqa: B018
        for i in range(len(clusters)):
            first, second = pack(clusters[i])
            rows[i] = find(keys, table, count, first, second)

    sources = jit.register_callees(explore)
    return jit.compiled(explore), jit.compiled(rows_of)


@dataclass(frozen=True)
class Graph:
    """All states of one small cluster.

    Attributes:
        keys: Each state, as `pack` gives it; shape (states, 2).
        table: For `find`.
        follows: The row of the next state, or END; shape (states, ACTIONS, CHANCES), as the next two.
        chances: How probable it is.
        rewards: Its reward.
        kinds: Of each state, how many kinds of mendable faults it has.
    """

    keys: Ints
    table: Ints
    follows: NDArray[np.int32]
    chances: NDArray[np.float64]
    rewards: NDArray[np.float64]
    kinds: NDArray[np.int32]

    def rows(self, clusters: NDArray[Any]) -> Ints:
        """The row of each cluster."""
        rows = np.empty(len(clusters), np.int64)
        compiled()[1](clusters, self.keys, self.table, len(self.keys), rows)
        return rows

    def backed_up(self, values: NDArray[np.float64], rewards: NDArray[np.float64]) -> NDArray[np.float64]:
        """What each action is worth in each state: (states, ACTIONS), from what states are worth; an end is worth 0."""
        following = np.append(values, 0.0)[self.follows]  # END is the last
        worth: NDArray[np.float64] = (self.chances * (rewards + following)).sum(axis=2)
        return worth

    def optimal(self, rewards: NDArray[np.float64]) -> NDArray[np.float64]:
        """What each state is worth, by value iteration.

        Raises:
            ArithmeticError: It has no end: there is a way back to some state that pays.
        """
        values = np.zeros(len(self.keys))
        for _ in range(_MOST_SWEEPS):
            better: NDArray[np.float64] = self.backed_up(values, rewards).max(axis=1)
            if np.abs(better - values).max() < _CONVERGED:
                return better
            values = better
        raise ArithmeticError(f"value iteration has not come to an end after {_MOST_SWEEPS} sweeps: a loop pays")

    def fewest_steps(self) -> NDArray[np.float64]:
        """The fewest steps, in the mean, in which each state is solved by a doctor who sees everything."""
        steps: NDArray[np.float64] = -self.optimal(np.full_like(self.rewards, -1.0))
        return steps


def small_problems() -> list[int]:
    """All sets of faults that small problems start with, as bits."""
    sizes = range(1, MOST_SMALL_FAULTS + 1)
    return [bits(chosen) for size in sizes for chosen in combinations(CAUSES, size)]


@cache
def graph(shape: int) -> Graph:
    """The graph of a small cluster, from all its problems.

    Args:
        shape: Index in `env.doctor.draw.SHAPES`.
    """
    cluster = np.zeros(1, CLUSTER)
    room = _ROOM
    while True:
        keys, table = np.zeros((room, 2), np.int64), np.full(4 * room, -1, np.int64)
        follows = np.empty((room, ACTIONS, CHANCES), np.int32)
        chances, rewards = np.empty(follows.shape), np.empty(follows.shape)
        kinds = np.empty(room, np.int32)
        problems = np.array(small_problems(), np.int64)
        count = compiled()[0](cluster, shape, problems, keys, table, follows, chances, rewards, kinds)
        if count <= room:
            return Graph(keys[:count], table, follows[:count], chances[:count], rewards[:count], kinds[:count])
        room *= 2
