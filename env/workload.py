"""What a Deployment's manifest asks for, read into a record; and the edit of what it asks for.

Defaults are the API server's: 1 replica, 25% surge and unavailability, a limit without a request is the request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from env.actions import MIB, Resources
from env.errors import QuantityError, TraceError
from env.quantity import format_cpu, format_memory, parse_cpu, parse_memory
from env.rollout import Strategy
from env.scheduler import PodShape, Toleration
from env.trace import Manifest, WorkloadRef, workload_ref

# What a container without a request counts for in scores: kubernetes `pkg/scheduler/util/pod_resources.go`.
_SCORE_CPU_M = 100
_SCORE_MEMORY_BYTES = 200 * MIB

_LARGEST_REPLICAS = 2**31 - 1
_PERCENT = re.compile(r"[0-9]{1,9}%", re.ASCII)
_PARSERS: dict[str, Callable[[Any], int]] = {"cpu": parse_cpu, "memory": parse_memory}
_FORMATTERS: dict[str, Callable[[int], str]] = {"cpu": format_cpu, "memory": format_memory}
_UNSIMULATED_FIELDS = (
    "affinity",
    "nodeName",
    "priority",
    "priorityClassName",
    "resources",
    "schedulingGates",
    "topologySpreadConstraints",
)


@dataclass(frozen=True)
class ResourceEdit:
    """New values for a workload; None leaves a field as it is in each manifest."""

    cpu_m: int | None = None
    memory_bytes: int | None = None
    replicas: int | None = None

    @classmethod
    def between(cls, recorded: Resources, wanted: Resources) -> ResourceEdit:
        """Only what differs, so that asking for what was recorded edits nothing."""
        return cls(
            wanted.cpu_m if wanted.cpu_m != recorded.cpu_m else None,
            wanted.memory_bytes if wanted.memory_bytes != recorded.memory_bytes else None,
            wanted.replicas if wanted.replicas != recorded.replicas else None,
        )


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
class Asked:
    """What one apply of a Deployment asks for; pods of equal `revision` are of one ReplicaSet."""

    ref: WorkloadRef
    resources: Resources
    strategy: Strategy
    shape: PodShape
    revision: tuple[Any, ...]


@dataclass(frozen=True)
class Deployment:
    """A Deployment's manifest, read.

    Attributes:
        ref: Its namespace and name.
        replicas: Pods it asks for.
        strategy: How it replaces pods.
        cpu: Requests in millicores.
        memory: Requests in bytes.
        node_selector: Labels that a node must have.
        tolerations: Taints that its pods bear.
        template: The pod template without the first container's requests and limits, as canonical JSON.
        unsimulated: Fields of the pod's spec that matter to the real scheduler and are not simulated.
    """

    ref: WorkloadRef
    replicas: int
    strategy: Strategy
    cpu: Amount
    memory: Amount
    node_selector: tuple[tuple[str, str], ...]
    tolerations: tuple[Toleration, ...]
    template: str
    unsimulated: tuple[str, ...]

    @property
    def resources(self) -> Resources:
        """The first container's requests (0 where it has none) and the replicas."""
        return Resources(self.cpu.first or 0, self.memory.first or 0, self.replicas)

    def asked(self, edit: ResourceEdit | None = None) -> Asked:
        """What the manifest asks for after `edit`; the same as reading the manifest that `edited` returns."""
        edit = edit or ResourceEdit()
        cpu_m = self.cpu.first if edit.cpu_m is None else edit.cpu_m
        memory_bytes = self.memory.first if edit.memory_bytes is None else edit.memory_bytes
        replicas = self.replicas if edit.replicas is None else edit.replicas
        shape = PodShape(
            self.cpu.request(cpu_m),
            self.memory.request(memory_bytes),
            self.cpu.score_request(cpu_m),
            self.memory.score_request(memory_bytes),
            self.node_selector,
            self.tolerations,
        )
        limits = (_raised(self.cpu.limit, cpu_m), _raised(self.memory.limit, memory_bytes))
        resources = Resources(cpu_m or 0, memory_bytes or 0, replicas)
        return Asked(self.ref, resources, self.strategy, shape, (cpu_m, memory_bytes, limits, self.template))


def read_deployment(manifest: Manifest) -> Deployment:
    """Read what a Deployment's manifest asks for.

    Raises:
        TraceError: A field that the API server would refuse; names it.
        QuantityError: A quantity that it would refuse.
    """
    ref = workload_ref(manifest)
    try:
        return _read(ref, manifest)
    except QuantityError as error:
        raise QuantityError(f"Deployment {ref}: {error}") from error
    except ValueError as error:
        raise TraceError(f"Deployment {ref}: {error}") from error


