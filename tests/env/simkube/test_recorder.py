from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from deciders import Deciders
from fake_api import FakeApi
from server import Surroundings, is_recorded, until
from typer.testing import CliRunner

from env.errors import ClusterError, UsageError
from env.fidelity import kubelet
from env.fidelity.agreement import compare
from env.fidelity.cluster_outcomes import NamespaceState, messages, outcome, unsettled
from env.fidelity.engine_outcomes import simulated_outcomes
from env.fidelity.recordable import PRIORITY_CLASSES, check_recordable
from env.fidelity.recorded_nodes import other_nodes
from env.fidelity.recorder import CleanUpError, Pace, record
from env.fidelity.recordings import record_all
from env.fidelity.scenarios import generate_scenarios
from env.fidelity.truth import RecordedNode, RecordedOutcome, RecordedScenario, RecordedTaint, read_truth, truth_line
from env.kube.client import KubeApi, Timer
from env.kube.paths import path_of, within
from env.simkube import paths

Manifest = dict[str, Any]
Play = Callable[..., RecordedScenario]


def generated(kind: str, number: int = 0) -> RecordedScenario:
    return generate_scenarios(number + 1, 0, [kind])[number]


@pytest.fixture
def others(kube: KubeApi, around: Surroundings) -> list[RecordedNode]:
    """The server's own nodes."""
    try:
        return other_nodes(kube) if around.real else []
    except ClusterError as error:
        pytest.skip(str(error))


@pytest.fixture
def deciders(kube: KubeApi, around: Surroundings, others: list[RecordedNode]) -> Callable[[RecordedScenario], Deciders]:
    """Makes what decides about a scenario; it is the clock of the recording, too."""
    return lambda scenario: Deciders(kube, scenario, "test", around, others)


@pytest.fixture
def play(kube: KubeApi, deciders: Callable[[RecordedScenario], Deciders], others: list[RecordedNode]) -> Play:
    """Records a scenario on the API server; `by` decides about it."""

    def run(scenario: RecordedScenario, by: Deciders | None = None, **options: Any) -> RecordedScenario:
        around = by or deciders(scenario)
        api = KubeApi(kube.client, Timer(around.now, around.sleep))
        return record(api, scenario, "test", **{"others": others, **options})

    return run


def nothing_left(kube: KubeApi) -> bool:
    nodes = [node for node in kube.list(paths.NODES) if is_recorded(node)]
    return not nodes and kube.get(path_of(paths.NAMESPACES, "truth-test")) is None


@pytest.mark.parametrize("kind", ["single", "multi", "scale", "podcap", "quantities"])
@pytest.mark.parametrize("number", range(3))
def test_what_is_recorded_is_what_was_decided(
    kube: KubeApi, around: Surroundings, play: Play, others: list[RecordedNode], kind: str, number: int
) -> None:
    scenario = generated(kind, number)
    recorded = play(scenario)
    content = recorded.to_json()
    decided = [RecordedOutcome.model_validate(each) for each in simulated_outcomes(content["nodes"], content["steps"])]
    if around.scheduler:  # it draws lots between nodes of the same score
        assert [compare(*pair).counts for pair in zip(recorded.outcome, decided, strict=True)] == [True] * len(decided)
    else:
        assert recorded.outcome == decided
    assert (recorded.nodes, recorded.steps) == ([*scenario.nodes, *others], scenario.steps)
    assert nothing_left(kube)


