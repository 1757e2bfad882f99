"""Plans on a real control plane: what is applied in their order is Ready, and so is what moves as they say."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from planes import PATIENCE_S, ROOT, run

from env.kube.client import KubeApi, Waiting, wait
from env.kube.connect import connect
from env.kube.paths import path_of, within
from env.live.usage import is_ready
from env.plan.offers import named, offers_of_types, parse_type
from env.plan.planner import Plan, Problem, plan
from env.problems.node_metadata import pools_of_metadata
from env.problems.node_text import parse_nodes
from env.problems.nodes import NodePool, NodePools
from env.snapshot import read_manifests, trace_of
from env.snapshot.live import read_cluster
from env.snapshot.reading import LISTED, NAMESPACES, NODES, PODS
from env.trace.document import Manifest
from infra.proof.control_plane import samples
from infra.proof.control_plane.plane import Plane

NAMESPACE = "plan"


@pytest.fixture
def api(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubeApi]:
    """The plane; its own nodes stay, as their taints keep pods off."""
    monkeypatch.chdir(ROOT)
    api = replace(connect(kubeconfig=str(plane.kubeconfig)), poll_s=0.3)
    samples.prepare(api)
    yield api
    api.patch(path_of(NODES.collection, "worker-1"), {"spec": {"taints": None}})
    api.close()


def node(pool: NodePool) -> Manifest:
    """A node of KWOK like the one of a plan."""
    (name,) = pool.names
    room = {"cpu": f"{pool.cpu_m}m", "memory": str(pool.memory_bytes), "pods": str(pool.pods)}
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {**labels, **dict(pool.labels)},
            "annotations": {"kwok.x-k8s.io/node": "fake"},
        },
        "status": {"allocatable": room, "capacity": room},
    }


def workload(name: str, cpu: str, replicas: int) -> Manifest:
    labels = {"app": name}
    containers: list[Any] = [{"name": "main", "image": f"{name}:1", "resources": {"requests": {"cpu": cpu}}}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
    }


@contextmanager
def running(api: KubeApi, nodes: NodePools, manifests: Sequence[Manifest]) -> Iterator[Callable[[NodePools], None]]:
    """Nodes with what is applied to them, each workload when those before it have nodes; all of it is gone after.

    Yields:
        Lets more nodes join, which are gone after, too.
    """
    names: list[str] = []
    namespaces = {each["metadata"].get("namespace") for each in manifests} - {"", None}

    def join(more: NodePools) -> None:
        numbered = [replace(each, names=(f"plan-{number}",)) for number, each in enumerate(named(more), len(names) + 1)]
        for each in numbered:
            api.create(NODES.collection, node(each))
            names.extend(each.names)
        wait(api, "nodes that take pods", PATIENCE_S, partial(_down, names=names))

    try:
        join(nodes)
        for name in sorted(namespaces):
            made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            api.apply(path_of(NAMESPACES.collection, name), made)
        for manifest in manifests:
            _apply(api, manifest)
            wait(api, f"nodes for {manifest['metadata']['name']}", PATIENCE_S, partial(_waiting, where=namespaces))
        yield join
    finally:
        for name in sorted(namespaces):
            api.delete(path_of(NAMESPACES.collection, name))
        wait(api, "the end of the namespaces", PATIENCE_S, partial(_there, names=namespaces))
        for name in names:
            api.delete(path_of(NODES.collection, name))


@contextmanager
def applied(api: KubeApi, found: Plan) -> Iterator[None]:
    """The plan's nodes with what it holds, in its order."""
    assert found.nodes is not None
    manifests = [each for event in found.trace.events for each in event["applied_objs"]]
    with running(api, found.nodes, [*found.trace.unapplied, *manifests]):
        yield


def _apply(api: KubeApi, manifest: Manifest) -> None:
    listed = next((each for each in LISTED if each.kind == manifest["kind"]), None)
    if listed is not None and manifest["kind"] != "Namespace":
        metadata = manifest["metadata"]
        api.apply(path_of(listed.collection, metadata["name"], metadata.get("namespace") or None), manifest)


def _down(api: KubeApi, names: Sequence[str]) -> Waiting | None:
    found = [api.get(path_of(NODES.collection, name)) or {} for name in names]
    down = [name for name, each in zip(names, found, strict=True) if not is_ready(each) or each["spec"].get("taints")]
    return Waiting(f"not {', '.join(down)}") if down else None


