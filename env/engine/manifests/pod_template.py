"""A pod template, read once into what scheduler, controllers and kubelet need of it.

Defaults are the API server's, in kubernetes 1.36 `pkg/apis/core/v1/defaults.go`. Longer than 300 lines, because its
classes say what all the others may read of a template.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace

from env.demand import VERDICT_ANNOTATION, Shortage
from env.engine.manifests.edited_container import Edited, edited_containers, with_edit
from env.engine.manifests.fields import Manifest, as_flag, as_map, as_maps, as_text
from env.engine.manifests.host_ports import host_ports
from env.engine.manifests.normal_form import NormalForm, by_value
from env.engine.manifests.not_modelled import DEFAULT_SCHEDULER, not_modelled, scheduler_of
from env.engine.manifests.priorities import PriorityClass, priority_of
from env.engine.manifests.requests import (
    SCORE_CPU_M,
    SCORE_MEMORY_BYTES,
    Amount,
    Lack,
    Slot,
    check_pod_level,
    lacks_of,
    raised,
    read_amount,
    read_extended,
    read_granted,
)
from env.engine.manifests.terms import (
    Placement,
    PodAffinityTerm,
    SpreadConstraint,
    as_json,
    read_placement,
    read_pod_affinity,
    read_spread,
)
from env.quantity import format_cpu, format_memory

_RESTART_POLICIES = ("Always", "OnFailure", "Never")
# What a template's resources decide.
_OF_RESOURCES = (
    *("cpu_m", "memory_bytes", "extended", "score_cpu_m", "score_memory_bytes", "shortage", "killed_container"),
    *("first_requests", "origin"),
)


@dataclass(frozen=True, eq=False, slots=True)
class PodTemplate:
    """What all pods made from one template have in common.

    Attributes:
        namespace: Where the pods live.
        labels: Their labels.
        cpu_m: CPU that a pod takes from its node, millicores.
        memory_bytes: Memory that it takes.
        extended: Further resources that it takes, by name.
        score_cpu_m: CPU that it counts for when nodes are scored.
        score_memory_bytes: Memory that it counts for.
        placement: Which nodes let it in.
        spread: Its topology spread constraints; none: the scheduler's defaults apply.
        affinity: Required and preferred affinity to other pods.
        anti_affinity: The same for anti-affinity.
        host_ports: (protocol, IP, port) that it occupies on its node.
        priority: Higher goes first, and may preempt.
        may_preempt: Its preemptionPolicy is not Never.
        unscheduled: The scheduler leaves it alone: a scheduling gate, or another scheduler's name.
        node_name: The node that the manifest itself binds it to.
        shortage: What it lacks where it requests less than it uses; None: nothing.
        killed_container: The container that is short of it.
        restart_policy: Always, OnFailure or Never.
        graceful: A pod that is deleted may take its time: terminationGracePeriodSeconds is not 0.
        host_network: It shares its node's network.
        first_requests: The first container's CPU and memory requests (or limits) as written; "" where it has none.
        revision: Pods of equal revision are of one ReplicaSet.
        origin: What it was read from, and the CPU and memory that its edited containers request instead, if any.
    """

    namespace: str
    labels: Mapping[str, str]
    cpu_m: int
    memory_bytes: int
    extended: tuple[tuple[str, int], ...]
    score_cpu_m: int
    score_memory_bytes: int
    placement: Placement
    spread: tuple[SpreadConstraint, ...]
    affinity: tuple[PodAffinityTerm, ...]
    anti_affinity: tuple[PodAffinityTerm, ...]
    host_ports: tuple[tuple[str, str, int], ...]
    priority: int
    may_preempt: bool
    unscheduled: bool
    node_name: str
    shortage: Shortage | None
    killed_container: str
    restart_policy: str
    first_requests: tuple[str, str]
    revision: Hashable
    graceful: bool = True
    host_network: bool = False
    is_alone: bool = field(default=True)  # nothing but its node's resources and its own ReplicaSet decide its place
    origin: tuple[TemplateSource, int | None, int | None] | None = None

    def written(self) -> Manifest:
        """The spec of its pods."""
        if self.origin is None:
            return {}
        source, cpu_m, memory_bytes = self.origin
        return with_edit(source.manifest["spec"], source.edited, cpu_m, memory_bytes)

    def with_spec(self, pod: Manifest) -> PodTemplate:
        """The same, but of pods that ask for the resources in this spec; ValueError or QuantityError as in reading."""
        if self.origin is None:
            return self
        made = read_template({**self.origin[0].manifest, "spec": pod}, self.namespace).as_written()
        return replace(self, **{name: getattr(made, name) for name in _OF_RESOURCES})


@dataclass(frozen=True, eq=False)
class TemplateSource:
    """A pod template as read, from which `template` makes the PodTemplate for any requests of its edited containers.

    Attributes:
        edited: Those containers.
        cpu: The pod's CPU, with the container apart whose CPU request is edited.
        memory: The same for memory.
        granted: See `read_granted`.
        canonical: All but those requests and their limits, as text.
    """

    base: PodTemplate
    edited: Edited
    cpu: Amount
    memory: Amount
    granted: tuple[tuple[str, int | None, int | None, int, int], ...]
    canonical: str
    not_modelled: tuple[str, ...]
    manifest: Manifest

    def as_written(self) -> PodTemplate:
        """The template with the requests of the manifest."""
        return self.template(None, None)

    def template(self, cpu_m: int | None, memory_bytes: int | None) -> PodTemplate:
        """The template whose edited containers request so much; None: as written. A lower limit is raised to it."""
        origin = self, cpu_m, memory_bytes
        written = (
            self.cpu.written if cpu_m is None else cpu_m,
            self.memory.written if memory_bytes is None else memory_bytes,
        )
        cpu_m = self.cpu.own if cpu_m is None else cpu_m
        memory_bytes = self.memory.own if memory_bytes is None else memory_bytes
        limits = (raised(self.cpu.limit, cpu_m), raised(self.memory.limit, memory_bytes))
        lacks = self.lacks(cpu_m, memory_bytes)
        return replace(
            self.base,
            cpu_m=self.cpu.request(cpu_m),
            memory_bytes=self.memory.request(memory_bytes),
            score_cpu_m=self.cpu.score_request(cpu_m),
            score_memory_bytes=self.memory.score_request(memory_bytes),
            shortage=lacks[0].shortage if lacks else None,
            killed_container=lacks[0].container if lacks else "",
            revision=(written, limits, self.canonical),
            origin=origin,
        )

    def needed(self) -> tuple[int, int]:
        """The least CPU and memory that the edited containers must request to get what they use, as far as known."""
        return (
            _needed(self.cpu, self._use(self.edited.cpu, 3)),
            _needed(self.memory, self._use(self.edited.memory, 4)),
        )

    def ceilings(self) -> tuple[tuple[int, str] | None, tuple[int, str] | None]:
        """The most CPU and memory that the edited containers may request, each with what says so; None: no limit.

        A limit that is less than the container uses is no ceiling: it has to be raised.
        """
        return (
            _ceiling(self.cpu, self.edited.cpu, self._use(self.edited.cpu, 3), format_cpu),
            _ceiling(self.memory, self.edited.memory, self._use(self.edited.memory, 4), format_memory),
        )

    def _use(self, slot: Slot, column: int) -> int:
        row = self.granted[slot.index] if self.granted and slot.field == "containers" else ()
        return int(row[column] or 0) if row else 0

    def lacks(self, cpu_m: int | None, memory_bytes: int | None) -> list[Lack]:
        """What the containers of that template lack of what they use."""
        cpu_m = self.cpu.own if cpu_m is None else cpu_m
        memory_bytes = self.memory.own if memory_bytes is None else memory_bytes
        limits = (raised(self.cpu.limit, cpu_m), raised(self.memory.limit, memory_bytes))
        return lacks_of(self.granted, cpu_m, memory_bytes, limits, (self.edited.cpu, self.edited.memory))


def _needed(amount: Amount, use: int) -> int:
    """The request that gives a container what it uses: any where it has no request, or a limit that suffices."""
    return 0 if amount.own is None or (amount.limit or 0) >= use else use


def _ceiling(amount: Amount, slot: Slot, use: int, written: Callable[[int], str]) -> tuple[int, str] | None:
    found = []
    if amount.limit is not None and use <= amount.limit:
        found.append((amount.limit, f"the limit {written(amount.limit)} of {slot}"))
    if amount.most is not None:
        found.append((amount.most, f"the {written(amount.most)} that the pod's own resources leave to {slot}"))
    return min(found, default=None)


def read_template(
    template: Manifest,
    namespace: str,
    priorities: Mapping[str, PriorityClass] | None = None,
    normal_form: NormalForm = by_value,
) -> TemplateSource:
    """Read a pod template.

    Args:
        template: A map with `metadata` and `spec`.
        namespace: The owner's.
        priorities: Each PriorityClass by name, the default one by ""; one that is not there counts 0.
        normal_form: In which templates are of one revision.

    Raises:
        ValueError, QuantityError: What the API server would refuse; names the field.
    """
    metadata, pod = as_map(template, "metadata"), as_map(template, "spec")
    containers = as_maps(pod, "containers")
    if not containers:
        raise ValueError("containers: must have at least one container")
    check_pod_level(pod, containers)
    labels = {key: str(value) for key, value in as_map(metadata, "labels").items()}
    edited = edited_containers(template)
    cpu, memory = (
        read_amount(pod, containers, "cpu", SCORE_CPU_M, edited.cpu),
        read_amount(pod, containers, "memory", SCORE_MEMORY_BYTES, edited.memory),
    )
    affinity, anti_affinity = read_pod_affinity(pod, namespace, labels)
    spread = tuple(read_spread(entry, labels) for entry in as_maps(pod, "topologySpreadConstraints"))
    ports = host_ports(pod, containers)
    priority = priority_of(pod, priorities or {})
    first = {
        **as_map(as_map(containers[0], "resources"), "limits"),
        **as_map(as_map(containers[0], "resources"), "requests"),
    }
    base = PodTemplate(
        namespace=namespace,
        labels=labels,
        cpu_m=0,
        memory_bytes=0,
        extended=read_extended(pod, containers),
        score_cpu_m=0,
        score_memory_bytes=0,
        placement=read_placement(pod),
        spread=spread,
        affinity=affinity,
        anti_affinity=anti_affinity,
        host_ports=ports,
        priority=priority.value,
        may_preempt=priority.may_preempt and as_text(pod, "preemptionPolicy") != "Never",
        unscheduled=bool(as_maps(pod, "schedulingGates")) or scheduler_of(pod) != DEFAULT_SCHEDULER,
        node_name=as_text(pod, "nodeName"),
        shortage=None,
        killed_container="",
        restart_policy=_restart_policy(pod),
        first_requests=(as_text(first, "cpu"), as_text(first, "memory")),
        revision=None,
        graceful=pod.get("terminationGracePeriodSeconds") != 0,
        host_network=as_flag(pod, "hostNetwork"),
        is_alone=not (affinity or anti_affinity or ports),
    )
    return TemplateSource(
        base=base,
        edited=edited,
        cpu=cpu,
        memory=memory,
        granted=read_granted(metadata, containers),
        canonical=_canonical(template, normal_form, edited),
        not_modelled=not_modelled(pod),
        manifest=template,
    )


def read_lasting_template(
    template: Manifest,
    namespace: str,
    priorities: Mapping[str, PriorityClass] | None = None,
    normal_form: NormalForm = by_value,
) -> TemplateSource:
    """A template of pods that run without end: see `read_template`."""
    source = read_template(template, namespace, priorities, normal_form)
    policy = source.base.restart_policy
    if policy != "Always":
        raise ValueError(f"restartPolicy {policy!r}: must be Always")
    return source


def _restart_policy(pod: Manifest) -> str:
    policy = as_text(pod, "restartPolicy") or "Always"
    if policy not in _RESTART_POLICIES:
        raise ValueError(f"restartPolicy {policy!r:.80}: must be one of {', '.join(_RESTART_POLICIES)}")
    return policy


def _canonical(template: Manifest, normal_form: NormalForm, edited: Edited) -> str:
    """The template in normal form as text, less what `TemplateSource.template` holds as numbers."""
    pod, metadata = template["spec"], as_map(template, "metadata")
    for name, slot in (("cpu", edited.cpu), ("memory", edited.memory)) if normal_form is by_value else ():
        containers = list(pod[slot.field])
        resources = dict(as_map(containers[slot.index], "resources"))
        for key in ("requests", "limits"):
            resources[key] = {k: v for k, v in as_map(resources, key).items() if k != name}
        containers[slot.index] = {**containers[slot.index], "resources": resources}
        pod = {**pod, slot.field: containers}
    annotations = {k: v for k, v in as_map(metadata, "annotations").items() if k != VERDICT_ANNOTATION}
    held = {"metadata": {**metadata, "annotations": annotations}, "spec": pod}
    return as_json(normal_form({**template, **held}))
