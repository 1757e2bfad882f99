from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_api import FakeApi
from typer.testing import CliRunner

from env.kube.client import KubeApi
from env.kube.connect import connect
from env.simkube import doctor_checks as checks
from env.simkube.doctor import Patient, checks_for, examine, mend, shipped_stages
from env.simkube.doctor_results import Level, ReportLine
from env.simkube.nodes import LABELS
from env.simkube.traces import NodeFolder

Manifest = dict[str, Any]
READY = {"conditions": [{"type": "Ready", "status": "True"}]}


def manifest(api_version: str, kind: str, name: str, namespace: str = "", **rest: Any) -> Manifest:
    """An object; `labels` and `annotations` go into its metadata."""
    metadata = {key: rest.pop(key) for key in ("labels", "annotations") if key in rest}
    metadata |= {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}


def deployment(name: str, namespace: str, image: str, ready: int = 1, **metadata: Any) -> Manifest:
    spec = {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}
    return manifest("apps/v1", "Deployment", name, namespace, spec=spec, status={"readyReplicas": ready}, **metadata)


def node(name: str = "virtual-1", **changes: Any) -> Manifest:
    """A virtual node as it should be."""
    fields = {
        "labels": {"type": "virtual", **dict.fromkeys(LABELS, "x")},
        "annotations": {"kwok.x-k8s.io/node": "fake"},
        "spec": {"taints": [{"key": "kwok-provider", "value": "true", "effect": "NoSchedule"}]},
        "status": READY,
    }
    return manifest("v1", "Node", name, **{**fields, **changes})


def simulation(name: str, *, ours: bool = True, state: str = "Running") -> Manifest:
    labels = {"app.kubernetes.io/managed-by": "sim-arena"} if ours else {}
    return manifest("simkube.io/v1", "Simulation", name, labels=labels, spec={}, status={"state": state})


STAGE = manifest(
    "kwok.x-k8s.io/v1alpha1",
    "Stage",
    "pod-ready",
    spec={"resourceRef": {"apiGroup": "v1", "kind": "Pod"}, "next": {"statusTemplate": "phase: Running"}},
)


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    """A cluster with nothing wrong about it."""
    with FakeApi() as api:
        for name in ("simkube", "monitoring"):
            api.put(manifest("v1", "Namespace", name))
        label = {"app.kubernetes.io/name": "sk-ctrl"}
        api.put(deployment("sk-ctrl-depl", "simkube", "quay.io/appliedcomputing/sk-ctrl:v2.7.0", labels=label))
        api.put(manifest("v1", "ServiceAccount", "sk-ctrl-sa", "simkube"))
        api.put(manifest("cert-manager.io/v1", "ClusterIssuer", "selfsigned", spec={}, status=READY))
        api.put(deployment("kwok-controller", "kube-system", "registry.k8s.io/kwok/kwok:v0.8.0"))
        for stage in (STAGE, *shipped_stages()):
            api.put(stage)
        api.put(node())
        api.put(node("worker", labels={}, annotations={}, spec={}))
        yield api


@pytest.fixture
def api(fake: FakeApi, tmp_path: Path) -> Iterator[KubeApi]:
    connection = connect(kubeconfig=str(fake.write_kubeconfig(tmp_path / "kubeconfig")))
    yield connection
    connection.close()


def bad(findings: dict[str, ReportLine]) -> dict[str, ReportLine]:
    return {name: finding for name, finding in findings.items() if finding.level is not Level.OK}


def test_a_cluster_as_it_should_be_has_nothing_to_mend(api: KubeApi) -> None:
    findings = examine(Patient(api))
    assert bad(findings) == {}
    assert list(findings) == list(checks_for(Patient(api)))
    assert findings["API server"].said.startswith(f"Kubernetes v1.36.0 at {api.host}, client ")


@pytest.mark.parametrize(
    ("plural", "name", "namespace", "check", "level", "said"),
    [
        ("customresourcedefinitions", "simulationroots.simkube.io", "", "SimKube's CRDs", "fail", "SimulationRoot"),
        ("deployments", "sk-ctrl-depl", "simkube", "SimKube's controller", "fail", "no sk-ctrl in namespace simkube"),
        ("serviceaccounts", "sk-ctrl-sa", "simkube", "service account", "fail", "no ServiceAccount simkube/sk-ctrl-sa"),
        ("clusterissuers", "selfsigned", "", "certificates", "fail", "no ClusterIssuer selfsigned"),
        ("customresourcedefinitions", "clusterissuers.cert-manager.io", "", "certificates", "fail", "ClusterIssuer"),
        ("namespaces", "monitoring", "", "metrics namespace", "fail", "every simulation would fail"),
        ("deployments", "kwok-controller", "kube-system", "KWOK's controller", "warn", "no Deployment kwok-controller"),
        ("customresourcedefinitions", "stages.kwok.x-k8s.io", "", "KWOK's Stages", "fail", "CustomResourceDefinition"),
        ("nodes", "virtual-1", "", "virtual nodes", "fail", "no node is labelled type=virtual"),
        ("nodes", "worker", "", "nodes for drivers", "fail", "drivers have nowhere to run"),
    ],
)
def test_what_is_missing_is_one_finding_with_its_mend(
    fake: FakeApi, api: KubeApi, plural: str, name: str, namespace: str, check: str, level: str, said: str
) -> None:
    fake.remove(plural, name, namespace)
    ((found, finding),) = bad(examine(Patient(api))).items()
    assert (found, finding.level) == (check, level)
    assert said in finding.said
    assert finding.mend


