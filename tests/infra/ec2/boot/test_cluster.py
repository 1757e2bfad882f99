"""The boot of an instance with a cluster of its own; see `rig`."""

from __future__ import annotations

import hashlib
import http.server
import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_api import FakeApi
from imds import INSTANCE_ID
from rig import AWS, NOTHING, SHIM, Rig

from env.simkube.doctor import shipped_stages
from env.simkube.nodes import LABELS
from infra.ec2.launch.pins import CLUSTER_PINS
from infra.ec2.launch.user_data import Artifact
from infra.ec2.watch.reports import ReportedState

STAGE = {
    "apiVersion": "kwok.x-k8s.io/v1alpha1",
    "kind": "Stage",
    "metadata": {"name": "pod-ready"},
    "spec": {"resourceRef": {"apiGroup": "v1", "kind": "Pod"}, "next": {"statusTemplate": "phase: Running"}},
}

OFF = (
    '--type merge -p {"spec": {"template": {"spec": {"affinity": {"nodeAffinity": '
    '{"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": '
    '[{"matchExpressions": [{"key": "type", "operator": "NotIn", "values": ["virtual"]}]}]}}}}}}}'
)


@pytest.fixture
def healthy() -> Iterator[FakeApi]:
    """A cluster in which the doctor finds nothing that fails."""
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}

    def manifest(version: str, kind: str, name: str, namespace: str = "", **rest: Any) -> dict[str, Any]:
        place = {"namespace": namespace} if namespace else {}
        metadata = {"name": name, **place, **rest.pop("metadata", {})}
        return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}

    def deployment(name: str, namespace: str, image: str, **labels: str) -> dict[str, Any]:
        spec = {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}
        metadata = {"labels": labels}
        return manifest(
            "apps/v1", "Deployment", name, namespace, spec=spec, status={"readyReplicas": 1}, metadata=metadata
        )

    virtual = {
        "labels": {"type": "virtual", **{label: "x" for label in LABELS}},
        "annotations": {"kwok.x-k8s.io/node": "fake"},
    }
    taints = {"taints": [{"key": "kwok-provider", "value": "true", "effect": "NoSchedule"}]}
    controller = deployment("sk-ctrl-depl", "simkube", "q/sk-ctrl:v2.7.0", **{"app.kubernetes.io/name": "sk-ctrl"})
    with FakeApi() as api:
        for one in (
            manifest("v1", "Namespace", "simkube"),
            manifest("v1", "Namespace", "monitoring"),
            controller,
            manifest("v1", "ServiceAccount", "sk-ctrl-sa", "simkube"),
            manifest("cert-manager.io/v1", "ClusterIssuer", "selfsigned", spec={}, status=ready),
            deployment("kwok-controller", "kube-system", "k/kwok:v0.8.0"),
            STAGE,
            *shipped_stages(),
            manifest("v1", "Node", "virtual-1", metadata=virtual, spec=taints, status=ready),
            manifest("v1", "Node", "worker", spec={}, status=ready),
        ):
            api.put(one)
        yield api


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Mapping[str, str]]:
    """What the web has, on this machine: three manifests, a `kind` that is a shim, and SimKube's repository."""
    folder = tmp_path / "web"
    repository = folder / "simkube"
    for name in ("kustomize/sim/kustomization.yml", "raw/simkube.io_simulations.yml"):
        path = repository / "k8s" / name
        path.parent.mkdir(parents=True)
        path.write_text("{}")
    git = ["git", "-C", str(repository), "-c", "user.name=x", "-c", "user.email=x@x"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *arguments], check=True, timeout=20)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True, timeout=20)
    for name, text in (
        ("kind", SHIM),
        ("kwok.yaml", "kind: Kwok"),
        ("stage-fast.yaml", "kind: Stage"),
        ("cert-manager.yaml", "kind: CertManager"),
    ):
        (folder / name).write_text(text)
    handler = partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()

    def download(variable: str, name: str) -> dict[str, str]:
        sha256 = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        return {f"{variable}_URL": f"http://127.0.0.1:{server.server_port}/{name}", f"{variable}_SHA256": sha256}

    yield {
        **CLUSTER_PINS,
        **download("KIND", "kind"),
        **download("KWOK", "kwok.yaml"),
        **download("KWOK_STAGES", "stage-fast.yaml"),
        **download("CERT_MANAGER", "cert-manager.yaml"),
        "SIMKUBE_REPOSITORY": f"file://{repository}",
        "SIMKUBE_COMMIT": commit.stdout.strip(),
    }
    server.shutdown()
    server.server_close()
    thread.join()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None: ...


