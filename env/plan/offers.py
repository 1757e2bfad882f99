"""Offers: the kinds of nodes that a plan may use, each in one zone, and what one of them costs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from env.errors import ScenarioError
from env.problems.node_text import parse_nodes
from env.problems.nodes import INSTANCE_TYPE, MAX_NODES, NodePool, NodePools

ZONE = "topology.kubernetes.io/zone"
REGION = "topology.kubernetes.io/region"

_CONDITIONS = (
    "node.kubernetes.io/",
    "node.cloudprovider.kubernetes.io/",
    "ToBeDeletedByClusterAutoscaler",
    "DeletionCandidateOfClusterAutoscaler",
    "karpenter.sh/disrupted",
)
"""How the taints begin that controllers give a node for a while: a new node of its kind has none of them."""

Counts: TypeAlias = tuple[int, ...]
"""How many nodes of each offer there are."""


@dataclass(frozen=True)
class Offer:
    """Nodes that may be had, any number of them.

    Attributes:
        name: Of the kind, the same in every zone: "m6i.xlarge", or its size.
        node: One of them, without a name; its zone is among its labels.
        usd_per_hour: What one costs; None: not known.
    """

    name: str
    node: NodePool
    usd_per_hour: float | None = None

    @property
    def zone(self) -> str:
        """Its zone; "" for none."""
        return dict(self.node.labels).get(ZONE, "")


def pools_of(offers: Sequence[Offer], counts: Sequence[int]) -> NodePools:
    """So many nodes of each offer.

    Raises:
        ScenarioError: None at all, or more than a cluster has at most.
    """
    return NodePools(tuple(replace(offer.node, count=many) for offer, many in zip(offers, counts, strict=True) if many))


def named(nodes: NodePools) -> tuple[NodePool, ...]:
    """Pools of one, each with the name that a replay gives its node."""
    numbers = iter(range(1, nodes.count + 1))
    made = []
    for pool in nodes.pools:
        names = pool.names or tuple(f"node-{next(numbers)}" for _ in range(pool.count))
        made += [replace(pool, count=1, names=(name,)) for name in names]
    return tuple(made)


def offers_of_nodes(nodes: NodePools) -> tuple[Offer, ...]:
    """The kinds of nodes that there are.

    Nodes are of one kind if they differ in no label but those that each node has to itself, and in no taint but those
    of their condition. What is taken of them beside the workloads, such as by static pods, may differ: the kind has the
    least of each resource.
    """
    own = _own_labels(nodes)
    kinds: dict[tuple[object, ...], list[NodePool]] = defaultdict(list)
    for pool in nodes.pools:
        labels = tuple((key, value) for key, value in pool.labels if key not in own)
        taints = tuple(each for each in pool.taints if not each.key.startswith(_CONDITIONS))
        node = replace(pool, count=1, names=(), labels=labels, taints=taints, unschedulable=False)
        kinds[labels, node.taints, tuple(name for name, _ in node.resources)].append(node)
    return tuple(Offer(kind_name(node), node) for node in map(_least, kinds.values()))


def offers_of_types(
    types: Iterable[NodePool], zones: Sequence[str], region: str = "", labels: Iterable[tuple[str, str]] = ()
) -> tuple[Offer, ...]:
    """Each type in each zone; without zones once.

    Args:
        types: Pools of one.
        zones: Names of zones.
        region: Their region; "": none.
        labels: What all of the nodes have besides.
    """
    every = []
    for node in types:
        for zone in zones or ("",):
            place = {ZONE: zone} if zone else {}
            place |= {REGION: region} if zone and region else {}
            own = {**dict(labels), **dict(node.labels), **place}
            every.append(Offer(kind_name(node), replace(node, labels=tuple(sorted(own.items())))))
    return tuple(every)


def parse_type(text: str) -> NodePool:
    """A type as people write it: `m6i.xlarge`, or its size, `16:32Gi`.

    Raises:
        ScenarioError, QuantityError: Neither; says why.
    """
    if "," in text or not text:
        raise ScenarioError(f"node type {text!r:.80}: expected one type, such as m6i.xlarge or 16:32Gi")
    return parse_nodes(f"1x{text}").pools[0]


def kind_name(node: NodePool) -> str:
    """What a kind of nodes is called: its instance type, else its size."""
    return dict(node.labels).get(INSTANCE_TYPE) or node.size.rpartition(", ")[0]


def is_open(node: NodePool) -> bool:
    """Whether a node takes pods at the moment: it is not cordoned, nor has it a taint of its condition."""
    return not (node.unschedulable or any(each.key.startswith(_CONDITIONS) for each in node.taints))


def offer_of(node: NodePool, offers: Sequence[Offer]) -> int | None:
    """The offer that a node is of: one of its kind and zone; of several the one that has most of its labels and taints.

    A node has labels that its offer lacks, such as its host name.
    """
    own, zone = {*node.labels, *node.taints}, dict(node.labels).get(ZONE, "")
    alike = [o for o, offer in enumerate(offers) if offer.name == kind_name(node) and offer.zone == zone]
    return min(alike, key=lambda o: len(own ^ {*offers[o].node.labels, *offers[o].node.taints}), default=None)


def zones_of(nodes: NodePools) -> tuple[str, ...]:
    """The zones of nodes, in order of their names."""
    return tuple(sorted({zone for pool in nodes.pools if (zone := dict(pool.labels).get(ZONE))}))


def common_labels(nodes: NodePools) -> dict[str, str]:
    """Labels that all nodes have with one value, but for those that say where a node is and of which type."""
    every = [set(pool.labels) for pool in nodes.pools]
    return {key: value for key, value in sorted(set.intersection(*every)) if key not in (ZONE, REGION, INSTANCE_TYPE)}


def most_allowed(total: int) -> bool:
    """Whether a cluster may have so many nodes."""
    return 1 <= total <= MAX_NODES


def _own_labels(nodes: NodePools) -> set[str]:
    """Keys of labels that have another value on every node: they name a node and no kind."""
    values: dict[str, Counter[str]] = defaultdict(Counter)
    for pool in nodes.pools:
        for key, value in pool.labels:
            values[key][value] += pool.count
    return {key for key, found in values.items() if len(found) > 1 and found.total() == nodes.count == len(found)}


def _least(nodes: Sequence[NodePool]) -> NodePool:
    """A node with the least that any of them has."""
    resources = [dict(node.resources) for node in nodes]
    return replace(
        nodes[0],
        cpu_m=min(node.cpu_m for node in nodes),
        memory_bytes=min(node.memory_bytes for node in nodes),
        pods=min(node.pods for node in nodes),
        resources=tuple((name, min(each[name] for each in resources)) for name, _ in nodes[0].resources),
    )
