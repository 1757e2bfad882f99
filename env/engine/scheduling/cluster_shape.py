"""What is fixed about a cluster's nodes, worked out once and shared by all replays on them.

Follows no Kubernetes source: there, nodes may be others at every cycle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from env.engine.manifests.pod_template import PodTemplate
from env.engine.manifests.terms import Placement
from env.engine.scheduling.kernel import Cycle
from env.engine.scheduling.nodes import Node, NodeSet
from env.engine.scheduling.placement import StaticFilter, static_table
from env.engine.scheduling.pod_affinity import NOTHING
from env.engine.scheduling.spreading import NO_SPREAD, Topology
from env.engine.workload import NOT_COUNTED
from env.jit import Ints

MOST_RESOURCES = 1000  # by name, besides CPU and memory

_MOST_CACHED = 1024
_MOST_BARRIERS = 16_384


class ClusterShape:
    """Nodes, their topology, and where each template may go.

    Args:
        nodes: In the order in which the scheduler looks at them.

    Attributes:
        nodes: The nodes as arrays.
        topology: Their domains.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = NodeSet(nodes)
        self.topology = Topology(nodes)
        self._statics: dict[Placement, Ints] = {}
        self._cycles: dict[PodTemplate, Cycle] = {}
        self._barriers: dict[PodTemplate, int] = {}
        self._numbers: dict[int, int] = {}
        self._tables: list[tuple[Placement, Ints, Ints]] = []
        self._stacked: tuple[Ints, Ints] = NOTHING, NOTHING

    def cycle(self, template: PodTemplate) -> Cycle:
        """What is fixed about the cycles of a template's pods: nothing is blocked, and nothing spread."""
        found = self._cycles.get(template)
        if found is None:
            if len(self._cycles) >= _MOST_CACHED:
                self._cycles.clear()
            request, scored = self.nodes.requests([template])
            found = self._cycles[template] = Cycle(
                request=request[0],
                score_request=scored[0],
                static=self._static(template.placement),
                blocked=NOTHING,
                affinity=NOTHING,
                own_counts=NOT_COUNTED,
                hard=NO_SPREAD,
                soft=NO_SPREAD,
                all_labels=bool(template.spread),
            )
        return found

    def barrier(self, template: PodTemplate, row: int) -> int:
        """0, or why a node never takes pods of a template that was made for it; see `Cycle.static`."""
        found = self._barriers.get(template)
        if found is None:
            if len(self._barriers) >= _MOST_BARRIERS:
                self._barriers.clear()
            everywhere = self._static(replace(template.placement, only_node=None))
            found = self._barriers[template] = int(everywhere[0, row])
        return found

    def placements(self, templates: Sequence[PodTemplate]) -> tuple[list[int], Ints, Ints]:
        """Where templates may go: an index for each, `RunArrays.statics` and `RunArrays.eligible`."""
        if len(self._numbers) > _MOST_CACHED:
            self._numbers.clear()
            self._tables.clear()
        known = len(self._tables)
        numbers = [self._number(template) for template in templates]
        if len(self._tables) != known:
            self._stacked = np.stack([each[1] for each in self._tables]), np.stack([each[2] for each in self._tables])
        return numbers, *self._stacked

    def _number(self, template: PodTemplate) -> int:
        """The index of a template's placement; templates of one manifest share it."""
        placement = template.placement
        found = self._numbers.get(id(placement))
        if found is None:
            found = self._numbers[id(placement)] = len(self._tables)
            _, eligible, _ = self.topology.default_constraints(template)
            self._tables.append((placement, self._static(placement), eligible))  # the first of them keeps the id taken
        return found

    def _static(self, placement: Placement) -> Ints:
        """See `placement.static_table`."""
        found = self._statics.get(placement)
        if found is None:
            if len(self._statics) >= _MOST_CACHED:
                self._statics.clear()
            found = self._statics[placement] = self._computed(placement)
        return found

    def _computed(self, placement: Placement) -> Ints:
        if placement.only_node is None:
            return static_table(placement, self.nodes.nodes)
        everywhere = self._static(replace(placement, only_node=None))
        table = np.zeros_like(everywhere)
        table[0] = StaticFilter.OTHER_NODE
        row = self.nodes.row[placement.only_node]
        table[:, row] = everywhere[:, row]
        return table
