from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from env.actions import MAX_REPLICAS, MIN_CPU_M, MIN_MEMORY_BYTES
from env.embedded.closed_form import generated_workload, observe_plain, plain_workload
from env.embedded.cluster import EmbeddedCluster
from env.errors import ConfigError, ScenarioError
from env.gym.reward import goal
from env.gym.search import solved_plain
from env.problems.draw import FAR_ACTIONS, LARGE_NODES, LARGE_TARGET, MAX_ACTIONS, MAX_NODES, PROBLEMS
from env.problems.generate import draw_problem, generate_scenario
from env.problems.scenario import Scenario, scenario_from_trace
from env.quantity import MIB
from env.trace.document import read_trace
from env.trace.spec_hash import spec_hash
from env.workload import Resources

problems = st.sampled_from(PROBLEMS)
seeds = st.integers(0, 2**63 - 1)


def is_solved(scenario: Scenario, resources: Resources | None) -> bool:
    return goal(EmbeddedCluster().observe(scenario, resources), scenario.target)


@given(problems, seeds)
def test_the_start_is_the_goal_of_healthy_problems_only_and_the_goal_solves_all(problem: str, seed: int) -> None:
    drawn, scenario = draw_problem(problem, seed), generate_scenario(problem, seed)
    assert EmbeddedCluster().observe(scenario, None).resources == drawn.start
    assert is_solved(scenario, None) == (drawn.least_actions == 0)
    assert is_solved(scenario, drawn.goal)


@given(problems, seeds)
def test_the_numbers_of_a_problem_are_those_of_its_trace(problem: str, seed: int) -> None:
    drawn = draw_problem(problem, seed)
    assert plain_workload(generate_scenario(problem, seed)) == (generated_workload(drawn), drawn.start)


@given(problems, seeds)
def test_a_problem_stays_within_the_safeguards_and_the_actions(problem: str, seed: int) -> None:
    drawn = draw_problem(problem, seed)
    assert 0 <= drawn.least_actions <= FAR_ACTIONS
    assert min(drawn.start.cpu_m, drawn.goal.cpu_m) >= MIN_CPU_M
    assert min(drawn.start.memory_bytes, drawn.goal.memory_bytes) >= MIN_MEMORY_BYTES
    assert 1 <= drawn.start.replicas <= MAX_REPLICAS
    assert drawn.goal.replicas == drawn.target <= LARGE_TARGET
    assert drawn.nodes.count <= LARGE_NODES


@pytest.mark.parametrize("problem", PROBLEMS)
def test_some_problems_of_every_kind_are_far_from_their_goal(problem: str) -> None:
    distances = [draw_problem(problem, seed).least_actions for seed in range(1600)]
    assert max(distances) > 35
    assert 40 <= sum(distance > MAX_ACTIONS for distance in distances) <= 180


@pytest.mark.parametrize("problem", PROBLEMS)
def test_one_problem_in_sixteen_is_healthy(problem: str) -> None:
    healthy = sum(draw_problem(problem, seed).least_actions == 0 for seed in range(1600))
    assert 70 <= healthy <= 130


@given(st.none() | problems, seeds)
def test_the_same_seed_gives_the_same_bytes(problem: str | None, seed: int) -> None:
    assert generate_scenario(problem, seed).trace.to_bytes() == generate_scenario(problem, seed).trace.to_bytes()


@given(problems, seeds)
def test_the_file_alone_gives_the_scenario_back(problem: str, seed: int) -> None:
    scenario = generate_scenario(problem, seed)
    read = scenario_from_trace(read_trace(scenario.trace.to_bytes(), scenario.trace.name), name=scenario.name)
    for field in ("workload", "target", "nodes", "duration_s", "name", "problem"):
        assert getattr(read, field) == getattr(scenario, field)
    assert read.problem == problem


@given(problems, seeds)
def test_each_problem_is_what_its_name_says(problem: str, seed: int) -> None:
    scenario = generate_scenario(problem, seed)
    assume(draw_problem(problem, seed).least_actions > 0)
    observation = EmbeddedCluster().observe(scenario, None)
    pods = observation.total - scenario.target
    match problem:
        case "cpu":
            assert (pods, observation.insufficient_cpu + observation.cpu_starved > 0) == (0, True)
        case "memory":
            assert (pods, observation.insufficient_memory + observation.oom_killed > 0) == (0, True)
        case "replica-deficit":
            assert pods < 0
            assert observation.pending == 0
        case "combined":
            drawn = draw_problem(problem, seed)
            wrong = [
                drawn.start.cpu_m != drawn.goal.cpu_m,
                drawn.start.memory_bytes != drawn.goal.memory_bytes,
                pods != 0,
            ]
            assert sum(wrong) >= 2
        case _:
            assert pods > 0


