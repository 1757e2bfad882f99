"""Rules, local search, the planner and bounds on generated problems."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from env.fleet.bound import volume_bound
from env.fleet.draw import PROBLEM, problems_of
from env.fleet.exact import choices, exact_bound
from env.fleet.kept import kept
from env.fleet.planner import fit, plan
from env.fleet.rules import FEWEST, best_rule, configurations, of_size, requests_of, with_vpa
from env.fleet.search import search
from env.fleet.use import cpu_request_m, memory_request_mib
from env.fleet.variants import MOST_REPLICAS, VARIANTS

SMALL = VARIANTS["small"]


def some(n: int = 12) -> Any:
    return problems_of(SMALL, range(n))


def test_requests_of_many_problems_are_those_of_each() -> None:
    problems = some(4)
    cpu_m, memory_mib = requests_of(problems)
    for i, problem in enumerate(problems.view(np.recarray)):
        for j in range(problem.services):
            for replicas in (1, 3, MOST_REPLICAS):
                assert cpu_m[i, j, replicas - 1] == cpu_request_m(problem, j, replicas)
                assert memory_mib[i, j, replicas - 1] == memory_request_mib(problem, j, replicas)


def test_no_rule_gives_fewer_replicas_than_a_service_may_have() -> None:
    problems = some()
    for rule in (FEWEST, of_size(1.0), of_size(0.25)):
        found = configurations(rule, problems)
        assert (found >= problems["fewest"]).all()
        assert found.max() <= MOST_REPLICAS
    assert (configurations(FEWEST, problems) == problems["fewest"].clip(1)).all()


def test_the_best_rule_needs_the_fewest_nodes_where_it_is_tuned() -> None:
    problems = some()
    best = search(problems, configurations(best_rule(problems), problems)).nodes.mean()
    assert best <= search(problems, configurations(FEWEST, problems)).nodes.mean()


def test_vpa_without_a_margin_requests_what_pods_use_and_with_it_more() -> None:
    problems = some()
    exact, wide = (search(with_vpa(problems, margin), problems["start"]).nodes for margin in (1.0, 1.15))
    assert (exact <= wide).all()
    assert exact.mean() < wide.mean()


def test_a_search_is_no_worse_than_its_start_better_with_more_replays_and_repeats_itself() -> None:
    problems = some()
    starts = configurations(FEWEST, problems)
    at_first, few, many = (search(problems, starts, replays, seed=3) for replays in (1, 20, 400))
    warm = search(problems, starts, 400, seed=3, anneals=True)
    assert (few.nodes <= at_first.nodes).all()
    assert (many.nodes <= few.nodes).all()
    assert many.nodes.mean() < at_first.nodes.mean()
    assert (search(problems, many.replicas).nodes == many.nodes).all()
    assert (search(problems, starts, 400, seed=3, anneals=True).replicas == warm.replicas).all()


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 1e4), st.floats(0, 1e5), st.lists(st.integers(1, 30), min_size=2, max_size=6, unique=True))
def test_a_fit_finds_base_and_load_from_exact_measurements(base: float, load: float, at: list[int]) -> None:
    replicas = np.array(at).reshape(-1, 1)
    use = base + load / replicas + 1.0
    found_base, found_load = fit(replicas, use)
    assert found_base + found_load / replicas == pytest.approx(use, rel=1e-6)


def test_a_fit_of_measurements_at_the_same_replicas_holds_there() -> None:
    base, load = fit(np.full((2, 1), 4), np.array([[10.0], [10.0]]))
    assert (base[0], load[0]) == (0, pytest.approx(40))


def test_eight_replays_of_the_planner_do_better_than_eight_of_hill_climbing() -> None:
    problems = some()
    planned = plan(problems, 8)
    assert planned.shape == (8, len(problems))
    assert (np.diff(planned, axis=0) <= 0).all()
    assert planned[-1].mean() < search(problems, problems["start"], 8).nodes.mean()
    assert (plan(problems, 8) == planned).all()
    assert (plan(problems, 3)[0] == planned[0]).all()


def test_noise_costs_the_planner_little_as_requests_have_none() -> None:
    problems = some()
    assert plan(problems, 8, noise=0.05)[-1].sum() <= 1.03 * plan(problems, 8)[-1].sum()


def test_a_bound_is_below_what_is_found() -> None:
    problems = some()
    found = search(problems, configurations(FEWEST, problems), 300, anneals=True)
    bounds = volume_bound(problems)
    assert (bounds <= found.nodes).all()
    assert (bounds >= 2).all()


def test_a_bound_of_services_that_cannot_share_nodes_is_proven() -> None:
    pytest.importorskip("ortools")
    problems = np.zeros(1, PROBLEM)
    problem = problems.view(np.recarray)[0]
    problem.services, problem.cpu_m[:], problem.memory_mib[:] = 1, 4000, 1 << 20
    problem.base_cpu_m[0], problem.fewest[0], problem.start[0] = 2400, 5, 5  # five pods of 2500m: a node each
    problem.cpu_offset_m[0], problem.memory_offset_mib[0] = 500, 64
    assert volume_bound(problems).tolist() == [4]
    assert exact_bound(problems, 4, 5) == 5


def test_choices_have_the_fewest_pods_of_each_request() -> None:
    problems = some(4)
    cpu_m, memory_mib = requests_of(problems)
    for i in range(len(problems)):
        for j in range(int(problems["services"][i])):
            allowed = range(int(problems["fewest"][i, j]), MOST_REPLICAS + 1)
            fewest = dict[tuple[int, int], int]()
            for replicas in allowed:
                fewest.setdefault((int(cpu_m[i, j, replicas - 1]), int(memory_mib[i, j, replicas - 1])), replicas)
            assert list(choices(problems[i : i + 1], j)) == [(replicas, *asked) for asked, replicas in fewest.items()]


def test_what_was_found_is_kept_and_found_anew_where_the_file_is_damaged(tmp_path: Path) -> None:
    calls: list[int] = []

    def find() -> Any:
        calls.append(1)
        return np.array([[1, 2], [3, 4]])

    def again(follows_from: bytes) -> Any:
        return kept("best", follows_from, (2, 2), find, tmp_path).tolist()

    assert again(b"a") == again(b"a") == [[1, 2], [3, 4]]
    assert len(calls) == 1
    again(b"b")
    assert len(calls) == 2
    for path in tmp_path.iterdir():
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(bytes(data))
    assert again(b"a") == [[1, 2], [3, 4]]
    assert len(calls) == 3
