"""What can be wrong with a cluster, which action reveals it, and how long that is known.

`docs/doctor.md` has the same as a table for people.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Any

from env.doctor.actions import ACTIONS, DoctorAction


class Fault(IntEnum):
    """A kind of fault; a cluster's `amount` of it counts nodes, pods or, for NETWORK_POLICY, 1."""

    NODE_NOT_READY = 0
    NODE_CORDONED = 1
    CRASH_LOOP = 2
    OUT_OF_MEMORY = 3
    BAD_IMAGE = 4
    CLAIM_UNBOUND = 5
    NO_ROOM = 6
    TOO_FEW_REPLICAS = 7
    TOO_MANY_REPLICAS = 8
    QUOTA_USED_UP = 9
    DNS = 10
    NETWORK_POLICY = 11


FAULTS = len(Fault)

CAUSES = tuple(fault for fault in Fault if fault is not Fault.NO_ROOM)
"""What an episode starts with or meets; NO_ROOM only follows from others."""

KNOWN_FOR = 10
"""In how many observations what a reading action revealed is known: that after the action, and nine more."""


def bits(faults: Iterable[Fault]) -> int:
    """A set of faults as a number."""
    return sum(1 << fault for fault in faults)


_F, _A = Fault, DoctorAction
WRONG_SIZE = bits((_F.TOO_FEW_REPLICAS, _F.TOO_MANY_REPLICAS))
"""What only a metrics API tells."""
_REVEALS: dict[DoctorAction, tuple[Fault, ...]] = {
    _A.GET_NODES: (_F.NODE_NOT_READY, _F.NODE_CORDONED),
    _A.GET_PODS: (_F.CRASH_LOOP, _F.OUT_OF_MEMORY, _F.BAD_IMAGE, _F.DNS),
    _A.GET_EVENTS: (_F.NODE_NOT_READY, _F.BAD_IMAGE, _F.CLAIM_UNBOUND, _F.NO_ROOM, _F.QUOTA_USED_UP),
    _A.GET_DEPLOYMENTS: (_F.TOO_MANY_REPLICAS, _F.QUOTA_USED_UP),
    _A.CHECK_LOGS: (_F.CRASH_LOOP, _F.DNS, _F.NETWORK_POLICY),
    _A.DESCRIBE_UNHEALTHY: (
        *(_F.NODE_NOT_READY, _F.NODE_CORDONED, _F.CRASH_LOOP, _F.OUT_OF_MEMORY),
        *(_F.BAD_IMAGE, _F.CLAIM_UNBOUND, _F.NO_ROOM, _F.QUOTA_USED_UP),
    ),
    _A.TOP_NODES: (_F.NO_ROOM, _F.TOO_FEW_REPLICAS, _F.TOO_MANY_REPLICAS),
    _A.TOP_PODS: (_F.OUT_OF_MEMORY, _F.TOO_FEW_REPLICAS, _F.TOO_MANY_REPLICAS),
    _A.GET_RESOURCE_QUOTAS: (_F.QUOTA_USED_UP,),
}
_MOVED = (_F.NODE_NOT_READY, _F.NODE_CORDONED, _F.BAD_IMAGE, _F.CLAIM_UNBOUND, _F.NO_ROOM)
_SCALED = (*_MOVED, _F.TOO_FEW_REPLICAS, _F.TOO_MANY_REPLICAS, _F.OUT_OF_MEMORY, _F.QUOTA_USED_UP)
_OUTDATES: dict[DoctorAction, tuple[Fault, ...]] = {
    _A.RESTART_FAILED_PODS: (_F.CRASH_LOOP, _F.DNS),
    _A.SCALE_UP_DEPLOYMENT: _SCALED,
    _A.SCALE_DOWN_DEPLOYMENT: _SCALED,
    _A.DRAIN_NODE: _MOVED,
    _A.UNCORDON_NODE: _MOVED,
}

REVEALS = tuple(bits(_REVEALS.get(DoctorAction(number), ())) for number in range(ACTIONS))
"""The faults that each action reveals, as bits."""
OUTDATES = tuple(bits(_OUTDATES.get(DoctorAction(number), ())) for number in range(ACTIONS))
"""The faults of which each action, if it changed anything, makes unknown what was known."""


def reveal(cluster: Any, faults: int) -> None:
    """Note of each of these faults whether it is there."""
    for fault in range(FAULTS):
        if faults >> fault & 1:
            cluster.known[fault] = KNOWN_FOR + 1 if cluster.amount[fault] > 0 else -KNOWN_FOR - 1


def forget(cluster: Any, faults: int) -> None:
    """Make unknown what was known of these faults."""
    for fault in range(FAULTS):
        if faults >> fault & 1:
            cluster.known[fault] = 0


def age(cluster: Any) -> None:
    """Let what is known come one step nearer to being stale."""
    for fault in range(FAULTS):
        left = cluster.known[fault]
        if left != 0:
            cluster.known[fault] = left - 1 if left > 0 else left + 1


def flag(cluster: Any, faults: int) -> float:
    """1 if one of these faults is known to be there, 0 if each of them is known not to be, else 0.5."""
    value = 0.0
    for fault in range(FAULTS):
        if faults >> fault & 1:
            if cluster.known[fault] > 0:
                return 1.0
            if cluster.known[fault] == 0:
                value = 0.5
    return value
