"""Workloads and node types for tests of plans."""

from __future__ import annotations

from typing import Any

from env.plan.offers import Offer, offers_of_types, parse_type
from env.trace.document import Manifest, Trace
from env.trace.upgrade import upgraded


def workload(
    name: str, cpu: str, replicas: int = 1, memory: str = "64Mi", kind: str = "Deployment", **pod: Any
) -> Manifest:
    labels = {"app": name}
    containers = [{"name": "main", "image": name, "resources": {"requests": {"cpu": cpu, "memory": memory}}}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers, **pod}}
    spec: Manifest = {"selector": {"matchLabels": labels}, "template": template}
    if kind != "DaemonSet":
        spec["replicas"] = replicas
    if kind == "StatefulSet":
        spec["serviceName"] = name
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": "shop"}, "spec": spec}


def apart(name: str, key: str = "kubernetes.io/hostname") -> Manifest:
    """Affinity of pods that must not share a domain."""
    term = {"labelSelector": {"matchLabels": {"app": name}}, "topologyKey": key}
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def trace_of(*manifests: Manifest) -> Trace:
    event = {"ts": 0, "applied_objs": list(manifests), "deleted_objs": []}
    return Trace(upgraded({"version": 1, "events": [event], "metadata": {}}), "shop")


def offers(*types: str, zones: tuple[str, ...] = (), usd: dict[str, float] | None = None) -> tuple[Offer, ...]:
    made = offers_of_types([parse_type(each) for each in types], zones)
    return tuple(Offer(each.name, each.node, (usd or {}).get(each.name)) for each in made)