def _waiting(api: KubeApi, where: set[str]) -> Waiting | None:
    """Workloads whose controllers have not made all pods, or whose pods have no node."""
    late = [
        str(each.key) for each in read_cluster(api, "plane", sorted(where)).now if each.key.kind != "CronJob"
        and (each.unscheduled or not each.is_whole)
    ]  # fmt: skip
    return Waiting(", ".join(late)) if late else None


def _there(api: KubeApi, names: set[str]) -> Waiting | None:
    left = [name for name in names if api.get(path_of(NAMESPACES.collection, name)) is not None]
    return Waiting(", ".join(left)) if left else None


def used_nodes(api: KubeApi, namespace: str) -> set[str]:
    return {str(pod["spec"].get("nodeName")) for pod in api.list(within(PODS.collection, namespace))}


def test_all_of_the_shop_is_ready_on_a_plans_nodes(api: KubeApi) -> None:
    offers = offers_of_types([parse_type("m6i.large")], ("a", "b", "c"))
    found = plan(Problem(trace_of(read_manifests(["docs/samples/shop.yaml"])), None, offers))
    with applied(api, found):
        now = [each for each in read_cluster(api, "plane", ("shop",)).now if each.key.kind != "CronJob"]
        assert len(now) == 7
        assert all(each.is_whole for each in now)
        assert len(used_nodes(api, "shop")) == sum(found.counts or ())


def test_the_largest_first_need_the_nodes_that_the_plan_says(api: KubeApi, tmp_path: Path) -> None:
    import yaml

    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump_all([workload("small", "500m", 10), workload("large", "3", 3)]))
    found = plan(Problem(trace_of(read_manifests([str(path)])), None, offers_of_types([parse_type("4:8Gi")], ())))
    assert found.counts == (4,)
    with applied(api, found):
        now = read_cluster(api, "plane", (NAMESPACE,)).now
        assert sorted((each.key.name, each.ready) for each in now) == [("large", 3), ("small", 10)]
        assert len(used_nodes(api, NAMESPACE)) == 4


def budget(name: str) -> Manifest:
    """One pod of a workload may be missing."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": name}}},
    }


def cordon(api: KubeApi, names: Sequence[str]) -> None:
    for name in names:
        api.patch(path_of(NODES.collection, name), {"spec": {"unschedulable": True}})


def drain(api: KubeApi, name: str) -> int:
    """Evict a node's pods as budgets allow, and wait until all are Ready elsewhere; how many were evicted."""
    pods = api.list(within(PODS.collection, NAMESPACE), fields=f"spec.nodeName={name}")
    leaving = [pod["metadata"] for pod in pods if pod["metadata"]["ownerReferences"][0]["kind"] != "DaemonSet"]
    for each in leaving:
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": each["name"], "namespace": NAMESPACE},
        }
        path = f"{path_of(PODS.collection, each['name'], NAMESPACE)}/eviction"
        wait(api, f"eviction of {each['name']}", PATIENCE_S, partial(KubeApi.create, path=path, manifest=eviction))
    wait(api, f"pods of {name} elsewhere", PATIENCE_S, partial(_waiting, where={NAMESPACE}))
    return len(leaving)


def test_a_plan_needs_rights_to_read_alone_and_all_stays_ready_where_its_move_leads(api: KubeApi, reader: Path) -> None:
    agent = workload("agent", "100m", 0)
    agent |= {"kind": "DaemonSet", "spec": {key: agent["spec"][key] for key in ("selector", "template")}}
    there = [agent, workload("small", "500m", 6), workload("large", "3", 2), budget("large")]
    with running(api, parse_nodes("5x4:8Gi"), there) as join:
        done = run(reader, "plan", "--node-type", "8:16Gi", "--json")
        found = json.loads(done.stdout)
        assert (done.returncode, found["nodes_now"], found["nodes_plan"]) == (0, 5, 2), done.stderr
        assert (found["move"]["way"], found["move"]["is_done"]) == ("node by node", True)
        leaving = found["move"]["drained"]
        assert sorted(leaving) == [f"plan-{number}" for number in range(1, 6)]
        join(pools_of_metadata(found["nodes"]))
        cordon(api, leaving)
        assert sum(drain(api, name) for name in leaving) == 8
        now = read_cluster(api, "plane", (NAMESPACE,)).now
        assert sorted((each.key.name, each.ready) for each in now) == [("agent", 7), ("large", 2), ("small", 6)]
        moved = api.list(within(PODS.collection, NAMESPACE), labels="app!=agent")
        assert {pod["spec"]["nodeName"] for pod in moved} == {"plan-6", "plan-7"}
