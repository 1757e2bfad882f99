"""Affinity between pods, and host ports: what the pods already on the nodes forbid or prefer.

Follows kubernetes 1.36 `pkg/scheduler/framework/plugins`: `interpodaffinity/filtering.go`,
`interpodaffinity/scoring.go` and `nodeports/node_ports.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from env.engine.manifests.pod_template import PodTemplate
from env.engine.manifests.terms import PodAffinityTerm
from env.engine.scheduling.kernel import MISSING
from env.engine.scheduling.spreading import Topology
from env.jit import Ints

Flags = NDArray[np.bool_]


class Block(IntEnum):
    """Why other pods keep a pod off a node; the first that applies counts."""

    NONE = 0
    PORTS = 1
    AFFINITY = 2
    ANTI_AFFINITY = 3
    EXISTING_ANTI_AFFINITY = 4
    NOMINATED = 5  # pods of at least its priority are about to fill the node


class PodCounts:
    """The pods that hold nodes, counted by node and by what matters to terms and ports of others.

    Pods of one manifest are one group, also with different requests: they share labels, terms and ports.
    """

    def __init__(self, nodes: int) -> None:
        self._nodes = nodes
        self._groups: dict[int, tuple[PodTemplate, Ints]] = {}

    def count(self, template: PodTemplate, rows: Ints | int, sign: int) -> None:
        """A pod on each of the rows comes (1) or goes (-1)."""
        group = self._groups.get(id(template.labels))
        if group is None:  # templates of one manifest share their labels; the first of them keeps that id taken
            group = self._groups[id(template.labels)] = (template, np.zeros(self._nodes, dtype=np.int64))
        np.add.at(group[1], rows, sign)

    def __len__(self) -> int:
        return len(self._groups)

    def __iter__(self) -> Iterator[tuple[PodTemplate, Ints]]:
        return iter(self._groups.values())


def blocks(template: PodTemplate, counted: PodCounts, topology: Topology, nodes: int) -> Ints:
    """The Block of every node, given the pods that hold nodes; int64 of shape (nodes,).

    Follows `interpodaffinity/filtering.go` and `nodeports`.
    """
    blocked = np.zeros(nodes, dtype=np.int64)
    for number, reason in _inter_pod(template, counted, topology, nodes):
        blocked[(blocked == 0) & number] = reason
    for other, counts in counted if template.host_ports else ():
        if _conflict(template, other):
            blocked[counts > 0] = Block.PORTS
    return blocked


def preferences(template: PodTemplate, counted: PodCounts, topology: Topology, nodes: int) -> Ints:
    """The weight of preferred affinity for every node, of the pod and of those that run (`scoring.go`)."""
    weights = np.zeros(nodes, dtype=np.int64)
    own = [term for term in (*template.affinity, *template.anti_affinity) if term.weight]
    for other, counts in counted:
        # A required affinity of a running pod counts as a preference of weight 1 (hardPodAffinityWeight).
        wanted = [(term, term.weight) for term in own if _means(term, other)]
        wanted += [(term, term.weight or 1) for term in other.affinity if _means(term, template)]
        wanted += [(term, term.weight) for term in other.anti_affinity if _means(term, template)]
        for term, weight in wanted:
            if weight:
                weights += weight * _in_domain(topology.domains(term.topology_key), counts)
    return weights


def _inter_pod(
    template: PodTemplate, counted: PodCounts, topology: Topology, nodes: int
) -> Iterable[tuple[Flags, Block]]:
    required = [term for term in template.affinity if not term.weight]
    if required:
        yield ~_affinity_holds(template, required, counted, topology, nodes), Block.AFFINITY
    for term in (each for each in template.anti_affinity if not each.weight):
        for other, counts in counted:
            if _means(term, other):
                yield _in_domain(topology.domains(term.topology_key), counts) > 0, Block.ANTI_AFFINITY
    for other, counts in counted:
        for term in other.anti_affinity:
            if not term.weight and _means(term, template):
                yield _in_domain(topology.domains(term.topology_key), counts) > 0, Block.EXISTING_ANTI_AFFINITY


def _affinity_holds(
    template: PodTemplate, required: list[PodAffinityTerm], counted: PodCounts, topology: Topology, nodes: int
) -> Flags:
    """All terms hold on a node; the first pod of a group that only matches itself may start anywhere labelled."""
    matching = np.zeros(nodes, dtype=np.int64)
    for other, counts in counted:
        if all(_means(term, other) for term in required):
            matching += counts
    labelled = np.ones(nodes, dtype=np.bool_)
    holds = np.ones(nodes, dtype=np.bool_)
    for term in required:
        domains = topology.domains(term.topology_key)
        labelled &= domains != MISSING
        holds &= _in_domain(domains, matching) > 0
    if not matching.any() and all(_means(term, template) for term in required):
        return labelled
    return holds


def _in_domain(domains: Ints, counts: Ints) -> Ints:
    """How many of the counted pods are in each node's domain; 0 without the label."""
    sums = np.zeros(len(domains) + 1, dtype=np.int64)
    np.add.at(sums, domains, counts)
    sums[MISSING] = 0
    found: Ints = sums[domains]
    return found


def _means(term: PodAffinityTerm, template: PodTemplate) -> bool:
    return (term.namespaces is None or template.namespace in term.namespaces) and term.selects(template.labels)


def _conflict(one: PodTemplate, other: PodTemplate) -> bool:
    wild = "0.0.0.0"  # noqa: S104  (the API server's default, nothing listens here)
    return any(
        a[0] == b[0] and a[2] == b[2] and (a[1] == b[1] or wild in (a[1], b[1]))
        for a in one.host_ports
        for b in other.host_ports
    )