def test_nodes_have_what_the_scenario_says_while_it_is_played(
    kube: KubeApi, play: Play, deciders: Callable[[RecordedScenario], Deciders]
) -> None:
    taint = RecordedTaint(key="kwok-provider", value="true", effect="NoSchedule")
    node = RecordedNode(
        name="n0",
        cpu="4",
        memory="8Gi",
        pods=5,
        labels={"zone": "a", "kubernetes.io/os": "linux"},
        taints=[taint],
        unschedulable=True,
        **{"nvidia.com/gpu": "1"},
    )
    scenario = generated("single").model_copy(update={"nodes": [node]})
    around = deciders(scenario)
    seen: list[Manifest] = []

    def look() -> None:
        found = kube.get(path_of(paths.NODES, "n0"))
        if found and kube.get(path_of(paths.NAMESPACES, "truth-test")):
            seen.append(found)

    around.each_turn = look
    play(scenario, around)
    last = seen[-1]
    assert {key: last["status"]["allocatable"][key] for key in ("cpu", "memory", "pods", "nvidia.com/gpu")} == {
        "nvidia.com/gpu": "1",
        "cpu": "4",
        "memory": "8Gi",
        "pods": "5",
    }
    assert kubelet.is_ready(last)
    written = {"zone": "a", "kubernetes.io/hostname": "n0", "beta.kubernetes.io/os": "linux"}
    assert last["metadata"]["labels"] | written == last["metadata"]["labels"]
    assert last["metadata"]["annotations"]["kwok.x-k8s.io/node"] == "fake"
    assert [taint["key"] for taint in last["spec"]["taints"]] == ["kwok-provider", "node.kubernetes.io/unschedulable"]
    assert last["spec"]["unschedulable"] is True


def test_what_others_do_to_new_nodes_is_undone_before_anything_is_applied(
    fake: FakeApi, play: Play, deciders: Callable[[RecordedScenario], Deciders]
) -> None:
    scenario = generated("single")
    around = deciders(scenario)

    meddled: list[bool] = []

    def interfere() -> None:
        if not meddled:
            meddled.append(True)
            not_ready = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
            room = {"cpu": "1k", "memory": "1Ti", "pods": "1M"}
            node = fake.get("nodes", "n0")
            assert node is not None
            fake.put({**node, "spec": {"taints": [not_ready]}, "status": {**node["status"], "allocatable": room}})
        if fake.all("deployments"):
            (node,) = (each for each in fake.all("nodes") if each["metadata"]["name"] == "n0")
            assert node["status"]["allocatable"]["cpu"] == scenario.nodes[0].cpu
            assert not node["spec"]["taints"]

    around.each_turn = interfere
    assert play(scenario, around).outcome


def test_a_scenario_that_does_not_settle_ends_with_the_reason_and_leaves_nothing(
    kube: KubeApi, play: Play, deciders: Callable[[RecordedScenario], Deciders]
) -> None:
    scenario = generated("single")
    around = deciders(scenario)
    if not around.alone:
        pytest.skip("controllers settle it")
    around.idle = True
    with pytest.raises(
        ClusterError, match=r"step 1: settled pods: not within 180 s; last seen: Deployment web has not"
    ):
        play(scenario, around)
    assert nothing_left(kube)


def test_after_a_scenario_that_does_not_settle_the_next_one_is_recorded(
    kube: KubeApi, around: Surroundings, others: list[RecordedNode], deciders: Callable[[RecordedScenario], Deciders]
) -> None:
    scenario = generated("single")
    decider = deciders(scenario)
    if not decider.alone:
        pytest.skip("controllers settle it")

    def follow() -> None:
        names = (namespace["metadata"]["name"] for namespace in kube.list(paths.NAMESPACES))
        decider.namespace = next((name for name in names if name.startswith("truth-test")), "")
        decider.idle = decider.namespace == "truth-test-0-0"

    decider.each_turn = follow
    api = KubeApi(kube.client, Timer(decider.now, decider.sleep))
    lines = list(record_all(api, [scenario.model_copy(update={"id": "stuck"}), scenario], 2, "test", others))
    assert [(line.id, len(line.outcome)) for line in lines] == [("stuck", 0), (scenario.id, 1), (scenario.id, 1)]
    assert "settled pods: not within 180 s; last seen: Deployment web has not" in lines[0].unrecorded
    assert nothing_left(kube)


