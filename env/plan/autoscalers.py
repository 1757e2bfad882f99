from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from env.embedded.cluster import EmbeddedCluster
from env.engine.manifests.fields import as_map, as_maps
from env.engine.pods import Pod
from env.jit import Ints
from env.plan.budgets import Disruptions
from env.plan.demand import CPU, MEMORY, Demand, Floats, Key, Table
from env.plan.offers import Counts, Offer, kind_name, named, pools_of
from env.plan.packing import pack
from env.plan.running import Rows, RunningCluster
from env.plan.trial import beyond, lacking_of
from env.problems.nodes import NodePool, NodePools
from env.trace.document import Trace

THRESHOLD = 0.5  # --scale-down-utilization-threshold
_MOST_ROUNDS = 300
_MOST_AT_ONCE = 100  # nodes that Karpenter looks at together; pkg/controllers/disruption/multinodeconsolidation.go
_KEPT_BY = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false", "karpenter.sh/do-not-disrupt": "true"}


@dataclass(frozen=True)
class Outcome:
    """What an autoscaler comes to.

    Attributes:
        name: Whose rules.
        nodes: The nodes at the end.
        evictions: Pods that were evicted on the way.
        missing: Pods that workloads lack at the end, beyond what they may lack.
    """

    name: str
    nodes: NodePools
    evictions: int
    missing: Mapping[Key, int]


@dataclass(frozen=True, eq=False)
class Situation:
    """What autoscalers find.

    Attributes:
        trace: The workloads, as they came.
        nodes: Those that there are; None: none yet.
        offers: Kinds of nodes that may join.
        demand, table: What has to be placed, in numbers.
        worth: What a unit of each resource is worth; shape (resources,).
        allowed: Pods that workloads may lack.
        usd_per_hour: What nodes cost by kind, as far as it is known.
    """

    trace: Trace
    nodes: NodePools | None
    offers: tuple[Offer, ...]
    demand: Demand
    table: Table
    worth: Floats
    allowed: Mapping[Key, int]
    usd_per_hour: Mapping[str, float]


def cluster_autoscaler(found: Situation) -> Outcome:
    """The Cluster Autoscaler's nodes."""
    running = _started(found, _scaled_up)
    before = beyond(lacking_of(running.plane), found.allowed)
    tried: set[str] = set()
    for _ in range(_MOST_ROUNDS):
        used, pods = running.utilization(), running.pods_on()
        candidates = [name for name in sorted(used, key=lambda name: (used[name], name)) if used[name] < THRESHOLD]
        gone = next((name for name in candidates if name not in tried and _can_go(running, [name], pods)), None)
        if gone is None:
            break
        tried.add(gone)
        running.leave([gone])
        if beyond(lacking_of(running.plane), found.allowed) != before:
            _mend(found, running, _scaled_up)
    return _outcome("Cluster Autoscaler", found, running)


def karpenter(found: Situation) -> Outcome:
    """Karpenter's nodes."""
    running = _started(found, _provisioned)
    cost = _cost(found, running.nodes)
    for _ in range(_MOST_ROUNDS):
        if not _consolidated(found, running):
            break
        _mend(found, running, _provisioned)
        if _cost(found, running.nodes) >= cost:
            break
        cost = _cost(found, running.nodes)
    return _outcome("Karpenter", found, running)


Scale = Callable[[Situation, Rows], Counts | None]


def _started(found: Situation, scale: Scale) -> RunningCluster:
    """The cluster as it is, with nodes for the pods that have none."""
    every = dict(enumerate(found.table.counts.tolist()))
    nodes = found.nodes or pools_of(found.offers, scale(found, every) or _one(found))
    there = named(nodes)
    plane = EmbeddedCluster().replayed(found.trace, NodePools(there))
    running = RunningCluster(plane, there, found.trace, found.demand, found.table, found.offers)
    _mend(found, running, scale)
    return running


