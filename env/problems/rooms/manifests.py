"""The objects that stand in a room, as manifests. Keys are sorted where SimKube sorts them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from env.quantity import format_cpu, format_memory

if TYPE_CHECKING:  # help texts name the kinds of rooms, and do without msgpack
    from env.trace.document import Manifest

NAMESPACE = "default"
HOST = "kubernetes.io/hostname"
_IMAGE = "registry.k8s.io/pause:3.10"


def container(name: str, cpu_m: int, memory_bytes: int, *, image: str = _IMAGE) -> Manifest:
    """A container that requests this."""
    requests = {"cpu": format_cpu(cpu_m), "memory": format_memory(memory_bytes)}
    return {"image": image, "name": name, "resources": {"requests": requests}}


def deployment(name: str, replicas: int, pod: Manifest, *, note: Manifest | None = None, **spec: Any) -> Manifest:
    """A Deployment; `note`: annotations of its pods, `spec`: what else it says."""
    labels = {"app": name}
    metadata = {**({"annotations": note} if note else {}), "labels": labels}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            **spec,
            "template": {"metadata": metadata, "spec": pod},
        },
    }


def daemon_set(name: str, pod: Manifest) -> Manifest:
    """A DaemonSet."""
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}},
    }


def pinned_pod(name: str, node: str, cpu_m: int, memory_bytes: int) -> Manifest:
    """A pod of its own on one node, which takes that much of it."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"labels": {"app": name}, "name": name, "namespace": NAMESPACE},
        "spec": {"containers": [container(name, cpu_m, memory_bytes)], "nodeSelector": {HOST: node}},
    }


def priority_class(name: str, value: int) -> Manifest:
    """A PriorityClass."""
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "value": value,
    }


def spread_over_hosts(app: str) -> Manifest:
    """What a pod says to be spread over hosts, by one pod at most."""
    rule = {
        "labelSelector": {"matchLabels": {"app": app}},
        "maxSkew": 1,
        "topologyKey": HOST,
        "whenUnsatisfiable": "DoNotSchedule",
    }
    return {"topologySpreadConstraints": [rule]}


def away_from(*apps: str) -> Manifest:
    """What a pod says to share no host with pods of these apps."""
    terms = [{"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": HOST} for app in apps]
    return {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}}
