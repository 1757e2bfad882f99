"""What a pod spec asks for that matters to a real cluster and is not modelled.

Follows no Kubernetes source.
"""

from __future__ import annotations

from env.engine.manifests.fields import Manifest, as_maps, as_text
from env.engine.manifests.terms import affinity_not_modelled

DEFAULT_SCHEDULER = "default-scheduler"

_FIELDS = (
    "activeDeadlineSeconds",
    "ephemeralContainers",
    "readinessGates",
    "resourceClaims",
    "runtimeClassName",
    "schedulingGroup",
)


def not_modelled(pod: Manifest) -> tuple[str, ...]:
    """The names of the fields."""
    fields = [name for name in _FIELDS if pod.get(name)]
    fields += affinity_not_modelled(pod)
    if any("persistentVolumeClaim" in volume or "ephemeral" in volume for volume in as_maps(pod, "volumes")):
        fields.append("volumes of a PersistentVolumeClaim")
    if as_maps(pod, "schedulingGates"):
        fields.append("schedulingGates (the pods stay pending)")
    scheduler = scheduler_of(pod)
    if scheduler != DEFAULT_SCHEDULER:
        fields.append(f"schedulerName {scheduler} (the pods stay pending)")
    return tuple(fields)


def scheduler_of(pod: Manifest) -> str:
    """Whose pod it is; the API server fills in the name where it is empty."""
    return as_text(pod, "schedulerName") or DEFAULT_SCHEDULER
