"""Affinity between pods, and host ports: what the pods already on the nodes forbid or prefer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from env.engine.kernel import MISSING
from env.engine.node import Ints
from env.engine.pod_template import PodTemplate
from env.engine.pods import Pod
from env.engine.spreading import Topology
from env.engine.terms import PodAffinityTerm

Flags = NDArray[np.bool_]


class Block(IntEnum):
    """Why other pods keep a pod off a node; the first that applies counts."""

    NONE = 0
    PORTS = 1
    AFFINITY = 2
    ANTI_AFFINITY = 3
    EXISTING_ANTI_AFFINITY = 4
    NOMINATED = 5  # pods of at least its priority are about to fill the node


def blocks(template: PodTemplate, pods: Sequence[Pod], topology: Topology, nodes: int) -> Ints:
    """The Block of every node, given the pods that hold nodes; int64 of shape (nodes,).

    Follows `interpodaffinity/filtering.go` and `nodeports`.
    """
    blocked = np.zeros(nodes, dtype=np.int64)
    for number, reason in _inter_pod(template, pods, topology, nodes):
        blocked[(blocked == 0) & number] = reason
    for pod in pods if template.host_ports else ():
        if _conflict(template, pod.template):
            blocked[pod.row] = Block.PORTS
    return blocked


def preferences(template: PodTemplate, pods: Sequence[Pod], topology: Topology, nodes: int) -> Ints:
    """The weight of preferred affinity for every node, of the pod and of those that run (`scoring.go`)."""
    weights = np.zeros(nodes, dtype=np.int64)
    for term in (*template.affinity, *template.anti_affinity):
        for pod in pods if term.weight else ():
            if _means(term, pod.template):
                weights += term.weight * _same_domain(topology.domains(term.topology_key), pod.row)
    for pod in pods:
        # A required affinity of a running pod counts as a preference of weight 1 (hardPodAffinityWeight).
        for term, weight in (
            *((t, t.weight or 1) for t in pod.template.affinity),
            *((t, t.weight) for t in pod.template.anti_affinity),
        ):
            if weight and _means(term, template):
                weights += weight * _same_domain(topology.domains(term.topology_key), pod.row)
    return weights


def _inter_pod(
    template: PodTemplate, pods: Sequence[Pod], topology: Topology, nodes: int
) -> Iterable[tuple[Flags, Block]]:
    required = [term for term in template.affinity if not term.weight]
    if required:
        yield ~_affinity_holds(template, required, pods, topology, nodes), Block.AFFINITY
    for term in (each for each in template.anti_affinity if not each.weight):
        domains = topology.domains(term.topology_key)
        for pod in pods:
            if _means(term, pod.template):
                yield _same_domain(domains, pod.row), Block.ANTI_AFFINITY
    for pod in pods:
        for term in pod.template.anti_affinity:
            if not term.weight and _means(term, template):
                yield _same_domain(topology.domains(term.topology_key), pod.row), Block.EXISTING_ANTI_AFFINITY


def _affinity_holds(
    template: PodTemplate, required: list[PodAffinityTerm], pods: Sequence[Pod], topology: Topology, nodes: int
) -> Flags:
    """All terms hold on a node; the first pod of a group that only matches itself may start anywhere labelled."""
    matching = [pod for pod in pods if all(_means(term, pod.template) for term in required)]
    labelled = np.ones(nodes, dtype=np.bool_)
    holds = np.ones(nodes, dtype=np.bool_)
    for term in required:
        domains = topology.domains(term.topology_key)
        labelled &= domains != MISSING
        near = np.zeros(nodes, dtype=np.bool_)
        for pod in matching:
            near |= _same_domain(domains, pod.row)
        holds &= near
    if not matching and all(_means(term, template) for term in required):
        return labelled
    return holds


def _same_domain(domains: Ints, row: int) -> Flags:
    same: Flags = (domains == domains[row]) & (domains != MISSING)
    return same


def _means(term: PodAffinityTerm, template: PodTemplate) -> bool:
    return (term.namespaces is None or template.namespace in term.namespaces) and term.selects(template.labels)


def _conflict(one: PodTemplate, other: PodTemplate) -> bool:
    wild = "0.0.0.0"  # noqa: S104  (the API server's default, nothing listens here)
    return any(
        a[0] == b[0] and a[2] == b[2] and (a[1] == b[1] or wild in (a[1], b[1]))
        for a in one.host_ports
        for b in other.host_ports
    )
