from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from env.engine.manifests.terms import Taint
from env.errors import ScenarioError
from env.problems.nodes import NodePool, equal_nodes
from env.problems.scenario import Scenario, edited_trace, recorded_resources, scenario_from_trace
from env.quantity import GIB, MIB
from env.trace.document import Manifest, Trace, load_trace
from env.workload import Resources, WorkloadRef

MakeDeployment = Callable[..., Manifest]
MakeTrace = Callable[..., Trace]

WEB = WorkloadRef("default", "web")


def noted(trace: Trace, scenario: Any) -> Trace:
    return Trace({**trace.document, "metadata": {"scenario": scenario}}, trace.name)


def test_a_trace_without_a_workload_that_can_be_changed_says_which_kinds_can(trace: MakeTrace) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "default", "name": "p"}, "spec": {}}
    with pytest.raises(ScenarioError, match="no workload whose requests could be changed, of the kinds Deployment, St"):
        scenario_from_trace(trace([pod]), name="mine")


def test_the_only_deployment_and_its_last_replicas_are_the_defaults(
    trace: MakeTrace, deployment: MakeDeployment
) -> None:
    scenario = scenario_from_trace(trace([deployment(replicas=2)], [deployment(replicas=5)]), name="mine")
    assert (scenario.workload, scenario.target, scenario.nodes) == (WEB, 5, equal_nodes(3, 16_000, 32 * GIB, 110))
    assert (scenario.name, scenario.problem, scenario.duration_s) == ("mine", None, None)


def test_the_replicas_at_the_end_are_those_at_the_cut(trace: MakeTrace, deployment: MakeDeployment) -> None:
    made = trace([deployment(replicas=2)], [deployment(replicas=5)])
    assert scenario_from_trace(made, name="x", duration_s=10).target == 2


def test_arguments_come_before_what_the_trace_says(trace: MakeTrace, deployment: MakeDeployment) -> None:
    note = {"problem": "cpu", "deploy": "web", "namespace": "default", "target": 7}
    made = noted(trace([deployment("web"), deployment("db")]), note)
    assert scenario_from_trace(made, name="x").target == 7
    scenario = scenario_from_trace(made, name="x", deploy="db", target=2, nodes=equal_nodes(count=1))
    assert (scenario.workload.name, scenario.target, scenario.nodes.count) == ("db", 2, 1)


def test_the_generators_note_gives_problem_target_and_nodes(trace: MakeTrace, deployment: MakeDeployment) -> None:
    nodes = {"count": 2, "cpu": "4", "memory": "8Gi", "pods": 10}
    scenario = scenario_from_trace(noted(trace([deployment()]), {"problem": "cpu", "nodes": nodes}), name="x")
    assert (scenario.problem, scenario.target) == ("cpu", 3)
    assert scenario.nodes == equal_nodes(2, 4000, 8 * GIB, 10)


