"""A small cluster that tests apply manifests to, and builders of its nodes and manifests."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from env.engine.control_plane import ControlPlane
from env.engine.manifests.objects import priority_class, read_object
from env.engine.manifests.priorities import PriorityClass
from env.engine.pods import UNBOUND, Phase, Pod
from env.engine.scheduling.nodes import Node, read_node
from env.trace.document import Manifest
from env.workload import ObjectRef

API_VERSIONS = {"Pod": "v1", "Job": "batch/v1", "CronJob": "batch/v1"}


class Cluster:
    """A control plane, with short names for what tests do and look at."""

    def __init__(
        self,
        *nodes: Node,
        now_s: float = 0.0,
        lifetimes: Callable[..., float | None] | None = None,
        events: bool = True,
    ) -> None:
        self.plane = ControlPlane(nodes, now_s=now_s, events=events, lifetimes=lifetimes)
        self.priorities: dict[str, PriorityClass] = {}

    def apply(self, *manifests: Manifest) -> Cluster:
        """Apply in order, and let the cluster come to rest."""
        for manifest in manifests:
            if manifest["kind"] == "PriorityClass":
                self.priorities |= priority_class(manifest)
                continue
            given = read_object(manifest, self.priorities)
            assert given is not None
            self.plane.apply(given)
        self.plane.settle()
        return self

    def delete(self, kind: str, name: str) -> Cluster:
        self.plane.delete(kind, ObjectRef("default", name))
        self.plane.settle()
        return self

    def wait(self, seconds: float) -> Cluster:
        self.plane.advance(self.plane.api.now_s + seconds)
        return self

    def rest(self) -> Cluster:
        """Let time pass until nothing happens any more."""
        assert self.plane.rest(3600)
        return self

    def workload(self, name: str = "web") -> Any:
        return next(each for (_, ref), each in self.plane.workloads.items() if ref.name == name)

    def pods(self, name: str = "web") -> list[Pod]:
        return list(self.workload(name).pods())

    def node_of(self, pod: Pod) -> str:
        return "" if pod.row == UNBOUND else self.plane.api.scheduler.bound.table.nodes[pod.row].name

    def placed(self, name: str = "web") -> Counter[str]:
        """Pods per node; "" for those without."""
        return Counter(self.node_of(pod) for pod in self.pods(name))

    def state(self, name: str = "web") -> tuple[int, int, int]:
        """(ready, pending, total)"""
        pods = self.pods(name)
        return sum(pod.ready for pod in pods), sum(pod.phase is Phase.PENDING for pod in pods), len(pods)

    def phases(self, name: str = "web") -> Counter[str]:
        return Counter(pod.phase.value for pod in self.pods(name))

    def messages(self) -> list[str]:
        """Distinct texts of FailedScheduling so far."""
        return sorted(set(self.told("FailedScheduling")))

    def told(self, reason: str) -> list[str]:
        return [event.message for event in self.plane.events if event.reason == reason]


def make_node(name: str, cpu: str = "4", memory: str = "8Gi", **fields: Any) -> Node:
    return read_node({"name": name, "cpu": cpu, "memory": memory, **fields})


def make_manifest(
    kind: str = "Deployment",
    name: str = "web",
    replicas: int | None = None,
    cpu: str | None = "1",
    memory: str | None = None,
    *,
    image: str = "web:1",
    labels: Manifest | None = None,
    limits: Manifest | None = None,
    extra: Manifest | None = None,
    ports: list[Manifest] | None = None,
    uses: Manifest | None = None,
    namespace: str = "default",
    spec: Manifest | None = None,
    **pod: Any,
) -> Manifest:
    """A manifest of a workload; `spec` goes into its own spec, further keywords into its pods'."""
    requests = {key: value for key, value in (("cpu", cpu), ("memory", memory)) if value is not None} | (extra or {})
    container = {"name": "c", "image": image, "resources": {"requests": requests, "limits": limits or {}}}
    container |= {"ports": ports} if ports else {}
    metadata: Manifest = {"labels": {"app": name} if labels is None else labels}
    metadata |= {"annotations": {"sim-arena.io/demand": json.dumps({"c": uses})}} if uses else {}
    template = {"metadata": metadata, "spec": {"containers": [container], **pod}}
    own: Manifest = {"selector": {"matchLabels": {"app": name}}, **(spec or {})}
    own |= {} if replicas is None else {"replicas": replicas}
    whole = {"apiVersion": API_VERSIONS.get(kind, "apps/v1"), "kind": kind}
    whole["metadata"] = {"name": name, "namespace": namespace}  # type: ignore[assignment]
    if kind == "Pod":
        return {**whole, "metadata": {**metadata, "name": name, "namespace": namespace}, "spec": template["spec"]}
    if kind == "CronJob":
        job = own.pop("job", {})
        return {**whole, "spec": {**own, "jobTemplate": {"spec": {**job, "template": template}}}}
    return {**whole, "spec": {**own, "template": template}}


def make_priority(name: str, value: int, **fields: Any) -> Manifest:
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name},
        "value": value,
        **fields,
    }


@pytest.fixture
def cluster() -> Callable[..., Cluster]:
    """Makes a cluster of nodes."""
    return Cluster


@pytest.fixture
def node() -> Callable[..., Node]:
    """Makes a node of 4 CPU and 8Gi, unless told otherwise."""
    return make_node


@pytest.fixture
def manifest() -> Callable[..., Manifest]:
    """Makes a manifest of a workload whose pods ask for 1 CPU, unless told otherwise."""
    return make_manifest


@pytest.fixture
def priority() -> Callable[..., Manifest]:
    """Makes a PriorityClass."""
    return make_priority
