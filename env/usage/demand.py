"""Use as the annotation `sim-arena.io/demand` (`env.demand`): read from objects, and written into them.

What was measured of a running container was possible with what it has. A request without a limit bounds nothing on a
real node, so a use above it is written as the request: the pod runs in a replay as it does in the cluster, and that the
request is too little is said by `enough.py`. A limit does bound: a use above it, and the need of an OOM-killed
container, are written as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from env.demand import DEMAND_ANNOTATION, DEMAND_WINDOW_ANNOTATION, read_demand, read_window
from env.errors import QuantityError
from env.printable import one_line
from env.quantity import format_cpu, format_memory
from env.untrusted import mapping
from env.usage.containers import (
    TEMPLATE_PATHS,
    Manifest,
    container_keys,
    containers,
    limits_of,
    pod_template,
    requests_of,
    workload_text,
)
from env.usage.enough import needed_memory
from env.usage.usage import UNKNOWN_SOURCE, ContainerKey, ContainerUse, Usage

SOURCE = "annotation"
_RATE_ERROR = 0.05  # a rate between two scrapes may lie above the limit that was kept


def usage_of_annotations(objects: Iterable[Manifest]) -> Usage:
    """What the objects' own annotations say that their containers use; an annotation that cannot be read is a note."""
    objects = list(objects)
    uses: dict[ContainerKey, ContainerUse] = {}
    notes: list[str] = []
    for each in objects:
        try:
            demand, window_s = read_demand(_annotations(each)), read_window(_annotations(each))
        except (ValueError, QuantityError) as error:
            notes.append(one_line(f"{workload_text(each)}: {error}; its use is unknown", 400))
            continue
        for key, _ in containers(each):
            cpu, memory = demand.get(key.container, (0, 0))
            if cpu or memory:
                uses[key] = ContainerUse(cpu or None, memory or None, source=SOURCE, window_s=window_s)
    missing = tuple(key for key in container_keys(objects) if key not in uses)
    return Usage(uses, missing, tuple(notes))


def with_usage(objects: Sequence[Manifest], usage: Usage, *, overrule: bool = False) -> list[Manifest]:
    """The objects with what their containers use as the annotation of their pod templates.

    An annotation that is there stays, unless `overrule`, and the use of one of its containers is known from elsewhere.
    Nothing of the given objects is changed.

    Raises:
        QuantityError: A request or limit that Kubernetes would refuse.
    """
    return [_annotated(each, usage, overrule) for each in objects]


def _annotated(manifest: Manifest, usage: Usage, overrule: bool) -> Manifest:
    template = pod_template(manifest)
    if template is None:
        return manifest
    elsewhere = overrule and any(
        usage.of(key).source not in (SOURCE, UNKNOWN_SOURCE) for key, _ in containers(manifest)
    )
    if DEMAND_ANNOTATION in _annotations(manifest) and not elsewhere:
        return manifest
    uses = [(usage.of(key), each, key.container) for key, each in containers(manifest)]
    demand = {container: use for known, each, container in uses if (use := _demand(known, each))}
    if not demand:
        return manifest
    metadata = mapping(template.get("metadata"))
    annotations = {**mapping(metadata.get("annotations")), DEMAND_ANNOTATION: json.dumps(demand)}
    windows = [0.0 if use.is_partial else use.window_s for use, _, _ in uses if use.is_known]
    if shortest := [each for each in windows if each is not None]:
        annotations[DEMAND_WINDOW_ANNOTATION] = f"{min(shortest):.0f}s"
    changed = {**template, "metadata": {**metadata, "annotations": annotations}}
    return _replaced(manifest, TEMPLATE_PATHS[manifest["kind"]], changed)


def _demand(use: ContainerUse, container: Manifest) -> dict[str, str]:
    requests, limits = requests_of(container), limits_of(container)
    cpu, memory = use.cpu_m, needed_memory(use)
    if cpu and limits.cpu_m is None and requests.cpu_m is not None:
        cpu = min(cpu, requests.cpu_m)
    if cpu and limits.cpu_m and limits.cpu_m < cpu <= limits.cpu_m * (1 + _RATE_ERROR):
        cpu = limits.cpu_m
    if memory and limits.memory_bytes is None and requests.memory_bytes is not None:
        memory = min(memory, requests.memory_bytes)
    found = {"cpu": format_cpu(cpu) if cpu else "", "memory": format_memory(memory) if memory else ""}
    return {resource: amount for resource, amount in found.items() if amount}


def _annotations(manifest: Manifest) -> Manifest:
    return mapping(mapping((pod_template(manifest) or {}).get("metadata")).get("annotations"))


def _replaced(manifest: Manifest, path: tuple[str, ...], template: Manifest) -> Manifest:
    if not path:
        return template
    return {**manifest, path[0]: _replaced(mapping(manifest.get(path[0])), path[1:], template)}