@pytest.mark.parametrize(
    ("changes", "level", "said", "mend"),
    [
        ({"annotations": {}}, "fail", "not annotated", "kubectl annotate node virtual-1 kwok.x-k8s.io/node=fake"),
        ({"status": {}}, "fail", "is not Ready", "is KWOK running? kubectl describe node virtual-1"),
        (
            {"labels": {"type": "virtual"}},
            "fail",
            "no label kubernetes.io/hostname",
            "kubectl label node virtual-1 kub",
        ),
        ({"spec": {}}, "warn", "no taint kwok-provider", "kubectl taint node virtual-1 kwok-provider=true:NoSchedule"),
        (
            {"spec": {"taints": [{"key": "gpu", "effect": "NoSchedule"}]}},
            "fail",
            "has a taint gpu",
            "kubectl taint node virtual-1 gpu-",
        ),
    ],
)
def test_a_virtual_node_must_be_annotated_ready_and_tainted(
    changes: Manifest, level: str, said: str, mend: str
) -> None:
    finding = checks.virtual_nodes([node("virtual-0"), node(**changes)], [], ())
    assert finding.level == level
    assert said in finding.said
    assert finding.mend.startswith(mend)


def test_a_failing_node_goes_before_one_to_be_warned_of() -> None:
    finding = checks.virtual_nodes([node("a", spec={}), node("b", status={})], [], ())
    assert (finding.level, finding.said) == (Level.FAIL, "node b is not Ready")


def test_a_cordoned_node_is_uncordoned_and_not_rid_of_its_taint(fake: FakeApi, api: KubeApi) -> None:
    api.patch("/api/v1/nodes/virtual-1", {"spec": {"unschedulable": True}})
    taints = (fake.get("nodes", "virtual-1") or {})["spec"]["taints"]
    assert [taint["key"] for taint in taints] == ["kwok-provider", "node.kubernetes.io/unschedulable"]
    finding = examine(Patient(api))["virtual nodes"]
    assert (finding.said, finding.mend) == ("node virtual-1 is cordoned", "kubectl uncordon virtual-1")


def test_a_node_that_others_occupy_fails_and_one_that_a_replay_does_is_right(fake: FakeApi, api: KubeApi) -> None:
    for namespace, good in (("virtual-default", True), ("shop", False)):
        fake.put(manifest("v1", "Namespace", namespace))
        fake.put(manifest("v1", "Pod", "web", namespace, spec={"nodeName": "virtual-1"}))
        finding = examine(Patient(api))["virtual nodes"]
        assert (finding.level is Level.OK) is good
    assert "occupied by pod shop/web, not of the simulation" in finding.said


def test_a_controller_without_a_ready_pod_fails(fake: FakeApi, api: KubeApi) -> None:
    label = {"app.kubernetes.io/name": "sk-ctrl"}
    fake.put(deployment("sk-ctrl-depl", "simkube", "sk-ctrl:v2.7.0", ready=0, labels=label))
    fake.put(deployment("kwok-controller", "kube-system", "kwok", ready=0))
    assert list(bad(examine(Patient(api)))) == ["SimKube's controller", "KWOK's controller"]


def test_the_schema_tells_whether_lifecycle_params_are_known(api: KubeApi) -> None:
    assert examine(Patient(api))["SimKube's CRDs"].said == "simkube.io/v1, with lifecycleParams"


def test_stages_that_let_no_pod_run_fail() -> None:
    finding = checks.stages([manifest("kwok.x-k8s.io/v1alpha1", "Stage", "pod-delete", spec={})], [])
    assert (finding.level, finding.said) == (Level.FAIL, "no Stage makes pods run: they would stay Pending")


def test_leftovers_are_told_apart_from_others_simulations(fake: FakeApi, api: KubeApi) -> None:
    fake.put(simulation("arena-1"))
    ours = examine(Patient(api))["simulations"]
    assert (ours.level, ours.mend) == (Level.WARN, "if no episode is running now: sim-arena doctor --fix")
    fake.put(simulation("theirs", ours=False))
    assert "not Sim-Arena's, and others wait for it: theirs (Running)" in examine(Patient(api))["simulations"].said


