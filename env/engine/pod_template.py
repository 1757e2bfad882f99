"""A pod template, read once into what scheduler, controllers and kubelet need of it."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from env.demand import DEMAND_ANNOTATION, VERDICT_ANNOTATION, Verdict, container_verdict, read_demand
from env.engine.labels import Predicate, conjunction, label_selector
from env.engine.manifest import Manifest, as_count, as_flag, as_map, as_maps, as_text, as_texts
from env.quantity import parse_cpu, parse_memory

# What a container without a request counts for in scores: kubernetes `pkg/scheduler/util/pod_resources.go`.
_SCORE_CPU_M = 100
_SCORE_MEMORY_BYTES = 200 * 1024**2

# The classes every cluster has; others are objects, PriorityClass.
SYSTEM_PRIORITIES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
DEFAULT_SCHEDULER = "default-scheduler"

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_RESTART_POLICIES = ("Always", "OnFailure", "Never")
# Labels that controllers add to pods, a value per revision.
_REVISION_LABELS = {"pod-template-hash", "controller-revision-hash"}

_NOT_MODELLED = (
    "activeDeadlineSeconds",
    "ephemeralContainers",
    "readinessGates",
    "resourceClaims",
    "resources",
    "runtimeClassName",
    "schedulingGroup",
)


@dataclass(frozen=True)
class Toleration:
    """As in a pod's spec: no key tolerates every key, no effect every effect."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""

    def tolerates(self, taint: Taint) -> bool:
        if self.effect not in ("", taint.effect):
            return False
        if self.operator == "Exists":
            return self.key in ("", taint.key)
        return self.key == taint.key and self.value == taint.value


@dataclass(frozen=True)
class Taint:
    key: str
    value: str = ""
    effect: str = "NoSchedule"


@dataclass(frozen=True)
class PriorityClass:
    """What a PriorityClass gives its pods; `may_preempt`: its preemptionPolicy is not Never."""

    value: int
    may_preempt: bool = True


@dataclass(frozen=True)
class Amount:
    """One resource of a pod template, with the first container apart because it can be edited.

    Attributes:
        first: The first container's request; None when it has none.
        limit: Its limit; None when it has none.
        others: Sum of the requests of the other containers and of sidecars.
        init_peak: Most that the init containers need at one time.
        overhead: The pod's overhead.
        score_others: `others` with the scheduler's defaults for containers without a request.
        score_init_peak: `init_peak` with them.
        score_default: The default for the first container.
    """

    first: int | None
    limit: int | None
    others: int
    init_peak: int
    overhead: int
    score_others: int
    score_init_peak: int
    score_default: int

    def request(self, first: int | None) -> int:
        """What a pod takes from its node when its first container requests `first`."""
        return max((first or 0) + self.others, self.init_peak) + self.overhead

    def score_request(self, first: int | None) -> int:
        """What it counts for when nodes are scored."""
        own = self.score_default if first is None else first
        return max(own + self.score_others, self.score_init_peak) + self.overhead


@dataclass(frozen=True)
class SpreadConstraint:
    """One of `topologySpreadConstraints`.

    Attributes:
        hard: DoNotSchedule; otherwise ScheduleAnyway.
        honors_affinity: Nodes that the pod's affinity excludes do not count (nodeAffinityPolicy).
        honors_taints: Nodes whose taints it does not bear do not count (nodeTaintsPolicy).
        same_revision: Only pods of the same owner and revision count (matchLabelKeys with pod-template-hash).
    """

    topology_key: str
    max_skew: int
    hard: bool
    selects: Predicate
    min_domains: int = 1
    honors_affinity: bool = True
    honors_taints: bool = False
    same_revision: bool = False


@dataclass(frozen=True)
class PodAffinityTerm:
    """A term of pod (anti-)affinity; `weight` 0 marks a required one, below 0 an anti-affinity that is preferred.

    Attributes:
        namespaces: Of the pods that it means; None: those of every namespace.
    """

    topology_key: str
    selects: Predicate
    namespaces: frozenset[str] | None
    weight: int = 0


