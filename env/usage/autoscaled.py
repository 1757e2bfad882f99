"""Workloads whose replicas an autoscaler sets by the use's share of the request: a lower request, more replicas."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from env.untrusted import mapping, mappings, name
from env.usage.usage import Usage

_METRICS = {"Resource": "resource", "ContainerResource": "containerResource"}


def with_autoscalers(usage: Usage, objects: Iterable[Any]) -> Usage:
    """The use, with the resources by which the HorizontalPodAutoscalers among the objects scale each workload."""
    scaled: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for each in objects:
        if each.get("kind") == "HorizontalPodAutoscaler":
            namespace = name(mapping(each.get("metadata")).get("namespace")) or "default"
            target = mapping(mapping(each.get("spec")).get("scaleTargetRef"))
            scaled[name(target.get("kind")), namespace, name(target.get("name"))] |= set(_resources(each))
    uses = {
        key: replace(use, scaled_by=frozenset(scaled[key[:3]])) if key[:3] in scaled else use
        for key, use in usage.uses.items()
    }
    return replace(usage, uses=uses)


def _resources(autoscaler: Any) -> Iterator[str]:
    """The resources by whose share of the requests it scales; CPU where it says none (autoscaling/v2 `defaults.go`)."""
    spec = mapping(autoscaler.get("spec"))
    metrics = mappings(spec.get("metrics"))
    if not metrics:
        yield "cpu"
    for each in metrics:
        metric = mapping(each.get(_METRICS.get(name(each.get("type")), "")))
        if mapping(metric.get("target")).get("type") == "Utilization":
            yield name(metric.get("name"))