@pytest.fixture
def simkube(rig: Rig, working: Rig, healthy: FakeApi) -> Callable[..., Rig]:
    """Makes a machine that has Sim-Arena installed, but no cluster."""

    def make(pins: Mapping[str, str], **changes: Any) -> Rig:
        installed = dict(
            line.split("=", 1) for line in working.user_data["write_files"][0]["content"].splitlines() if "=" in line
        )
        for name in ("WHEEL", "LOCK"):
            path = working.root / "opt/sim-arena/code" / installed[name].rpartition("/")[2]
            rig.put(path.name, path.read_bytes())
        orders = replace(
            NOTHING,
            wheel=Artifact(installed["WHEEL"], installed["WHEEL_SHA256"]),
            lock=Artifact(installed["LOCK"], installed["LOCK_SHA256"]),
            cluster="simkube",
            **changes,
        )
        (rig.root / "opt/sim-arena").mkdir(parents=True)
        (rig.root / "opt/sim-arena/venv").symlink_to(working.root / "opt/sim-arena/venv")
        rig.environment["PYTHONPATH"] = working.environment["PYTHONPATH"]
        healthy.write_kubeconfig(rig.shims / "kubeconfig")
        return rig.born(orders, pins)

    return make


@AWS
def test_a_cluster_is_made_in_order_and_the_doctor_has_the_last_word(
    simkube: Callable[..., Rig], elsewhere: Mapping[str, str], healthy: FakeApi
) -> None:
    image, digest = CLUSTER_PINS["NODE_IMAGE"], CLUSTER_PINS["KWOK_DIGEST"]
    rig = simkube(elsewhere, nodes=2, node_cpu="8", node_memory="64Gi")
    done = rig.boot()
    assert done.returncode == 0, rig.log
    assert rig.status().state is ReportedState.WORKING
    kubectl = "docker exec -i sim-control-plane kubectl --kubeconfig /etc/kubernetes/admin.conf"
    own = ("journalctl", "rpm", "useradd")
    assert [call.removeprefix(f"{kubectl} ") for call in rig.calls if not call.startswith(own)] == [
        "dnf install -y python3.11 python3.11-pip docker git",
        "systemctl enable --now docker",
        f"docker image inspect {image}",
        f"docker pull --quiet {image}",
        "kind get clusters",
        f"kind create cluster --name sim --image {image} "
        f"--kubeconfig {rig.root}/var/lib/sim-arena/kubeconfig --wait 5m --config -",
        "apply -f -",
        f"-n kube-system set image deployment/kwok-controller *=registry.k8s.io/kwok/kwok@{digest}",
        "wait --for=condition=Established --timeout=60s crd/stages.kwok.x-k8s.io",
        "apply -f -",
        "-n kube-system rollout status deployment/kwok-controller --timeout=5m",
        "apply -f -",
        "-n cert-manager wait deployment --all --for=condition=Available --timeout=5m",
        "apply -f -",
        "apply -f -",
        f"docker cp {rig.root}/opt/sim-arena/code/simkube/k8s/. sim-control-plane:/simkube",
        "apply -k /simkube/kustomize/sim",
        "apply -f /simkube/raw/simkube.io_simulations.yml",
        "get crd simulations.simkube.io -o yaml",
        "-n simkube set image deployment/sk-ctrl-depl *=quay.io/appliedcomputing/sk-ctrl:v2.7.0",
        "-n simkube rollout status deployment/sk-ctrl-depl --timeout=5m",
        "apply -f -",
        f"-n kube-system patch daemonset kindnet kube-proxy {OFF}",
        "apply -f -",
        "wait node -l type=virtual --for=condition=Ready --timeout=2m",
        "systemctl enable --now sim-arena-spot.service sim-arena-worker.service",
    ]
    applied = [list(yaml.safe_load_all((rig.shims / f"applied-{i}").read_text())) for i in range(7)]
    kinds = [[document["kind"] for document in documents if document] for documents in applied]
    stages = ["Stage"] * len(shipped_stages())
    assert kinds == [
        ["Kwok"],
        ["Stage"],
        ["CertManager"],
        ["ClusterIssuer"],
        ["Namespace"],
        stages,
        ["Node", "Node"],
    ]
    size = {"cpu": "8", "memory": "64Gi", "pods": "110", "ephemeral-storage": "100Gi"}
    assert applied[6][1] == {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": "virtual-2",
            "labels": {
                "type": "virtual",
                "kubernetes.io/hostname": "virtual-2",
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
            },
            "annotations": {"kwok.x-k8s.io/node": "fake"},
        },
        "spec": {"taints": [{"key": "kwok-provider", "value": "true", "effect": "NoSchedule"}]},
        "status": {"allocatable": size, "capacity": size},
    }
    control_plane, worker = yaml.safe_load((rig.shims / "kind").read_text())["nodes"]
    assert control_plane == {"role": "control-plane"}
    assert worker["labels"] == {"type": "kind-worker"}
    assert worker["extraMounts"] == [{"hostPath": f"{rig.root}/var/lib/sim-arena/traces", "containerPath": "/data"}]
    assert any("/simulations" in path for _, path in healthy.requests)


