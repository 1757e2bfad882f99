"""What a pod takes of a node's resources: containers, init containers, sidecars and overhead, added up.

Follows kubernetes 1.36 `staging/src/k8s.io/component-helpers/resource/helpers.go` (`PodRequests`); what pods request
as a whole also `pkg/apis/core/v1/defaults.go` (`defaultPodRequests`) and `pkg/apis/core/validation/validation.go`
(`validatePodResourceConsistency`).
"""

from __future__ import annotations

from dataclasses import dataclass

from env.demand import DEMAND_ANNOTATION, Shortage, container_shortage, read_demand
from env.engine.manifests.fields import Manifest, as_map, as_maps, as_text
from env.engine.manifests.resource_names import check_requirements
from env.quantity import format_cpu, format_memory, parse_cpu, parse_memory

# What a container without a request counts for in scores: kubernetes `pkg/scheduler/util/pod_resources.go`.
SCORE_CPU_M = 100
SCORE_MEMORY_BYTES = 200 * 1024**2
_HUGE_PAGES = "hugepages-"


@dataclass(frozen=True)
class Slot:
    """A container of a pod spec: `containers` or `initContainers`, its index there, and its name."""

    field: str
    index: int
    name: str

    def __str__(self) -> str:
        return f"{'container' if self.field == 'containers' else 'init container'} {self.name}"


@dataclass(frozen=True)
class Amount:
    """One resource of a pod template, with one container apart because its request can be edited.

    What a pod takes is the larger of what that container requests with all that runs beside it, and what the pod needs
    at another time, as its init containers start one after the other.

    Attributes:
        own: The container's request, without one its limit; None when it has neither.
        written: Its request as the manifest says; None when it says none.
        limit: Its limit; None when it has none.
        beside: What is requested beside it at the time when most is.
        least: What the pod requests at least, whatever the container does.
        overhead: The pod's overhead.
        score_beside: `beside` with the scheduler's defaults for containers without a request.
        score_least: `least` with them.
        score_default: The default for the container.
        pod: What the pod requests as a whole (`spec.resources`); then no container's request changes what it takes.
        pod_limit: Its limit as a whole, which is its request as long as no container has one.
        most: The most that the container may request by the pod's own resources; None where they do not say.
    """

    own: int | None
    written: int | None
    limit: int | None
    beside: int
    least: int
    overhead: int
    score_beside: int
    score_least: int
    score_default: int
    pod: int | None = None
    pod_limit: int | None = None
    most: int | None = None

    def request(self, own: int | None) -> int:
        """What a pod takes from its node when the container requests `own`."""
        whole = self._whole(own)
        return (max((own or 0) + self.beside, self.least) if whole is None else whole) + self.overhead

    def score_request(self, own: int | None) -> int:
        """What it counts for when nodes are scored."""
        whole, counted = self._whole(own), self.score_default if own is None else own
        return (max(counted + self.score_beside, self.score_least) if whole is None else whole) + self.overhead

    def _whole(self, own: int | None) -> int | None:
        """What the pod requests as a whole; None where its containers say it."""
        return self.pod if self.pod is not None or own is not None else self.pod_limit


_FAR = 2**80  # beyond every sum of quantities


