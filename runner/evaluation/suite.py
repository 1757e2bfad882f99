"""Fixed suites of problems that agents are compared on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from env.embedded.cluster import EmbeddedCluster
from env.errors import ConfigError
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


def standard() -> list[Scenario]:
    """200 generated problems of each of the five kinds; always the same, see `fingerprint`."""
    return [generate_scenario(kind, SUITE_SEED + number) for kind in PROBLEMS for number in range(OF_EACH_KIND)]


def rooms() -> list[Scenario]:
    """30 rooms of each of the twelve kinds; always the same, see `fingerprint`."""
    cluster = EmbeddedCluster()
    numbers = range(SUITE_SEED, SUITE_SEED + OF_EACH_ROOM)
    return [find_room(kind, seed, cluster).scenario for kind in ROOMS for seed in numbers]


SUITES: dict[str, Callable[[], list[Scenario]]] = {STANDARD: standard, OF_ROOMS: rooms}


def suite(name: str) -> list[Scenario]:
    """The scenarios of a suite.

    Raises:
        ConfigError: no suite of that name.
    """
    if name not in SUITES:
        raise ConfigError(f"suite {name!r}: unknown; choose from {', '.join(SUITES)}")
    return SUITES[name]()


def fingerprint(scenarios: Sequence[Scenario]) -> str:
    """SHA-256 of all that decides what an agent meets in these scenarios, in hex; their names have no part in it."""
    digest = hashlib.sha256()
    for scenario in scenarios:
        facts = (str(scenario.workload), scenario.target, *scenario.nodes.pools, scenario.duration_s)
        digest.update(repr(facts).encode())
        digest.update(hashlib.sha256(scenario.trace.to_bytes()).digest())
    return digest.hexdigest()
