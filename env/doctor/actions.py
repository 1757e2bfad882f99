"""The fifteen actions of a cluster doctor, in the order that agents know them by."""

from __future__ import annotations

from enum import IntEnum


class DoctorAction(IntEnum):
    """What a doctor may do in one step. `docs/doctor.md` says what each does, to what, and what it reveals."""

    GET_NODES = 0
    GET_PODS = 1
    GET_EVENTS = 2
    GET_DEPLOYMENTS = 3
    CHECK_LOGS = 4
    DESCRIBE_UNHEALTHY = 5
    RESTART_FAILED_PODS = 6
    SCALE_UP_DEPLOYMENT = 7
    SCALE_DOWN_DEPLOYMENT = 8
    DRAIN_NODE = 9
    UNCORDON_NODE = 10
    TOP_NODES = 11
    TOP_PODS = 12
    GET_RESOURCE_QUOTAS = 13
    WAIT = 14


ACTIONS = len(DoctorAction)

WRITES = (
    DoctorAction.RESTART_FAILED_PODS,
    DoctorAction.SCALE_UP_DEPLOYMENT,
    DoctorAction.SCALE_DOWN_DEPLOYMENT,
    DoctorAction.DRAIN_NODE,
    DoctorAction.UNCORDON_NODE,
)
"""The actions that change a cluster."""