def read_amount(pod: Manifest, containers: list[Manifest], name: str, score_default: int, slot: Slot) -> Amount:
    """What a pod spec says about one resource; ValueError or QuantityError where the API server would refuse it."""
    every = {"containers": containers, "initContainers": as_maps(pod, "initContainers")}
    own = every[slot.field][slot.index]
    requests = {field: [request_of(each, name) for each in found] for field, found in every.items()}
    request, requests[slot.field][slot.index] = requests[slot.field][slot.index], None
    whole, whole_limit = _of_pod(pod, name)
    others_ask = any(each is not None for found in requests.values() for each in found)
    if as_map(as_map(pod, "resources"), "limits") and (others_ask or request is not None):
        score_default = 0  # the sum over the containers has become the request of the pod as a whole

    def total(value: int, default: int) -> int:
        """What the containers take when the one requests `value`, as `PodRequests` in k8s.io/component-helpers."""
        asked = {field: [default if each is None else each for each in found] for field, found in requests.items()}
        asked[slot.field][slot.index] = value
        sidecars, peak = _start_up(every["initContainers"], asked["initContainers"])
        return max(sum(asked["containers"]) + sidecars, peak)

    own_written = quantity_of(as_map(own, "resources"), "requests", name)
    written = [quantity_of(as_map(each, "resources"), "requests", name) or 0 for each in containers]
    beside_written = sum(written) - (own_written or 0)
    says_whole = as_map(as_map(pod, "resources"), "requests").get(name) is not None and slot.field == "containers"
    return Amount(
        own=request,
        written=own_written,
        limit=quantity_of(as_map(own, "resources"), "limits", name),
        beside=total(_FAR, 0) - _FAR,
        least=total(-_FAR, 0),
        overhead=quantity_of(pod, "overhead", name) or 0,
        score_beside=total(_FAR, score_default) - _FAR,
        score_least=total(-_FAR, score_default),
        score_default=score_default,
        pod=whole,
        pod_limit=None if others_ask else whole_limit,
        most=whole - beside_written if says_whole and whole is not None else None,
    )


def _of_pod(pod: Manifest, name: str) -> tuple[int | None, int | None]:
    """(request, limit) of the pod as a whole; of huge pages the limit is the request."""
    resources = as_map(pod, "resources")
    if not resources or not (name in ("cpu", "memory") or name.startswith(_HUGE_PAGES)):
        return None, None
    request, limit = quantity_of(resources, "requests", name), quantity_of(resources, "limits", name)
    return (limit if request is None and name.startswith(_HUGE_PAGES) else request), limit


def check_pod_level(pod: Manifest, containers: list[Manifest]) -> None:
    """Accept a pod whose containers stay within what it asks for as a whole, as the API server does.

    Raises:
        ValueError: They request more, or one of them has a higher limit.
    """
    resources = as_map(pod, "resources")
    for name in as_map(resources, "requests"):
        whole, _ = _of_pod(pod, name)
        requests = sum(quantity_of(as_map(each, "resources"), "requests", name) or 0 for each in containers)
        if whole is not None and requests > whole:
            raise ValueError(f"resources: requests less {name:.80} than the containers do together")
    for name in as_map(resources, "limits"):
        _, whole = _of_pod(pod, name)
        limits = (quantity_of(as_map(each, "resources"), "limits", name) or 0 for each in containers)
        if whole is not None and max(limits) > whole:
            raise ValueError(f"resources: a lower limit of {name:.80} than that of a container")


def init_requests(init: list[Manifest], name: str) -> tuple[int, int]:
    """(sum over sidecars, peak over the start-up) of what init containers request."""
    return _start_up(init, [request_of(each, name) or 0 for each in init])


def _start_up(init: list[Manifest], requests: list[int]) -> tuple[int, int]:
    sidecars = peak = 0
    for container, request in zip(init, requests, strict=True):
        if container.get("restartPolicy") == "Always":
            sidecars += request
            peak = max(peak, sidecars)
        else:
            peak = max(peak, sidecars + request)
    return sidecars, peak


def request_of(container: Manifest, name: str) -> int | None:
    """A container's request of a resource, without one its limit; None where it has neither."""
    resources = as_map(container, "resources")
    request = quantity_of(resources, "requests", name)
    return quantity_of(resources, "limits", name) if request is None else request


def quantity_of(parent: Manifest, key: str, name: str) -> int | None:
    """The quantity `name` in the map `key`: millicores for cpu, else whole units (bytes)."""
    value = as_map(parent, key).get(name)
    if value is None:
        return None
    return parse_cpu(value) if name == "cpu" else parse_memory(value)


