"""The least number of actions that solves each demo trace, on three nodes of 16 CPU and 32 GiB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from env.actions import CPU_STEP_M, MEMORY_STEP_BYTES, Action, Resources, apply_action
from env.embedded import EmbeddedCluster
from env.reward import goal
from env.scenario import Scenario, scenario_from_trace
from env.trace import load_trace

TARGET = 3


def configurations(start: Resources, actions: int) -> Iterator[list[Action]]:
    """One plan for every configuration with TARGET replicas that exactly `actions` actions can reach."""
    replicas = TARGET - start.replicas
    scale = [Action.SCALE_UP_REPLICAS if replicas > 0 else Action.SCALE_DOWN_REPLICAS] * abs(replicas)
    rest = actions - abs(replicas)
    for cpu in range(rest + 1):
        for cpu_action in (Action.BUMP_CPU_SMALL, Action.REDUCE_CPU_SMALL)[: 1 + bool(cpu)]:
            for memory_action in (Action.BUMP_MEM_SMALL, Action.REDUCE_MEM_SMALL)[: 1 + bool(rest - cpu)]:
                yield [*scale, *[cpu_action] * cpu, *[memory_action] * (rest - cpu)]


def reached(start: Resources, plan: list[Action]) -> Resources:
    """Where the plan leads when no safeguard were there."""
    step = {action: apply_action(Resources(8000, 2**34, 50), action).resources for action in Action}
    return Resources(
        start.cpu_m + sum(step[action].cpu_m - 8000 for action in plan),
        start.memory_bytes + sum(step[action].memory_bytes - 2**34 for action in plan),
        start.replicas + sum(step[action].replicas - 50 for action in plan),
    )


def shortest_plan(scenario: Scenario) -> list[Action]:
    """The first plan that reaches the goal, over all configurations by growing distance."""
    cluster = EmbeddedCluster()
    start = cluster.observe(scenario, None).resources
    assert not goal(cluster.observe(scenario, None), TARGET)
    for actions in range(1, 40):
        if actions < abs(TARGET - start.replicas):
            continue
        for plan in configurations(start, actions):
            end = reached(start, plan)
            if min(end.cpu_m, end.memory_bytes) > 0 and goal(cluster.observe(scenario, end), TARGET):
                return plan
    raise AssertionError("no plan")


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
def test_the_least_number_of_actions(data: Path, name: str, actions: int) -> None:
    scenario = scenario_from_trace(load_trace(data / f"traces/sim-arena/{name}.msgpack"), name=name, target=TARGET)
    plan = shortest_plan(scenario)
    assert len(plan) == actions
    resources = EmbeddedCluster().observe(scenario, None).resources
    for action in plan:
        outcome = apply_action(resources, action)
        assert outcome.changed
        resources = outcome.resources
    assert goal(EmbeddedCluster().observe(scenario, resources), TARGET)


def test_steps_are_those_of_the_plans() -> None:
    end = reached(Resources(1000, 2**30, 3), [Action.BUMP_CPU_SMALL, Action.REDUCE_MEM_SMALL])
    assert end == Resources(1000 + CPU_STEP_M, 2**30 - MEMORY_STEP_BYTES, 3)
