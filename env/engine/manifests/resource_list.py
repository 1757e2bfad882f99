"""Resources by name with their exact amounts, as admission adds, compares and writes them.

Follows kubernetes 1.36 `staging/src/k8s.io/component-helpers/resource/helpers.go` (`PodRequests`, `PodLimits`) and
`pkg/apis/core/v1/defaults.go` (`SetDefaults_Pod`, `defaultPodRequests`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from env.engine.manifests.fields import Manifest, as_map, as_maps
from env.quantity import canonical, format_memory, thousandths


class Quantity(NamedTuple):
    """An amount.

    Attributes:
        milli: In thousandths.
        text: As the API server writes it.
    """

    milli: int
    text: str

    def plus(self, other: Quantity) -> Quantity:
        """The sum, written in the notation of the first, or of the other where the first is 0."""
        milli, like = self.milli + other.milli, self if self.milli else other
        if like.text.endswith("i") and milli % 1000 == 0:
            return Quantity(milli, format_memory(milli // 1000))
        return Quantity(milli, canonical(f"{milli}m"))


ResourceList = dict[str, Quantity]

ZERO, ONE = Quantity(0, "0"), Quantity(1000, "1")
_POD_LEVEL = ("cpu", "memory")


def read_quantity(value: Any) -> Quantity:
    """A quantity of a manifest; QuantityError where the API server would refuse it."""
    return Quantity(thousandths(value), canonical(value))


def read_resources(parent: Manifest, key: str) -> ResourceList:
    """The quantities in the map `key`."""
    return {name: read_quantity(value) for name, value in as_map(parent, key).items() if value is not None}


def with_requests(pod: Manifest) -> Manifest:
    """The pod's spec as the API server takes it: a limit without a request is the request."""

    def filled(container: Manifest) -> Manifest:
        resources = as_map(container, "resources")
        limits = as_map(resources, "limits")
        if not limits:
            return container
        return {**container, "resources": {**resources, "requests": {**limits, **as_map(resources, "requests")}}}

    return map_containers(pod, filled)


def map_containers(pod: Manifest, change: Any) -> Manifest:
    """The pod's spec with every container and init container changed."""
    parts = ("containers", "initContainers")
    return {**pod, **{part: [change(each) for each in as_maps(pod, part)] for part in parts if pod.get(part)}}


def of_containers(pod: Manifest, part: str) -> ResourceList:
    """The requests or limits of a pod's containers together."""
    total = _sum(read_resources(as_map(each, "resources"), part) for each in as_maps(pod, "containers"))
    sidecars: ResourceList = {}
    peak: ResourceList = {}
    for container in as_maps(pod, "initContainers"):
        own = read_resources(as_map(container, "resources"), part)
        if container.get("restartPolicy") == "Always":
            total, sidecars = _sum([total, own]), _sum([sidecars, own])
            own = sidecars
        else:
            own = _sum([own, sidecars])
        peak = _most(peak, own)
    return _most(total, peak)


def of_pod(pod: Manifest, part: str, *, overhead: bool) -> ResourceList:
    """What a pod requests, or the limits that it has, in all.

    Args:
        pod: Its spec, after `with_requests`.
        part: requests or limits.
        overhead: Whether the pod's overhead counts.
    """
    total = of_containers(pod, part)
    whole = as_map(pod, "resources")
    if part == "requests":
        total = {**{name: each for name, each in _whole(whole, "limits").items() if name not in total}, **total}
    total |= _whole(whole, part)
    more = read_resources(pod, "overhead") if overhead else {}
    return _sum(
        [total, {name: each for name, each in more.items() if part == "requests" or total.get(name, ZERO).milli}]
    )


def _whole(resources: Manifest, part: str) -> ResourceList:
    return {name: each for name, each in read_resources(resources, part).items() if name in _POD_LEVEL}


def _sum(lists: Iterable[ResourceList]) -> ResourceList:
    total: ResourceList = {}
    for each in lists:
        for name, quantity in each.items():
            total[name] = total[name].plus(quantity) if name in total else quantity
    return total


def _most(one: ResourceList, other: ResourceList) -> ResourceList:
    return {**one, **{name: each for name, each in other.items() if name not in one or each.milli > one[name].milli}}