def with_request(container: Manifest, name: str, value: int) -> Manifest:
    """The container with a request of so much CPU (millicores) or memory; a limit below it is raised to it."""
    text = format_cpu(value) if name == "cpu" else format_memory(value)
    resources = as_map(container, "resources")
    changed = {**resources, "requests": {**as_map(resources, "requests"), name: text}}
    limit = quantity_of(resources, "limits", name)
    if limit is not None and limit < value:
        changed["limits"] = {**as_map(resources, "limits"), name: text}
    return {**container, "resources": changed}


def read_extended(pod: Manifest, containers: list[Manifest]) -> tuple[tuple[str, int], ...]:
    """What a pod takes of resources other than CPU and memory."""
    every = [*containers, *as_maps(pod, "initContainers")]
    for container in every:
        check_requirements(as_map(container, "resources"))
    names = {
        name
        for container in every
        for key in ("requests", "limits")
        for name in as_map(as_map(container, "resources"), key)
    } | set(as_map(pod, "overhead"))
    whole = as_map(pod, "resources")
    names |= {name for key in ("requests", "limits") for name in as_map(whole, key) if name.startswith(_HUGE_PAGES)}
    first = Slot("containers", 0, "")
    amounts = {name: read_amount(pod, containers, name, 0, first) for name in sorted(names - {"cpu", "memory"})}
    requests = ((name, amount.request(amount.own)) for name, amount in amounts.items())
    return tuple((name, request) for name, request in requests if request)


def read_granted(
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
        (name, granted_of(c, "cpu"), granted_of(c, "memory"), *demand.get(name, (0, 0)))
        for name, c in zip(names, containers, strict=True)
    )


def granted_of(container: Manifest, name: str) -> int | None:
    """What a container may use of a resource: its limit, without one its request; None: as much as there is."""
    limit = quantity_of(as_map(container, "resources"), "limits", name)
    return request_of(container, name) if limit is None else limit


@dataclass(frozen=True)
class Lack:
    """What one container lacks.

    Attributes:
        container: Its name.
        shortage: What happens to it.
        use: What it uses of the resource, millicores or bytes.
        granted: What it may use.
    """

    container: str
    shortage: Shortage
    use: int
    granted: int

    def __str__(self) -> str:
        if self.shortage is Shortage.OOM_KILLED:
            use, granted = format_memory(self.use), format_memory(self.granted)
            return f"container {self.container} is OOM-killed: it uses {use} of memory and gets {granted}"
        use, granted = format_cpu(self.use), format_cpu(self.granted)
        return f"container {self.container} is CPU-starved: it uses {use} of CPU and gets {granted}"


def lacks_of(
    granted: tuple[tuple[str, int | None, int | None, int, int], ...],
    cpu_m: int | None,
    memory_bytes: int | None,
    limits: tuple[int | None, int | None],
    slots: tuple[Slot, Slot],
) -> list[Lack]:
    """What the containers of a template lack; the OOM-killed ones first, as then the pod counts as that.

    Args:
        granted: Name, limits and use of each container, as `read_granted` gives them.
        cpu_m: The CPU request of the container that is edited, millicores; None: none.
        memory_bytes: The memory request of the one whose memory is.
        limits: The limits of both.
        slots: Those containers.
    """
    found: list[Lack] = []
    for number, (name, cpu_granted, memory_granted, cpu_use, memory_use) in enumerate(granted):
        if slots[0].field == "containers" and slots[0].index == number:
            cpu_granted = cpu_m if limits[0] is None else limits[0]
        if slots[1].field == "containers" and slots[1].index == number:
            memory_granted = memory_bytes if limits[1] is None else limits[1]
        shortage = container_shortage(cpu_granted, memory_granted, cpu_use, memory_use)
        if shortage is Shortage.OOM_KILLED:
            found.append(Lack(name, shortage, memory_use, memory_granted or 0))
        elif shortage is not None:
            found.append(Lack(name, shortage, cpu_use, cpu_granted or 0))
    return sorted(found, key=lambda lack: lack.shortage is not Shortage.OOM_KILLED)


def raised(limit: int | None, request: int | None) -> int | None:
    """A limit that is not below the request."""
    return limit if limit is None or request is None else max(limit, request)
