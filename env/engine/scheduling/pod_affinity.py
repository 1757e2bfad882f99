"""Affinity between pods, and host ports: what the pods already on the nodes forbid or prefer.

Follows kubernetes 1.36 `pkg/scheduler/framework/plugins`: `interpodaffinity/filtering.go`,
`interpodaffinity/scoring.go` and `nodeports/node_ports.go`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from env.engine.budget import ReplayBudget
from env.engine.manifests.labels import LabelPair
from env.engine.manifests.pod_template import PodTemplate
from env.engine.manifests.terms import PodAffinityTerm
from env.engine.scheduling.kernel import MISSING
from env.engine.scheduling.spreading import Topology
from env.jit import Ints

NOTHING: Ints = np.zeros(0, dtype=np.int64)
"""`blocked` and `affinity` of a cycle in which no other pod matters."""

_MOST_UNCOUNTED = 10_000


class Block(IntEnum):
    """Why other pods keep a pod off a node; the first that applies counts."""

    NONE = 0
    PORTS = 1
    AFFINITY = 2
    ANTI_AFFINITY = 3
    EXISTING_ANTI_AFFINITY = 4
    NOMINATED = 5  # pods of at least its priority are about to fill the node


@dataclass(eq=False, slots=True)
class PodGroup:
    """The pods of one manifest, also with different requests: they share labels, terms and ports.

    Attributes:
        template: One of them.
        number: The group's row in the counts.
        wanted: Numbers of the groups that all of its required affinity terms mean.
        anti_affinity: By topology key, the groups that its required anti-affinity means.
        existing: By topology key, the groups whose required anti-affinity means it.
        preferred: By topology key, groups and weights, from its preferences and from theirs.
        ports: The groups that occupy a port of it.
    """

    template: PodTemplate
    number: int
    wanted: list[int] = field(default_factory=list)
    anti_affinity: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    existing: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    preferred: defaultdict[str, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    ports: list[int] = field(default_factory=list)

    @property
    def required(self) -> list[PodAffinityTerm]:
        """Its required affinity."""
        return [term for term in self.template.affinity if not term.weight]

    def compare(self, other: PodGroup) -> None:
        """Note what the pods of another group, or its own, forbid and prefer."""
        mine, its, number = self.template, other.template, other.number
        required = self.required
        if required and all(_means(term, its) for term in required):
            self.wanted.append(number)
        meant = [term for term in mine.anti_affinity if _means(term, its)]
        meaning = [term for term in its.anti_affinity if _means(term, mine)]
        for forbidden, terms in ((self.anti_affinity, meant), (self.existing, meaning)):
            for term in terms:
                if not term.weight:
                    forbidden[term.topology_key].append(number)
        # A required affinity of a running pod counts as a preference of weight 1 (hardPodAffinityWeight).
        weighted = [(term, term.weight or 1) for term in its.affinity if _means(term, mine)]
        weighted += [(term, term.weight) for term in mine.affinity if _means(term, its)]
        weighted += [(term, term.weight) for term in (*meant, *meaning)]
        for term, weight in weighted:
            if weight:
                self.preferred[term.topology_key].append((number, weight))
        if mine.host_ports and _conflict(mine, its):
            self.ports.append(number)


class PodCounts:
    """The pods that hold nodes, counted by node and by what matters to terms and ports of others.

    A group is compared once with each other one that may matter to it. Few do: terms mostly ask for one value of a
    label, so that groups are found by their labels, and by those that their terms ask for.

    Args:
        topology: The domains of the nodes.
        nodes: How many there are.
        budget: Counts the work.
    """

    def __init__(self, topology: Topology, nodes: int, budget: ReplayBudget) -> None:
        self._topology = topology
        self._nodes = nodes
        self._budget = budget
        self._uncounted: list[tuple[PodTemplate, Ints | int, int]] = []
        self._groups: dict[int, PodGroup] = {}
        self._counts: Ints = np.zeros((8, nodes), dtype=np.int64)  # a row for each group
        self._labelled: defaultdict[LabelPair, list[PodGroup]] = defaultdict(list)
        self._asking: defaultdict[LabelPair | None, list[PodGroup]] = defaultdict(list)
        self._with_ports: list[PodGroup] = []

    def count(self, template: PodTemplate, rows: Ints | int, sign: int) -> None:
        """A pod on each of the rows comes (1) or goes (-1)."""
        # Counted when first needed: in many replays no pod has a term or a port.
        self._uncounted.append((template, rows, sign))
        if len(self._uncounted) > _MOST_UNCOUNTED:
            self._catch_up()

    def group(self, template: PodTemplate) -> PodGroup:
        """The group of a template's pods, with all pods counted."""
        self._catch_up()
        return self._group(template)

    def _catch_up(self) -> None:
        uncounted, self._uncounted = self._uncounted, []
        for template, rows, sign in uncounted:
            number = self._group(template).number
            np.add.at(self._counts[number], rows, sign)

    def _group(self, template: PodTemplate) -> PodGroup:
        found = self._groups.get(id(template.labels))
        if found is None:  # templates of one manifest share their labels; the first of them keeps that id taken
            found = self._groups[id(template.labels)] = PodGroup(template, len(self._groups))
            if len(self._groups) > len(self._counts):
                self._counts = np.concatenate((self._counts, np.zeros_like(self._counts)))
            self._introduce(found)
        return found

    def looks(self, template: PodTemplate) -> int:
        """The work of `blocks` and `preferences`."""
        group = self.group(template)
        by_key = (group.anti_affinity, group.existing, group.preferred)
        keys = sum(len(each) for each in by_key) + 2 * len(group.required) + len(group.ports)
        numbers = sum(len(found) for each in by_key for found in each.values()) + len(group.wanted)
        return keys * (60 + self._nodes // 4) + numbers * (2 + self._nodes // 40)

    def _introduce(self, group: PodGroup) -> None:
        """Compare a new group with all that may matter to it, itself included, and those with it."""
        template = group.template
        asked = {term.wanted for term in (*template.affinity, *template.anti_affinity)}
        for pair in template.labels.items():
            self._labelled[pair].append(group)
        for wanted in asked:
            self._asking[wanted].append(group)
        if template.host_ports:
            self._with_ports.append(group)
        others: dict[PodGroup, None] = {}
        for wanted in asked:
            others |= dict.fromkeys(self._groups.values() if wanted is None else self._labelled[wanted])
        for key in (*template.labels.items(), None):
            others |= dict.fromkeys(self._asking[key])
        if template.host_ports:
            others |= dict.fromkeys(self._with_ports)
        for other in others:
            ports = len(template.host_ports) * len(other.template.host_ports)
            self._budget.spend(40 + 20 * (_terms(template) + _terms(other.template)) + 2 * ports)
            group.compare(other)
            if other is not group:
                other.compare(group)

    def blocks(self, template: PodTemplate) -> Ints:
        """The Block of every node, given the pods that hold nodes: int64 of shape (nodes,), or (0,) for none.

        Follows `interpodaffinity/filtering.go` and `nodeports`.
        """
        group = self.group(template)
        if not (group.required or group.anti_affinity or group.existing or group.ports):
            return NOTHING
        blocked = np.zeros(self._nodes, dtype=np.int64)
        if group.required:
            blocked[~self._affinity_holds(group)] = Block.AFFINITY
        for by_key, reason in (
            (group.anti_affinity, Block.ANTI_AFFINITY),
            (group.existing, Block.EXISTING_ANTI_AFFINITY),
        ):
            for key, numbers in by_key.items():
                blocked[(blocked == 0) & (self._in_domain(key, self._sum(numbers)) > 0)] = reason
        if group.ports:
            blocked[self._sum(group.ports) > 0] = Block.PORTS
        return blocked

    def preferences(self, template: PodTemplate) -> Ints:
        """The weight of preferred affinity for every node, of the pod and of those that run (`scoring.go`).

        int64 of shape (nodes,), or (0,) where there is none.
        """
        group = self.group(template)
        if not group.preferred:
            return NOTHING
        weights = np.zeros(self._nodes, dtype=np.int64)
        for key, pairs in group.preferred.items():
            numbers, factors = np.array(pairs, dtype=np.int64).T
            weights += self._in_domain(key, factors @ self._counts[numbers])
        return weights

    def _sum(self, numbers: list[int]) -> Ints:
        """The pods of several groups on each node."""
        total: Ints = self._counts[numbers].sum(axis=0)
        return total

    def _affinity_holds(self, group: PodGroup) -> NDArray[np.bool_]:
        """All terms hold on a node; the first pod of a group that only matches itself may start anywhere labelled."""
        required, template = group.required, group.template
        matching = self._sum(group.wanted)
        labelled = np.ones(self._nodes, dtype=np.bool_)
        holds = np.ones(self._nodes, dtype=np.bool_)
        for term in required:
            labelled &= self._topology.domains(term.topology_key) != MISSING
            holds &= self._in_domain(term.topology_key, matching) > 0
        if not matching.any() and all(_means(term, template) for term in required):
            return labelled
        return holds

    def _in_domain(self, key: str, counts: Ints) -> Ints:
        """How many of the counted pods are in each node's domain; 0 without the label."""
        domains = self._topology.domains(key)
        sums = np.zeros(len(domains) + 1, dtype=np.int64)
        np.add.at(sums, domains, counts)
        sums[MISSING] = 0
        found: Ints = sums[domains]
        return found


def _terms(template: PodTemplate) -> int:
    return len(template.affinity) + len(template.anti_affinity)


def _means(term: PodAffinityTerm, template: PodTemplate) -> bool:
    return (term.namespaces is None or template.namespace in term.namespaces) and term.selects(template.labels)


def _conflict(one: PodTemplate, other: PodTemplate) -> bool:
    wild = "0.0.0.0"  # noqa: S104  (the API server's default, nothing listens here)
    return any(
        a[0] == b[0] and a[2] == b[2] and (a[1] == b[1] or wild in (a[1], b[1]))
        for a in one.host_ports
        for b in other.host_ports
    )
