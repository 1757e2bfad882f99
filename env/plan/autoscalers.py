from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from env.embedded.cluster import EmbeddedCluster
from env.engine.manifests.fields import as_map, as_maps
from env.engine.pods import Pod
from env.plan.budgets import Disruptions
from env.plan.demand import Key
from env.plan.offers import Counts, kind_name, named, pools_of
from env.plan.running import Rows, RunningCluster, Situation
from env.plan.scale_up import node_groups, open_nodes
from env.plan.trial import beyond, lacking_of
from env.problems.nodes import NodePool, NodePools

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


def cluster_autoscaler(found: Situation) -> Outcome:
    """The Cluster Autoscaler's nodes."""
    running = _started(found, node_groups)
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
            _mend(found, running, node_groups)
    return _outcome("Cluster Autoscaler", found, running)


def karpenter(found: Situation) -> Outcome:
    """Karpenter's nodes."""
    running = _started(found, open_nodes)
    cost = _cost(found, running.nodes)
    for _ in range(_MOST_ROUNDS):
        if not _consolidated(found, running):
            break
        _mend(found, running, open_nodes)
        if _cost(found, running.nodes) >= cost:
            break
        cost = _cost(found, running.nodes)
    return _outcome("Karpenter", found, running)


Scale = Callable[[Situation, Rows], Counts | None]


def _started(found: Situation, scale: Scale) -> RunningCluster:
    """The cluster as it is, with nodes for the pods that have none."""
    every = dict(enumerate(found.table.counts.tolist()))
    first = scale(found, every)
    nodes = found.nodes or pools_of(found.offers, first if first and any(first) else _one(found))
    there = named(nodes)
    plane = EmbeddedCluster().replayed(found.trace, NodePools(there))
    running = RunningCluster(plane, there, found)
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


def _one(found: Situation) -> Counts:
    return tuple(int(column == 0) for column in range(len(found.offers)))