@dataclass(frozen=True)
class Placement:
    """What decides which nodes let a pod in, whatever they have left.

    Attributes:
        node_selector: Labels that a node must have.
        terms: Required node affinity, one of which must match; None: none is required.
        preferred: (weight, term) of preferred node affinity.
        tolerations: Taints that the pod bears.
        node_name: The node it names itself, if any.
        only_node: The node that a DaemonSet made it for, if any.
    """

    node_selector: tuple[tuple[str, str], ...] = ()
    terms: tuple[str, ...] | None = None
    preferred: tuple[tuple[int, str], ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    only_node: str | None = None


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
        unscheduled: Nobody schedules it: a scheduling gate, or another scheduler's name.
        node_name: The node that the manifest itself binds it to.
        verdict: What becomes of it where it asks for less than it uses.
        killed_container: The container that the verdict is about.
        restart_policy: Always, OnFailure or Never.
        first_requests: The first container's CPU and memory requests (or limits) as written; "" where it has none.
        revision: Pods of equal revision are of one ReplicaSet.
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
    verdict: Verdict | None
    killed_container: str
    restart_policy: str
    first_requests: tuple[str, str]
    revision: Hashable
    is_alone: bool = field(default=True)  # nothing but its node's resources and its own ReplicaSet decide its place


@dataclass(frozen=True, eq=False)
class TemplateSource:
    """A pod template as read, from which `template` makes the PodTemplate for any requests of the first container."""

    base: PodTemplate
    cpu: Amount
    memory: Amount
    granted: tuple[tuple[str, int | None, int | None, int, int], ...]
    canonical: str
    not_modelled: tuple[str, ...]

    def as_written(self) -> PodTemplate:
        """The template with the requests of the manifest."""
        return self.template(self.cpu.first, self.memory.first)

    def template(self, cpu_m: int | None, memory_bytes: int | None) -> PodTemplate:
        """The template whose first container requests so much; None: no request. A lower limit is raised to it."""
        limits = (_raised(self.cpu.limit, cpu_m), _raised(self.memory.limit, memory_bytes))
        verdict, container = _verdict(self.granted, cpu_m, memory_bytes, limits)
        return replace(
            self.base,
            cpu_m=self.cpu.request(cpu_m),
            memory_bytes=self.memory.request(memory_bytes),
            score_cpu_m=self.cpu.score_request(cpu_m),
            score_memory_bytes=self.memory.score_request(memory_bytes),
            verdict=verdict,
            killed_container=container,
            revision=(cpu_m, memory_bytes, limits, self.canonical),
        )


def read_template(
    template: Manifest, namespace: str, priorities: Mapping[str, PriorityClass] | None = None
) -> TemplateSource:
    """Read a pod template.

    Args:
        template: A map with `metadata` and `spec`.
        namespace: The owner's.
        priorities: Each PriorityClass by name, the default one by ""; one that is not there counts 0.

    Raises:
        ValueError, QuantityError: What the API server would refuse; names the field.
    """
    metadata, pod = as_map(template, "metadata"), as_map(template, "spec")
    containers = as_maps(pod, "containers")
    if not containers:
        raise ValueError("containers: must have at least one container")
    labels = {key: str(value) for key, value in as_map(metadata, "labels").items()}
    cpu, memory = _amount(pod, containers, "cpu", _SCORE_CPU_M), _amount(pod, containers, "memory", _SCORE_MEMORY_BYTES)
    affinity, anti_affinity = _pod_affinity(pod, namespace, labels)
    spread = tuple(_spread_constraint(entry, labels) for entry in as_maps(pod, "topologySpreadConstraints"))
    host_ports = _host_ports(pod, containers)
    priority = _priority(pod, priorities or {})
    first = {
        **as_map(as_map(containers[0], "resources"), "limits"),
        **as_map(as_map(containers[0], "resources"), "requests"),
    }
    base = PodTemplate(
        namespace=namespace,
        labels=labels,
        cpu_m=0,
        memory_bytes=0,
        extended=_extended(pod, containers),
        score_cpu_m=0,
        score_memory_bytes=0,
        placement=_placement(pod),
        spread=spread,
        affinity=affinity,
        anti_affinity=anti_affinity,
        host_ports=host_ports,
        priority=priority.value,
        may_preempt=priority.may_preempt and as_text(pod, "preemptionPolicy") != "Never",
        unscheduled=bool(as_maps(pod, "schedulingGates"))
        or as_text(pod, "schedulerName", DEFAULT_SCHEDULER) != DEFAULT_SCHEDULER,
        node_name=as_text(pod, "nodeName"),
        verdict=None,
        killed_container="",
        restart_policy=_restart_policy(pod),
        first_requests=(as_text(first, "cpu"), as_text(first, "memory")),
        revision=None,
        is_alone=not (affinity or anti_affinity or host_ports),
    )
    return TemplateSource(
        base=base,
        cpu=cpu,
        memory=memory,
        granted=_granted(metadata, containers),
        canonical=_canonical(template),
        not_modelled=_not_modelled(pod, containers),
    )


def read_lasting_template(
    template: Manifest, namespace: str, priorities: Mapping[str, PriorityClass] | None = None
) -> TemplateSource:
    """A template of pods that are to run for ever: see `read_template`."""
    source = read_template(template, namespace, priorities)
    policy = source.base.restart_policy
    if policy != "Always":
        raise ValueError(f"restartPolicy {policy!r}: must be Always")
    return source


def _verdict(
    granted: tuple[tuple[str, int | None, int | None, int, int], ...],
    cpu_m: int | None,
    memory_bytes: int | None,
    limits: tuple[int | None, int | None],
) -> tuple[Verdict | None, str]:
    found: list[tuple[Verdict, str]] = []
    for number, (name, cpu_granted, memory_granted, cpu_use, memory_use) in enumerate(granted):
        if number == 0:
            cpu_granted = cpu_m if limits[0] is None else limits[0]
            memory_granted = memory_bytes if limits[1] is None else limits[1]
        verdict = container_verdict(cpu_granted, memory_granted, cpu_use, memory_use)
        if verdict is not None:
            found.append((verdict, name))
    if not found:
        return None, ""
    return next((each for each in found if each[0] is Verdict.OOM_KILLED), found[0])


def _granted(
    metadata: Manifest, containers: list[Manifest]
) -> tuple[tuple[str, int | None, int | None, int, int], ...]:
    """(name, CPU and memory that it gets, CPU and memory that it uses) of each container; empty without a demand."""
    demand = read_demand(as_map(metadata, "annotations"))
    if not demand:
        return ()
    names = [as_text(container, "name") for container in containers]
    unknown = set(demand) - set(names)
    if unknown:
        raise ValueError(f"annotation {DEMAND_ANNOTATION}: no container {min(unknown)!r:.80}")
    return tuple(
        (name, _granted_of(c, "cpu"), _granted_of(c, "memory"), *demand.get(name, (0, 0)))
        for name, c in zip(names, containers, strict=True)
    )


def _granted_of(container: Manifest, name: str) -> int | None:
    limit = quantity_of(as_map(container, "resources"), "limits", name)
    return _request(container, name) if limit is None else limit


def _amount(pod: Manifest, containers: list[Manifest], name: str, score_default: int) -> Amount:
    init = as_maps(pod, "initContainers")
    sidecars, init_peak = _init_requests(init, name, 0)
    score_sidecars, score_init_peak = _init_requests(init, name, score_default)
    requests = [_request(container, name) for container in containers]
    return Amount(
        first=requests[0],
        limit=quantity_of(as_map(containers[0], "resources"), "limits", name),
        others=sum(request or 0 for request in requests[1:]) + sidecars,
        init_peak=init_peak,
        overhead=quantity_of(pod, "overhead", name) or 0,
        score_others=sum(score_default if r is None else r for r in requests[1:]) + score_sidecars,
        score_init_peak=score_init_peak,
        score_default=score_default,
    )


def _init_requests(init: list[Manifest], name: str, default: int) -> tuple[int, int]:
    """(sum over sidecars, peak over the start-up), as `PodRequests` in k8s.io/component-helpers computes them."""
    sidecars = peak = 0
    for container in init:
        request = _request(container, name)
        request = default if request is None else request
        if container.get("restartPolicy") == "Always":
            sidecars += request
            peak = max(peak, sidecars)
        else:
            peak = max(peak, sidecars + request)
    return sidecars, peak


def _request(container: Manifest, name: str) -> int | None:
    resources = as_map(container, "resources")
    request = quantity_of(resources, "requests", name)
    return quantity_of(resources, "limits", name) if request is None else request


def quantity_of(parent: Manifest, key: str, name: str) -> int | None:
    """The quantity `name` in the map `key`: millicores for cpu, else whole units (bytes)."""
    value = as_map(parent, key).get(name)
    if value is None:
        return None
    return parse_cpu(value) if name == "cpu" else parse_memory(value)


def _extended(pod: Manifest, containers: list[Manifest]) -> tuple[tuple[str, int], ...]:
    """What a pod takes of resources other than CPU and memory."""
    every = [*containers, *as_maps(pod, "initContainers")]
    names = {
        name
        for container in every
        for key in ("requests", "limits")
        for name in as_map(as_map(container, "resources"), key)
    } | set(as_map(pod, "overhead"))
    amounts = {name: _amount(pod, containers, name, 0) for name in sorted(names - {"cpu", "memory"})}
    requests = ((name, amount.request(amount.first)) for name, amount in amounts.items())
    return tuple((name, request) for name, request in requests if request)


def _placement(pod: Manifest) -> Placement:
    affinity = as_map(as_map(pod, "affinity"), "nodeAffinity")
    preferred = as_maps(affinity, _PREFERRED)
    terms = as_maps(as_map(affinity, _REQUIRED), "nodeSelectorTerms")
    return Placement(
        node_selector=tuple((key, str(value)) for key, value in as_map(pod, "nodeSelector").items()),
        terms=None if affinity.get(_REQUIRED) is None else tuple(map(_node_term, terms)),
        preferred=tuple((as_count(entry, "weight", 1), _node_term(as_map(entry, "preference"))) for entry in preferred),
        tolerations=tuple(_toleration(entry) for entry in as_maps(pod, "tolerations")),
    )


def _node_term(term: Manifest) -> str:
    """A nodeSelectorTerm as text, found to be valid."""
    for key in ("matchExpressions", "matchFields"):
        conjunction({}, as_maps(term, key))
    return _as_json(term)


def _toleration(entry: Manifest) -> Toleration:
    key, operator, value, effect = (as_text(entry, name) for name in ("key", "operator", "value", "effect"))
    return Toleration(key, operator or "Equal", value, effect)


def _spread_constraint(entry: Manifest, labels: Mapping[str, str]) -> SpreadConstraint:
    keys = as_texts(entry, "matchLabelKeys")
    return SpreadConstraint(
        topology_key=as_text(entry, "topologyKey"),
        max_skew=as_count(entry, "maxSkew", 1),
        hard=as_text(entry, "whenUnsatisfiable", "DoNotSchedule") == "DoNotSchedule",
        selects=label_selector(_selector(entry, labels)),
        min_domains=as_count(entry, "minDomains", 1),
        honors_affinity=as_text(entry, "nodeAffinityPolicy", "Honor") == "Honor",
        honors_taints=as_text(entry, "nodeTaintsPolicy", "Ignore") == "Honor",
        same_revision=not _REVISION_LABELS.isdisjoint(keys),
    )


def _selector(entry: Manifest, labels: Mapping[str, str]) -> Manifest | None:
    """The label selector, with what the pod's own labels add to it (matchLabelKeys and mismatchLabelKeys)."""
    if entry.get("labelSelector") is None:
        return None
    selector = as_map(entry, "labelSelector")
    more = [
        {"key": key, "operator": operator, "values": [labels[key]]}
        for name, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn"))
        for key in as_texts(entry, name)
        if key in labels
    ]
    return {**selector, "matchExpressions": [*as_maps(selector, "matchExpressions"), *more]} if more else selector


def _pod_affinity(
    pod: Manifest, namespace: str, labels: Mapping[str, str]
) -> tuple[tuple[PodAffinityTerm, ...], tuple[PodAffinityTerm, ...]]:
    affinity = as_map(pod, "affinity")
    return (
        tuple(_affinity_terms(as_map(affinity, "podAffinity"), namespace, labels, 1)),
        tuple(_affinity_terms(as_map(affinity, "podAntiAffinity"), namespace, labels, -1)),
    )


def _affinity_terms(affinity: Manifest, namespace: str, labels: Mapping[str, str], sign: int) -> list[PodAffinityTerm]:
    required, preferred = as_maps(affinity, _REQUIRED), as_maps(affinity, _PREFERRED)
    weighted = [(as_map(entry, "podAffinityTerm"), sign * as_count(entry, "weight", 1)) for entry in preferred]
    every = [*((term, 0) for term in required), *weighted]
    return [_affinity_term(term, namespace, labels, weight) for term, weight in every]


def _affinity_term(term: Manifest, namespace: str, labels: Mapping[str, str], weight: int) -> PodAffinityTerm:
    named = frozenset(as_texts(term, "namespaces"))
    everywhere = term.get("namespaceSelector") == {}
    return PodAffinityTerm(
        as_text(term, "topologyKey"),
        label_selector(_selector(term, labels)),
        None if everywhere else named or frozenset({namespace}),
        weight,
    )


def _host_ports(pod: Manifest, containers: list[Manifest]) -> tuple[tuple[str, str, int], ...]:
    ports: list[tuple[str, str, int]] = []
    sidecars = [each for each in as_maps(pod, "initContainers") if each.get("restartPolicy") == "Always"]
    for port in (port for container in [*containers, *sidecars] for port in as_maps(container, "ports")):
        number = as_count(port, "hostPort", as_count(port, "containerPort", 0) if as_flag(pod, "hostNetwork") else 0)
        if number:
            ports.append((as_text(port, "protocol", "TCP"), as_text(port, "hostIP", "0.0.0.0"), number))  # noqa: S104
    return tuple(ports)


def _priority(pod: Manifest, priorities: Mapping[str, PriorityClass]) -> PriorityClass:
    name = as_text(pod, "priorityClassName")
    if name in SYSTEM_PRIORITIES:
        return PriorityClass(SYSTEM_PRIORITIES[name])
    value = pod.get("priority")
    if not name and isinstance(value, int):
        return PriorityClass(value)
    return priorities.get(name, PriorityClass(0))


def _restart_policy(pod: Manifest) -> str:
    policy = as_text(pod, "restartPolicy", "Always")
    if policy not in _RESTART_POLICIES:
        raise ValueError(f"restartPolicy {policy!r:.80}: must be one of {', '.join(_RESTART_POLICIES)}")
    return policy


def _canonical(template: Manifest) -> str:
    """The template as sorted JSON, less what `TemplateSource.template` holds as numbers."""
    pod = template["spec"]
    first = dict(pod["containers"][0])
    resources = dict(as_map(first, "resources"))
    for key in ("requests", "limits"):
        resources[key] = {k: v for k, v in as_map(resources, key).items() if k not in ("cpu", "memory")}
    metadata = dict(as_map(template, "metadata"))
    annotations = {k: v for k, v in as_map(metadata, "annotations").items() if k != VERDICT_ANNOTATION}
    metadata["annotations"] = annotations
    containers = [{**first, "resources": resources}, *pod["containers"][1:]]
    return _as_json({**template, "metadata": metadata, "spec": {**pod, "containers": containers}})


def _not_modelled(pod: Manifest, containers: list[Manifest]) -> tuple[str, ...]:
    fields = [name for name in _NOT_MODELLED if pod.get(name)]
    fields += _affinity_not_modelled(pod)
    if any("persistentVolumeClaim" in volume or "ephemeral" in volume for volume in as_maps(pod, "volumes")):
        fields.append("volumes of a PersistentVolumeClaim")
    if as_maps(pod, "schedulingGates"):
        fields.append("schedulingGates (the pods stay pending)")
    scheduler = as_text(pod, "schedulerName", DEFAULT_SCHEDULER)
    if scheduler != DEFAULT_SCHEDULER:
        fields.append(f"schedulerName {scheduler} (the pods stay pending)")
    return tuple(fields)


def _affinity_not_modelled(pod: Manifest) -> list[str]:
    """Namespaces by their labels, and labels that only controllers know."""
    affinity = as_map(pod, "affinity")
    fields = []
    for kind in ("podAffinity", "podAntiAffinity"):
        terms = [*as_maps(as_map(affinity, kind), _REQUIRED)]
        terms += [as_map(entry, "podAffinityTerm") for entry in as_maps(as_map(affinity, kind), _PREFERRED)]
        if any(term.get("namespaceSelector") for term in terms):
            fields.append(f"namespaceSelector of {kind}")
        for key in ("matchLabelKeys", "mismatchLabelKeys"):
            if any(not _REVISION_LABELS.isdisjoint(as_texts(term, key)) for term in terms):
                fields.append(f"{key} of {kind} with labels of a revision")
    return fields


def _raised(limit: int | None, request: int | None) -> int | None:
    return limit if limit is None or request is None else max(limit, request)


def _as_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
