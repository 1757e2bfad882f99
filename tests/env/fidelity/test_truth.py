from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from truth_lines import PENDING, line, outcome, workload

from env.errors import ConfigError, TruthError
from env.fidelity.agreement import compare, differences
from env.fidelity.scenarios import KINDS, generate_scenarios
from env.fidelity.truth import (
    RecordedOutcome,
    priority_classes,
    read_truth,
    recorded_sets,
    revision,
    truth_line,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "truth.jsonl"
    path.write_text(line())
    return path


def test_real_files_are_read_and_written_without_a_change(data: Path) -> None:
    for name in ("dev.jsonl", "recorded.jsonl"):
        path = data / "scheduler-truth" / name
        lines = path.read_text().splitlines()
        assert [json.loads(truth_line(s)) for s in read_truth(path)] == [json.loads(text) for text in lines]


def test_a_node_takes_110_pods_unless_it_says_otherwise(file: Path) -> None:
    (scenario,) = read_truth(file)
    assert scenario.nodes[0].pods == 110


def test_empty_lines_are_skipped(file: Path) -> None:
    file.write_text("\n" + line(id="a") + "\n\n" + line(id="b"))
    assert [scenario.id for scenario in read_truth(file)] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[]", "the line"),
        ("\ud800".encode("utf-8", "surrogatepass"), "not JSON"),
        ("[" * 100_000, "not JSON"),
        (line(nodes=[{"name": "n0", "cpu": "8 cores", "memory": "1Gi"}]), "nodes.0.cpu"),
        (line(nodes=[{"name": "n0", "cpu": "8"}]), "nodes.0.memory"),
        (line(nodes=[{"name": "n0", "cpu": "8", "memory": "1Gi", "cpus": "8"}]), "'cpus' is no field, and no resource"),
        (line(nodes=[{"name": "n0", "cpu": "8", "memory": "1Gi", "nvidia.com/gpu": 1}]), "nodes.0.nvidia.com/gpu"),
        (
            line(nodes=[{"name": "n0", "cpu": "8", "memory": "1Gi", "nvidia.com/gpu": "x"}]),
            "nvidia.com/gpu: quantity 'x'",
        ),
        (line(nodes=[{"name": "n0", "cpu": "8", "memory": "1Gi"}] * 2), "nodes: two of the same name"),
        (line(steps=[]), "steps"),
        (line(steps=[[{"kind": "Deployment"}]]), r"\[0\]\[0\] must have apiVersion"),
        (line(outcome=[]), "0 outcomes for 1 step;"),
        (line(outcome=[{"failed_scheduling": [], "workloads": {"web": {"ready": -1}}}]), "outcome.0.workloads.web"),
    ],
)
def test_a_line_that_is_no_scenario_is_refused_by_file_and_line(file: Path, text: str | bytes, said: str) -> None:
    file.write_bytes(line().encode() + (text if isinstance(text, bytes) else text.encode()))
    with pytest.raises(TruthError, match=f"truth.jsonl, line 2: .*{said}") as error:
        read_truth(file)
    assert "Value error" not in str(error.value)


def test_a_node_keeps_its_further_resources(file: Path) -> None:
    node = {"name": "n0", "cpu": "8", "memory": "1Gi", "nvidia.com/gpu": "1", "ephemeral-storage": "20Gi"}
    file.write_text(line(nodes=[node]))
    (scenario,) = read_truth(file)
    assert scenario.nodes[0].resources == {"nvidia.com/gpu": "1", "ephemeral-storage": "20Gi"}
    assert scenario.to_json()["nodes"] == [node]


def test_a_file_that_holds_nothing_or_is_not_there_is_refused(file: Path) -> None:
    file.write_text("\n")
    with pytest.raises(TruthError, match="holds no scenario"):
        read_truth(file)
    with pytest.raises(TruthError, match="cannot be read"):
        read_truth(file.parent / "other.jsonl")


def test_a_scenario_that_could_not_be_recorded_says_why_instead_of_outcomes(file: Path) -> None:
    file.write_text(line(outcome=[], unrecorded="settled pods: not within 180 s"))
    (scenario,) = read_truth(file)
    assert (scenario.outcome, scenario.unrecorded) == ([], "settled pods: not within 180 s")
    file.write_text(line(unrecorded="why"))
    with pytest.raises(TruthError, match="line 1: has both outcomes and unrecorded"):
        read_truth(file)


def test_lines_of_one_scenario_are_its_recordings_whatever_was_decided(file: Path) -> None:
    pending = {"failed_scheduling": [PENDING], "workloads": {}}
    other = line(nodes=[{"name": "n0", "cpu": "9", "memory": "32Gi"}])
    file.write_text(line() + other + line(outcome=[pending]))
    first, second = recorded_sets(read_truth(file))
    assert [each.outcome[0].failed_scheduling for each in first] == [[], [PENDING]]
    assert [each.nodes[0].cpu for each in second] == ["9"]


def test_a_scenario_still_to_be_recorded_needs_no_outcome(file: Path) -> None:
    file.write_text(line(outcome=[]))
    assert read_truth(file, recorded=False)[0].outcome == []


