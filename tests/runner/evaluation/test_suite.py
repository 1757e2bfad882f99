"""The suites: what they are made of, and that they stay the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from env.embedded.closed_form import plain_workload
from env.embedded.cluster import EmbeddedCluster
from env.errors import ConfigError
from env.gym.search import least_actions
from env.problems.draw import PROBLEMS
from env.problems.generate import GeneratedProblem, draw_problem
from env.problems.nodes import equal_nodes
from env.problems.rooms.kinds import ROOMS
from env.problems.scenario import Scenario, fingerprint, has_neighbours
from env.trace.document import read_trace
from runner.evaluation.suite import SUITE_SEED, check_suite, rooms, standard


@pytest.fixture(scope="module")
def scenarios() -> list[Scenario]:
    return standard()


@pytest.fixture(scope="module")
def problems() -> list[GeneratedProblem]:
    return [draw_problem(kind, SUITE_SEED + number) for kind in PROBLEMS for number in range(200)]


def test_the_standard_suite_never_changes(scenarios: list[Scenario]) -> None:
    """Results are compared over years: a change of this line makes all earlier ones incomparable; say so."""
    assert fingerprint(scenarios) == "f9ebde48aecb6efb3b6f1c66bfdcf33a90e703eb043276c18b9273d1412c2c5d"


def test_it_has_200_of_each_kind(scenarios: list[Scenario]) -> None:
    assert Counter(scenario.problem for scenario in scenarios) == dict.fromkeys(PROBLEMS, 200)


def test_its_problems_are_the_documented_draws(scenarios: list[Scenario], problems: list[GeneratedProblem]) -> None:
    assert [scenario.name for scenario in scenarios] == [problem.name for problem in problems]


def test_it_has_small_and_large_clusters(problems: list[GeneratedProblem]) -> None:
    nodes = [problem.nodes.count for problem in problems]
    assert min(nodes) == 1
    assert sum(count > 100 for count in nodes) >= 50
    assert max(nodes) > 400


def test_it_has_small_and_large_distances_in_every_kind(problems: list[GeneratedProblem]) -> None:
    for kind in PROBLEMS:
        distances = Counter(problem.least_actions for problem in problems if problem.kind == kind)
        if kind not in ("combined", "over-allocation"):  # more than one thing may be wrong there
            assert distances[1] > 0
        assert sum(count for distance, count in distances.items() if distance >= 10) >= 10


def test_in_some_nothing_is_to_be_done(problems: list[GeneratedProblem]) -> None:
    healthy = [problem for problem in problems if problem.least_actions == 0]
    assert len(healthy) >= 30
    assert {problem.kind for problem in healthy} == set(PROBLEMS)


def test_it_has_workloads_that_die_of_too_little(problems: list[GeneratedProblem]) -> None:
    assert sum(problem.start.cpu_m < problem.cpu_use_m for problem in problems) >= 50
    assert sum(problem.start.memory_bytes < problem.memory_use_bytes for problem in problems) >= 50


def test_all_of_it_is_computed_and_none_replayed(scenarios: list[Scenario]) -> None:
    assert all(plain_workload(scenario) is not None for scenario in scenarios)


def test_the_fingerprint_tells_what_an_agent_would_meet(scenarios: list[Scenario]) -> None:
    first, second = scenarios[:2]
    same = read_trace(first.trace.to_bytes(), "again")
    assert fingerprint([replace(first, name="other", trace=same)]) == fingerprint([first])
    others = [
        [second],
        [first, second],
        [replace(first, target=first.target + 1)],
        [replace(first, nodes=equal_nodes(first.nodes.count + 1))],
        [replace(first, duration_s=1.0)],
        [replace(first, trace=second.trace)],
    ]
    assert len({fingerprint(each) for each in (*others, [first])}) == 7


def test_a_suite_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="standard"):
        check_suite("standrad")


@pytest.fixture(scope="module")
def shared() -> list[Scenario]:
    return rooms(EmbeddedCluster())


def test_the_suite_of_rooms_never_changes(shared: list[Scenario]) -> None:
    """As the standard one; an engine that decides otherwise may take another attempt of a seed."""
    assert fingerprint(shared) == "a0c1e4ae6f5f75df8b4021fd3123881de7aca9826475d9b990c5c106483b51f6"


def test_it_has_30_rooms_of_each_kind(shared: list[Scenario]) -> None:
    assert Counter(scenario.problem for scenario in shared) == dict.fromkeys(ROOMS, 30)


def test_every_room_is_shared_and_replayed(shared: list[Scenario]) -> None:
    assert all(has_neighbours(scenario) for scenario in shared)
    assert not any(plain_workload(scenario) for scenario in shared)


def test_every_room_has_a_shortest_solution_of_at_most_twenty_actions(shared: list[Scenario]) -> None:
    cluster = EmbeddedCluster()
    found = [least_actions(scenario, cluster) for scenario in shared[::10]]
    assert all(actions is not None for actions in found)
    assert any(not actions for actions in found), "in some nothing is to be done"
