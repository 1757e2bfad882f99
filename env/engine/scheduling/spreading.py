"""Topology spread constraints as arrays: which domain each node is in, and how many matching pods it has.

Follows kubernetes 1.36 `pkg/scheduler/framework/plugins/podtopologyspread` (`common.go`, `filtering.go`, `scoring.go`);
the default constraints are those of its `plugin.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from env.engine.manifests.labels import HOSTNAME
from env.engine.manifests.pod_template import PodTemplate
from env.engine.manifests.terms import SpreadConstraint
from env.engine.pods import Pod
from env.engine.scheduling.kernel import MISSING, OWN, SpreadArrays
from env.engine.scheduling.nodes import Node
from env.engine.scheduling.placement import admits_affinity, untolerated
from env.jit import Ints

_ZONE = "topology.kubernetes.io/zone"
_MOST_CACHED = 1024
# What the scheduler applies to pods that declare nothing and belong to a ReplicaSet or StatefulSet.
DEFAULTS = ((HOSTNAME, 3), (_ZONE, 5))

_NO_ROWS: Ints = np.zeros((0, 0), dtype=np.int64)


NO_SPREAD = SpreadArrays(_NO_ROWS, _NO_ROWS, _NO_ROWS, np.zeros((0, 3), dtype=np.int64))


class Topology:
    """Domains of one set of nodes, computed once a topology key; shared by all replays on them."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = nodes
        self._domains: dict[str, Ints] = {}
        self._defaults: dict[PodTemplate, tuple[Ints, Ints, Ints]] = {}

    def domains(self, key: str) -> Ints:
        """The number of each node's domain; MISSING without the label."""
        if key not in self._domains:
            numbers: dict[str, int] = {}
            values = [node.labels.get(key) for node in self._nodes]
            rows = [MISSING if value is None else numbers.setdefault(value, len(numbers)) for value in values]
            self._domains[key] = np.array(rows, dtype=np.int64)
        return self._domains[key]

    def default_spread(self, template: PodTemplate, own_counts: Ints) -> SpreadArrays:
        """The scheduler's own constraints for a pod whose siblings are counted in `own_counts`."""
        domains, eligible, limits = self.default_constraints(template)
        counts = np.empty_like(domains)
        counts[:] = own_counts
        return SpreadArrays(domains, counts, eligible, limits)

    def default_constraints(self, template: PodTemplate) -> tuple[Ints, Ints, Ints]:
        """Domains, eligible nodes and limits of those constraints; see `SpreadArrays`."""
        found = self._defaults.get(template)
        if found is None:
            if len(self._defaults) >= _MOST_CACHED:
                self._defaults.clear()
            keys = [(key, skew) for key, skew in DEFAULTS if key == HOSTNAME or (self.domains(key) >= 0).any()]
            domains = np.array([self._soft_domains(key) for key, _ in keys], dtype=np.int64)
            eligible = np.tile(self._admitted(template), (len(keys), 1)) if len(keys) > 1 else np.ones_like(domains)
            limits = np.array([(skew, 1, 1) for _, skew in keys], dtype=np.int64)
            found = self._defaults[template] = (domains, eligible, limits)
        return found

    def spread(self, template: PodTemplate, owner: object, pods: Iterable[Pod], *, hard: bool) -> SpreadArrays:
        """The template's own constraints of that kind, counted over the pods that hold nodes."""
        constraints = [each for each in template.spread if each.hard == hard]
        if not constraints:
            return NO_SPREAD
        every = [pod for pod in pods if pod.template.namespace == template.namespace and not pod.leaving]
        lacking = np.zeros(len(self._nodes), dtype=np.bool_)
        for each in constraints:
            lacking |= self.domains(each.topology_key) == MISSING
        return SpreadArrays(
            np.array(
                [self.domains(c.topology_key) if hard else self._soft_domains(c.topology_key) for c in constraints]
            ),
            np.array([self._counts(c, template, owner, every) for c in constraints], dtype=np.int64),
            np.array([self._eligible(c, template) & ~lacking for c in constraints], dtype=np.int64),
            np.array(
                [(c.max_skew, c.min_domains, int(c.selects(template.labels))) for c in constraints], dtype=np.int64
            ),
        )

    def _soft_domains(self, key: str) -> Ints:
        domains = self.domains(key)
        return np.where(domains == MISSING, MISSING, OWN) if key == HOSTNAME else domains

    def _counts(self, constraint: SpreadConstraint, template: PodTemplate, owner: object, pods: list[Pod]) -> Ints:
        counts = np.zeros(len(self._nodes), dtype=np.int64)
        for pod in pods:
            if constraint.same_revision and (pod.owner is not owner or pod.template.revision != template.revision):
                continue
            if constraint.selects(pod.template.labels):
                counts[pod.row] += 1
        return counts

    def _eligible(self, constraint: SpreadConstraint, template: PodTemplate) -> Ints:
        eligible = np.ones(len(self._nodes), dtype=np.int64)
        if constraint.honors_affinity:
            eligible &= self._admitted(template)
        if constraint.honors_taints:
            eligible &= [not untolerated(template.placement.tolerations, node.taints) for node in self._nodes]
        return eligible

    def _admitted(self, template: PodTemplate) -> Ints:
        return np.array([admits_affinity(template.placement, node) for node in self._nodes], dtype=np.int64)