@AWS
def test_a_cluster_that_the_doctor_does_not_pass_is_a_failed_boot(
    simkube: Callable[..., Rig], elsewhere: Mapping[str, str], healthy: FakeApi
) -> None:
    healthy.remove("serviceaccounts", "sk-ctrl-sa", "simkube")
    rig = simkube(elsewhere)
    rig.boot()
    assert rig.is_off()
    assert rig.status().state is ReportedState.FAILED
    assert rig.status().doing == "doctor: error: 1 of 15 checks failed: service account (exit code 1)"
    assert not any("sim-arena-worker.service" in call and "enable" in call for call in rig.calls)


@AWS
@pytest.mark.parametrize("what", ["kind", "simkube"])
def test_nothing_from_the_web_is_used_that_is_not_what_was_pinned(
    what: str, simkube: Callable[..., Rig], elsewhere: Mapping[str, str]
) -> None:
    pin = {"simkube": {"SIMKUBE_COMMIT": "0" * 40}, "kind": {"KIND_SHA256": "0" * 64}}[what]
    rig = simkube({**elsewhere, **pin})
    rig.boot()
    assert rig.is_off()
    assert rig.status().doing.startswith("kind: " if what == "kind" else "manifests: ")
    assert not any(call.startswith("kind create") for call in rig.calls)


@AWS
def test_a_machine_that_becomes_an_image_keeps_what_is_installed_and_forgets_who_it_was(
    simkube: Callable[..., Rig], elsewhere: Mapping[str, str]
) -> None:
    rig = simkube(elsewhere, bake=True)
    theirs = ("etc/ssh/ssh_host_ed25519_key", "var/lib/amazon/ssm/registration", "root/.cache/pip/x")
    for name in (*theirs, "var/lib/dbus/machine-id"):
        (rig.root / name).parent.mkdir(parents=True, exist_ok=True)
        (rig.root / name).touch()
    assert rig.boot().returncode == 0, rig.log
    assert (rig.status().state, rig.status().doing) == (ReportedState.ENDING, "baked")
    assert "docker pull --quiet " + CLUSTER_PINS["NODE_IMAGE"] in rig.calls
    for call in ("cloud-init clean --logs", "journalctl --rotate --vacuum-time 1s"):
        assert call in rig.calls
    assert f"truncate --size 0 {rig.root}/etc/machine-id" in rig.calls
    assert not any("sim-arena" in call for call in rig.calls if call.startswith("systemctl"))
    # What an image of the disk has: neither /run nor /proc.
    left = {str(path.relative_to(rig.root)) for path in rig.root.rglob("*") if path.is_file()}
    left = {path for path in left if not path.startswith(("run/", "proc/"))}
    installed = ("opt/sim-arena/", "etc/systemd/system/", "var/lib/sim-arena/busy")
    assert {path for path in left if not path.startswith(installed)} == set()
    assert not any(INSTANCE_ID in (rig.root / path).read_text(errors="replace") for path in left)

    # If no command ends it, it ends itself.
    os.utime(rig.root / "var/lib/sim-arena/busy", (1, 1))
    rig.run("keep.sh")
    assert rig.is_off()
