"""The kinds of rooms: a function each, which draws what stands around the workload; and the names of all problems."""

from __future__ import annotations

from collections.abc import Callable

from env.engine.manifests.terms import Taint
from env.problems.draw import PROBLEMS
from env.problems.nodes import NodePool, NodePools
from env.problems.philox import below, philox
from env.problems.rooms.dice import Dice
from env.problems.rooms.manifests import (
    away_from,
    daemon_set,
    deployment,
    priority_class,
    spread_over_hosts,
)
from env.problems.rooms.surroundings import (
    APP,
    CPU_GRAIN_M,
    MEMORY_GRAIN_BYTES,
    Surroundings,
    fillers,
    neighbours,
    node_pool,
    pinned,
    pod_of,
    room_of,
)
from env.quantity import GIB


def daemon_sets(dice: Dice) -> Surroundings:
    """Two DaemonSets take a part of every node."""
    pool = node_pool(dice)
    node = (pool.cpu_m, pool.memory_bytes)
    daemons = [daemon_set(name, pod_of(dice, name, node, 50, 200)) for name in ("logs", "proxy")]
    return Surroundings(NodePools((pool,)), room_of(pool, 750), (450, 900), before=[daemons])


def sidecars(dice: Dice) -> Surroundings:
    """A container runs beside the one that is edited, and an init container needs more than it for a while."""
    pool = node_pool(dice)
    node = (pool.cpu_m, pool.memory_bytes)
    others = neighbours(dice, room_of(pool), 200, 1, pool.count)
    return Surroundings(
        NodePools((pool,)),
        room_of(pool, 600),
        (450, 900),
        before=[others],
        beside=tuple(pod_of(dice, "mesh", node, 10, 80)["containers"]),
        init=tuple(pod_of(dice, "setup", node, 50, 300)["containers"]),
    )


def others_first(dice: Dice) -> Surroundings:
    """Other Deployments were there first, so that nodes have different room left."""
    pool = node_pool(dice)
    others = neighbours(dice, room_of(pool), 550, dice.between(2, 5), pool.count)
    return Surroundings(NodePools((pool,)), room_of(pool, 500), (500, 950), before=[others])


def crowded(dice: Dice) -> Surroundings:
    """Pods that are pinned to their nodes take up to nearly all of each."""
    pool = node_pool(dice)
    pods, room = fillers(dice, pool, 950)
    return Surroundings(NodePools((pool,)), room, (450, 900), before=[pods])


