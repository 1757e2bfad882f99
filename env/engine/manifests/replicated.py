"""What manifests of ReplicaSets, StatefulSets and DaemonSets ask for.

Defaults are the API server's (kubernetes 1.36 `pkg/apis/apps/v1/defaults.go`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from env.engine.manifests.fields import Manifest, as_count, as_count_or_percent, as_map, as_text
from env.engine.manifests.normal_form import by_text
from env.engine.manifests.pod_template import PodTemplate, PriorityClass, read_lasting_template
from env.workload import WorkloadRef

Priorities = Mapping[str, PriorityClass]


@dataclass(frozen=True, eq=False)
class ReplicaSetSpec:
    """What a ReplicaSet that no Deployment owns asks for.

    Attributes:
        ref: Its namespace and name.
        template: What its pods are made from.
        replicas: Pods that it should have.
        min_ready_s: Seconds that a pod must be Ready before it counts as available.
    """

    ref: WorkloadRef
    template: PodTemplate
    replicas: int
    min_ready_s: int = 0


@dataclass(frozen=True, eq=False)
class StatefulSetSpec:
    """What a StatefulSet asks for.

    Attributes:
        ref: Its namespace and name.
        template: What its pods are made from.
        replicas: Pods that it should have.
        parallel: podManagementPolicy Parallel: pods do not wait for each other.
        on_delete: updateStrategy OnDelete: old pods stay until a user deletes them.
        partition: So many pods, those of the lowest numbers, are not updated.
        first: The lowest number (`ordinals.start`).
    """

    ref: WorkloadRef
    template: PodTemplate
    replicas: int
    parallel: bool = False
    on_delete: bool = False
    partition: int = 0
    first: int = 0


@dataclass(frozen=True, eq=False)
class DaemonSetSpec:
    """What a DaemonSet asks for.

    Attributes:
        ref: Its namespace and name.
        template: What its pods are made from.
        on_delete: updateStrategy OnDelete.
        max_unavailable: Pods that may be missing during an update, a number or a percentage.
    """

    ref: WorkloadRef
    template: PodTemplate
    on_delete: bool = False
    max_unavailable: int | str = 1


def replica_set_spec(ref: WorkloadRef, spec: Manifest, priorities: Priorities) -> tuple[ReplicaSetSpec, list[str]]:
    """A ReplicaSet's `spec`, and the fields that are not modelled."""
    source = read_lasting_template(as_map(spec, "template"), ref.namespace, priorities)
    replicas, min_ready_s = as_count(spec, "replicas", 1), as_count(spec, "minReadySeconds", 0)
    return ReplicaSetSpec(ref, source.as_written(), replicas, min_ready_s), [*source.not_modelled]


def stateful_set_spec(ref: WorkloadRef, spec: Manifest, priorities: Priorities) -> tuple[StatefulSetSpec, list[str]]:
    """A StatefulSet's `spec`, and the fields that are not modelled."""
    source = read_lasting_template(as_map(spec, "template"), ref.namespace, priorities, by_text)
    strategy = as_map(spec, "updateStrategy")
    rolling = as_map(strategy, "rollingUpdate")
    asked = StatefulSetSpec(
        ref,
        source.as_written(),
        as_count(spec, "replicas", 1),
        parallel=as_text(spec, "podManagementPolicy") == "Parallel",
        on_delete=as_text(strategy, "type") == "OnDelete",
        partition=as_count(rolling, "partition", 0),
        first=as_count(as_map(spec, "ordinals"), "start", 0),
    )
    missing = [name for name in ("volumeClaimTemplates", "minReadySeconds") if spec.get(name)]
    missing += ["maxUnavailable"] if rolling.get("maxUnavailable") not in (None, 1) else []
    return asked, [*source.not_modelled, *missing]


def daemon_set_spec(ref: WorkloadRef, spec: Manifest, priorities: Priorities) -> tuple[DaemonSetSpec, list[str]]:
    """A DaemonSet's `spec`, and the fields that are not modelled."""
    source = read_lasting_template(as_map(spec, "template"), ref.namespace, priorities, by_text)
    strategy = as_map(spec, "updateStrategy")
    rolling = as_map(strategy, "rollingUpdate")
    asked = DaemonSetSpec(
        ref,
        source.as_written(),
        on_delete=as_text(strategy, "type") == "OnDelete",
        max_unavailable=as_count_or_percent(rolling, "maxUnavailable", 1),
    )
    missing = ["minReadySeconds"] if spec.get("minReadySeconds") else []
    missing += ["maxSurge"] if rolling.get("maxSurge") not in (None, 0, "0%") else []
    return asked, [*source.not_modelled, *missing]
