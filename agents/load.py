"""Reading an agent from a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from agents.agent import Agent
from agents.kinds import make_agent
from agents.saved.fields import mapping
from agents.saved.formats import read_state
from env.errors import AgentError

_OF_DQN, _OF_PPO = "q_net.0.weight", "actor.0.weight"  # only bare weights have tensors at the top


def load_agent(path: Path) -> Agent:
    """The agent in a file: one that `Agent.save` wrote, the state of a whole training, or a federation's weights.

    Raises:
        AgentError: the file cannot be read or holds no agent.
    """
    what = f"checkpoint {path}"
    state = read_state(path)
    if _OF_DQN in state:
        from agents.dqn.agent import DQN

        return DQN.of_weights(state, what)
    if _OF_PPO in state:
        from agents.ppo.agent import PPO

        return PPO.of_weights(state, what)
    if "training" in state:
        state = mapping(state, "agent", what)
    name, settings = state.get("agent"), state.get("settings")
    if not isinstance(name, str) or not isinstance(settings, Mapping | None):
        raise AgentError(f"{what}: holds no agent")
    agent = make_agent(name, seed=0, settings=settings)
    agent.load_state_dict(state)
    return agent
