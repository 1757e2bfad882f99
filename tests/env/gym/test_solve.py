from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from env.actions import Action, apply_action
from env.embedded.closed_form import plain_workload
from env.embedded.cluster import EmbeddedCluster
from env.gym.reward import goal
from env.gym.search import least_actions, searched
from env.problems.draw import PROBLEMS
from env.problems.generate import draw_problem, generate_scenario
from env.problems.nodes import equal_nodes
from env.problems.scenario import Scenario, scenario_from_trace
from env.trace.document import Manifest, Trace, load_trace

MakeDeployment = Callable[..., Manifest]
MakeTrace = Callable[..., Trace]
MakeScenario = Callable[..., Scenario]


def is_solved_by(actions: list[Action], scenario: Scenario) -> bool:
    """Whether the actions, none of them blocked, lead to the goal and not before the last."""
    cluster = EmbeddedCluster()
    seen = cluster.observe(scenario, None)
    for action in actions:
        outcome = apply_action(seen.resources, action)
        if goal(seen, scenario.target) or not outcome.changed:
            return False
        seen = cluster.observe(scenario, outcome.resources)
    return goal(seen, scenario.target)


@settings(max_examples=60)
@given(st.data())
def test_the_closed_form_needs_as_many_actions_as_the_search(
    plain_scenarios: st.SearchStrategy[Scenario], data: st.DataObject
) -> None:
    scenario = data.draw(plain_scenarios)
    if plain_workload(scenario) is None:
        return
    quick, found = (solve(scenario, EmbeddedCluster(), 5) for solve in (least_actions, searched))
    assert (quick is None) == (found is None)
    if quick is not None and found is not None:
        assert len(quick) == len(found)
        assert is_solved_by(quick, scenario)
        assert is_solved_by(found, scenario)


def test_a_workload_that_is_scaled_to_zero_needs_no_action(deployment: MakeDeployment, trace: MakeTrace) -> None:
    scenario = scenario_from_trace(trace([deployment(replicas=0, cpu="99")]), name="x")
    assert least_actions(scenario, EmbeddedCluster(), within=5) == []


@given(st.sampled_from(PROBLEMS), st.integers(0, 2**63 - 1))
def test_a_generated_problem_needs_the_actions_that_were_drawn(problem: str, seed: int) -> None:
    scenario = generate_scenario(problem, seed)
    actions = least_actions(scenario, EmbeddedCluster(), within=100)
    assert actions is not None
    assert len(actions) == draw_problem(problem, seed).least_actions
    assert is_solved_by(actions, scenario)


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("seed", range(3))
def test_a_search_by_replay_finds_no_shorter_way(problem: str, seed: int) -> None:
    drawn = draw_problem(problem, seed)
    fewer = min(drawn.least_actions, 9) - 1
    assert fewer < 0 or searched(generate_scenario(problem, seed), EmbeddedCluster(), fewer) is None


@pytest.mark.parametrize(
    ("name", "actions"),
    [
        ("trace-scaling-v2", 1),
        ("trace-cpu-slight", 2),
        ("trace-cpu-heavy", 8),
        ("trace-mem-slight", 4),
        ("trace-mem-heavy", 32),
        ("trace-cpu-mem", 6),
        ("trace-replicas-over", 2),
        ("trace-cpu-low-mem-high-replicas-over", 6),
    ],
)
def test_the_least_number_of_actions_of_each_demo_trace(data: Path, name: str, actions: int) -> None:
    scenario = scenario_from_trace(load_trace(data / f"traces/sim-arena/{name}.msgpack"), name=name, target=3)
    found = least_actions(scenario, EmbeddedCluster(), within=100)
    assert found is not None
    assert len(found) == actions
    assert is_solved_by(found, scenario)
    if actions <= 6:
        by_replay = searched(scenario, EmbeddedCluster(), actions)
        assert by_replay is not None
        assert len(by_replay) == actions


def test_a_workload_beside_others_is_searched(data: Path) -> None:
    trace = load_trace(data / "traces/dsb-scaling.sktrace")
    recorded = scenario_from_trace(trace, name="dsb", deploy=trace.deployments()[0].name, nodes=equal_nodes(4))
    assert plain_workload(recorded) is None
    scenario = scenario_from_trace(
        trace, name="dsb", deploy=trace.deployments()[0].name, nodes=equal_nodes(4), target=recorded.target + 2
    )
    actions = least_actions(scenario, EmbeddedCluster(), within=4)
    assert actions == [Action.SCALE_UP_REPLICAS] * 2


def test_a_goal_at_the_start_needs_no_action(
    trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario
) -> None:
    solved = scenario(trace([deployment()]))
    assert least_actions(solved, EmbeddedCluster()) == searched(solved, EmbeddedCluster(), 3) == []


def test_a_bound_that_ends_the_search_is_no_solution(
    trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario
) -> None:
    far = scenario(trace([deployment(replicas=1)]), target=6)
    for solve in (least_actions, searched):
        assert solve(far, EmbeddedCluster(), 4) is None
        assert solve(far, EmbeddedCluster(), 5) == [Action.SCALE_UP_REPLICAS] * 5


def test_what_no_request_can_solve_has_no_solution(
    trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario
) -> None:
    crowded = scenario(trace([deployment(replicas=3)]), target=4, nodes=equal_nodes(1, pods=3))
    assert least_actions(crowded, EmbeddedCluster(), 1000) is None
