"""What an agent is, and how to make one by name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from agents.saved.fields import mapping
from agents.saved.files import parse_json, read_bounded
from env.errors import AgentError

State = npt.NDArray[np.float32]

POLICY_NAMES = ("noop", "heuristic", "autoscaler", "random", "bump_cpu", "bump_mem", "scale_replicas")
WEIGHTS_MARK = "q_net.0.weight"  # only bare weights have tensors at the top
AGENTS = ("dqn", "greedy", *POLICY_NAMES)


class Transition(NamedTuple):
    """One step of an environment. A truncated episode's value is bootstrapped, a terminated one's is not."""

    state: State
    action: int
    reward: float
    next_state: State
    terminated: bool
    truncated: bool


class Agent(Protocol):
    """Anything that picks one of the seven actions from a state (float32, shape `(STATE_DIM,)`)."""

    name: str
    learns: bool

    def seed(self, rng: np.random.Generator) -> None:
        """Take all randomness from `rng` from now on. Called at the start of every episode."""

    def act(self, state: State, *, explore: bool) -> int:
        """Index of the chosen action; `explore` allows a learning agent a random one."""

    def learn(self, transition: Transition) -> dict[str, float]:
        """Learn from one step; the metrics of this step, e.g. loss, q_mean, epsilon. May be empty."""

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on exactly: only tensors, numbers, strings, lists and dicts."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict()`. Raises AgentError if it does not fit this agent."""

    def save(self, path: Path) -> None:
        """Write a checkpoint, atomically."""

    def load(self, path: Path) -> None:
        """Read a checkpoint. Raises AgentError if it does not fit this agent."""


def make_agent(name: str, *, seed: int, settings: Mapping[str, Any] | None = None) -> Agent:
    """A fresh agent. Equal names, seeds and settings give equal agents, on any machine.

    Raises:
        AgentError: an unknown name, or settings that do not fit.
    """
    if name == "dqn":
        from agents.dqn.agent import DQN

        return DQN(seed=seed, settings=settings)
    if name == "greedy":
        from agents.tabular import EpsilonGreedy

        return EpsilonGreedy(settings)
    if name in POLICY_NAMES:
        from agents.policies import Policy

        return Policy(name, settings)
    close = difflib.get_close_matches(name, AGENTS, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(AGENTS)}"
    raise AgentError(f"agent {name!r} is unknown; {hint}")


def load_agent(path: Path) -> Agent:
    """The agent in a file: one that `Agent.save` wrote, the state of a whole training, or a federation's weights.

    Raises:
        AgentError: the file cannot be read or holds no agent.
    """
    what = f"checkpoint {path}"
    data = read_bounded(path)
    if data.startswith(b"PK"):
        from agents.saved import checkpoint

        state: Mapping[str, Any] = checkpoint.loads(data, what)
    else:
        state = parse_json(data, what)
    if WEIGHTS_MARK in state:
        from agents.dqn.agent import DQN

        return DQN.of_weights(state, what)
    if "training" in state:
        state = mapping(state, "agent", what)
    name, settings = state.get("agent"), state.get("settings")
    if not isinstance(name, str) or not isinstance(settings, Mapping | None):
        raise AgentError(f"{what}: holds no agent")
    agent = make_agent(name, seed=0, settings=settings)
    agent.load_state_dict(state)
    return agent
