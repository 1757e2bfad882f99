"""Objects of every kind that the engine knows: their manifests, read into what their controllers need.

Follows no Kubernetes source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from env.engine.manifests.deployment import DeploymentSpec, deployment_spec
from env.engine.manifests.fields import Manifest, as_map, as_text, naming
from env.engine.manifests.jobs import CronJobSpec, JobSpec, cron_job_spec, job_spec
from env.engine.manifests.lasting import LastingSpec
from env.engine.manifests.limit_range import LimitRange, read_limit_range
from env.engine.manifests.pod_template import PodTemplate, read_template
from env.engine.manifests.priorities import PriorityClass
from env.engine.manifests.replicated import (
    DaemonSetSpec,
    ReplicaSetSpec,
    StatefulSetSpec,
    daemon_set_spec,
    replica_set_spec,
    stateful_set_spec,
)
from env.engine.manifests.resource_quota import ResourceQuota, read_resource_quota
from env.errors import TraceError
from env.workload import KINDS, ObjectRef, object_ref

Priorities = Mapping[str, PriorityClass]
WorkloadSpec = DeploymentSpec | ReplicaSetSpec | StatefulSetSpec | DaemonSetSpec | JobSpec | CronJobSpec | PodTemplate
Spec = WorkloadSpec | LimitRange | ResourceQuota

# Objects that change nothing about pods on virtual nodes.
INERT = frozenset(
    (
        *("ClusterRole", "ClusterRoleBinding", "ConfigMap", "EndpointSlice", "Endpoints", "Event", "Ingress", "Lease"),
        *("Namespace", "NetworkPolicy", "Role", "RoleBinding", "Secret", "Service", "ServiceAccount"),
    )
)


@dataclass(frozen=True, eq=False)
class KubeObject:
    """A manifest, read.

    Attributes:
        kind: As in the manifest.
        ref: Its namespace and name.
        spec: What its controller or the API server's admission takes; a PodTemplate for a Pod.
        not_modelled: Fields that matter to a real cluster and are not modelled.
    """

    kind: str
    ref: ObjectRef
    spec: Spec
    not_modelled: tuple[str, ...] = ()


def is_builtin(manifest: Manifest) -> bool:
    """Whether its API group is one of Kubernetes itself; others have kinds of the same names."""
    group, _, _ = str(manifest.get("apiVersion", "")).rpartition("/")
    return "." not in group or group.endswith(".k8s.io")


def pod_templates(manifest: Manifest) -> list[Manifest]:
    """The pod templates in a manifest of a kind that has them: maps of `metadata` and `spec`."""
    match manifest.get("kind") if is_builtin(manifest) else None:
        case "Pod":
            return [manifest]
        case "CronJob":
            return [as_map(as_map(as_map(as_map(manifest, "spec"), "jobTemplate"), "spec"), "template")]
        case "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job":
            return [as_map(as_map(manifest, "spec"), "template")]
    return []


def read_object(manifest: Manifest, priorities: Priorities) -> KubeObject | None:
    """A manifest as `ControlPlane.apply` takes it; None for a kind that the engine does not know.

    Raises:
        TraceError: A field that the API server would refuse; names object and field.
        QuantityError: A quantity that it would refuse.
    """
    kind, ref = manifest["kind"], object_ref(manifest)
    if not is_builtin(manifest) or (kind != "Pod" and kind not in _READERS):
        return None
    with naming(f"{kind} {ref}"):
        if kind == "Pod":
            source = read_template(manifest, ref.namespace, priorities)
            return KubeObject(kind, ref, source.as_written(), source.not_modelled)
        spec, not_modelled = _READERS[kind](ref, as_map(manifest, "spec"), priorities)
        return KubeObject(kind, ref, spec, tuple(not_modelled))


def read_workload(manifest: Manifest, priorities: Priorities | None = None) -> LastingSpec:
    """What the manifest of a Deployment, StatefulSet, DaemonSet or ReplicaSet asks for.

    Raises:
        TraceError: A field that the API server would refuse, or a manifest of another kind.
        QuantityError: A quantity that it would refuse.
    """
    read = read_object(manifest, priorities or {})
    if read is None or not isinstance(read.spec, LastingSpec):
        raise TraceError(f"{manifest['kind']} {object_ref(manifest)}: must be one of {', '.join(KINDS)}")
    return read.spec


def text_read(manifest: Manifest) -> str:
    """What `read_object` reads of a manifest, as text; manifests of equal texts are read alike."""
    if manifest.get("kind") == "Pod":
        return repr(manifest)
    return repr((manifest.get("apiVersion"), manifest.get("kind"), object_ref(manifest), manifest.get("spec")))


def priority_class(manifest: Manifest) -> dict[str, PriorityClass]:
    """A PriorityClass by its name; by "" too if it is the default of all pods.

    Raises:
        TraceError: Its value is not a whole number.
    """
    name, value = as_text(as_map(manifest, "metadata"), "name"), manifest.get("value")
    if isinstance(value, bool) or not isinstance(value, int):
        raise TraceError(f"PriorityClass {name}: value {value!r:.80}: must be a whole number")
    found = PriorityClass(value, as_text(manifest, "preemptionPolicy") != "Never")
    return {name: found, "": found} if manifest.get("globalDefault") else {name: found}


def _deployment_spec(ref: ObjectRef, spec: Manifest, priorities: Priorities) -> tuple[DeploymentSpec, list[str]]:
    asked = deployment_spec(ref, spec, priorities)
    return asked, [*asked.source.not_modelled]


_READERS: dict[str, Callable[[ObjectRef, Manifest, Priorities], tuple[Any, list[str]]]] = {
    "Deployment": _deployment_spec,
    "ReplicaSet": replica_set_spec,
    "StatefulSet": stateful_set_spec,
    "DaemonSet": daemon_set_spec,
    "Job": job_spec,
    "CronJob": cron_job_spec,
    "LimitRange": lambda ref, spec, priorities: (read_limit_range(spec), []),
    "ResourceQuota": lambda ref, spec, priorities: read_resource_quota(spec),
}