def test_a_virtual_namespace_or_lease_without_a_simulation_is_left_over(fake: FakeApi, api: KubeApi) -> None:
    fake.put(manifest("v1", "Namespace", "virtual-default"))
    lease = manifest("coordination.k8s.io/v1", "Lease", "sk-lease", "simkube", spec={"holderIdentity": "arena-1"})
    fake.put(lease)
    findings = bad(examine(Patient(api)))
    assert findings["virtual namespaces"].mend == "kubectl delete namespace virtual-default"
    assert findings["lease"].mend == "kubectl -n simkube delete lease sk-lease"
    fake.put(simulation("arena-1"))
    assert list(bad(examine(Patient(api)))) == ["simulations"]


def test_what_is_not_allowed_is_named(fake: FakeApi, api: KubeApi) -> None:
    fake.denied = {("create", "simulations"), ("list", "pods")}
    finding = examine(Patient(api))["permissions"]
    assert (finding.level, finding.said) == (Level.FAIL, "not allowed: create simulations.simkube.io, list pods")


def test_s3_credentials_are_looked_at_only_for_a_trace_in_s3(fake: FakeApi, api: KubeApi, tmp_path: Path) -> None:
    assert not any("S3" in name for name in checks_for(Patient(api, "file:///data")))
    keys = {"AWS_ACCESS_KEY_ID": "QUtJQQ==", "AWS_SECRET_ACCESS_KEY": "cw=="}
    fake.put(manifest("v1", "Secret", "s3-keys", "simkube", data=keys))
    environment = {"AWS_PROFILE": "me"}
    good = examine(Patient(api, "s3://traces", ["s3-keys"], environment, tmp_path))
    assert bad(good) == {}
    assert good["own S3 credentials"].said == "from AWS_PROFILE"
    lacking = bad(examine(Patient(api, "s3://traces", ["other"], {}, tmp_path)))
    assert {name: finding.level.value for name, finding in lacking.items()} == {
        "driver's S3 credentials": "fail",
        "own S3 credentials": "warn",
    }


def test_a_check_that_cannot_read_fails_alone_with_the_reason(fake: FakeApi, api: KubeApi) -> None:
    fake.fail(500, path="/serviceaccounts/")
    ((name, finding),) = bad(examine(Patient(api))).items()
    assert (name, finding.level) == ("service account", Level.FAIL)
    assert "500" in finding.said


def test_with_the_needed_rights_only_what_cannot_be_looked_at_is_said_and_nothing_fails(
    fake: FakeApi, api: KubeApi
) -> None:
    for path in ("/customresourcedefinitions/", "/serviceaccounts/", "/clusterissuers/", "/stages"):
        fake.fail(403, path=path)
    findings = bad(examine(Patient(api)))
    assert list(findings) == ["SimKube's CRDs", "service account", "certificates", "KWOK's Stages"]
    assert {finding.level for finding in findings.values()} == {Level.WARN}
    assert findings["certificates"].said.startswith("cannot look: GET /apis/cert-manager.io/v1/clusterissuers/selfsign")


def test_credentials_that_are_not_accepted_are_one_line(fake: FakeApi, api: KubeApi) -> None:
    fake.fail(401, times=99)
    ((name, finding),) = examine(Patient(api)).items()
    assert (name, finding.level) == ("API server", Level.FAIL)
    assert finding.said.startswith("GET /version: 401 ")
    assert finding.mend == "the kubeconfig's credentials are not accepted: log in again, or use another context"


def test_what_no_schema_allows_fails_its_check_alone(fake: FakeApi, api: KubeApi) -> None:
    fake.put(manifest("v1", "Node", "odd", labels={"type": "virtual"}, spec={"taints": [7]}))
    assert list(bad(examine(Patient(api)))) == ["virtual nodes"]


def test_fix_deletes_our_simulations_and_creates_our_missing_stages_only(fake: FakeApi, api: KubeApi) -> None:
    fake.put(simulation("arena-1"))
    fake.put(simulation("theirs", ours=False))
    stages = [stage["metadata"]["name"] for stage in shipped_stages()]
    fake.remove("stages", stages[0])
    assert mend(api) == (["deleted simulation arena-1", f"created Stage {stages[0]}"], [])
    assert [o["metadata"]["name"] for o in fake.all("simulations")] == ["theirs"]
    assert mend(api) == ([], [])


