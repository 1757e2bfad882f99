"""Fixed suites of problems that agents are compared on."""

from __future__ import annotations

from env.cluster import Cluster
from env.errors import ConfigError, nearest
from env.gym.rooms import find_room
from env.problems.draw import PROBLEMS
from env.problems.generate import generate_scenario
from env.problems.rooms.kinds import ROOMS
from env.problems.scenario import Scenario

SUITE_SEED = 1 << 41
"""Seed of the standard suite's first problem; those of its kind follow.

A training draws a problem's seed evenly from all 2^63, so that a million episodes meet one of these with a
probability of 2e-11. What people choose (`--seed`) and the demo's own evaluation stay below.
"""
OF_EACH_KIND = 200
OF_EACH_ROOM = 30
STANDARD, OF_ROOMS = "standard", "rooms"
SUITES = (STANDARD, OF_ROOMS)


def standard() -> list[Scenario]:
    """200 generated problems of each of the five kinds; always the same."""
    return [generate_scenario(kind, SUITE_SEED + number) for kind in PROBLEMS for number in range(OF_EACH_KIND)]


def rooms(cluster: Cluster) -> list[Scenario]:
    """30 rooms of each of the twelve kinds; always the same.

    Args:
        cluster: One in this process, which proves that they can be solved.
    """
    numbers = range(SUITE_SEED, SUITE_SEED + OF_EACH_ROOM)
    return [find_room(kind, seed, cluster).scenario for kind in ROOMS for seed in numbers]


def check_suite(name: str) -> None:
    """Accept the names in SUITES.

    Raises:
        ConfigError: no suite of that name.
    """
    if name not in SUITES:
        raise ConfigError(f"suite {name!r}: unknown; {nearest(name, SUITES)}")