def split(dice: Dice) -> Surroundings:
    """One half of the nodes is short of CPU, the other of memory."""
    pool = node_pool(dice)
    sizes = []
    for number in range(pool.count):
        tight, ample = dice.between(700, 950), dice.between(0, 300)
        cpu, memory = (tight, ample) if number % 2 else (ample, tight)
        cpu_m = max(CPU_GRAIN_M, pool.cpu_m * cpu // 1000 // CPU_GRAIN_M * CPU_GRAIN_M)
        grain = MEMORY_GRAIN_BYTES
        sizes.append((cpu_m, max(grain, pool.memory_bytes * memory // 1000 // grain * grain)))
    pods, room = pinned(pool, sizes)
    return Surroundings(NodePools((pool,)), room, (250, 700), before=[pods])


def spread(dice: Dice) -> Surroundings:
    """Pods are to be spread over hosts by one at most, and the hosts have different room."""
    pool = node_pool(dice)
    pods, room = fillers(dice, pool, 800)
    return Surroundings(NodePools((pool,)), room, (300, 800), before=[pods], pod=spread_over_hosts(APP))


def apart(dice: Dice) -> Surroundings:
    """A host takes one pod of the workload, and none where the cache runs."""
    pool = node_pool(dice, 3, 8)
    pods, room = fillers(dice, pool, 700)
    cache = deployment("cache", 1, pod_of(dice, "cache", (pool.cpu_m, pool.memory_bytes), 20, 200))
    pods_wanted = (1, pool.count - 1)
    return Surroundings(
        NodePools((pool,)), room, (250, 900), pods_wanted, before=[pods, [cache]], pod=away_from(APP, "cache")
    )


def outranked(dice: Dice) -> Surroundings:
    """A Deployment of a higher priority comes later and takes its room, if need be from the workload's pods."""
    pool = node_pool(dice)
    vip = neighbours(dice, room_of(pool), 500, 1, pool.count)[0]
    vip["spec"]["template"]["spec"]["priorityClassName"] = "high"
    classes = [priority_class("high", 1000)]
    return Surroundings(NodePools((pool,)), room_of(pool, 550), (500, 950), before=[classes], after=[[vip]])


def rollout(dice: Dice) -> Surroundings:
    """A new image is rolled out on a cluster that is nearly full, and no pod may be missing meanwhile."""
    pool = node_pool(dice)
    others = neighbours(dice, room_of(pool), 200, 1, pool.count)
    strategy = {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}, "type": "RollingUpdate"}
    return Surroundings(NodePools((pool,)), room_of(pool, 800), (600, 950), before=[others], strategy=strategy)


def pools(dice: Dice) -> Surroundings:
    """Nodes of three pools: small ones, large ones, and some that only others' pods may use."""
    small = NodePool(dice.between(1, 4), 4_000, 16 * GIB, labels=(("pool", "small"),))
    large = NodePool(dice.between(1, 3), 16_000, 32 * GIB, labels=(("pool", "large"),))
    taint = Taint("dedicated", "batch", "NoSchedule")
    closed = NodePool(dice.between(1, 3), 8_000, 16 * GIB, labels=(("pool", "batch"),), taints=(taint,))
    may_use = dice.choice(([small], [large], [small, large], [small, large]))
    room = (sum(p.count * p.cpu_m for p in may_use), sum(p.count * p.memory_bytes for p in may_use))
    others = neighbours(dice, room, 300, dice.between(1, 3), sum(p.count for p in may_use))
    selector = {"nodeSelector": {"pool": dict(may_use[0].labels)["pool"]}} if len(may_use) == 1 else {}
    left = (room[0] * 7 // 10, room[1] * 7 // 10)
    return Surroundings(NodePools((small, large, closed)), left, (400, 900), before=[others], pod=selector)


def others_after(dice: Dice) -> Surroundings:
    """The workload comes first, and the others run in what it leaves.

    More of its pods, or smaller ones of which more fit, push the others out; only far smaller ones leave room for all.
    """
    pool = node_pool(dice)
    share = dice.between(400, 700)
    others = neighbours(dice, room_of(pool), share, dice.between(1, 3), pool.count)
    left = room_of(pool, 1000 - share)
    return Surroundings(NodePools((pool,)), left, (650, 950), after=[others], far=8, grows=False, few=True)


def outranks(dice: Dice) -> Surroundings:
    """The workload has a higher priority than the others, so that its pods push them out where they find no room."""
    pool = node_pool(dice)
    share = dice.between(400, 700)
    others = neighbours(dice, room_of(pool), share, dice.between(1, 3), pool.count)
    left = room_of(pool, 1000 - share)
    return Surroundings(
        NodePools((pool,)),
        left,
        (650, 950),
        before=[[priority_class("high", 1000)], others],
        pod={"priorityClassName": "high"},
        far=8,
        grows=False,
        few=True,
    )


KINDS: dict[str, Callable[[Dice], Surroundings]] = {
    "daemon-sets": daemon_sets,
    "sidecars": sidecars,
    "others-first": others_first,
    "others-after": others_after,
    "crowded": crowded,
    "split": split,
    "pools": pools,
    "spread": spread,
    "apart": apart,
    "outranked": outranked,
    "outranks": outranks,
    "rollout": rollout,
}
"""Every kind by its name; the order is part of what a seed means."""
ROOMS: tuple[str, ...] = tuple(KINDS)

ANY_ROOM = "rooms"
"""Any kind of room, drawn from the seed."""
ANY = "all"
"""Any problem, drawn from the seed: in one half a room, in the other one of `env.problems.draw.PROBLEMS`."""
NAMES: tuple[str, ...] = (*PROBLEMS, *ROOMS, ANY_ROOM, ANY)
"""All that can be asked for by name."""
_FOR_FAMILY = 1 << 34  # the counter's lower half


def kind_of(problem: str | None, seed: int) -> str | None:
    """The kind that a seed stands for, where the problem leaves a choice; None: any of PROBLEMS."""
    which, kind, _, _ = philox(seed, 0, _FOR_FAMILY)
    if problem == ANY_ROOM or (problem == ANY and below(which, 2)):
        return ROOMS[below(kind, len(ROOMS))]
    return None if problem == ANY else problem
