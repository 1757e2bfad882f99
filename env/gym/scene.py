"""A scenario's nodes and pods as a picture, which `env.picture` draws."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from env.api_objects import ApiObjects
from env.embedded.closed_form import PlainWorkload
from env.errors import QuantityError
from env.observation import Observation
from env.picture import FAILING, OTHER, READY, STARTING, WAITING, Bar, Colour, Column, picture
from env.problems.scenario import Scenario
from env.quantity import parse_cpu, parse_memory
from env.untrusted import mapping, mappings, name
from env.workload import WorkloadRef

_LEGEND = "a node: requested CPU and memory; green ready, red failing, yellow starting, orange waiting, grey others"


class _Room(NamedTuple):
    """What a node has, or a pod requests."""

    cpu_m: int
    memory_bytes: int


class _Pod(NamedTuple):
    asks: _Room
    colour: Colour
    node: str  # "" where it has none


def plain_picture(text: str, workload: PlainWorkload, seen: Observation) -> NDArray[np.uint8]:
    """Equal nodes, over which the scheduler spreads equal pods.

    Args:
        text: Where the episode stands.
        workload: The numbers of a plain scenario.
        seen: What was observed last.
    """
    w, asked = workload, seen.resources
    nodes = {f"node-{number + 1}": _Room(w.node_cpu_m, w.node_memory_bytes) for number in range(w.nodes)}
    asks = _Room(
        max(asked.cpu_m + w.cpu_beside_m, w.cpu_least_m),
        max(asked.memory_bytes + w.memory_beside_bytes, w.memory_least_bytes),
    )
    names = [*nodes]
    pods = [
        _Pod(asks, READY if seen.ready else FAILING, names[number % w.nodes])
        for number in range(seen.total - seen.pending)
    ]
    return _drawn(text, nodes, [*pods, *[_Pod(asks, WAITING, "")] * seen.pending])


def replayed_picture(text: str, scenario: Scenario, objects: ApiObjects) -> NDArray[np.uint8]:
    """What a replay ended in.

    Raises:
        ClusterError: The cluster could not be observed.
    """
    applied = (each for event in scenario.trace.events for each in event["applied_objs"])
    namespaces = {name(mapping(each.get("metadata")).get("namespace")) for each in applied} - {""}
    nodes = {
        name(mapping(node.get("metadata")).get("name")): _room(mapping(node.get("status")).get("allocatable"))
        for node in objects.nodes()
    }
    pods = [_pod(pod, scenario.workload) for each in sorted(namespaces) for pod in objects.pods(each)]
    return _drawn(text, nodes, pods)


def _drawn(text: str, nodes: Mapping[str, _Room], pods: Sequence[_Pod]) -> NDArray[np.uint8]:
    largest = _Room(*(max(1, *(room[i] for room in nodes.values())) if nodes else 1 for i in range(2)))
    on: defaultdict[str, list[_Pod]] = defaultdict(list)
    for pod in pods:
        on[pod.node].append(pod)
    columns = [
        Column(node, tuple(_bar(room[i], largest[i], [(p.asks[i], p.colour) for p in on[node]]) for i in range(2)))
        for node, room in nodes.items()
    ]
    return picture(text, columns, [pod.colour for pod in on[""]], _LEGEND)


def _bar(size: int, largest: int, asked: Sequence[tuple[int, Colour]]) -> Bar:
    return Bar(size / largest, tuple((amount / max(1, size), colour) for amount, colour in asked))


def _pod(pod: Mapping[str, Any], workload: WorkloadRef) -> _Pod:
    spec, status = mapping(pod.get("spec")), mapping(pod.get("status"))
    rooms = [
        _room(mapping(each.get("resources")).get("requests"))
        for key in ("containers", "initContainers")
        for each in mappings(spec.get(key))
        if key == "containers" or each.get("restartPolicy") == "Always"
    ]
    asks, node = _Room(*(sum(room[i] for room in rooms) for i in range(2))), name(spec.get("nodeName"))
    return _Pod(asks, _colour(status, node) if _is_of(pod, workload) else OTHER, node)


def _colour(status: Mapping[str, Any], node: str) -> Colour:
    if not node:
        return WAITING
    if any(each.get("type") == "Ready" and each.get("status") == "True" for each in mappings(status.get("conditions"))):
        return READY
    return FAILING if status.get("phase") == "Running" else STARTING


def _is_of(pod: Mapping[str, Any], workload: WorkloadRef) -> bool:
    """Whether the workload's controller made it: a Deployment by a ReplicaSet, whose name has a hash at its end."""
    metadata, is_deployment = mapping(pod.get("metadata")), workload.kind == "Deployment"
    kind = "ReplicaSet" if is_deployment else workload.kind
    owners = [name(each.get("name")) for each in mappings(metadata.get("ownerReferences")) if each.get("kind") == kind]
    names = [owner.rpartition("-")[0] for owner in owners] if is_deployment else owners
    return workload.name in names and name(metadata.get("namespace")) == workload.namespace


def _room(amounts: Any) -> _Room:
    """CPU and memory of a map of quantities; what cannot be read is nothing."""
    found = mapping(amounts)
    try:
        return _Room(parse_cpu(found.get("cpu", 0)), parse_memory(found.get("memory", 0)))
    except QuantityError:
        return _Room(0, 0)
