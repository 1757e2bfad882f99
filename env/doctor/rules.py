"""What actions, time and faults do to a cluster."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from env.doctor.actions import DoctorAction
from env.doctor.cluster import failing, is_healthy, is_reportable, settle
from env.doctor.faults import OUTDATES, REVEALS, WRONG_SIZE, Fault, age, forget, reveal
from env.doctor.nodes import NodeState, emptiest, empty_all, fullest, move

EVICTED_AFTER = 5
"""Steps after which pods on a NotReady node are replaced: a step is a minute, and pods tolerate it for 300 s."""
MEMORY_GROWS_EVERY = 4
"""Steps of an episode after which one pod more is killed for its memory."""
DNS_GROWS_EVERY = 3
"""Steps of an episode after which one pod more crashes because names do not resolve."""
MOST_TIMES = 8
"""How many times what its load needs a Deployment may be scaled to."""


class Outcome(IntEnum):
    """What a step leads to."""

    GOES_ON = 0
    HEALTHY = 1
    REPORTED = 2


def turn(cluster: Any, action: int, node_heals: bool, crash_heals: bool) -> Outcome:
    """One step: the action, and time unless that solves the episode.

    Args:
        cluster: At rest; changed, and at rest afterwards.
        action: Of `env.doctor.actions.DoctorAction`.
        node_heals, crash_heals: As in `pass_time`.
    """
    if action == DoctorAction.WAIT and is_reportable(cluster):
        cluster.steps += 1
        cluster.started = 0
        return Outcome.REPORTED
    act(cluster, action)
    if is_healthy(cluster):
        cluster.steps += 1
    else:
        pass_time(cluster, node_heals, crash_heals)
    return Outcome.HEALTHY if is_healthy(cluster) else Outcome.GOES_ON


def act(cluster: Any, action: int) -> None:
    """What kubectl does; the cluster is at rest before and after."""
    cluster.started = 0
    reveal(cluster, REVEALS[action] if cluster.measured != 0 else REVEALS[action] & ~WRONG_SIZE)
    if OUTDATES[action] != 0 and _write(cluster, action):
        settle(cluster)
        forget(cluster, OUTDATES[action])


def _write(cluster: Any, action: int) -> bool:
    """Change the cluster; returns whether anything was changed."""
    if action == DoctorAction.RESTART_FAILED_PODS:
        return _restart(cluster)
    if action == DoctorAction.SCALE_UP_DEPLOYMENT:
        return cluster.measured != 0 and _scale_up(cluster)
    if action == DoctorAction.SCALE_DOWN_DEPLOYMENT:
        return cluster.measured != 0 and _scale_down(cluster)
    if action == DoctorAction.DRAIN_NODE:
        return _drain(cluster)
    return _uncordon(cluster)


def _restart(cluster: Any) -> bool:
    """Delete every failing pod. New ones work, unless they run out of memory again."""
    cluster.started += failing(cluster)
    mends = cluster.amount[Fault.CRASH_LOOP] > 0 or cluster.amount[Fault.DNS] > 0
    cluster.amount[Fault.CRASH_LOOP] = 0
    cluster.amount[Fault.DNS] = 0
    return bool(mends)


def _scale_up(cluster: Any) -> bool:
    """Double the most loaded Deployment, up to what its load needs; if none lacks replicas, the largest."""
    needed, short = cluster.replicas, cluster.amount[Fault.TOO_FEW_REPLICAS]
    if short > 0:
        cluster.amount[Fault.TOO_FEW_REPLICAS] = needed - min(needed, 2 * (needed - short))
        return True
    most = needed + cluster.amount[Fault.TOO_MANY_REPLICAS]
    scaled = min(2 * most, MOST_TIMES * needed)
    cluster.amount[Fault.TOO_MANY_REPLICAS] = scaled - needed
    return bool(scaled > most)


def _scale_down(cluster: Any) -> bool:
    """Halve the idlest Deployment, down to what its load needs; if none has too many replicas, the smallest."""
    needed, idle = cluster.replicas, cluster.amount[Fault.TOO_MANY_REPLICAS]
    if idle > 0:
        cluster.amount[Fault.TOO_MANY_REPLICAS] = max(needed, (needed + idle + 1) // 2) - needed
        return True
    least = needed - cluster.amount[Fault.TOO_FEW_REPLICAS]
    scaled = max(1, least // 2)
    cluster.amount[Fault.TOO_FEW_REPLICAS] = needed - scaled
    return bool(scaled < least)


def _drain(cluster: Any) -> bool:
    """Cordon a node and evict its pods: the NotReady node with most pods, else a cordoned one, else the emptiest.

    The pods of a NotReady node cannot be deleted, but no longer count, so that they are replaced.
    """
    for state, to in (
        (NodeState.DOWN, NodeState.DOWN_CORDONED),
        (NodeState.DOWN_CORDONED, NodeState.DOWN_CORDONED),
        (NodeState.CORDONED, NodeState.CORDONED),
    ):
        pods = fullest(cluster, state)
        if pods > 0:
            move(cluster, state, pods, to, 0)
            return True
    pods = emptiest(cluster, NodeState.OPEN)
    if pods < 0:
        return False
    move(cluster, NodeState.OPEN, pods, NodeState.CORDONED, 0)
    return True


def _uncordon(cluster: Any) -> bool:
    """Let pods onto a cordoned node again: the emptiest Ready one, else a NotReady one."""
    for state, to in ((NodeState.CORDONED, NodeState.OPEN), (NodeState.DOWN_CORDONED, NodeState.DOWN)):
        pods = emptiest(cluster, state)
        if pods >= 0:
            move(cluster, state, pods, to, pods)
            return True
    return False


def pass_time(cluster: Any, node_heals: bool, crash_heals: bool) -> None:
    """One step of time: what is known ages, pods are evicted, and faults heal or grow.

    Args:
        cluster: Changed.
        node_heals: One node becomes Ready again, if one is not.
        crash_heals: What pods crashed for is there again, if they did.
    """
    cluster.steps += 1
    age(cluster)
    if node_heals:
        _recover(cluster)
    if cluster.evicted_in > 0:
        cluster.evicted_in -= 1
        if cluster.evicted_in == 0:
            empty_all(cluster, NodeState.DOWN)
            empty_all(cluster, NodeState.DOWN_CORDONED)
    if crash_heals and cluster.amount[Fault.DNS] == 0:
        cluster.amount[Fault.CRASH_LOOP] = 0
    if cluster.steps % MEMORY_GROWS_EVERY == 0:
        _grow(cluster, Fault.OUT_OF_MEMORY, Fault.OUT_OF_MEMORY)
    if cluster.steps % DNS_GROWS_EVERY == 0:
        _grow(cluster, Fault.CRASH_LOOP, Fault.DNS)
    settle(cluster)
    if cluster.unknown == 0:
        cluster.evicted_in = 0


def _recover(cluster: Any) -> None:
    for state, to in ((NodeState.DOWN, NodeState.OPEN), (NodeState.DOWN_CORDONED, NodeState.CORDONED)):
        pods = fullest(cluster, state)
        if pods >= 0:
            move(cluster, state, pods, to, pods)
            return


def _grow(cluster: Any, fault: int, because_of: int) -> None:
    if cluster.amount[because_of] > 0 and cluster.amount[fault] < cluster.replicas:
        cluster.amount[fault] += 1


def strike(cluster: Any, fault: int, size: int) -> None:
    """A fault comes, unless there is one of its kind already; of nodes it is the fullest open one, if there are two.

    Args:
        cluster: At rest; changed, and at rest afterwards.
        fault: One of `env.doctor.faults.CAUSES`.
        size: Pods concerned, at least 1; of nodes, one each time.
    """
    needed = cluster.replicas
    if fault in (Fault.NODE_NOT_READY, Fault.NODE_CORDONED):
        pods = fullest(cluster, NodeState.OPEN)
        if cluster.nodes[NodeState.OPEN].sum() > 1:
            down = fault == Fault.NODE_NOT_READY
            move(cluster, NodeState.OPEN, pods, NodeState.DOWN if down else NodeState.CORDONED, pods)
            if down and pods > 0 and cluster.evicted_in == 0:
                cluster.evicted_in = EVICTED_AFTER
    elif cluster.amount[fault] == 0:
        if fault == Fault.TOO_FEW_REPLICAS:
            cluster.amount[fault] = min(size, needed - 1)
        elif fault == Fault.TOO_MANY_REPLICAS:
            cluster.amount[fault] = min(size, (MOST_TIMES - 1) * needed)
        elif fault == Fault.NETWORK_POLICY:
            cluster.amount[fault] = 1
        else:
            cluster.amount[fault] = min(size, needed)
    settle(cluster)