@pytest.mark.parametrize("problem", PROBLEMS)
def test_targets_pools_and_distances_vary(problem: str) -> None:
    drawn = [draw_problem(problem, seed) for seed in range(500)]
    assert {each.target for each in drawn} >= set(range(2, 21))
    assert {each.nodes.count for each in drawn} >= set(range(1, 21))
    assert len({(each.nodes.cpu_m, each.nodes.memory_bytes) for each in drawn}) >= 8
    assert {each.least_actions for each in drawn} >= set(range(2, MAX_ACTIONS + 1))


@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_share_of_the_clusters_is_large(problem: str) -> None:
    drawn = [draw_problem(problem, seed) for seed in range(1000)]
    assert 80 < sum(each.nodes.count > MAX_NODES for each in drawn) < 160
    assert max(each.nodes.count for each in drawn) > 400
    assert max(each.target for each in drawn) > 85


@pytest.mark.parametrize(("problem", "what"), [("cpu", "cpu_starved"), ("memory", "oom_killed")])
def test_about_half_of_the_wrong_requests_are_too_small(problem: str, what: str) -> None:
    drawn = [draw_problem(problem, seed) for seed in range(400)]
    failing = [getattr(observe_plain(generated_workload(each), each.start), what) > 0 for each in drawn]
    assert 160 < sum(failing) < 240


def test_too_much_and_too_little_meet_in_combined_problems() -> None:
    starts = [
        observe_plain(generated_workload(each), each.start)
        for each in (draw_problem("combined", i) for i in range(300))
    ]
    assert any(seen.insufficient_memory and seen.cpu_starved for seen in starts)
    assert any(seen.insufficient_cpu and seen.oom_killed for seen in starts)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_cutting_too_far_fails_in_about_half_of_the_problems(problem: str) -> None:
    drawn = [draw_problem(problem, seed) for seed in range(200)]
    assert 80 < sum(each.cpu_use_m > 0 for each in drawn) < 180
    assert 80 < sum(each.memory_use_bytes > 0 for each in drawn) < 180
    assert all(each.cpu_use_m <= each.goal.cpu_m for each in drawn)
    assert all(each.memory_use_bytes <= each.goal.memory_bytes for each in drawn)


def test_without_a_problem_the_seed_draws_one() -> None:
    drawn = [generate_scenario(None, seed).problem for seed in range(60)]
    assert set(drawn) == set(PROBLEMS)
    assert generate_scenario(None, 3).trace.to_bytes() == generate_scenario(drawn[3], 3).trace.to_bytes()


@given(problems, seeds)
def test_the_trace_is_complete(problem: str, seed: int) -> None:
    trace = generate_scenario(problem, seed).trace
    spec = trace.events[0]["applied_objs"][0]["spec"]
    assert trace.index == {"apps/v1.Deployment": {"default/web": spec_hash(spec)}}
    assert trace.config == {"trackedObjects": {"apps/v1.Deployment": {"podSpecTemplatePaths": ["/spec/template"]}}}
    assert list(spec) == sorted(spec)
    assert trace.extra["metadata"]["scenario"]["seed"] == seed
    assert trace.extra["metadata"]["scenario"]["least_actions"] == draw_problem(problem, seed).least_actions


def test_a_problem_and_its_seed_mean_the_same_in_every_version() -> None:
    drawn = [draw_problem(problem, 1) for problem in PROBLEMS]
    found = [(each.target, each.nodes.count, each.start, each.cpu_use_m, each.least_actions) for each in drawn]
    assert found == [
        (14, 18, Resources(13050, 21760 * MIB, 14), 4000, 11),
        (24, 130, Resources(1500, 2528 * MIB, 24), 0, 0),
        (15, 12, Resources(400, 464 * MIB, 4), 0, 11),
        (7, 18, Resources(3950, 1792 * MIB, 9), 7050, 9),
        (19, 9, Resources(750, 5648 * MIB, 22), 700, 4),
    ]


@pytest.mark.parametrize(("problem", "seed"), [("gpu", 1), ("", 1), ("cpu", -1), ("cpu", 2**63), ("cpu", True)])
def test_what_cannot_be_generated_is_an_error(problem: str, seed: int) -> None:
    with pytest.raises((ConfigError, ScenarioError), match=r"is unknown|seed"):
        generate_scenario(problem, seed)


def test_the_table_of_generated_traces_in_the_docs_is_what_the_generator_makes() -> None:
    text = (Path(__file__).parents[3] / "docs/gym.md").read_text(encoding="utf-8")
    rows = re.findall(r"^traces/\S+\.msgpack +(\S+) +(\d+) +(\d+) +(\d+) +(\d+)$", text, re.MULTILINE)
    assert len(rows) == 3
    for kind, *numbers in rows:
        seed, target, nodes, least = map(int, numbers)
        problem = draw_problem(None, seed)
        solution = solved_plain(generated_workload(problem), problem.start, problem.target)
        assert (problem.kind, problem.target, problem.nodes.count) == (kind, target, nodes)
        assert solution is not None
        assert len(solution) == least
