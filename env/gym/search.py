"""The least number of actions that solves a scenario, by exact search."""

from __future__ import annotations

from env.actions import (
    CPU_STEP_M,
    MEMORY_STEP_BYTES,
    MIN_CPU_M,
    MIN_MEMORY_BYTES,
    MIN_REPLICAS,
    MOST,
    Action,
    apply_action,
)
from env.cluster import Cluster
from env.embedded.closed_form import PlainWorkload, plain_workload
from env.engine.manifests.deployment import DeploymentSpec
from env.engine.manifests.objects import read_workload
from env.errors import SimArenaError
from env.gym.reward import goal
from env.problems.scenario import Scenario, ceiling_of, recorded_manifest
from env.workload import Resources, is_of

WITHIN = 20
"""Actions that a search tries at most, by default: some 11 000 replays."""


def least_actions(scenario: Scenario, cluster: Cluster, within: int = WITHIN) -> list[Action] | None:
    """A shortest list of actions that leads to the goal; empty if the start is the goal.

    Plain scenarios are solved in closed form, for any number of actions. Others are searched breadth first, over
    everything that can be asked for: at most about 4/3 within^3 replays.

    Args:
        scenario: What to solve.
        cluster: Where it is replayed.
        within: The most actions that are tried.

    Returns:
        None if no list of at most `within` actions solves it.

    Raises:
        ClusterError: The workload could not be observed.
    """
    plain = plain_workload(scenario)
    if plain is None:
        return searched(scenario, cluster, within)
    actions = solved_plain(*plain, scenario.target, ceiling_of(scenario).most)
    return actions if actions is not None and len(actions) <= within else None


def searched(scenario: Scenario, cluster: Cluster, within: int) -> list[Action] | None:
    """`least_actions` by trying: breadth first, so that the first solution found is a shortest one."""
    first, ceiling, least = cluster.observe(scenario, None), ceiling_of(scenario), least_of_goal(scenario)
    if goal(first, scenario.target):
        return []
    came_from: dict[Resources, tuple[Resources, Action] | None] = {first.resources: None}
    reached = [first.resources]
    for _ in range(within):
        before, reached = reached, []
        for resources in before:
            for action in Action:
                after = apply_action(resources, action, ceiling).resources
                if after in came_from:
                    continue
                came_from[after] = (resources, action)
                if _may_be_goal(after, least) and goal(cluster.observe(scenario, after), scenario.target):
                    return _way(came_from, after)
                reached.append(after)
    return None


def least_of_goal(scenario: Scenario) -> Resources | None:
    """What is asked for at least in every goal, with exactly its replicas; None where that is not known.

    Known where the replay goes on until all is at rest, and holds nothing that ends or forbids pods. As many pods as
    wanted are there and Ready then, so the last rollout has come to its end, with as many pods as replicas; and a pod
    that gets less than it uses is not Ready. It spares a search all replays but those of one number of replicas.
    A workload of another kind than Deployment may keep old pods, so that it must be applied only once.
    """
    trace, kinds = scenario.trace, {"Deployment", "DaemonSet", "Pod", "PriorityClass", scenario.workload.kind}
    applied = [manifest for event in trace.events for manifest in event["applied_objs"]]
    ends = trace.pod_lifecycles or any(event["deleted_objs"] for event in trace.events)
    if scenario.duration_s is not None or ends or any(manifest["kind"] not in kinds for manifest in applied):
        return None
    try:
        spec = read_workload(recorded_manifest(trace, scenario.workload))
        is_last = isinstance(spec, DeploymentSpec) or sum(is_of(each, scenario.workload) for each in applied) == 1
        is_paused = isinstance(spec, DeploymentSpec) and spec.paused
        return Resources(*spec.source.needed(), scenario.target) if is_last and not is_paused else None
    except SimArenaError:
        return None


def _may_be_goal(asked: Resources, least: Resources | None) -> bool:
    return least is None or (
        asked.cpu_m >= least.cpu_m and asked.memory_bytes >= least.memory_bytes and asked.replicas == least.replicas
    )


def _way(came_from: dict[Resources, tuple[Resources, Action] | None], end: Resources) -> list[Action]:
    actions = []
    step = came_from[end]
    while step is not None:
        actions.append(step[1])
        step = came_from[step[0]]
    return actions[::-1]


def solved_plain(workload: PlainWorkload, start: Resources, target: int, most: Resources = MOST) -> list[Action] | None:
    """A shortest list of actions for a plain scenario, in closed form; None if there is none of any length.

    The goal is a box: replicas are the target, and each request lies between what the workload uses and what lets
    enough pods on a node. So each of the three is brought there by itself.
    """
    if not target:  # it is scaled to zero already, or no action leads there
        return None if start.replicas else []
    w = workload
    per_node = -(-target // w.nodes)
    if per_node > w.node_pods:
        return None
    cpu = _bounds(w.node_cpu_m // per_node, w.cpu_beside_m, w.cpu_least_m, w.cpu_limit_m, w.cpu_use_m)
    memory = _bounds(
        w.node_memory_bytes // per_node,
        w.memory_beside_bytes,
        w.memory_least_bytes,
        w.memory_limit_bytes,
        w.memory_use_bytes,
    )
    parts = (
        _moves(start.cpu_m, cpu, CPU_STEP_M, (MIN_CPU_M, most.cpu_m)),
        _moves(start.memory_bytes, memory, MEMORY_STEP_BYTES, (MIN_MEMORY_BYTES, most.memory_bytes)),
        _moves(start.replicas, (target, target), 1, (MIN_REPLICAS, most.replicas)),
    )
    ways = (
        (Action.BUMP_CPU_SMALL, Action.REDUCE_CPU_SMALL),
        (Action.BUMP_MEM_SMALL, Action.REDUCE_MEM_SMALL),
        (Action.SCALE_UP_REPLICAS, Action.SCALE_DOWN_REPLICAS),
    )
    actions: list[Action] = []
    for moves, (up, down) in zip(parts, ways, strict=True):
        if moves is None:
            return None
        actions += [up if moves > 0 else down] * abs(moves)
    return actions


def _bounds(share: int, beside: int, least: int, limit: int, use: int) -> tuple[int, int]:
    """The least and largest request that fits `share` of the node and covers what the pod uses; may be empty."""
    low = use if limit < use else 0
    return low, share - beside if least <= share else -1


def _moves(value: int, bounds: tuple[int, int], step: int, safeguards: tuple[int, int]) -> int | None:
    """The fewest steps from `value` into the bounds, down as a negative number; None if they lead past or nowhere."""
    low, high = bounds
    minimum, maximum = safeguards
    if value < low:
        moves = -(-(low - value) // step)
        return moves if value + moves * step <= min(high, maximum) else None
    moves = -(-max(0, value - high) // step)
    return -moves if moves == 0 or value - moves * step >= max(low, minimum) else None
