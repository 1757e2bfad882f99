"""What nodes, pods and Deployments use, by the metrics API. Without it nothing here is known, nor guessed."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from env.errors import QuantityError
from env.live.pods import PodState, belongs_to_node, deployment_of, node_of, pod_key, pod_state
from env.live.reading import AUTOSCALER, Objects, Seen
from env.quantity import parse_cpu, parse_memory
from env.untrusted import count, mapping, mappings, name

CARRIES = 0.8
"""The share of its CPU request that a pod is meant to use, as in the HorizontalPodAutoscaler's documents."""
IDLE_TIMES = 3
"""A Deployment has too many replicas if so many times fewer would carry its load."""
LEAST_REPLICAS = 2
"""Replicas that a Deployment needs whatever its load is, so that one may be lost."""


@dataclass(frozen=True)
class Use:
    """CPU in millicores and memory in bytes."""

    cpu_m: int
    memory_bytes: int


@dataclass(frozen=True)
class Load:
    """What a Deployment's pods use.

    Attributes:
        namespace, name: The Deployment's.
        replicas: That it is to have.
        used_percent: CPU of what those of its pods request that are measured.
        needed: Replicas that carry this load at CARRIES of their requests, at least LEAST_REPLICAS.
    """

    namespace: str
    name: str
    replicas: int
    used_percent: float
    needed: int

    @property
    def too_few(self) -> bool:
        """Its pods use more than they request, and more of them would not."""
        return self.used_percent > 100 and self.needed > self.replicas

    @property
    def too_many(self) -> bool:
        """A third of its replicas would do."""
        return self.needed * IDLE_TIMES <= self.replicas


def node_conditions(node: Any) -> dict[str, dict[str, Any]]:
    """A node's conditions by their type."""
    return {name(each.get("type")): each for each in mappings(mapping(node.get("status")).get("conditions"))}


def is_ready(node: Any) -> bool:
    """Whether its kubelet says so, and is heard of."""
    return node_conditions(node).get("Ready", {}).get("status") == "True"


def is_cordoned(node: Any) -> bool:
    """Whether no pods are to be placed on it."""
    return mapping(node.get("spec")).get("unschedulable") is True


def node_name(node: Any) -> str:
    """Its name."""
    return name(mapping(node.get("metadata")).get("name"))


def not_ready_nodes(seen: Seen) -> set[str]:
    """Names of the nodes that are NotReady."""
    return {node_name(each) for each in seen.nodes if not is_ready(each)}


def cluster_use(seen: Seen) -> tuple[float, float] | None:
    """CPU and memory that Ready nodes use, of what they have for pods; None: unknown."""
    used = node_use(seen)
    nodes = [each for each in seen.nodes if is_ready(each) and node_name(each) in used]
    if not nodes:
        return None
    has = [allocatable(each) for each in nodes]
    cpu, memory = sum(each.cpu_m for each in has), sum(each.memory_bytes for each in has)
    if not cpu or not memory:
        return None
    uses = [used[node_name(each)] for each in nodes]
    return sum(each.cpu_m for each in uses) / cpu, sum(each.memory_bytes for each in uses) / memory


def node_use(seen: Seen) -> dict[str, Use]:
    """What each node uses that is measured, by its name."""
    return {
        name(mapping(each.get("metadata")).get("name")): _use(mapping(each.get("usage")))
        for each in seen.node_usage or ()
    }


def allocatable(node: Any) -> Use:
    """What a node has for pods."""
    return _use(mapping(mapping(node.get("status")).get("allocatable")))


def pod_use(seen: Seen) -> dict[tuple[str, str], Use]:
    """What each pod uses that is measured, by namespace and name."""
    found = {}
    for each in seen.pod_usage or ():
        uses = [_use(mapping(container.get("usage"))) for container in mappings(each.get("containers"))]
        found[pod_key(each)] = Use(sum(use.cpu_m for use in uses), sum(use.memory_bytes for use in uses))
    return found


def requested(pod: Any) -> Use:
    """What a pod's containers request."""
    asked = [mapping(each.get("resources")).get("requests") for each in _containers(pod)]
    uses = [_use(mapping(each)) for each in asked]
    return Use(sum(use.cpu_m for use in uses), sum(use.memory_bytes for use in uses))


def loads(seen: Seen) -> Iterator[Load]:
    """The load of each Deployment whose pods are measured and request CPU, and whose replicas no autoscaler sets."""
    if seen.pod_usage is None or AUTOSCALER in seen.unread:
        return
    used, not_ready = pod_use(seen), not_ready_nodes(seen)
    pods: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for pod in seen.pods:
        owner = deployment_of(pod)
        if owner and pod_key(pod) in used and pod_state(pod, not_ready, seen.at) is PodState.RUNNING:
            pods[pod_key(pod)[0], owner].append((used[pod_key(pod)].cpu_m, requested(pod).cpu_m))
    scaled = _autoscaled(seen.autoscalers)
    for deployment in seen.deployments:
        key = pod_key(deployment)
        uses, asked = (sum(each[i] for each in pods[key]) for i in (0, 1))
        replicas = replicas_of(deployment)
        if asked > 0 and replicas > 0 and key not in scaled and all(each[1] for each in pods[key]):
            each_asks = asked / len(pods[key])
            needed = max(LEAST_REPLICAS, math.ceil(uses / each_asks / CARRIES))
            yield Load(*key, replicas, 100 * uses / asked, needed)


def replicas_of(deployment: Any) -> int:
    """Replicas that a Deployment is to have; 1 is the default."""
    spec = mapping(deployment.get("spec"))
    return count(spec["replicas"]) if "replicas" in spec else 1


def memory_limits(pod: Any) -> int | None:
    """The memory that a pod's containers may use together, bytes; None where one has no limit."""
    limits = [mapping(mapping(each.get("resources")).get("limits")).get("memory") for each in _containers(pod)]
    return None if not limits or None in limits else sum(_parsed(each, parse_memory) for each in limits)


def pods_by_node(seen: Seen) -> Counter[str]:
    """Pods of each node that another node would get."""
    here = (each for each in seen.pods if node_of(each) and not belongs_to_node(each))
    gone = (PodState.LEFT_OUT, PodState.FAILED)
    return Counter(node_of(each) for each in here if pod_state(each, set(), seen.at) not in gone)


def _autoscaled(scalers: Objects) -> set[tuple[str, str]]:
    found = set()
    for each in scalers:
        target = mapping(mapping(each.get("spec")).get("scaleTargetRef"))
        if target.get("kind") == "Deployment":
            found.add((pod_key(each)[0], name(target.get("name"))))
    return found


def _containers(pod: Any) -> list[dict[str, Any]]:
    return mappings(mapping(pod.get("spec")).get("containers"))


def _use(amounts: dict[str, Any]) -> Use:
    return Use(_parsed(amounts.get("cpu"), parse_cpu), _parsed(amounts.get("memory"), parse_memory))


def _parsed(value: Any, parse: Callable[[str | int | float], int]) -> int:
    try:
        return parse(value) if isinstance(value, str | int | float) else 0
    except QuantityError:
        return 0
