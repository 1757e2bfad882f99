"""Manifests of every kind that the engine knows, read into what their controllers need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from env.engine.controllers.cron_job import CronJobSpec
from env.engine.controllers.daemon_set import DaemonSetSpec
from env.engine.controllers.job import JobSpec
from env.engine.controllers.stateful_set import StatefulSetSpec
from env.engine.manifests.fields import Manifest, as_count, as_count_or_percent, as_flag, as_map, as_text
from env.engine.manifests.pod_template import PriorityClass, TemplateSource, read_lasting_template, read_template
from env.errors import QuantityError, TraceError
from env.trace.document import WorkloadRef, workload_ref
from env.trace.workload import read_deployment

Priorities = Mapping[str, PriorityClass]

# Objects that change nothing about pods on virtual nodes.
INERT = frozenset(
    (
        *("ClusterRole", "ClusterRoleBinding", "ConfigMap", "EndpointSlice", "Endpoints", "Event", "Ingress", "Lease"),
        *("Namespace", "NetworkPolicy", "Role", "RoleBinding", "Secret", "Service", "ServiceAccount"),
    )
)


_JOB_NOT_MODELLED = (
    *("activeDeadlineSeconds", "backoffLimitPerIndex", "managedBy", "maxFailedIndexes", "podFailurePolicy"),
    *("successPolicy", "ttlSecondsAfterFinished"),
)

_SCHEDULES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


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


def read_object(manifest: Manifest, priorities: Priorities) -> Any:
    """The record of a manifest: what `ControlPlane.apply` takes. None for a kind that the engine does not know.

    Raises:
        TraceError: A field that the API server would refuse; names object and field.
        QuantityError: A quantity that it would refuse.
    """
    kind, ref = manifest["kind"], workload_ref(manifest)
    reader = _READERS.get(kind) if is_builtin(manifest) else None
    if reader is None:
        return None
    if kind == "Deployment":
        return read_deployment(manifest, priorities)
    try:
        return reader(ref, as_map(manifest, "spec"), manifest, priorities)
    except QuantityError as error:
        raise QuantityError(f"{kind} {ref}: {error}") from error
    except ValueError as error:
        raise TraceError(f"{kind} {ref}: {error}") from error


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


@dataclass(frozen=True, eq=False)
class Record:
    """A manifest of any kind but Deployment, read.

    Attributes:
        kind: As in the manifest.
        ref: Its namespace and name.
        spec: What its controller takes.
        not_modelled: Fields that matter to a real cluster and are not modelled.
    """

    kind: str
    ref: WorkloadRef
    spec: Any
    not_modelled: tuple[str, ...]


def _template(spec: Manifest, ref: WorkloadRef, priorities: Priorities) -> TemplateSource:
    return read_lasting_template(as_map(spec, "template"), ref.namespace, priorities)


def _pod(ref: WorkloadRef, spec: Manifest, manifest: Manifest, priorities: Priorities) -> Record:
    source = read_template(manifest, ref.namespace, priorities)
    return Record("Pod", ref, source.as_written(), source.not_modelled)


def _replica_set(ref: WorkloadRef, spec: Manifest, manifest: Manifest, priorities: Priorities) -> Record:
    source = _template(spec, ref, priorities)
    replicas = as_count(spec, "replicas", 1)
    return Record(
        "ReplicaSet", ref, (source.as_written(), replicas, as_count(spec, "minReadySeconds", 0)), source.not_modelled
    )


def _stateful_set(ref: WorkloadRef, spec: Manifest, manifest: Manifest, priorities: Priorities) -> Record:
    source = _template(spec, ref, priorities)
    strategy = as_map(spec, "updateStrategy")
    asked = StatefulSetSpec(
        ref,
        source.as_written(),
        as_count(spec, "replicas", 1),
        parallel=as_text(spec, "podManagementPolicy") == "Parallel",
        on_delete=as_text(strategy, "type") == "OnDelete",
        partition=as_count(as_map(strategy, "rollingUpdate"), "partition", 0),
        first=as_count(as_map(spec, "ordinals"), "start", 0),
    )
    missing = [name for name in ("volumeClaimTemplates", "minReadySeconds") if spec.get(name)]
    missing += ["maxUnavailable"] if as_map(strategy, "rollingUpdate").get("maxUnavailable") not in (None, 1) else []
    return Record("StatefulSet", ref, asked, (*source.not_modelled, *missing))


def _daemon_set(ref: WorkloadRef, spec: Manifest, manifest: Manifest, priorities: Priorities) -> Record:
    source = _template(spec, ref, priorities)
    strategy = as_map(spec, "updateStrategy")
    rolling = as_map(strategy, "rollingUpdate")
    asked = DaemonSetSpec(
        ref,
        source.as_written(),
        on_delete=as_text(strategy, "type") == "OnDelete",
        max_unavailable=as_count_or_percent(rolling, "maxUnavailable", 1),
    )
    missing = [name for name in ("minReadySeconds",) if spec.get(name)]
    missing += ["maxSurge"] if rolling.get("maxSurge") not in (None, 0, "0%") else []
    return Record("DaemonSet", ref, asked, (*source.not_modelled, *missing))


def _job(ref: WorkloadRef, spec: Manifest, manifest: Manifest, priorities: Priorities) -> Record:
    source = read_template(as_map(spec, "template"), ref.namespace, priorities)
    completions = spec.get("completions")
    parallelism = as_count(spec, "parallelism", 1)
    if completions is not None:
        completions = as_count(spec, "completions", 1)
    elif spec.get("parallelism") is None:
        completions = 1
    asked = JobSpec(
        ref,
        source.as_written(),
        completions,
        parallelism,
        as_flag(spec, "suspend"),
        as_count(spec, "backoffLimit", 6),
    )
    missing = tuple(name for name in _JOB_NOT_MODELLED if spec.get(name) is not None)
    return Record("Job", ref, asked, (*source.not_modelled, *missing))


def _cron_job(ref: WorkloadRef, spec: Manifest, manifest: Manifest, priorities: Priorities) -> Record:
    job = _job(ref, as_map(as_map(spec, "jobTemplate"), "spec"), manifest, priorities)
    schedule = _schedule(as_text(spec, "schedule"))
    asked = CronJobSpec(
        ref,
        schedule,
        _zone(as_text(spec, "timeZone", "UTC")),
        as_text(spec, "concurrencyPolicy", "Allow"),
        as_flag(spec, "suspend"),
        job.spec,
        as_count(spec, "successfulJobsHistoryLimit", 3),
        as_count(spec, "failedJobsHistoryLimit", 1),
    )
    missing = ("startingDeadlineSeconds",) if spec.get("startingDeadlineSeconds") else ()
    return Record("CronJob", ref, asked, (*job.not_modelled, *missing))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"timeZone {name!r:.80}: unknown") from error


def _schedule(text: str) -> str:
    """Five fields, also for a name such as @daily; "" for a day that never comes, such as 31 February."""
    fields = _SCHEDULES.get(text, text).replace("?", "*").split()
    if len(fields) != 5:
        raise ValueError(f"schedule {text!r:.80}: must have five fields")
    try:
        CronSim(" ".join([*fields[:3], "*", fields[4]]), datetime(2025, 1, 1, tzinfo=UTC))
        CronSim(" ".join(["0", "0", "1", *fields[3:]]), datetime(2025, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise ValueError(f"schedule {text!r:.80}: {error}") from error
    try:
        CronSim(" ".join(fields), datetime(2025, 1, 1, tzinfo=UTC))
    except CronSimError:
        return ""
    return " ".join(fields)


_READERS: dict[str, Callable[..., Any]] = {
    "Deployment": read_deployment,
    "ReplicaSet": _replica_set,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "Job": _job,
    "CronJob": _cron_job,
    "Pod": _pod,
}
