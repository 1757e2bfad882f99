"""A doctor by hand: rules that see one state's 18 features and remember nothing."""

from __future__ import annotations

from collections.abc import Sequence

from env.doctor.actions import DoctorAction
from env.doctor.features import (
    EVENTS_AT_1,
    EVENTS_OF_A_NODE,
    EVENTS_OF_SLOW_PODS,
    FEATURES,
    MEMORY_OF_CPU,
    NODES_AT_1,
    PODS_AT_1,
    UNKNOWN_USE,
    USUAL_EVENTS,
)

_CLOSE = 1e-4
_NODES, _READY, _NOT_READY, _PODS, _RUNNING, _PENDING, _FAILED, _UNKNOWN, _, _, _UNAVAILABLE = range(11)
_CPU, _MEMORY, _WARNING, _NORMAL, _CLAIMS, _NETWORK, _PRESSURE = range(11, len(FEATURES))
_UNASKED = 0.5


def scripted(state: Sequence[float]) -> int:
    """The next action: mend what can be seen, look for what cannot, mend it, then read up on the rest and report.

    Args:
        state: The 18 features.
    """
    found = _what_shows(state)
    if found is None:
        found = _what_hides(state)
    if found is None:
        found = _before_the_report(state)
    return int(DoctorAction.WAIT if found is None else found)


def _what_shows(state: Sequence[float]) -> DoctorAction | None:
    """Mend what the state shows."""
    if state[_UNKNOWN] > 0:
        return DoctorAction.DRAIN_NODE
    if state[_READY] + state[_NOT_READY] < 1 - _CLOSE:
        return DoctorAction.UNCORDON_NODE
    if state[_MEMORY] > (MEMORY_OF_CPU + _CLOSE) * state[_CPU]:
        return DoctorAction.SCALE_DOWN_DEPLOYMENT
    described, looked = state[_CLAIMS] != _UNASKED, _UNASKED not in (state[_NETWORK], state[_PRESSURE])
    tried = looked or state[_NORMAL] > USUAL_EVENTS / EVENTS_AT_1 + _CLOSE  # pods were started in the last step
    if state[_FAILED] > 0 and (state[_PRESSURE] < 1 if described else not tried):  # else they run out of memory
        return DoctorAction.RESTART_FAILED_PODS
    return None


def _what_hides(state: Sequence[float]) -> DoctorAction | None:
    """Find out about probes that fail for no reason that shows: a network policy, or too few replicas."""
    probes = _unexplained(state) - (EVENTS_OF_SLOW_PODS if state[_NETWORK] == 1 else 0)
    if probes < EVENTS_OF_SLOW_PODS - _CLOSE * EVENTS_AT_1:
        return None
    if state[_NETWORK] == _UNASKED and probes < 2 * EVENTS_OF_SLOW_PODS:
        return DoctorAction.CHECK_LOGS
    if _is_unmeasured(state):  # so it can be a network policy only
        return DoctorAction.CHECK_LOGS if state[_NETWORK] == _UNASKED else None
    counted = max(state[_NODES], state[_PODS], state[_WARNING]) < 1  # as features none of them is clipped
    if counted and probes % EVENTS_OF_SLOW_PODS < 2:
        return DoctorAction.SCALE_UP_DEPLOYMENT
    if state[_PRESSURE] == _UNASKED:
        return DoctorAction.TOP_NODES
    if state[_PRESSURE] == 1 and state[_CLAIMS] == _UNASKED:  # not by DESCRIBE_UNHEALTHY, which shows other pressure
        return DoctorAction.SCALE_UP_DEPLOYMENT
    return DoctorAction.CHECK_LOGS if state[_NETWORK] == _UNASKED else None


def _is_unmeasured(state: Sequence[float]) -> bool:
    """Whether there is no metrics API: pods run, and use nothing."""
    return state[_RUNNING] > 0 and state[_CPU] == state[_MEMORY] == UNKNOWN_USE


def _unexplained(state: Sequence[float]) -> float:
    """Warnings beyond those of pods and nodes that are not well; too many, where those are clipped."""
    nodes, pods = state[_NODES] * NODES_AT_1, state[_PODS] * PODS_AT_1
    explained = pods * (state[_PENDING] + state[_FAILED] + state[_UNKNOWN])
    return state[_WARNING] * EVENTS_AT_1 - explained - EVENTS_OF_A_NODE * nodes * state[_NOT_READY]


def _before_the_report(state: Sequence[float]) -> DoctorAction | None:
    """Read up on what is not well, so that the report is about something known."""
    unwell = state[_UNAVAILABLE] > 0 or state[_NOT_READY] > 0
    return DoctorAction.DESCRIBE_UNHEALTHY if unwell and state[_CLAIMS] == _UNASKED else None