def _mend(found: Situation, running: RunningCluster, scale: Scale) -> None:
    """Let nodes join for pods that wait, until none does or none helps."""
    for _ in range(_MOST_ROUNDS):
        waiting = running.waiting()
        more = scale(found, waiting) if waiting else None
        if more is None or not any(more):
            return
        running.join(more)
        if running.waiting() == waiting:
            return


def _outcome(name: str, found: Situation, running: RunningCluster) -> Outcome:
    missing = beyond(lacking_of(running.plane), found.allowed)
    return Outcome(name, NodePools(tuple(running.nodes)), running.evictions, missing)


# --- Cluster Autoscaler -----------------------------------------------------------------------------------------------


def _scaled_up(found: Situation, waiting: Rows) -> Counts | None:
    """Nodes of one kind at a time, of that with the least idle CPU, then memory, for the pods that it takes."""
    kinds: dict[str, list[int]] = {}
    for column, offer in enumerate(found.offers):
        kinds.setdefault(offer.name, []).append(column)
    total, left = np.zeros(len(found.offers), dtype=np.int64), dict(waiting)
    while left:
        options = []
        for name, columns in kinds.items():
            taken = {row: many for row, many in left.items() if found.table.fits[row, columns].any()}
            counts = pack(_part(found.table, taken), found.offers, columns, found.worth) if taken else None
            if counts is not None:
                room = np.array(counts) @ found.table.rooms
                asked = sum(many * found.table.requests[row] for row, many in taken.items())
                idle = 1 - asked / np.maximum(room, 1)
                options.append((float(idle[CPU]), float(idle[MEMORY]), name, counts, taken))
        if not options:
            break
        *_, counts, taken = min(options, key=lambda each: each[:3])
        total += np.array(counts)
        left = {row: many for row, many in left.items() if row not in taken}
    return tuple(total.tolist())


def _can_go(running: RunningCluster, names: Sequence[str], pods: Mapping[str, Sequence[Pod]]) -> bool:
    """Whether nothing keeps the pods of nodes there, and they fit on the others."""
    going = [pod for name in names for pod in pods[name]]
    rows = running.rows_of(going)
    if rows is None or _is_kept(running, going, local_storage=True):
        return False
    there, free = running.free()
    others = [place for place, name in enumerate(there) if name not in names]
    return bool(others) and not running.unplaced(rows, [there[place] for place in others], free[others])


def _is_kept(running: RunningCluster, pods: Sequence[Pod], *, local_storage: bool) -> bool:
    """Whether a pod keeps its node: no controller, an annotation, a budget; local storage for Cluster Autoscaler."""
    disruptions = Disruptions(running.budgets, running.plane, pods)
    return any(
        pod.owner.kind == "Pod"
        or any(_annotations(pod).get(key) == value for key, value in _KEPT_BY.items())
        or (local_storage and _is_local(pod))
        or not disruptions.allows(pod)
        for pod in pods
    )


def _annotations(pod: Pod) -> Mapping[str, object]:
    return as_map(as_map(_manifest(pod), "metadata"), "annotations")


def _is_local(pod: Pod) -> bool:
    """Whether it has a volume on its node, and does not say that it may go all the same."""
    if _annotations(pod).get("cluster-autoscaler.kubernetes.io/safe-to-evict") == "true":
        return False
    volumes = as_maps(as_map(_manifest(pod), "spec"), "volumes")
    return any(
        "hostPath" in each or ("emptyDir" in each and as_map(each, "emptyDir").get("medium") != "Memory")
        for each in volumes
    )


def _manifest(pod: Pod) -> dict[str, object]:
    return {} if pod.template.origin is None else pod.template.origin[0].manifest


# --- Karpenter --------------------------------------------------------------------------------------------------------


def _provisioned(found: Situation, waiting: Rows) -> Counts | None:
    """First-fit-decreasing into nodes of which the type stays open; then the cheapest type for each."""
    table = found.table
    open_: list[_OpenNode] = []
    for row in sorted(waiting, key=lambda row: (*(-table.requests[row]), row)):
        fits = table.fits[row] > 0
        for _ in range(waiting[row]):
            request = table.requests[row]
            if not any(each.takes(found, row, request, fits) for each in open_):
                if not fits.any():
                    return None
                open_.append(_OpenNode(fits, request.copy(), {row}))
    counts = np.zeros(len(found.offers), dtype=np.int64)
    for each in open_:
        counts[min(np.flatnonzero(each.types).tolist(), key=lambda o: (table.prices[o], counts[o], o))] += 1
    return tuple(counts.tolist())


