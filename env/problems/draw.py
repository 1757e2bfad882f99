"""The numbers of a generated problem: a goal that fits the nodes, and a start some wrong actions away from it.

Nodes are identical and hold nothing else, so `target` pods fit exactly when ceil(target / nodes) of them fit one node:
no request above that *edge* can be part of a solution, and none below what a pod uses. A request that is wrong is put
within one action of its bound in the goal; the number of actions drawn is then the least that solves the problem. A
few problems are healthy from the start, so that an agent learns to do nothing.

Everything here is plain arithmetic on integers that numba compiles as it is: the vector environment draws a problem
inside its loop, and it is the same one.
"""

from __future__ import annotations

from typing import NamedTuple

from env.actions import CPU_STEP_M, MAX_REPLICAS, MEMORY_STEP_BYTES, MIN_CPU_M, MIN_MEMORY_BYTES
from env.problems.philox import below, philox
from env.quantity import GIB, MIB

PROBLEMS: tuple[str, ...] = ("cpu", "memory", "replica-deficit", "combined", "over-allocation")
_CPU, _MEMORY, _REPLICA_DEFICIT, _COMBINED, _OVER_ALLOCATION = range(5)

MAX_ACTIONS = 12
FAR_ACTIONS = 40  # in one problem of eight
HEALTHY_ONE_IN = 16  # one problem in so many is none: the start is the goal
MAX_TARGET, MAX_NODES = 20, 20
LARGE_TARGET, LARGE_NODES = MAX_REPLICAS, 500  # in one problem of eight
MAX_PODS_PER_NODE = 20  # more would leave less than the least request on the smallest nodes

_CPU_GRAIN_M = 50
_MEMORY_GRAIN_BYTES = 16 * MIB

# Which block of four random words is for what.
_FOR_NODES, _FOR_DISTANCE, _FOR_SHARES, _FOR_CPU, _FOR_MEMORY, _FOR_KIND, _FOR_EPISODE, _FOR_EXTREMES = range(8)


class Drawn(NamedTuple):
    """A problem in numbers; CPU in millicores, memory in bytes.

    Attributes:
        kind: Index in PROBLEMS.
        target: Pods that should be ready.
        nodes, node_cpu_m, node_memory_bytes: The cluster: how many nodes, and what each can hand out.
        cpu_m, memory_bytes, replicas: The start: what the workload asks for as recorded.
        goal_cpu_m, goal_memory_bytes: The requests of the nearest solution; its replicas are the target.
        cpu_use_m, memory_use_bytes: What a pod uses; 0: it runs with any request.
        least_actions: Actions from start to goal; 0 for a healthy one.
    """

    kind: int
    target: int
    nodes: int
    node_cpu_m: int
    node_memory_bytes: int
    cpu_m: int
    memory_bytes: int
    replicas: int
    goal_cpu_m: int
    goal_memory_bytes: int
    cpu_use_m: int
    memory_use_bytes: int
    least_actions: int


def episode_words(key: int, episode: int) -> tuple[int, int, int, int]:
    """What decides the scenario of an episode: of an environment seeded with `key`, its number counted from 0."""
    return philox(key, episode, _FOR_EPISODE)


def draw_kind(seed: int) -> int:
    """The index in PROBLEMS that the seed stands for where none is chosen."""
    return below(philox(seed, 0, _FOR_KIND)[0], 5)