def test_a_trace_can_name_several_pools_of_nodes(trace: MakeTrace, deployment: MakeDeployment) -> None:
    plain = {"count": 2, "cpu": "4", "memory": "8Gi", "pods": 10}
    taint = {"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}
    special = {**plain, "count": 1, "labels": {"disk": "fast"}, "taints": [taint], "resources": {"nvidia.com/gpu": "4"}}
    made = noted(trace([deployment()]), {"problem": "cpu", "nodes": [plain, special]})
    first, second = scenario_from_trace(made, name="x").nodes.pools
    assert first == NodePool(2, 4000, 8 * GIB, 10)
    assert second == NodePool(
        1,
        4000,
        8 * GIB,
        10,
        resources=(("nvidia.com/gpu", 4),),
        labels=(("disk", "fast"),),
        taints=(Taint("dedicated", "gpu", "NoSchedule"),),
    )


def test_notes_of_other_tools_are_left_alone(data: Path) -> None:
    trace = load_trace(data / "traces/sim-arena/trace-scaling-v2.msgpack")
    assert trace.extra["metadata"]["scenario"]["target"] == "3 pods ready"
    scenario = scenario_from_trace(trace, name="x")
    assert (scenario.target, scenario.problem) == (2, None)


@pytest.mark.parametrize("note", [None, [], "x", {"problem": 7}, {"target": -1}])
def test_a_note_without_a_problem_is_no_note(note: Any, trace: MakeTrace, deployment: MakeDeployment) -> None:
    assert scenario_from_trace(noted(trace([deployment()]), note), name="x").target == 3


@pytest.mark.parametrize(
    "note",
    [
        {"target": "3 pods"},
        {"target": -1},
        {"deploy": "db"},
        {"nodes": []},
        {"nodes": [3]},
        {"nodes": [{"count": 1, "cpu": "4", "memory": "8Gi", "pods": 9, "labels": {"a": 1}}]},
        {"nodes": [{"count": 1, "cpu": "4", "memory": "8Gi", "pods": 9, "taints": [{"key": "a", "effect": "x"}]}]},
        {"nodes": [{"count": 1, "cpu": "4", "memory": "8Gi", "pods": 9, "resources": {"gpu": "-1"}}]},
        {"nodes": {"count": 3}},
        {"nodes": {"count": 3, "cpu": "x", "memory": "1Gi", "pods": 1}},
        {"nodes": {"count": 10**9, "cpu": "1", "memory": "1Gi", "pods": 1}},
        {"nodes": {"count": "3", "cpu": "1", "memory": "1Gi", "pods": 1}},
    ],
)
def test_a_wrong_note_is_an_error(note: dict[str, Any], trace: MakeTrace, deployment: MakeDeployment) -> None:
    with pytest.raises(ScenarioError):
        scenario_from_trace(noted(trace([deployment()]), {"problem": "cpu", **note}), name="x")


def test_of_several_deployments_one_must_be_chosen(trace: MakeTrace, deployment: MakeDeployment) -> None:
    made = trace([deployment("web"), deployment("db")])
    with pytest.raises(ScenarioError, match=r"2 Deployments, choose one .*: default/web, default/db"):
        scenario_from_trace(made, name="x")
    assert scenario_from_trace(made, name="x", deploy="db").workload.name == "db"


def test_equal_names_are_told_apart_by_namespace(trace: MakeTrace, deployment: MakeDeployment) -> None:
    other = deployment()
    other["metadata"]["namespace"] = "other"
    made = trace([deployment(), other])
    with pytest.raises(ScenarioError, match="choose one"):
        scenario_from_trace(made, name="x", deploy="web")
    assert scenario_from_trace(made, name="x", deploy="web", namespace="other").workload.namespace == "other"


def test_an_unknown_deployment_lists_the_known_ones(trace: MakeTrace, deployment: MakeDeployment) -> None:
    with pytest.raises(ScenarioError, match=r"no Deployment \*/wbe; its Deployments: default/web"):
        scenario_from_trace(trace([deployment()]), name="x", deploy="wbe")


def test_a_trace_without_deployments_makes_no_scenario(data: Path) -> None:
    with pytest.raises(ScenarioError, match="no workload whose requests could be changed"):
        scenario_from_trace(load_trace(data / "traces/cronjob.sktrace"), name="x")


def test_a_deployment_that_is_gone_at_the_end_makes_no_scenario(trace: MakeTrace, deployment: MakeDeployment) -> None:
    with pytest.raises(ScenarioError, match="no Deployment default/web at the end"):
        scenario_from_trace(trace([deployment()], ([], [deployment()])), name="x")


@pytest.mark.parametrize("duration_s", [0, -1, math.nan, math.inf])
def test_a_duration_is_a_positive_number(duration_s: float, trace: MakeTrace, deployment: MakeDeployment) -> None:
    with pytest.raises(ScenarioError):
        scenario_from_trace(trace([deployment()]), name="x", target=1, duration_s=duration_s)


@pytest.mark.parametrize("change", [{"count": 0}, {"count": 5001}, {"cpu_m": 0}, {"memory_bytes": 2**63}, {"pods": -1}])
def test_node_pools_have_sane_sizes(change: dict[str, int]) -> None:
    with pytest.raises(ScenarioError, match="must be a whole number"):
        replace(NodePool(), **change)


def test_an_edit_touches_only_what_differs_from_the_record(
    trace: MakeTrace, deployment: MakeDeployment, scenario: Callable[..., Scenario]
) -> None:
    made = scenario(trace([deployment(replicas=2)], [deployment(replicas=5, cpu="0.5")]))
    recorded = recorded_resources(made.trace, WEB)
    assert recorded == Resources(500, 512 * MIB, 5)
    assert edited_trace(made, recorded).document == made.trace.document
    edited = edited_trace(made, recorded._replace(cpu_m=1000))
    specs = [event["applied_objs"][0]["spec"] for event in edited.events]
    assert [spec["replicas"] for spec in specs] == [2, 5]
    requests = [spec["template"]["spec"]["containers"][0]["resources"]["requests"] for spec in specs]
    assert requests == [{"cpu": "1", "memory": "512Mi"}] * 2
