"""What the tests of a real control plane share: objects, scenarios, and the plane itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from env.demand import DEMAND_ANNOTATION
from env.kube.client import KubeApi, Waiting, wait
from env.problems.nodes import NodePool, NodePools
from env.problems.scenario import Scenario
from env.simkube import gates, paths
from env.trace.document import Manifest, Trace
from env.workload import WorkloadRef

ROOT = Path(__file__).parents[2]
NAME = os.environ.get("SIM_ARENA_PLANE")  # read before the variables are taken from the tests
SETTINGS = {"any_nodes": True}
PATIENCE_S = 300.0
"""The most that is waited for what comes in the end, however slow the machine: several times what it took in CI."""


def deployment(
    replicas: int = 3,
    cpu: str = "500m",
    memory: str = "512Mi",
    *,
    demand: dict[str, str] | None = None,
    template: dict[str, Any] | None = None,
    **spec: Any,
) -> Manifest:
    """The Deployment default/web."""
    labels = {"app": "web"}
    container = {"name": "web", "image": "web:1", "resources": {"requests": {"cpu": cpu, "memory": memory}}}
    annotations = {DEMAND_ANNOTATION: json.dumps({"web": demand})} if demand else {}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": annotations},
                "spec": {"containers": [container], **(template or {})},
            },
            **spec,
        },
    }


def one_a_node() -> dict[str, Any]:
    """Of a pod template: no two pods on one node."""
    term = {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname"}
    return {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}


def scenario(*events: list[Manifest], target: int = 3, apart_s: int = 5) -> Scenario:
    """A scenario about default/web, on the plane's own nodes."""
    document = {
        "version": 2,
        "config": {"trackedObjects": {"apps/v1.Deployment": {"podSpecTemplatePaths": ["/spec/template"]}}},
        "events": [
            {"ts": 1000 + apart_s * i, "applied_objs": applied, "deleted_objs": []} for i, applied in enumerate(events)
        ],
        "index": {},
        "pod_lifecycles": {},
    }
    nodes = NodePools((NodePool(),))
    return Scenario(Trace(document, "test"), WorkloadRef("default", "web"), target, nodes, None, "web", None)


def node(number: int, pool: NodePool) -> Manifest:
    """A virtual node, as docs/simkube.md makes them."""
    name = f"virtual-{number}"
    room = {"cpu": f"{pool.cpu_m}m", "memory": str(pool.memory_bytes), "pods": str(pool.pods),
            "ephemeral-storage": "100Gi"}  # fmt: skip
    labels = {"type": "virtual", "kubernetes.io/hostname": name, "kubernetes.io/os": "linux",
              "kubernetes.io/arch": "amd64"}  # fmt: skip
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}},
        "spec": {"taints": [{"key": "kwok-provider", "value": "true", "effect": "NoSchedule"}]},
        "status": {"allocatable": room, "capacity": room},
    }


def program(name: str, *arguments: str) -> list[str]:
    """The command line of a console script, of this tree."""
    return [sys.executable, "-c", f"from infra.scripts import start; start({name!r})", *arguments]


def run(kubeconfig: Path, *arguments: str, name: str = "sim-arena") -> subprocess.CompletedProcess[str]:
    """Run a console script to its end against the plane."""
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    return subprocess.run(program(name, *arguments), env=environment, capture_output=True, text=True, check=False)


def start(kubeconfig: Path, *arguments: str, name: str = "sim-arena") -> subprocess.Popen[bytes]:
    """Start a console script against the plane."""
    return subprocess.Popen(program(name, *arguments), env={**os.environ, "KUBECONFIG": str(kubeconfig)})


def simulation_running(api: KubeApi) -> str:
    """The name of the only simulation, once it has a driver."""

    def look(api: KubeApi) -> str | Waiting:
        names = [str(each["metadata"]["name"]) for each in api.list(paths.SIMULATIONS)]
        waiting = gates.driver_running(api, names[0]) if names else Waiting("no simulation")
        return waiting or names[0]

    return wait(api, "a driver", PATIENCE_S, look)
