"""Who acts: a model that was trained on Doctor-v0, or a round of the ward by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agents.agent import MaskedAgent
from agents.load import load_agent
from agents.spaces import doctor as doctor_spaces
from env.doctor.actions import DoctorAction as A
from env.doctor.features import FEATURES

Doctor = Callable[[NDArray[np.float32], NDArray[np.bool_]], int]
"""State, float32 (18,), and mask, bool (15,), to an action's index."""

_UNKNOWN_PODS = FEATURES.index("pods_unknown")
_FIRST = (A.GET_NODES, A.GET_PODS, A.GET_EVENTS, A.GET_DEPLOYMENTS, A.TOP_NODES, A.TOP_PODS)
_LAST = (A.GET_RESOURCE_QUOTAS, A.CHECK_LOGS, A.TOP_PODS, A.DESCRIBE_UNHEALTHY, A.WAIT)
_MENDS = (A.UNCORDON_NODE, A.RESTART_FAILED_PODS, A.SCALE_UP_DEPLOYMENT, A.SCALE_DOWN_DEPLOYMENT)


def ward_round() -> Doctor:
    """A doctor by hand for real clusters: look, mend what the mask says can be, look at the rest, report.

    It relies on the mask of a real cluster, which leaves out writes without a target. The simulation's scripted doctor
    compares numbers that are exact there only.
    """
    todo = list(_FIRST)
    is_late = False

    def act(state: NDArray[np.float32], mask: NDArray[np.bool_]) -> int:
        nonlocal todo, is_late
        if todo and not is_late:
            return int(todo.pop(0))
        for action in _MENDS:
            if mask[action]:
                return int(action)
        if mask[A.DRAIN_NODE] and state[_UNKNOWN_PODS] > 0:
            return int(A.DRAIN_NODE)
        if not is_late:
            todo, is_late = list(_LAST), True
        action = todo.pop(0)
        if not todo:
            todo, is_late = list(_FIRST), False
        return int(action)

    return act


def scripted_doctor() -> Doctor:
    """The simulation's scripted doctor."""
    from env.doctor.scripted import scripted

    return lambda state, mask: scripted(state.tolist())


def model_doctor(path: Path) -> Doctor:
    """A model that was trained on Doctor-v0; it takes its likeliest action.

    Raises:
        AgentError: The file cannot be read, or holds no such model.
    """
    agent = load_agent(path, doctor_spaces())
    assert isinstance(agent, MaskedAgent)  # noqa: S101  (no other acts in an environment with masks)
    return lambda state, mask: agent.act(state, explore=False, mask=mask)
