from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from env.actions import MIB, Action, Resources, apply_action
from env.embedded import EmbeddedCluster
from env.errors import ScenarioError
from env.generate import MAX_ACTIONS, PROBLEMS, draw_problem, generate_scenario, generate_trace
from env.reward import goal
from env.scenario import Scenario, scenario_from_trace
from env.spec_hash import spec_hash
from env.trace import read_trace

problems = st.sampled_from(PROBLEMS)
seeds = st.integers(0, 2**63 - 1)


def plan(before: Resources, after: Resources) -> list[Action]:
    """The actions that lead from one configuration to another."""
    cpu = (after.cpu_m - before.cpu_m) // 500
    memory = (after.memory_bytes - before.memory_bytes) // 2**28
    replicas = after.replicas - before.replicas
    return [
        *[Action.BUMP_CPU_SMALL if cpu > 0 else Action.REDUCE_CPU_SMALL] * abs(cpu),
        *[Action.BUMP_MEM_SMALL if memory > 0 else Action.REDUCE_MEM_SMALL] * abs(memory),
        *[Action.SCALE_UP_REPLICAS if replicas > 0 else Action.SCALE_DOWN_REPLICAS] * abs(replicas),
    ]


def nearer(start: Resources, target: int, actions: int) -> Iterator[Resources]:
    """Every configuration with the target's replicas that fewer than `actions` actions reach."""
    rest = actions - abs(target - start.replicas)
    for cpu, memory in product(range(-rest, rest + 1), repeat=2):
        if abs(cpu) + abs(memory) < rest:
            yield Resources(start.cpu_m + cpu * 500, start.memory_bytes + memory * 2**28, target)


def is_solved(scenario: Scenario, resources: Resources | None) -> bool:
    return goal(EmbeddedCluster().observe(scenario, resources), scenario.target)


@given(problems, seeds)
def test_the_plan_walked_back_reaches_the_goal(problem: str, seed: int) -> None:
    drawn, scenario = draw_problem(problem, seed), generate_scenario(problem, seed)
    resources = EmbeddedCluster().observe(scenario, None).resources
    assert resources == drawn.start
    actions = plan(drawn.start, drawn.goal)
    assert 1 <= len(actions) <= MAX_ACTIONS
    for action in actions:
        assert not is_solved(scenario, resources)
        outcome = apply_action(resources, action)
        assert outcome.changed
        resources = outcome.resources
    assert resources == drawn.goal
    assert is_solved(scenario, resources)


@given(problems, st.integers(0, 5000))
def test_no_shorter_plan_reaches_the_goal(problem: str, seed: int) -> None:
    drawn, scenario = draw_problem(problem, seed), generate_scenario(problem, seed)
    shorter = nearer(drawn.start, drawn.target, len(plan(drawn.start, drawn.goal)))
    assert not any(is_solved(scenario, each) for each in shorter if min(each.cpu_m, each.memory_bytes) > 0)


@given(st.none() | problems, seeds)
def test_the_same_seed_gives_the_same_bytes(problem: str | None, seed: int) -> None:
    assert generate_trace(problem, seed).to_bytes() == generate_trace(problem, seed).to_bytes()


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
    observation = EmbeddedCluster().observe(scenario, None)
    pods = observation.total - scenario.target
    match problem:
        case "cpu":
            assert (pods, observation.insufficient_cpu > 0) == (0, True)
        case "memory":
            assert (pods, observation.insufficient_memory > 0) == (0, True)
        case "replica-deficit":
            assert pods < 0
            assert observation.pending == 0
        case "combined":
            drawn = draw_problem(problem, seed)
            wrong = [
                drawn.start.cpu_m > drawn.goal.cpu_m,
                drawn.start.memory_bytes > drawn.goal.memory_bytes,
                pods != 0,
            ]
            assert sum(wrong) >= 2
        case _:
            assert pods > 0


@pytest.mark.parametrize("problem", PROBLEMS)
def test_targets_pools_and_distances_vary(problem: str) -> None:
    drawn = [draw_problem(problem, seed) for seed in range(300)]
    assert {each.target for each in drawn} >= set(range(2, 21))
    assert {each.nodes.count for each in drawn} == set(range(1, 21))
    assert len({(each.nodes.cpu_m, each.nodes.memory_bytes) for each in drawn}) >= 8
    assert {len(plan(each.start, each.goal)) for each in drawn} >= set(range(2, MAX_ACTIONS + 1))


def test_without_a_problem_the_seed_draws_one() -> None:
    drawn = [generate_scenario(None, seed).problem for seed in range(60)]
    assert set(drawn) == set(PROBLEMS)
    assert generate_trace(None, 3).to_bytes() == generate_trace(drawn[3], 3).to_bytes()


@given(problems, seeds)
def test_the_trace_is_complete(problem: str, seed: int) -> None:
    trace = generate_trace(problem, seed)
    spec = trace.events[0]["applied_objs"][0]["spec"]
    assert trace.index == {"apps/v1.Deployment": {"default/web": spec_hash(spec)}}
    assert trace.config == {"trackedObjects": {"apps/v1.Deployment": {"podSpecTemplatePaths": ["/spec/template"]}}}
    assert list(spec) == sorted(spec)
    assert trace.extra["metadata"]["scenario"]["seed"] == seed


def test_a_problem_and_its_seed_mean_the_same_in_every_version() -> None:
    drawn = [draw_problem(problem, 1) for problem in PROBLEMS]
    assert [(each.target, each.nodes.count, each.start) for each in drawn] == [
        (12, 20, Resources(9950, 7536 * MIB, 12)),
        (13, 8, Resources(2050, 10128 * MIB, 13)),
        (18, 7, Resources(300, 464 * MIB, 16)),
        (9, 12, Resources(2700, 33376 * MIB, 12)),
        (9, 1, Resources(1300, 4096 * MIB, 10)),
    ]


@pytest.mark.parametrize(("problem", "seed"), [("gpu", 1), ("", 1), ("cpu", -1), ("cpu", 2**63), ("cpu", True)])
def test_what_cannot_be_generated_is_an_error(problem: str, seed: int) -> None:
    with pytest.raises(ScenarioError):
        generate_scenario(problem, seed)
