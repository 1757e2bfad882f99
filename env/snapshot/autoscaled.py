"""Replicas within the bounds of autoscalers: what they make of a workload whatever its load.

Follows kubernetes 1.36 `pkg/controller/podautoscaler/horizontal.go` (`reconcileAutoscaler`): replicas below the minimum
are raised and those above the maximum lowered; a workload with 0 replicas is left alone. KEDA makes such an autoscaler.
"""

from __future__ import annotations

from collections.abc import Sequence

from env.engine.manifests.fields import Manifest, as_count, as_map, as_text

_BOUNDS = {"HorizontalPodAutoscaler": ("minReplicas", "maxReplicas"), "ScaledObject": ("minReplicaCount", "")}
_SCALED = ("Deployment", "StatefulSet", "ReplicaSet")


def within_autoscalers(objects: Sequence[Manifest]) -> list[Manifest]:
    """The objects, with other replicas where an autoscaler among them would not leave them as they are.

    Raises:
        ValueError: A bound that is no number.
    """
    bounds = {}
    for each in objects:
        if each["kind"] in _BOUNDS:
            spec = as_map(each, "spec")
            least, most = _BOUNDS[each["kind"]]
            target = as_map(spec, "scaleTargetRef")
            key = as_text(target, "kind", "Deployment"), each["metadata"]["namespace"], as_text(target, "name")
            bounds[key] = as_count(spec, least, 1), as_count(spec, most, 0) if most else 0
    return [_within(each, *bounds.get(_key(each), (0, 0))) for each in objects]


def _key(manifest: Manifest) -> tuple[str, str, str]:
    return manifest["kind"], manifest["metadata"]["namespace"], manifest["metadata"]["name"]


def _within(manifest: Manifest, least: int, most: int) -> Manifest:
    if manifest["kind"] not in _SCALED or not (least or most):
        return manifest
    spec = as_map(manifest, "spec")
    asked = as_count(spec, "replicas", 1)
    replicas = min(max(asked, least), most or max(asked, least))
    return manifest if replicas == asked or not asked else {**manifest, "spec": {**spec, "replicas": replicas}}