def test_what_a_recording_leaves_behind_ends_them_all(fake: FakeApi, kube: KubeApi) -> None:
    fake.linger = 10_000
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v"}}
    scenario = generated("single")
    refused = scenario.model_copy(update={"steps": [[volume]]})
    clock = itertools.count(step=10)
    fake.fail(403, path="deployments/web", method="PATCH")
    lines = record_all(KubeApi(kube.client, Timer(lambda: next(clock), lambda _: None)), [refused, scenario], 1, "test")
    assert "PersistentVolume cannot be recorded" in next(lines).unrecorded
    with pytest.raises(CleanUpError):
        next(lines)


def test_a_cron_job_that_is_due_while_it_is_recorded_is_refused_before_anything_is_made(
    fake: FakeApi, play: Play
) -> None:
    job = {"spec": {"template": _template()}}
    tick = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "tick"}}
    tick |= {"spec": {"schedule": "0 13 * * *", "jobTemplate": job}}
    scenario = generated("single").model_copy(update={"steps": [[tick]]})
    with pytest.raises(ClusterError, match=r"CronJob tick is due at 13:00 UTC, .*; suspend it"):
        play(scenario, now=lambda: datetime(2025, 1, 1, 12, 58, tzinfo=UTC))
    assert fake.requests == []
    check_recordable(scenario, datetime(2025, 1, 1, 12, 56, tzinfo=UTC), 180)
    tick["spec"]["suspend"] = True
    check_recordable(scenario, datetime(2025, 1, 1, 12, 58, tzinfo=UTC), 180)


def test_an_interrupted_recording_leaves_nothing(
    kube: KubeApi, play: Play, deciders: Callable[[RecordedScenario], Deciders]
) -> None:
    scenario = generated("single")
    around = deciders(scenario)

    def interrupt() -> None:
        if kube.list(within(paths.PODS, "truth-test")):
            around.each_turn = lambda: None
            raise KeyboardInterrupt

    around.each_turn = interrupt
    with pytest.raises(KeyboardInterrupt):
        play(scenario, around)
    assert nothing_left(kube)


def test_what_cannot_be_deleted_is_named(fake: FakeApi, play: Play) -> None:
    fake.linger = 10_000
    with pytest.raises(ClusterError, match=r"could not delete /api/v1/namespaces/truth-test .*it is being deleted"):
        play(generated("single"))
    assert [node["metadata"]["name"] for node in fake.all("nodes")] == []


def test_what_ended_a_recording_is_told_before_what_it_leaves_behind(fake: FakeApi, play: Play) -> None:
    fake.fail(403, path="deployments/web", method="PATCH")
    fake.linger = 10_000
    with pytest.raises(ClusterError, match=r"403 Forbidden: injected 403; and could not delete /api/v1/namespaces/tru"):
        play(generated("single"))
    assert fake.all("nodes") == []


def test_a_pod_whose_priority_class_is_not_yet_known_to_admission_is_applied_again(fake: FakeApi, play: Play) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
    pod |= {"spec": {**_template()["spec"], "nodeName": "n0", "priorityClassName": "truth-high"}}
    reason = "Forbidden: no PriorityClass with name truth-high was found"
    fake.fail(403, path="pods/p", method="PATCH", times=2, reason=reason)
    nodes = [RecordedNode(name="n0", cpu="4", memory="8Gi")]
    assert (
        play(RecordedScenario(id="late", kind="preempt", nodes=nodes, steps=[[pod]])).outcome[0].workloads["p"].ready
        == 1
    )


def test_faults_that_pass_are_got_over(fake: FakeApi, play: Play) -> None:
    scenario = generated("single")
    fake.fail(429, path="/nodes/n0", retry_after=1)
    fake.fail(500, path="deployments/web", method="PATCH", times=2)
    fake.fail(409, path="/status", times=2)
    fake.fail(503, path="/pods", method="GET", times=2)
    fake.fail(cut=True, path="namespaces/truth-test", method="DELETE")
    assert play(scenario).outcome
    assert fake.all("nodes") == []