def draw(kind: int, seed: int) -> Drawn:
    """The problem of (kind, seed).

    Args:
        kind: Index in PROBLEMS.
        seed: 0 to 2^63 - 1.
    """
    large_word, nodes_word, cores_word, memory_word = philox(seed, kind, _FOR_NODES)
    large = below(large_word, 8) == 0
    nodes = 1 + below(nodes_word, LARGE_NODES if large else MAX_NODES)
    cores = 2 << below(cores_word, 4)
    node_memory_bytes = min(32, max(4, cores << below(memory_word, 4))) * GIB

    target_word, actions_word, first_word, second_word = philox(seed, kind, _FOR_DISTANCE)
    least_target = 2 if kind == _REPLICA_DEFICIT else 1
    most_target = LARGE_TARGET if large else MAX_TARGET
    target = min(least_target + below(target_word, most_target - least_target + 1), MAX_PODS_PER_NODE * nodes)
    cpu_wrong, memory_wrong, replicas_wrong = draw_parts(kind, first_word, second_word)

    cpu_word, share_word, replicas_word, few_word = philox(seed, kind, _FOR_SHARES)
    healthy_word, far_word, _, _ = philox(seed, kind, _FOR_EXTREMES)
    most_actions = FAR_ACTIONS if below(far_word, 8) == 0 else MAX_ACTIONS
    more = below(actions_word, most_actions - cpu_wrong - memory_wrong - replicas_wrong + 1)  # beyond one for each part
    cpu_weight = cpu_wrong * (1 + below(cpu_word, 1000))
    memory_weight = memory_wrong * (1 + below(share_word, 1000))
    weight = cpu_weight + memory_weight + replicas_wrong * (1 + below(replicas_word, 1000))
    cpu_end = more * cpu_weight // weight
    memory_end = more * (cpu_weight + memory_weight) // weight
    cpu_share, memory_share = cpu_wrong + cpu_end, memory_wrong + memory_end - cpu_end
    replicas_share = replicas_wrong + more - memory_end

    if kind == _REPLICA_DEFICIT or (kind == _COMBINED and target > 1 and below(few_word, 2) == 0):
        replicas = target - min(replicas_share, target - 1)
    else:
        target = min(target, MAX_REPLICAS - replicas_share)
        replicas = target + replicas_share

    per_node = (target + nodes - 1) // nodes
    may_lack = kind != _OVER_ALLOCATION
    cpu_words = philox(seed, kind, _FOR_CPU)
    cpu_edge_m = cores * 1000 // per_node
    cpu_m, goal_cpu_m, cpu_use_m = draw_request(
        cpu_words, cpu_share, may_lack, cpu_edge_m, MIN_CPU_M, CPU_STEP_M, _CPU_GRAIN_M
    )
    memory_words = philox(seed, kind, _FOR_MEMORY)
    memory_edge = node_memory_bytes // per_node
    memory_bytes, goal_memory_bytes, memory_use_bytes = draw_request(
        memory_words, memory_share, may_lack, memory_edge, MIN_MEMORY_BYTES, MEMORY_STEP_BYTES, _MEMORY_GRAIN_BYTES
    )
    if below(healthy_word, HEALTHY_ONE_IN) == 0:
        cpu_m, memory_bytes, replicas = goal_cpu_m, goal_memory_bytes, target
    return Drawn(
        kind=kind,
        target=target,
        nodes=nodes,
        node_cpu_m=cores * 1000,
        node_memory_bytes=node_memory_bytes,
        cpu_m=cpu_m,
        memory_bytes=memory_bytes,
        replicas=replicas,
        goal_cpu_m=goal_cpu_m,
        goal_memory_bytes=goal_memory_bytes,
        cpu_use_m=cpu_use_m,
        memory_use_bytes=memory_use_bytes,
        least_actions=abs(cpu_m - goal_cpu_m) // CPU_STEP_M
        + abs(memory_bytes - goal_memory_bytes) // MEMORY_STEP_BYTES
        + abs(replicas - target),
    )


def draw_parts(kind: int, first_word: int, second_word: int) -> tuple[int, int, int]:
    """Which of CPU, memory and replicas are wrong, each 0 or 1."""
    if kind == _CPU:
        return 1, 0, 0
    if kind == _MEMORY:
        return 0, 1, 0
    if kind == _REPLICA_DEFICIT:
        return 0, 0, 1
    if kind == _COMBINED:
        left_out = below(first_word, 4)  # one of the three, or none
        return int(left_out != 0), int(left_out != 1), int(left_out != 2)
    return below(first_word, 2), below(second_word, 2), 1


def draw_request(
    words: tuple[int, int, int, int], share: int, may_lack: bool, edge: int, minimum: int, step: int, grain: int
) -> tuple[int, int, int]:
    """(start, goal, use) of one request.

    A wrong one is too large or, in half of the cases where that may be and is possible, too small. Too large: the goal
    lies less than one action below the edge. Too small: the use lies less than one action below the goal. In half of
    the other cases there is a use as well, at least half of the goal.

    Args:
        words: Random ones.
        share: Actions that it is away from its goal; 0: it is not wrong.
        may_lack: It may be too small.
        edge: The largest one with which the target fits.
        minimum, step: The safeguard, and what one action changes.
        grain: Goal and use are multiples of this.
    """
    lacks_word, goal_word, has_use_word, use_word = words
    lacks = share > 0 and may_lack and edge >= minimum + step and below(lacks_word, 2) == 0
    if lacks:
        goal = draw_multiple(goal_word, grain, minimum + step, edge)
        start = goal - step * min(share, (goal - minimum) // step)
        return start, goal, draw_multiple(use_word, grain, goal - step + 1, goal)
    goal = draw_multiple(goal_word, grain, max(minimum, edge - step + 1) if share > 0 else minimum, edge)
    use = draw_multiple(use_word, grain, goal // 2, goal) if below(has_use_word, 2) == 0 else 0
    return goal + step * share, goal, use


def draw_multiple(word: int, grain: int, low: int, high: int) -> int:
    """A multiple of `grain` from `low` to `high`."""
    first = (low + grain - 1) // grain
    return grain * (first + below(word, high // grain - first + 1))
