"""The scenarios of fleets: a fixed list of small and large problems, and the best that is known of each.

A row says how many services a problem has; the stream decides the rest, as in `runner.benchmark.scenarios`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env.fleet.bound import volume_bound
from env.fleet.draw import problems_of
from env.fleet.kept import kept
from env.fleet.planner import plan
from env.fleet.rules import RULES, configurations
from env.fleet.search import search
from env.fleet.variants import MOST_SERVICES, VARIANTS
from runner.benchmark.scenarios import STREAM, seeds
from runner.evaluation.fleet_suite import fleet_fingerprint

Ints = NDArray[np.int64]

TYPES = tuple(VARIANTS)
_SERVICES = {"small": (3, 4, 5, 6), "large": (8, 10, 12, 14)}
_OF_EACH = {"small": 4, "large": 2}
_ANNEALED, _ANNEALINGS = 10_000, 2


@dataclass(frozen=True, eq=False)
class FleetScenario:
    """A row of the list.

    Attributes:
        name: Of the row; no agent is told it.
        problem_type: The problem's variant.
        seed: What it was drawn from.
        problems: The problem, alone in an array of `env.fleet.draw.PROBLEM`.
        solution: Replicas of the services with which it needs `best_known` nodes.
        best_known: The fewest nodes that annealing, rules and the planner found.
        bound: No replicas need fewer, see `env.fleet.bound`.
    """

    name: str
    problem_type: str
    seed: int
    problems: NDArray[Any]
    solution: tuple[int, ...]
    best_known: int
    bound: int

    @property
    def problem(self) -> Any:
        """The problem as a record."""
        return self.problems.view(np.recarray)[0]

    @property
    def services(self) -> int:
        """How many there are."""
        return int(self.problem.services)

    @cached_property
    def sha256(self) -> str:
        """Of all numbers of the problem, in hex."""
        return fleet_fingerprint(self.problems)


@cache
def fleet_registry(stream: int = STREAM) -> tuple[FleetScenario, ...]:
    """All rows, drawn from a stream; what is known of them is kept on disk, as it takes seconds.

    Args:
        stream: As of `runner.benchmark.scenarios.registry`.
    """
    drawn = [(name, variant, *_drawn(name, variant, services, stream)) for name, variant, services in _rows()]
    problems = np.concatenate([problem for *_, problem in drawn])
    settings = f"benchmark {_ANNEALED} {_ANNEALINGS} {fleet_fingerprint(problems)}"
    replicas = kept("benchmark", settings.encode(), (len(problems), MOST_SERVICES), lambda: best_of(problems))
    nodes, bounds = search(problems, replicas).nodes, volume_bound(problems)
    return tuple(
        FleetScenario(
            name,
            variant,
            seed,
            problem,
            tuple(replicas[i, : int(problem["services"][0])].tolist()),
            int(nodes[i]),
            int(bounds[i]),
        )
        for i, (name, variant, seed, problem) in enumerate(drawn)
    )


def best_of(problems: NDArray[Any]) -> Ints:
    """The best replicas that are known of each problem, (n, MOST_SERVICES): those of the rules, of annealings from the
    best of these, and of the planner, whichever needs the fewest nodes."""
    starts = np.stack([configurations(rule, problems) for rule in RULES])
    best = _fewest(problems, starts)
    found = [best]
    found += [
        search(problems, best, _ANNEALED, seed=number << 32, anneals=True).replicas for number in range(_ANNEALINGS)
    ]
    plan(problems, on_replay=lambda replicas, nodes: found.append(replicas))
    return _fewest(problems, np.stack(found))


def _fewest(problems: NDArray[Any], tried: Ints) -> Ints:
    """Of the replicas that were tried, (tries, n, MOST_SERVICES), for each problem the first that need the fewest."""
    nodes = np.stack([search(problems, each).nodes for each in tried])
    chosen: Ints = tried[nodes.argmin(axis=0), np.arange(len(problems))]
    return chosen


def _rows() -> Iterator[tuple[str, str, int]]:
    """Name, variant and number of services of each."""
    for variant, numbers in _SERVICES.items():
        for services in numbers:
            for which in range(1, _OF_EACH[variant] + 1):
                yield f"{variant}-{services}-{which}", variant, services


def _drawn(name: str, variant: str, services: int, stream: int) -> tuple[int, NDArray[Any]]:
    """The first of the row's seeds whose problem has so many services, and that problem."""
    for seed in seeds(stream, f"fleet-{name}"):
        problem = problems_of(VARIANTS[variant], [seed])
        if problem["services"][0] == services:
            return seed, problem
    raise AssertionError("seeds do not end")