def test_a_priority_class_that_was_there_stays_and_another_of_its_name_is_refused(kube: KubeApi, play: Play) -> None:
    path = path_of(PRIORITY_CLASSES, "truth-high")
    manifest = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "truth-high"}}
    kube.create(PRIORITY_CLASSES, {**manifest, "value": 1000})
    try:
        play(generated("single"))
        assert kube.get(path) is not None
        kube.delete(path)
        kube.create(PRIORITY_CLASSES, {**manifest, "value": 7})
        with pytest.raises(ClusterError, match="truth-high must have the value 1000, the cluster's has 7"):
            play(generated("single"))
    finally:
        kube.delete(path)
    assert nothing_left(kube)


def test_priority_classes_of_a_scenario_go_with_it(kube: KubeApi, play: Play) -> None:
    play(generated("single"))
    assert kube.get(path_of(PRIORITY_CLASSES, "truth-high")) is None


def test_a_cluster_whose_own_nodes_take_pods_is_refused(fake: FakeApi, kube: KubeApi) -> None:
    fake.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker"}, "spec": {}})
    with pytest.raises(ClusterError, match=r"node worker would take pods .*: kubectl cordon worker"):
        other_nodes(kube)


def test_nodes_left_over_from_a_recording_are_refused(fake: FakeApi, kube: KubeApi) -> None:
    fake.put(kubelet.node_manifest(RecordedNode(name="n0", cpu="1", memory="1Gi")))
    with pytest.raises(ClusterError, match=r"kubectl delete nodes -l app.kubernetes.io/managed-by=sim-arena"):
        other_nodes(kube)


def test_nodes_that_take_no_pods_become_part_of_the_scenario(fake: FakeApi, kube: KubeApi, play: Play) -> None:
    taint = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
    room = {"cpu": "4", "memory": "16374696Ki", "pods": "110"}
    metadata = {"name": "kind-control-plane"}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"taints": [taint]}}
    fake.put({**node, "status": {"allocatable": room}})
    scenario = generated("podcap")
    recorded = play(scenario, others=other_nodes(kube))
    assert [each.name for each in recorded.nodes] == [*(each.name for each in scenario.nodes), "kind-control-plane"]
    assert recorded.nodes[-1].taints[0].key == "node-role.kubernetes.io/control-plane"
    assert fake.get("nodes", "kind-control-plane") is not None


def test_a_node_name_that_is_taken_is_refused_before_anything_is_made(fake: FakeApi, play: Play) -> None:
    with pytest.raises(ClusterError, match="has a node n0 already"):
        play(generated("single"), others=[RecordedNode(name="n0", cpu="1", memory="1Gi")])
    assert [request for request in fake.requests if request[0] != "GET"] == []


def test_an_object_that_cannot_be_recorded_is_refused_before_anything_is_made(fake: FakeApi, play: Play) -> None:
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v"}}
    with pytest.raises(ClusterError, match="PersistentVolume cannot be recorded"):
        play(generated("single").model_copy(update={"steps": [[volume]]}))
    assert fake.requests == []


def test_pods_of_jobs_succeed_and_all_others_become_ready(kube: KubeApi, play: Play) -> None:
    job = {"completions": 2, "parallelism": 2, "template": _template()}
    job["template"]["spec"]["restartPolicy"] = "Never"
    steps = [[{"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "w"}, "spec": job}]]
    nodes = [RecordedNode(name="n0", cpu="4", memory="8Gi")]
    recorded = play(RecordedScenario(id="job", kind="kinds", nodes=nodes, steps=steps))
    counted = recorded.outcome[0].workloads["w"]
    assert (counted.succeeded, counted.ready, counted.total) == (2, 0, 2)
    bare = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}]}}
    status = kubelet.pod_status(bare, "2025-01-01T00:00:00Z")
    assert (status["phase"], kubelet.is_ready({"status": status})) == ("Running", True)


