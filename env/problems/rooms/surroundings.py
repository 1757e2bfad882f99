"""What stands around the workload in a room, and the draws that several kinds of rooms share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from env.problems.nodes import NodePool, NodePools
from env.problems.rooms.dice import THOUSAND, Dice
from env.problems.rooms.manifests import container, deployment, pinned_pod
from env.quantity import GIB, MIB

if TYPE_CHECKING:  # help texts name the kinds of rooms, and do without msgpack
    from env.trace.document import Manifest

APP = "web"
"""The workload's name, and the label `app` of its pods."""
CPU_GRAIN_M = 50
MEMORY_GRAIN_BYTES = 16 * MIB
_NAMES = ("cart", "ads", "search", "queue", "auth", "mail", "feed", "geo")
_CORES = (4, 8, 16)
_GIB_PER_CORE = (2, 4)


@dataclass(frozen=True)
class Surroundings:
    """A room without its workload.

    Attributes:
        nodes: The cluster.
        room: CPU (millicores) and memory (bytes) that the workload may count on, over all nodes.
        filled: Thousandths of that room which the workload's goal takes, the least and the most.
        pods: The fewest and the most pods that are wanted.
        before, after: Objects that are applied before the workload and after it, a list for each event.
        pod: What the workload's pod spec says besides its containers.
        beside: Containers besides the workload's first.
        init: Its init containers.
        strategy: How the workload rolls out; a workload that has one is applied again with another image.
        far: Actions that a request may be away from its goal.
        grows: A request may be too small.
        few: At first there are fewer pods than wanted, where more than one is.
    """

    nodes: NodePools
    room: tuple[int, int]
    filled: tuple[int, int]
    pods: tuple[int, int] = (2, 8)
    before: Sequence[Sequence[Manifest]] = ()
    after: Sequence[Sequence[Manifest]] = ()
    pod: Manifest = field(default_factory=dict)
    beside: tuple[Manifest, ...] = ()
    init: tuple[Manifest, ...] = ()
    strategy: Manifest | None = None
    far: int = 5
    grows: bool = True
    few: bool = False


def node_pool(dice: Dice, least: int = 2, most: int = 6) -> NodePool:
    """A few equal nodes."""
    cores = dice.choice(_CORES)
    return NodePool(dice.between(least, most), cores * 1000, cores * dice.choice(_GIB_PER_CORE) * GIB)


def room_of(pool: NodePool, share: int = THOUSAND) -> tuple[int, int]:
    """Thousandths of what all nodes of a pool can allocate."""
    return pool.count * pool.cpu_m * share // THOUSAND, pool.count * pool.memory_bytes * share // THOUSAND


def pod_of(dice: Dice, name: str, room: tuple[int, int], least: int, most: int) -> Manifest:
    """A pod spec of one container, which takes thousandths of a room, of CPU and of memory as they are drawn."""
    cpu_m = dice.share(room[0], least, most, CPU_GRAIN_M)
    return {"containers": [container(name, cpu_m, dice.share(room[1], least, most, MEMORY_GRAIN_BYTES))]}


def neighbours(dice: Dice, room: tuple[int, int], share: int, count: int, nodes: int) -> list[Manifest]:
    """So many other Deployments, which take about `share` thousandths of the room together."""
    found = []
    for name in _NAMES[:count]:
        replicas = dice.between(1, 2 * nodes)
        each = share // count // replicas
        found.append(deployment(name, replicas, pod_of(dice, name, room, each // 2, each * 6 // 5)))
    return found


def fillers(dice: Dice, pool: NodePool, most: int) -> tuple[list[Manifest], tuple[int, int]]:
    """A pinned pod on each node of a pool, which takes up to `most` thousandths of it; and the room that they leave."""
    sizes = [
        (
            dice.share(pool.cpu_m, 0, most, CPU_GRAIN_M),
            dice.share(pool.memory_bytes, 0, most, MEMORY_GRAIN_BYTES),
        )
        for _ in range(pool.count)
    ]
    return pinned(pool, sizes)


def pinned(pool: NodePool, sizes: Sequence[tuple[int, int]]) -> tuple[list[Manifest], tuple[int, int]]:
    """A pinned pod of each size on the nodes of a pool, in turn; and the room that they leave."""
    pods = [pinned_pod(f"batch-{i}", f"node-{i}", *size) for i, size in enumerate(sizes, 1)]
    cpu_m, memory_bytes = room_of(pool)
    return pods, (cpu_m - sum(size[0] for size in sizes), memory_bytes - sum(size[1] for size in sizes))