@pytest.mark.parametrize(
    ("resources", "key"),
    [
        ({"requests": {"cpu": "700m", "memory": "3866624Ki"}}, "700m|3776Mi"),
        ({"requests": {"cpu": "1.0005", "memory": "4000M"}}, "1001m|4G"),
        ({"limits": {"cpu": "8", "memory": "12Gi"}, "requests": {"cpu": "100m"}}, "100m|12Gi"),
        ({"requests": {"cpu": "0.25"}}, "250m|-"),
        ({}, "-|-"),
    ],
)
def test_a_revision_is_what_the_first_container_requests(resources: dict[str, Any], key: str) -> None:
    others = {"resources": {"requests": {"cpu": "9", "memory": "9Gi"}}}
    assert revision({"containers": [{"resources": resources}, others]}) == key


def test_every_revision_of_the_real_files_follows_from_a_template(data: Path) -> None:
    for name in ("dev.jsonl", "recorded.jsonl"):
        for scenario in read_truth(data / "scheduler-truth" / name):
            objects = [manifest for step in scenario.steps for manifest in step]
            asked = {revision(_pod_spec(manifest)) for manifest in objects}
            recorded = [key for step in scenario.outcome for web in step.workloads.values() for key in web.revisions]
            assert set(recorded) <= asked, scenario.id


def test_the_classes_that_files_take_for_granted_come_first_unless_a_step_brings_them() -> None:
    own = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": "truth-high"},
        "value": 7,
    }
    assert [(each["metadata"]["name"], each["value"]) for each in priority_classes([[]])] == [("truth-high", 1000)]
    assert priority_classes([[own]]) == []


def test_equal_outcomes_agree_on_everything() -> None:
    one = outcome(PENDING, web=workload())
    assert compare(one, one).complete
    assert differences(one, one) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"ready": 2, "pending": 1},
        {"total": 4},
        {"succeeded": 3, "ready": 0},
        {"revisions": {"1|1Gi": 2, "2|1Gi": 1}},
    ],
)
def test_counts_disagree_where_any_of_them_differs(changes: dict[str, Any]) -> None:
    agreement = compare(outcome(web=workload()), outcome(web=workload(**changes)))
    assert not agreement.counts
    assert agreement.spread


def test_spread_is_compared_by_workload_whichever_nodes_have_the_pods() -> None:
    recorded = outcome(a=workload(nodes={"n0": 2, "n1": 1}), b=workload(nodes={"n0": 3}))
    renamed = outcome(a=workload(nodes={"n7": 1, "n0": 2, "n1": 0}), b=workload(nodes={"n1": 3}))
    swapped = outcome(a=workload(nodes={"n0": 3}), b=workload(nodes={"n0": 2, "n1": 1}))
    assert compare(recorded, renamed).spread
    assert not compare(recorded, swapped).spread


def test_messages_are_a_set_and_a_second_full_stop_does_not_count() -> None:
    assert compare(outcome(PENDING, "b."), outcome("b", PENDING + ".", PENDING)).messages
    assert not compare(outcome(PENDING), outcome()).messages


def test_a_workload_without_pods_is_as_good_as_none() -> None:
    empty = workload(nodes={}, ready=0, total=0, revisions={})
    assert compare(outcome(web=empty), outcome()).complete
    assert not compare(outcome(web=workload()), outcome()).counts


def test_differences_name_the_workload_and_both_sides() -> None:
    recorded = outcome(PENDING, web=workload())
    simulated = outcome(web=workload(nodes={"n0": 2, "n1": 1}, ready=2, pending=1))
    assert differences(recorded, simulated) == [
        "web: recorded total 3, ready 3, pending 0, succeeded 0, revisions 1|1Gi 3, "
        "simulated total 3, ready 2, pending 1, succeeded 0, revisions 1|1Gi 3",
        "web: pods per node recorded 3, simulated 1 and 2",
        "recorded only: 0/1 nodes are available: 1 Insufficient cpu",
    ]


def _pod_spec(manifest: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = manifest["spec"]
    return spec if manifest["kind"] == "Pod" else spec["template"]["spec"]


def test_generated_scenarios_repeat_and_do_not_depend_on_their_number() -> None:
    assert generate_scenarios(30, 7)[:10] == generate_scenarios(10, 7)
    assert generate_scenarios(10, 7) != generate_scenarios(10, 8)


def test_26_generated_scenarios_hold_every_kind_and_the_engine_takes_them_all() -> None:
    from env.fidelity.engine_outcomes import simulated_outcomes

    scenarios = generate_scenarios(26, 0)
    assert {scenario.kind for scenario in scenarios} == set(KINDS)
    for scenario in scenarios:
        content = scenario.to_json()
        outcomes = simulated_outcomes(content["nodes"], content["steps"])
        assert [RecordedOutcome.model_validate(each) for each in outcomes]
        assert len(outcomes) == len(scenario.steps)


def test_a_generated_scenario_survives_its_file(tmp_path: Path) -> None:
    scenarios = generate_scenarios(26, 3)
    path = tmp_path / "scenarios.jsonl"
    path.write_text("".join(map(truth_line, scenarios)))
    assert read_truth(path, recorded=False) == scenarios


def test_only_the_kinds_asked_for_are_generated() -> None:
    assert [scenario.kind for scenario in generate_scenarios(3, 0, ["scale", "podcap"])] == ["scale", "podcap", "scale"]
    with pytest.raises(ConfigError, match="--kind many: unknown"):
        generate_scenarios(1, 0, ["many"])