def test_a_kubelet_keeps_what_the_scheduler_said() -> None:
    scheduled = {"type": "PodScheduled", "status": "True"}
    pod = {"metadata": {"name": "p"}, "spec": {"containers": []}, "status": {"conditions": [scheduled]}}
    assert scheduled in kubelet.pod_status(pod, "2025-01-01T00:00:00Z")["conditions"]


def test_terminating_pods_end_at_once(
    fake: FakeApi, play: Play, deciders: Callable[[RecordedScenario], Deciders]
) -> None:
    scenario = generated("single")
    around = deciders(scenario)
    asked: list[str] = []

    def terminate() -> None:
        pods = fake.all("pods")
        if pods and not asked:
            asked.append(pods[0]["metadata"]["name"])
            pods[0]["metadata"]["deletionTimestamp"] = "2025-01-01T00:00:00Z"
            fake.put(pods[0])

    around.each_turn = terminate
    assert play(scenario, around).outcome
    deletion = f"/api/v1/namespaces/truth-test/pods/{asked[0]}?gracePeriodSeconds=0"
    assert any(method == "DELETE" and path.startswith(deletion) for method, path in fake.requests)


def test_messages_about_races_are_left_out() -> None:
    texts = [
        "0/1 nodes are available: 1 Insufficient cpu.",
        "skip schedule deleting pod: truth-1/web-1",
        'running Bind plugin "DefaultBinder": pods "web-1" not found',
        "0/1 nodes are available: 1 Insufficient cpu.",
    ]
    assert messages({"message": text} for text in texts) == ["0/1 nodes are available: 1 Insufficient cpu."]


def test_pods_count_for_the_workload_at_the_top_and_bare_ones_for_themselves() -> None:
    def owned(kind: str, name: str, uid: str) -> Manifest:
        return {"ownerReferences": [{"kind": kind, "name": name, "uid": uid, "controller": True}]}

    spec = {"containers": [{"resources": {}}]}
    pods = [
        {"metadata": {"name": "web-1-x", "uid": "1", **owned("ReplicaSet", "web-1", "rs")}, "spec": spec},
        {"metadata": {"name": "db-0", "uid": "2", **owned("StatefulSet", "db", "sts")}, "spec": spec},
        {"metadata": {"name": "cron-7-x", "uid": "3", **owned("Job", "cron-7", "job")}, "spec": spec},
        {"metadata": {"name": "bare", "uid": "4"}, "spec": spec},
        {"metadata": {"name": "going", "uid": "5", "deletionTimestamp": "now"}, "spec": spec},
    ]
    workloads = {
        "ReplicaSet": [{"metadata": {"name": "web-1", "uid": "rs", **owned("Deployment", "web", "d")}}],
        "Job": [{"metadata": {"name": "cron-7", "uid": "job", **owned("CronJob", "cron", "c")}}],
    }
    assert list(outcome(NamespaceState(pods, workloads, [])).workloads) == ["bare", "cron", "db", "web"]


@pytest.mark.parametrize(
    ("kind", "workload", "reason"),
    [
        (
            "Deployment",
            {"metadata": {"name": "web", "generation": 2}, "status": {"observedGeneration": 1}},
            "not been seen",
        ),
        (
            "ReplicaSet",
            {
                "metadata": {"name": "web-1", "generation": 1},
                "spec": {"replicas": 3},
                "status": {"observedGeneration": 1, "replicas": 2},
            },
            "has 2 of 3 pods",
        ),
        ("Job", {"metadata": {"name": "w"}, "spec": {}}, "not been started"),
    ],
)
def test_a_workload_its_controller_is_not_done_with_is_not_settled(kind: str, workload: Manifest, reason: str) -> None:
    assert reason in str(unsettled(NamespaceState([], {kind: [workload]}, [])))