@dataclass(eq=False)
class _OpenNode:
    """A node of which the type is not chosen yet: the types that still have the room, and what is on it."""

    types: NDArray[np.bool_]
    taken: Ints
    rows: set[int]

    def takes(self, found: Situation, row: int, request: Ints, fits: NDArray[np.bool_]) -> bool:
        """Put a pod on it, if a type has the room; whether it was."""
        if found.demand.groups[row].alone and row in self.rows:
            return False
        still = self.types & fits & (found.table.rooms >= self.taken + request).all(axis=1)
        if not still.any():
            return False
        self.types, self.taken = still, self.taken + request
        self.rows.add(row)
        return True


def _consolidated(found: Situation, running: RunningCluster) -> bool:
    """One consolidation: empty nodes, several at once, or one; whether there was any."""
    pods = running.pods_on()
    if empty := [name for name, there in pods.items() if not there]:
        if len(empty) == len(pods):
            empty = empty[1:]
        if empty:
            return running.leave(empty)
    order = sorted(pods, key=lambda name: (len(pods[name]), name))
    free_to_go = [name for name in order if not _is_kept(running, pods[name], local_storage=False)]
    low, high = 1, min(len(free_to_go), _MOST_AT_ONCE)
    best: tuple[list[str], int | None] | None = None
    while low < high:  # the most that go together, by bisection
        middle = (low + high + 1) // 2
        option = _replacement(found, running, free_to_go[:middle], pods)
        if option is None:
            high = middle - 1
        else:
            low, best = middle, (free_to_go[:middle], option[0])
    for name in free_to_go if best is None else ():
        option = _replacement(found, running, [name], pods)
        if option is not None:
            best = [name], option[0]
            break
    if best is None:
        return False
    names, new = best
    if new is not None:
        running.join([int(column == new) for column in range(len(found.offers))])
    return running.leave(names)


def _replacement(
    found: Situation, running: RunningCluster, names: Sequence[str], pods: Mapping[str, Sequence[Pod]]
) -> tuple[int | None] | None:
    """The one new offer that is needed for nodes to go, None in it for none; None: they cannot go, or not for less."""
    rows = running.rows_of([pod for name in names for pod in pods[name]])
    if rows is None:
        return None
    there, free = running.free()
    others = [place for place, name in enumerate(there) if name not in names]
    left = running.unplaced(rows, [there[place] for place in others], free[others])
    if not left:
        return (None,) if others else None
    price = _cost(found, [each for each in running.nodes if each.names[0] in names])
    asked = sum(many * found.table.requests[row] for row, many in left.items())
    fitting = [
        o
        for o in range(len(found.offers))
        if found.table.prices[o] < price - 1e-9
        and (found.table.rooms[o] >= asked).all()
        and all(found.table.fits[row, o] >= many for row, many in left.items())
    ]
    return (min(fitting, key=lambda o: (found.table.prices[o], o)),) if fitting else None


def _cost(found: Situation, nodes: Sequence[NodePool]) -> float:
    """What nodes cost, as the table's prices do: each 1 where prices are not known."""
    if all(offer.usd_per_hour is None for offer in found.offers):
        return float(len(nodes))
    return sum(found.usd_per_hour.get(kind_name(node), 0.0) for node in nodes)


def _part(table: Table, rows: Rows) -> Table:
    """The table with these pods alone."""
    kept = np.array(sorted(rows), dtype=np.int64)
    counts = np.array([rows[row] for row in kept.tolist()], dtype=np.int64)
    return Table(table.requests[kept], counts, table.rooms, table.fits[kept], table.prices)


def _one(found: Situation) -> Counts:
    return tuple(int(column == 0) for column in range(len(found.offers)))
