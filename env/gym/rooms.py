"""Rooms that can be solved: of the attempts of a (kind, seed), the first of which the engine says so."""

from __future__ import annotations

from dataclasses import dataclass

from env.actions import Action
from env.cluster import Cluster
from env.embedded.cluster import EmbeddedCluster
from env.errors import ScenarioError
from env.gym.reward import goal
from env.problems.generate import check_seed, generate_scenario
from env.problems.rooms.draw import draw_room
from env.problems.rooms.kinds import ROOMS, kind_of
from env.problems.scenario import Scenario

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
        problem: One of `env.problems.rooms.kinds.NAMES`; None draws one of `env.problems.draw.PROBLEMS`.
        seed: 0 to 2^63 - 1.

    Raises:
        ScenarioError: No such problem, or a seed out of range.
    """
    check_seed(seed)
    kind = kind_of(problem, seed)
    return find_room(kind, seed, EmbeddedCluster()).scenario if kind in ROOMS else generate_scenario(kind, seed)


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
