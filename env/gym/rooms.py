"""Rooms that can be solved: of the attempts of a (kind, seed), the first of which the engine says so."""

from __future__ import annotations

from dataclasses import dataclass

from env.actions import Action
from env.cluster import Cluster
from env.embedded.cluster import EmbeddedCluster
from env.errors import ScenarioError
from env.gym.reward import goal
from env.problems.generate import generate_scenario
from env.problems.philox import below, philox
from env.problems.rooms.draw import draw_room
from env.problems.rooms.kinds import ROOMS
from env.problems.scenario import Scenario

ROOM = "rooms"
"""Any kind of room, drawn from the seed."""
ANY = "all"
"""Any problem: in one half a room, in the other one of `env.problems.draw.PROBLEMS`."""
_FOR_FAMILY = 1 << 34  # the counter's lower half
_MOST_ATTEMPTS = 10_000


@dataclass(frozen=True)
class Room:
    """A room that can be solved.

    Attributes:
        scenario: What is to be solved.
        actions: Some that solve it; empty where nothing is wrong. `env.gym.search` knows the least.
        attempt: The number of its draw.
    """

    scenario: Scenario
    actions: tuple[Action, ...]
    attempt: int


def make_scenario(problem: str | None, seed: int) -> Scenario:
    """The scenario of (problem, seed), rooms included; always the same one.

    Args:
        problem: A kind of room, `ROOM`, `ANY`, or what `generate_scenario` takes.
        seed: 0 to 2^63 - 1.

    Raises:
        ScenarioError: No such problem, or a seed out of range.
    """
    kind = kind_of(problem, seed)
    return find_room(kind, seed, EmbeddedCluster()).scenario if kind in ROOMS else generate_scenario(kind, seed)


def kind_of(problem: str | None, seed: int) -> str | None:
    """The kind that a seed stands for, where the problem leaves a choice; None: `generate_scenario` chooses."""
    which, kind, _, _ = philox(seed, 0, _FOR_FAMILY)
    if problem == ROOM or (problem == ANY and below(which, 2)):
        return ROOMS[below(kind, len(ROOMS))]
    return None if problem == ANY else problem


def find_room(kind: str, seed: int, cluster: Cluster) -> Room:
    """The room of (kind, seed).

    The engine has replayed a solution of it, in which every neighbour is as whole as it was; and its start, which is
    no solution but in one room of sixteen, where nothing is wrong.

    Args:
        kind: One of `env.problems.rooms.kinds.ROOMS`.
        seed: 0 to 2^63 - 1.
        cluster: An embedded one.

    Raises:
        ScenarioError: No attempt can be solved.
    """
    for attempt in range(_MOST_ATTEMPTS):
        drawn = draw_room(kind, seed, attempt)
        scenario = drawn.scenario
        if not goal(cluster.observe(scenario, drawn.goal), scenario.target):
            continue
        if not drawn.actions or not goal(cluster.observe(scenario, None), scenario.target):
            return Room(scenario, drawn.actions, attempt)
    raise ScenarioError(f"room {kind}-{seed}: none of {_MOST_ATTEMPTS} attempts can be solved; take another seed")