def edited(manifest: Manifest, edit: ResourceEdit) -> Manifest:
    """Write `edit` into a manifest of a Deployment, in place; a limit below its new request is raised to it.

    Raises:
        TraceError, QuantityError: The manifest is not valid.
    """
    read_deployment(manifest)
    spec = manifest["spec"]
    if edit.replicas is not None:
        spec["replicas"] = edit.replicas
    container = spec["template"]["spec"]["containers"][0]
    for name, value in (("cpu", edit.cpu_m), ("memory", edit.memory_bytes)):
        if value is not None:
            _set_request(container, name, value)
    return manifest


def _set_request(container: Manifest, name: str, value: int) -> None:
    text = _FORMATTERS[name](value)
    resources = container["resources"] = container.get("resources") or {}
    requests = resources["requests"] = resources.get("requests") or {}
    requests[name] = text
    limit = _quantity(resources, "limits", name)
    if limit is not None and limit < value:
        resources["limits"][name] = text


def _read(ref: WorkloadRef, manifest: Manifest) -> Deployment:
    spec = _map(manifest, "spec")
    pod = _map(_map(spec, "template"), "spec")
    containers = _maps(pod, "containers")
    if not containers:
        raise ValueError("containers: must have at least one container")
    return Deployment(
        ref=ref,
        replicas=_count(spec, "replicas", default=1),
        strategy=_strategy(_map(spec, "strategy")),
        cpu=_amount(pod, containers, "cpu", _SCORE_CPU_M),
        memory=_amount(pod, containers, "memory", _SCORE_MEMORY_BYTES),
        node_selector=tuple((key, str(value)) for key, value in _map(pod, "nodeSelector").items()),
        tolerations=tuple(_toleration(entry) for entry in _maps(pod, "tolerations")),
        template=_canonical(spec["template"]),
        unsimulated=_unsimulated(pod, containers),
    )


def _strategy(strategy: Manifest) -> Strategy:
    rolling = _map(strategy, "rollingUpdate")
    return Strategy(
        recreate=strategy.get("type") == "Recreate",
        max_surge=_count_or_percent(rolling, "maxSurge"),
        max_unavailable=_count_or_percent(rolling, "maxUnavailable"),
    )


def _amount(pod: Manifest, containers: list[Manifest], name: str, score_default: int) -> Amount:
    init = _maps(pod, "initContainers")
    sidecars, init_peak = _init_requests(init, name, 0)
    score_sidecars, score_init_peak = _init_requests(init, name, score_default)
    requests = [_request(container, name) for container in containers]
    return Amount(
        first=requests[0],
        limit=_quantity(_map(containers[0], "resources"), "limits", name),
        others=sum(request or 0 for request in requests[1:]) + sidecars,
        init_peak=init_peak,
        overhead=_quantity(pod, "overhead", name) or 0,
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
    resources = _map(container, "resources")
    request = _quantity(resources, "requests", name)
    return _quantity(resources, "limits", name) if request is None else request


def _quantity(parent: Manifest, key: str, name: str) -> int | None:
    value = _map(parent, key).get(name)
    return None if value is None else _PARSERS[name](value)


def _toleration(entry: Manifest) -> Toleration:
    key, operator, value, effect = (str(entry.get(name) or "") for name in ("key", "operator", "value", "effect"))
    return Toleration(key, operator or "Equal", value, effect)


def _canonical(template: Manifest) -> str:
    """The template as sorted JSON, less what `Asked.revision` holds as numbers."""
    pod = template["spec"]
    first = dict(pod["containers"][0])
    resources = dict(_map(first, "resources"))
    for key in ("requests", "limits"):
        resources[key] = {k: v for k, v in _map(resources, key).items() if k not in _PARSERS}
    containers = [{**first, "resources": resources}, *pod["containers"][1:]]
    return json.dumps({**template, "spec": {**pod, "containers": containers}}, sort_keys=True)


def _unsimulated(pod: Manifest, containers: Iterable[Manifest]) -> tuple[str, ...]:
    fields = [name for name in _UNSIMULATED_FIELDS if pod.get(name)]
    requests = (name for c in containers for name in _map(_map(c, "resources"), "requests"))
    return (*fields, *dict.fromkeys(f"requests of {name}" for name in requests if name not in _PARSERS))


def _raised(limit: int | None, request: int | None) -> int | None:
    return limit if limit is None or request is None else max(limit, request)


def _map(parent: Manifest, key: str) -> Manifest:
    value = parent.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"{key}: must be a map")
    return value


def _maps(parent: Manifest, key: str) -> list[Manifest]:
    value = parent.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError(f"{key}: must be a list of maps")
    return value


def _count(parent: Manifest, key: str, *, default: int) -> int:
    value = parent.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST_REPLICAS:
        raise ValueError(f"{key} {value!r:.80}: must be a whole number of at least 0")
    return value


def _count_or_percent(parent: Manifest, key: str) -> int | str:
    value = parent.get(key)
    if value is None:
        return "25%"
    if isinstance(value, str) and _PERCENT.fullmatch(value):
        return value
    return _count(parent, key, default=0)
