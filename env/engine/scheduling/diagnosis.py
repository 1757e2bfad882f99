"""Why no node takes a pod, in kube-scheduler's words.

The forms are those of kubernetes 1.36 `pkg/scheduler/framework/types.go` (`FitError.Error`): reasons counted and sorted
as text, then what the dynamic-resources and preemption plugins add.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from env.engine.scheduling.kernel import Cycle, skewed, spread_floor
from env.engine.scheduling.nodes import NodeTable
from env.engine.scheduling.placement import StaticFilter
from env.engine.scheduling.pod_affinity import Block
from env.jit import Ints

NO_VICTIMS = "No preemption victims found for incoming pod"
NOT_HELPFUL = "Preemption is not helpful for scheduling"
NO_NODES = "no nodes available to schedule pods"

_MESSAGES = {
    StaticFilter.UNSCHEDULABLE: "node(s) were unschedulable",
    StaticFilter.TAINT: "node(s) had untolerated taint(s)",
    StaticFilter.AFFINITY: "node(s) didn't match Pod's node affinity/selector",
    StaticFilter.OTHER_NODE: "node(s) didn't satisfy plugin(s) [NodeAffinity]",
}
_BLOCKS = {
    Block.PORTS: "node(s) didn't have free ports for the requested pod ports",
    Block.AFFINITY: "node(s) didn't match pod affinity rules",
    Block.ANTI_AFFINITY: "node(s) didn't match pod anti-affinity rules",
    Block.EXISTING_ANTI_AFFINITY: "node(s) didn't satisfy existing pods anti-affinity rules",
    Block.NOMINATED: "node(s) were cleared for other pods",
}
_SKEWED = "node(s) didn't match pod topology spread constraints"
_UNLABELLED = f"{_SKEWED} (missing required label)"
TOO_MANY_PODS, INSUFFICIENT_CPU, INSUFFICIENT_MEMORY = "Too many pods", "Insufficient cpu", "Insufficient memory"
FOR_ROOM = (TOO_MANY_PODS, INSUFFICIENT_CPU, INSUFFICIENT_MEMORY)
"""The reasons that smaller requests, or fewer pods, could mend."""


@dataclass(frozen=True, eq=False)
class Obstacle:
    """What the scheduler met on one node.

    Attributes:
        reasons: Of the first filter that refused; NodeResourcesFit may give several. Empty: the pod fits.
        hopeless: Removing pods from the node could not help.
    """

    reasons: tuple[str, ...]
    hopeless: bool = False


_FITS = Obstacle(())


def obstacles(table: NodeTable, cycle: Cycle, rows: Iterable[int] | None = None) -> list[Obstacle]:
    """The obstacle of each node, in the order of `rows` (all nodes by default)."""
    constraints = cycle.hard.domains.shape[0]
    floors = np.zeros(constraints, dtype=np.int64)
    sums = np.zeros((constraints, max(len(table), 1)), dtype=np.int64)
    if constraints:
        spread_floor(cycle.hard, floors, sums)
    return [_obstacle(row, table, cycle, floors, sums) for row in (range(len(table)) if rows is None else rows)]


def _obstacle(row: int, table: NodeTable, cycle: Cycle, floors: Ints, sums: Ints) -> Obstacle:
    refusing = cycle.static[0, row]
    if refusing:
        return Obstacle((_MESSAGES[StaticFilter(refusing)],), hopeless=True)
    block = Block(int(cycle.blocked[row])) if cycle.blocked.shape[0] else Block.NONE
    if block is Block.PORTS:
        return Obstacle((_BLOCKS[block],))
    lacking, hopeless = _lacking(row, table, cycle.request)
    if lacking:
        return Obstacle(lacking, hopeless)
    if cycle.hard.domains.shape[0]:
        skew = skewed(row, cycle.hard.domains, cycle.hard.limits, floors, sums)
        if skew:
            return Obstacle((_UNLABELLED if skew == 2 else _SKEWED,), hopeless=skew == 2)
    if block:
        return Obstacle((_BLOCKS[block],), hopeless=block is Block.AFFINITY)
    return _FITS


def _lacking(row: int, table: NodeTable, request: Ints) -> tuple[tuple[str, ...], bool]:
    reasons = [TOO_MANY_PODS] if table.pods[row, 1] >= table.pods[row, 0] else []
    names = ("cpu", "memory", *table.set.extended)
    hopeless = False
    for resource, name in enumerate(names[: len(request)]):
        wanted, capacity = int(request[resource]), int(table.set.allocatable[row, resource])
        if 0 < wanted > capacity - int(table.used[row, resource]):
            reasons.append(f"Insufficient {name}")
            hopeless = hopeless or wanted > capacity
    return tuple(reasons), hopeless


def message(every: list[Obstacle], postscript: str | None) -> str:
    """The text of a FailedScheduling event and of the pod's PodScheduled condition."""
    if not every:
        return NO_NODES
    text = summary(len(every), Counter(reason for obstacle in every for reason in obstacle.reasons))
    return text if postscript is None else f"{text} {postscript}"


def futile(preemption: str) -> str:
    """What the plugins after the filters add where they could not help; `preemption` is what preemption says."""
    return f"no new claims to deallocate, preemption: {preemption}"


def summary(nodes: int, reasons: Counter[str]) -> str:
    """The count of each reason, sorted as text."""
    listed = ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))
    return f"0/{nodes} nodes are available: {listed}."