@pytest.mark.parametrize("what", ["simulations", "stages"])
def test_fix_does_what_it_may_and_names_what_it_may_not(fake: FakeApi, api: KubeApi, tmp_path: Path, what: str) -> None:
    fake.put(simulation("arena-1"))
    stages = [stage["metadata"]["name"] for stage in shipped_stages()]
    fake.remove("stages", stages[0])
    fake.fail(403, path=f"/{what}", times=9)
    done, refused = mend(api, NodeFolder(tmp_path))
    kept = {"simulations": "deleted simulation arena-1", "stages": f"created Stage {stages[0]}"}
    assert done == [text for name, text in kept.items() if name != what]
    assert len(refused) == (2 if what == "simulations" else 1)  # the traces of which simulations?
    assert f"/{what}: 403 Forbidden" in refused[0]


def test_old_traces_are_shown_and_removed(fake: FakeApi, api: KubeApi, tmp_path: Path) -> None:
    fake.put(simulation("arena-0123abcd-1", ours=False))
    old = ["arena-0123abcd-2.sktrace", ".arena-0123abcd-2.sktrace.x7"]
    others = ["arena-0123abcd-1.sktrace", "arena-web-1.sktrace", "cpu.sktrace"]
    for name in (*old, *others):
        (tmp_path / name).write_bytes(b"")
    folder = NodeFolder(tmp_path)
    finding = examine(Patient(api, folder=folder))["trace folder"]
    assert (finding.level, finding.mend) == (Level.WARN, "if no episode is running now: sim-arena doctor --fix")
    assert finding.said == f"2 traces of simulations that are gone in {tmp_path}, .arena-0123abcd-2.sktrace.x7 first"
    done, refused = mend(api, folder)
    assert (len(done), refused) == (2, [])
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".sktrace") == sorted(others)
    assert examine(Patient(api, folder=folder))["trace folder"].level is Level.OK
    missing = examine(Patient(api, folder=NodeFolder(tmp_path / "none")))["trace folder"]
    assert (missing.level, missing.said.startswith("no folder ")) == (Level.WARN, True)


def test_every_check_can_be_made_on_any_api_server(kube: KubeApi) -> None:
    findings = examine(Patient(kube))
    assert list(findings) == list(checks_for(Patient(kube)))
    assert findings["API server"].level is Level.OK
    assert not [finding.said for finding in findings.values() if "cannot be judged" in finding.said]


def run(*arguments: object) -> Any:
    from infra.commands import app

    return CliRunner().invoke(app, ["doctor", *map(str, arguments)])


def test_the_command_prints_a_line_a_check_and_passes(fake: FakeApi, tmp_path: Path) -> None:
    result = run("--kubeconfig", fake.write_kubeconfig(tmp_path / "kubeconfig"), "--trace-dir", f"{tmp_path}:/data")
    assert result.exit_code == 0, result.output
    _, *lines = result.stdout.splitlines()
    assert lines
    assert all("  ok  " in line for line in lines)


def test_the_command_fails_by_name_and_says_how_to_mend_it(fake: FakeApi, tmp_path: Path) -> None:
    fake.remove("namespaces", "monitoring")
    config = fake.write_kubeconfig(tmp_path / "kubeconfig")
    result = run("--kubeconfig", config)
    assert result.exit_code == 1
    assert "mend: kubectl create namespace monitoring" in result.stdout
    assert "checks failed: metrics namespace" in result.stderr
    answer = json.loads(run("--kubeconfig", config, "--json").stdout)
    (row,) = (row for row in answer["checks"] if row["level"] == "fail")
    assert row["mend"] == "kubectl create namespace monitoring"


@pytest.mark.parametrize("url", ["http://traces", "traces", "s3:/traces"])
def test_a_trace_bucket_that_is_none_is_a_matter_of_usage(fake: FakeApi, tmp_path: Path, url: str) -> None:
    result = run("--kubeconfig", fake.write_kubeconfig(tmp_path / "kubeconfig"), "--trace-bucket", url)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"--trace-bucket {url}: must be s3://BUCKET" in result.stderr


def test_the_command_fixes_what_is_safe(fake: FakeApi, tmp_path: Path) -> None:
    fake.put(simulation("arena-1"))
    result = run("--kubeconfig", fake.write_kubeconfig(tmp_path / "kubeconfig"), "--fix", "--json")
    assert json.loads(result.stdout)["fixed"] == ["deleted simulation arena-1"]
    assert fake.all("simulations") == []


def test_without_a_kubeconfig_there_is_one_failing_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    result = run()
    assert result.exit_code == 1
    _, only = result.stdout.splitlines()
    assert only.split()[:3] == ["API", "server", "fail"]


def test_where_nothing_answers_there_is_one_failing_line(fake: FakeApi, tmp_path: Path) -> None:
    config = fake.write_kubeconfig(tmp_path / "kubeconfig")
    config.write_text(config.read_text().replace(fake.url, "http://127.0.0.1:9"))
    answer = json.loads(run("--kubeconfig", config, "--json").stdout)
    assert [(row["check"], row["level"]) for row in answer["checks"]] == [("API server", "fail")]
