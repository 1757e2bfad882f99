"""Equal nodes with equal pods, counted: how many nodes of each state hold how many pods.

The scheduler fills the emptiest node first (LeastAllocated), so counts say all there is to say about placement, and a
step costs the same for three nodes and for two hundred. Functions change `cluster.nodes`, of shape
(node states, MOST_SLOTS + 1): entry [state, k] is the number of nodes in that state with k pods.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

MOST_SLOTS = 12
"""Pods that the largest node takes."""


class NodeState(IntEnum):
    """What `kubectl get nodes` prints under STATUS."""

    OPEN = 0
    """Ready"""
    CORDONED = 1
    """Ready,SchedulingDisabled"""
    DOWN = 2
    """NotReady"""
    DOWN_CORDONED = 3
    """NotReady,SchedulingDisabled"""


NODE_STATES = len(NodeState)


def nodes_in(cluster: Any, state: int) -> int:
    """How many nodes are in this state."""
    count = 0
    for pods in range(MOST_SLOTS + 1):
        count += cluster.nodes[state, pods]
    return count


def pods_in(cluster: Any, state: int) -> int:
    """How many pods the nodes in this state hold."""
    count = 0
    for pods in range(1, MOST_SLOTS + 1):
        count += pods * cluster.nodes[state, pods]
    return count


def place(cluster: Any, count: int) -> int:
    """Place so many pods on open nodes, the emptiest first; returns how many found room."""
    left = count
    for pods in range(cluster.slots):
        moved = min(left, cluster.nodes[NodeState.OPEN, pods])
        cluster.nodes[NodeState.OPEN, pods] -= moved
        cluster.nodes[NodeState.OPEN, pods + 1] += moved
        left -= moved
    return count - left


def remove(cluster: Any, count: int) -> None:
    """Delete so many pods of Ready nodes, from the fullest first."""
    left = count
    for pods in range(cluster.slots, 0, -1):
        for state in (NodeState.CORDONED, NodeState.OPEN):
            moved = min(left, cluster.nodes[state, pods])
            cluster.nodes[state, pods] -= moved
            cluster.nodes[state, pods - 1] += moved
            left -= moved


def fullest(cluster: Any, state: int) -> int:
    """How many pods the fullest node in this state holds; -1 if there is no such node."""
    for pods in range(MOST_SLOTS, -1, -1):
        if cluster.nodes[state, pods] > 0:
            return pods
    return -1


def emptiest(cluster: Any, state: int) -> int:
    """How many pods the emptiest node in this state holds; -1 if there is no such node."""
    for pods in range(MOST_SLOTS + 1):
        if cluster.nodes[state, pods] > 0:
            return pods
    return -1


def move(cluster: Any, state: int, pods: int, to: int, left: int) -> None:
    """One node in this state with so many pods gets another state, and another number of pods."""
    cluster.nodes[state, pods] -= 1
    cluster.nodes[to, left] += 1


def empty_all(cluster: Any, state: int) -> None:
    """Every node in this state loses its pods."""
    for pods in range(1, MOST_SLOTS + 1):
        cluster.nodes[state, 0] += cluster.nodes[state, pods]
        cluster.nodes[state, pods] = 0
