"""What a pod takes of a node's resources: containers, init containers, sidecars and overhead, added up.

Follows kubernetes 1.36 `staging/src/k8s.io/component-helpers/resource/helpers.go` (`PodRequests`).
"""

from __future__ import annotations

from dataclasses import dataclass

from env.demand import DEMAND_ANNOTATION, Shortage, container_shortage, read_demand
from env.engine.manifests.fields import Manifest, as_map, as_maps, as_text
from env.quantity import parse_cpu, parse_memory

# What a container without a request counts for in scores: kubernetes `pkg/scheduler/util/pod_resources.go`.
SCORE_CPU_M = 100
SCORE_MEMORY_BYTES = 200 * 1024**2


@dataclass(frozen=True)
class Amount:
    """One resource of a pod template, with the first container apart because it can be edited.

    Attributes:
        first: The first container's request, without one its limit; None when it has neither.
        written: Its request as the manifest says; None when it says none.
        limit: Its limit; None when it has none.
        others: Sum of the requests of the other containers and of sidecars.
        init_peak: Most that the init containers need at one time.
        overhead: The pod's overhead.
        score_others: `others` with the scheduler's defaults for containers without a request.
        score_init_peak: `init_peak` with them.
        score_default: The default for the first container.
    """

    first: int | None
    written: int | None
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


def read_amount(pod: Manifest, containers: list[Manifest], name: str, score_default: int) -> Amount:
    """What a pod spec says about one resource; ValueError or QuantityError where the API server would refuse it."""
    init = as_maps(pod, "initContainers")
    sidecars, init_peak = _init_requests(init, name, 0)
    score_sidecars, score_init_peak = _init_requests(init, name, score_default)
    requests = [_request(container, name) for container in containers]
    return Amount(
        first=requests[0],
        written=quantity_of(as_map(containers[0], "resources"), "requests", name),
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


def read_extended(pod: Manifest, containers: list[Manifest]) -> tuple[tuple[str, int], ...]:
    """What a pod takes of resources other than CPU and memory."""
    every = [*containers, *as_maps(pod, "initContainers")]
    names = {
        name
        for container in every
        for key in ("requests", "limits")
        for name in as_map(as_map(container, "resources"), key)
    } | set(as_map(pod, "overhead"))
    amounts = {name: read_amount(pod, containers, name, 0) for name in sorted(names - {"cpu", "memory"})}
    requests = ((name, amount.request(amount.first)) for name, amount in amounts.items())
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
        (name, _granted_of(c, "cpu"), _granted_of(c, "memory"), *demand.get(name, (0, 0)))
        for name, c in zip(names, containers, strict=True)
    )


def _granted_of(container: Manifest, name: str) -> int | None:
    limit = quantity_of(as_map(container, "resources"), "limits", name)
    return _request(container, name) if limit is None else limit


def shortage_of(
    granted: tuple[tuple[str, int | None, int | None, int, int], ...],
    cpu_m: int | None,
    memory_bytes: int | None,
    limits: tuple[int | None, int | None],
) -> tuple[Shortage | None, str]:
    """What the pods of a template lack, and the container that lacks it; (None, "") for nothing.

    Where one container is OOM-killed and another short of CPU, the pod counts as OOM-killed.

    Args:
        granted: Name, limits and use of each container, as `read_granted` gives them.
        cpu_m: The first container's CPU request, millicores; None: none.
        memory_bytes: Its memory request.
        limits: Its limits of both.
    """
    found: list[tuple[Shortage, str]] = []
    for number, (name, cpu_granted, memory_granted, cpu_use, memory_use) in enumerate(granted):
        if number == 0:
            cpu_granted = cpu_m if limits[0] is None else limits[0]
            memory_granted = memory_bytes if limits[1] is None else limits[1]
        verdict = container_shortage(cpu_granted, memory_granted, cpu_use, memory_use)
        if verdict is not None:
            found.append((verdict, name))
    if not found:
        return None, ""
    return next((each for each in found if each[0] is Shortage.OOM_KILLED), found[0])


def raised(limit: int | None, request: int | None) -> int | None:
    """A limit that is not below the request."""
    return limit if limit is None or request is None else max(limit, request)
