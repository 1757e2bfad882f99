"""What manifests of ReplicaSets, StatefulSets and DaemonSets ask for.

Defaults are the API server's (kubernetes 1.36 `pkg/apis/apps/v1/defaults.go`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from env.engine.manifests.fields import Manifest, as_count, as_count_or_percent, as_map, as_text
from env.engine.manifests.labels import Predicate, label_selector
from env.engine.manifests.lasting import LastingSpec, resources_of
from env.engine.manifests.normal_form import by_text
from env.engine.manifests.pod_template import PodTemplate, read_lasting_template
from env.engine.manifests.priorities import PriorityClass
from env.engine.manifests.terms import Toleration
from env.workload import ObjectRef

Priorities = Mapping[str, PriorityClass]

# What the DaemonSet controller adds to each pod (`util/daemonset_util.go`): a node's conditions do not evict it.
_TOLERATIONS = (
    *(Toleration(f"node.kubernetes.io/{key}", "Exists", effect="NoExecute") for key in ("not-ready", "unreachable")),
    *(
        Toleration(f"node.kubernetes.io/{key}", "Exists", effect="NoSchedule")
        for key in ("disk-pressure", "memory-pressure", "pid-pressure", "unschedulable")
    ),
)
_HOST_NETWORK_TOLERATION = Toleration("node.kubernetes.io/network-unavailable", "Exists", effect="NoSchedule")


@dataclass(frozen=True, eq=False)
class ReplicaSetSpec(LastingSpec):
    """What a ReplicaSet that no Deployment owns asks for.

    Attributes:
        selector: Labels of pods that it acquires.
        min_ready_s: Seconds that a pod must be Ready before it counts as available.
    """

    selector: Predicate
    min_ready_s: int = 0


@dataclass(frozen=True, eq=False)
class StatefulSetSpec(LastingSpec):
    """What a StatefulSet asks for.

    Attributes:
        selector: Labels of pods that it acquires, if they have a name of its own.
        parallel: podManagementPolicy Parallel: pods do not wait for each other.
        on_delete: updateStrategy OnDelete: old pods stay until a user deletes them.
        partition: So many pods, those of the lowest numbers, are not updated.
        first: The lowest number (`ordinals.start`).
        min_ready_s: Seconds that a pod must be Ready before it counts as available.
    """

    selector: Predicate
    parallel: bool = False
    on_delete: bool = False
    partition: int = 0
    first: int = 0
    min_ready_s: int = 0


@dataclass(frozen=True, eq=False)
class DaemonSetSpec(LastingSpec):
    """What a DaemonSet asks for.

    Attributes:
        selector: Labels of pods that it acquires.
        on_delete: updateStrategy OnDelete.
        max_unavailable: Pods that may be missing during an update, a number or a percentage.
        max_surge: Nodes that may have a new pod beside the old one meanwhile, a number or a percentage.
        min_ready_s: Seconds that a pod must be Ready before it counts as available.
    """

    selector: Predicate
    on_delete: bool = False
    max_unavailable: int | str = 1
    max_surge: int | str = 0
    min_ready_s: int = 0

    @cached_property
    def on_any_node(self) -> PodTemplate:
        """The template of its pods, with the tolerations that the controller adds."""
        added = (*_TOLERATIONS, *([_HOST_NETWORK_TOLERATION] if self.template.host_network else []))
        placement = self.template.placement
        return replace(self.template, placement=replace(placement, tolerations=(*placement.tolerations, *added)))

    def on_node(self, name: str) -> PodTemplate:
        """The template of the pod for a node: one object, so that all replays share what is worked out of it."""
        found = self._on_nodes.get(name)
        if found is None:
            placement = replace(self.on_any_node.placement, only_node=name)
            found = self._on_nodes[name] = replace(self.on_any_node, placement=placement)
        return found

    @cached_property
    def _on_nodes(self) -> dict[str, PodTemplate]:
        return {}


def replica_set_spec(ref: ObjectRef, spec: Manifest, priorities: Priorities) -> tuple[ReplicaSetSpec, list[str]]:
    """A ReplicaSet's `spec`, and the fields that are not modelled."""
    source = read_lasting_template(as_map(spec, "template"), ref.namespace, priorities)
    replicas, min_ready_s = as_count(spec, "replicas", 1), as_count(spec, "minReadySeconds", 0)
    asked = ReplicaSetSpec(
        ref, resources_of(source, replicas), source, source.as_written(), _selector(spec), min_ready_s
    )
    return asked, [*source.not_modelled]


def stateful_set_spec(ref: ObjectRef, spec: Manifest, priorities: Priorities) -> tuple[StatefulSetSpec, list[str]]:
    """A StatefulSet's `spec`, and the fields that are not modelled."""
    source = read_lasting_template(as_map(spec, "template"), ref.namespace, priorities, by_text)
    strategy = as_map(spec, "updateStrategy")
    rolling = as_map(strategy, "rollingUpdate")
    asked = StatefulSetSpec(
        ref,
        resources_of(source, as_count(spec, "replicas", 1)),
        source,
        source.as_written(),
        _selector(spec),
        parallel=as_text(spec, "podManagementPolicy") == "Parallel",
        on_delete=as_text(strategy, "type") == "OnDelete",
        partition=as_count(rolling, "partition", 0),
        first=as_count(as_map(spec, "ordinals"), "start", 0),
        min_ready_s=as_count(spec, "minReadySeconds", 0),
    )
    # maxUnavailable is behind a feature gate that is off by default: MaxUnavailableStatefulSet.
    missing = ["volumeClaimTemplates"] if spec.get("volumeClaimTemplates") else []
    return asked, [*source.not_modelled, *missing]


def daemon_set_spec(ref: ObjectRef, spec: Manifest, priorities: Priorities) -> tuple[DaemonSetSpec, list[str]]:
    """A DaemonSet's `spec`, and the fields that are not modelled."""
    source = read_lasting_template(as_map(spec, "template"), ref.namespace, priorities, by_text)
    strategy = as_map(spec, "updateStrategy")
    rolling = as_map(strategy, "rollingUpdate")
    asked = DaemonSetSpec(
        ref,
        resources_of(source, 0),
        source,
        source.as_written(),
        _selector(spec),
        on_delete=as_text(strategy, "type") == "OnDelete",
        max_unavailable=as_count_or_percent(rolling, "maxUnavailable", 1),
        max_surge=as_count_or_percent(rolling, "maxSurge", 0),
        min_ready_s=as_count(spec, "minReadySeconds", 0),
    )
    return asked, [*source.not_modelled]


def _selector(spec: Manifest) -> Predicate:
    return label_selector(as_map(spec, "selector") or None)