@pytest.mark.parametrize(
    ("status", "settled"),
    [
        ({"phase": "Pending"}, False),
        ({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False"}]}, True),
        ({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]}, False),
        ({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}, True),
        ({"phase": "Succeeded"}, True),
    ],
)
def test_a_pod_is_settled_once_it_is_ready_ended_or_refused(status: Manifest, settled: bool) -> None:
    pod = {"metadata": {"name": "p", "uid": "1"}, "spec": {}, "status": status}
    assert (unsettled(NamespaceState([pod], {}, [])) is None) is settled


def test_where_pods_are_pending_it_is_waited_for_the_schedulers_next_look(
    play: Play, deciders: Callable[[RecordedScenario], Deciders]
) -> None:
    scenario = generated("podcap", 1)
    around = deciders(scenario)
    if not around.alone:
        pytest.skip("a real clock")
    assert play(scenario, around).outcome[0].failed_scheduling
    assert around.at >= Pace().pending_settle_s


def run(*arguments: object) -> Any:
    from infra.commands import app

    return CliRunner().invoke(app, ["truth", "record", *map(str, arguments)])


def test_a_file_that_exists_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").write_text("mine")
    result = run("--to", tmp_path / "out.jsonl")
    assert (result.exit_code, (tmp_path / "out.jsonl").read_text()) == (2, "mine")


def test_a_wrong_kind_or_file_is_a_matter_of_usage(tmp_path: Path) -> None:
    for wrong in (["--kind", "many"], ["--scenarios", tmp_path / "none.jsonl"]):
        assert isinstance(run("--to", tmp_path / "out.jsonl", *wrong).exception, UsageError)


def test_the_command_refuses_a_cluster_with_nodes_and_writes_no_file(fake: FakeApi, tmp_path: Path) -> None:
    fake.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker"}, "spec": {}})
    scenarios = tmp_path / "scenarios.jsonl"
    scenarios.write_text(truth_line(generated("single")))
    config = fake.write_kubeconfig(tmp_path / "kubeconfig")
    result = run("--to", tmp_path / "out.jsonl", "--scenarios", scenarios, "--kubeconfig", config)
    assert isinstance(result.exception, ClusterError)
    assert not (tmp_path / "out.jsonl").exists()


def test_the_command_leaves_nothing_when_it_is_terminated(fake: FakeApi, kube: KubeApi, tmp_path: Path) -> None:
    scenarios = tmp_path / "scenarios.jsonl"
    scenarios.write_text(truth_line(generated("single")))
    config = fake.write_kubeconfig(tmp_path / "kubeconfig")
    script = Path(sys.executable).with_name("sim-arena")
    options = ["--to", tmp_path / "out.jsonl", "--scenarios", scenarios, "--kubeconfig", config]
    with subprocess.Popen([script, "truth", "record", *options], stderr=subprocess.PIPE) as process:
        until("its nodes are there", lambda: any(is_recorded(node) for node in kube.list(paths.NODES)))
        process.terminate()
        process.communicate()
    assert process.returncode == 130
    assert not any(is_recorded(node) for node in kube.list(paths.NODES))


def test_the_command_notes_what_it_cannot_record_goes_on_and_fails_at_the_end(fake: FakeApi, tmp_path: Path) -> None:
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v"}}
    scenario = generated("single").model_copy(update={"steps": [[volume]]})
    scenarios, to = tmp_path / "scenarios.jsonl", tmp_path / "out.jsonl"
    scenarios.write_text("".join(truth_line(scenario.model_copy(update={"id": each})) for each in ("a", "b")))
    config = fake.write_kubeconfig(tmp_path / "kubeconfig")
    result = run("--to", to, "--scenarios", scenarios, "--kubeconfig", config, "--repeat", 3, "--json")
    assert result.exit_code == 1
    assert "error: not recorded: a, b" in result.stderr
    assert [(each.id, each.outcome, bool(each.unrecorded)) for each in read_truth(to)] == [
        ("a", [], True),
        ("b", [], True),
    ]
    assert list(json.loads(result.stdout)["unrecorded"]) == ["a", "b"]


def _template() -> Manifest:
    requests = {"cpu": "1", "memory": "1Gi"}
    container = {"name": "c", "image": "i", "resources": {"requests": requests}}
    return {
        "metadata": {"labels": {"app": "w"}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
    }
