"""Reading an agent from a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from agents.agent import Agent
from agents.kinds import make_agent
from agents.ppo.network import inputs
from agents.saved.fields import check_features, mapping, short
from agents.saved.formats import read_state
from agents.spaces import CLUSTER, Spaces
from env.errors import AgentError

_OF_DQN, _OF_PPO, _OF_FORECAST = (
    "q_net.0.weight",
    "actor.0.weight",
    "forecast.0.weight",
)  # only bare weights have tensors at the top


def load_agent(path: Path, spaces: Spaces = CLUSTER) -> Agent:
    """The agent in a file: one that `Agent.save` wrote, the state of a whole training, or a federation's weights.

    Args:
        path: The file.
        spaces: Of the environment that it is to act in.

    Raises:
        AgentError: the file cannot be read, holds no agent, or one of another environment or of other features.
    """
    what = f"checkpoint {path}"
    state = read_state(path)
    for first in (_OF_DQN, _OF_PPO, _OF_FORECAST):
        found = _inputs(state.get(first))
        if found not in (None, inputs(spaces) if first == _OF_PPO else len(spaces.features)):
            check_features(found, spaces.features, what)
    if _OF_DQN in state:
        from agents.dqn.agent import DQN

        _check_environment(CLUSTER.id, spaces, what)
        return DQN.of_weights(state, what)
    if _OF_PPO in state:
        from agents.ppo.agent import PPO

        return PPO.of_weights(state, what, spaces)
    if _OF_FORECAST in state:
        from agents.forecast.agent import Forecaster

        return Forecaster.of_weights(state, what, spaces)
    if "training" in state:
        state = mapping(state, "agent", what)
    name, settings = state.get("agent"), state.get("settings")
    if not isinstance(name, str) or not isinstance(settings, Mapping | None):
        raise AgentError(f"{what}: holds no agent")
    _check_environment(state.get("environment", CLUSTER.id), spaces, what)
    if "features" in state:
        check_features(state["features"], spaces.features, what)
    agent = make_agent(name, seed=0, settings=settings, spaces=spaces)
    agent.load_state_dict(state)
    return agent


def _inputs(weights: object) -> int | None:
    """Of a network, by its first layer's weights."""
    return weights.shape[1] if isinstance(weights, np.ndarray) and weights.ndim == 2 else None


def _check_environment(found: object, spaces: Spaces, what: str) -> None:
    """An agent that has no environment in its file is of Cluster-v0."""
    if found != spaces.id:
        raise AgentError(f"{what}: its agent has learned {short(found)}, and cannot act in {spaces.id}")
