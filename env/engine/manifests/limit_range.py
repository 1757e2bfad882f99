"""LimitRanges: what new pods get where they ask for nothing, and between which bounds they may ask.

Follows kubernetes 1.36 `plugin/pkg/admission/limitranger/admission.go`, and `pkg/apis/core/v1/defaults.go`
(`SetDefaults_LimitRangeItem`). Bounds of PersistentVolumeClaims say nothing about pods and are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from env.engine.manifests.fields import Manifest, as_map, as_maps, as_text
from env.engine.manifests.resource_list import Quantity, ResourceList, map_containers, of_pod, read_resources


@dataclass(frozen=True, eq=False)
class LimitRangeItem:
    """One of a LimitRange's `limits`.

    Attributes:
        kind: Container or Pod.
        default: Limits that containers without one get, as in the manifest.
        default_request: Requests that they get.
        least: What they must ask for at least.
        most: What they may ask for at most.
        ratio: The most that a limit may be of its request.
    """

    kind: str
    default: Manifest
    default_request: Manifest
    least: ResourceList
    most: ResourceList
    ratio: ResourceList


@dataclass(frozen=True, eq=False)
class LimitRange:
    """A LimitRange, read."""

    items: tuple[LimitRangeItem, ...]


def read_limit_range(spec: Manifest) -> LimitRange:
    """The `spec` of a LimitRange, with the API server's defaults.

    Raises:
        ValueError, QuantityError: A field that the API server would refuse.
    """
    return LimitRange(tuple(map(_item, as_maps(spec, "limits"))))


def _item(limit: Manifest) -> LimitRangeItem:
    kind = as_text(limit, "type")
    default, request = as_map(limit, "default"), as_map(limit, "defaultRequest")
    if kind == "Container":
        default = {**as_map(limit, "max"), **default}
        request = {**as_map(limit, "min"), **default, **request}
    for each in ("default", "defaultRequest"):
        read_resources(limit, each)
    least, most = read_resources(limit, "min"), read_resources(limit, "max")
    return LimitRangeItem(kind, default, request, least, most, read_resources(limit, "maxLimitRequestRatio"))


def defaulted(pod: Manifest, ranges: Sequence[LimitRange]) -> Manifest:
    """A pod's spec with what the LimitRanges give its containers, those of the first LimitRange before the others."""
    for each in ranges:
        items = [item for item in each.items if item.kind == "Container"]
        limits = {name: value for item in items for name, value in item.default.items()}
        requests = {name: value for item in items for name, value in item.default_request.items()}
        pod = map_containers(pod, lambda c, limits=limits, requests=requests: _merged(c, requests, limits))
    return pod


def _merged(container: Manifest, requests: Manifest, limits: Manifest) -> Manifest:
    resources = as_map(container, "resources")
    merged = {
        **resources,
        "requests": {**requests, **as_map(resources, "requests")},
        "limits": {**limits, **as_map(resources, "limits")},
    }
    return {**container, "resources": merged}


def violations(pod: Manifest, ranges: Sequence[LimitRange]) -> list[str]:
    """What is wrong with a pod's spec, in the API server's words; none: it is within the bounds."""
    every = [*as_maps(pod, "containers"), *as_maps(pod, "initContainers")]
    found: list[str] = []
    for item in (item for each in ranges for item in each.items):
        if item.kind == "Container":
            for container in every:
                resources = as_map(container, "resources")
                requests, limits = read_resources(resources, "requests"), read_resources(resources, "limits")
                found += _violated(item, requests, limits)
        elif item.kind == "Pod":
            found += _violated(item, *(of_pod(pod, part, overhead=False) for part in ("requests", "limits")))
    return list(dict.fromkeys(found))


def _violated(item: LimitRangeItem, requests: ResourceList, limits: ResourceList) -> Iterator[str]:
    """What is wrong with one container, or with the pod as a whole."""
    for name, least in item.least.items():
        what = f"minimum {name} usage per {item.kind} is {least.text}"
        yield from _below(what, least, requests.get(name), limits.get(name))
    for name, most in item.most.items():
        what = f"maximum {name} usage per {item.kind} is {most.text}"
        yield from _above(what, most, requests.get(name), limits.get(name))
    for name, ratio in item.ratio.items():
        what = f"{name} max limit to request ratio per {item.kind} is {ratio.text}, but"
        yield from _apart(what, ratio, requests.get(name), limits.get(name))


def _below(what: str, least: Quantity, request: Quantity | None, limit: Quantity | None) -> Iterator[str]:
    if request is None:
        yield f"{what}.  No request is specified"
    elif request.milli < least.milli:
        yield f"{what}, but request is {request.text}"
    elif limit is not None and limit.milli < least.milli:
        yield f"{what}, but limit is {limit.text}"


def _above(what: str, most: Quantity, request: Quantity | None, limit: Quantity | None) -> Iterator[str]:
    if limit is None:
        yield f"{what}.  No limit is specified"
    elif limit.milli > most.milli:
        yield f"{what}, but limit is {limit.text}"
    elif request is not None and request.milli > most.milli:
        yield f"{what}, but request is {request.text}"


def _apart(what: str, ratio: Quantity, request: Quantity | None, limit: Quantity | None) -> Iterator[str]:
    if request is None or not request.milli:
        yield f"{what} no request is specified or request is 0"
    elif limit is None or not limit.milli:
        yield f"{what} no limit is specified or limit is 0"
    elif limit.milli * 1000 > ratio.milli * request.milli:
        yield f"{what} provided ratio is {limit.milli / request.milli:f}"
