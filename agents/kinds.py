"""The one list of agents: what each is called, what can be set, how it is made.

An agent is imported when it is made, not before: help, completion and the checks of a submitted job ask this list, and
must not wait for a compiler.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from agents.dqn.settings import DQNSettings
from agents.forecast.settings import ForecastSettings
from agents.llm.settings import LLMSettings
from agents.ppo.settings import PPOSettings
from agents.settings import Settings, as_mapping, parse_settings
from agents.spaces import CLUSTER, Spaces
from agents.tabular.settings import GreedySettings
from env.errors import AgentError, nearest

if TYPE_CHECKING:
    from agents.agent import Agent

Given = Mapping[str, Any]
Shape = tuple[int, ...]


class Networks(Protocol):
    """What is known of an agent's networks without making the agent: such a module as `agents.dqn.network`."""

    TRAINED: str
    """What the names of the tensors that are trained begin with; the others are a delayed copy of them."""

    @staticmethod
    def layout(settings: Given) -> Mapping[str, Shape]:
        """Name -> shape of all tensors."""

    @staticmethod
    def initial_weights(shapes: Mapping[str, Shape], seed: int) -> dict[str, Any]:
        """The float32 arrays that every agent with this seed starts from."""


@dataclass(frozen=True)
class AgentKind:
    """One kind of agent.

    Attributes:
        name: What users call it.
        make: Makes one from a seed, settings and the environment's spaces.
        settings: What can be set; None: nothing, as for a hand-written policy.
        networks: The module of its networks' names, shapes and first weights; None: it has no networks.
        suffix: Of its checkpoints' file names.
        needs_key: Whether it asks a service for each action, with a key of the user's; it is not trained.
        any_environment: Whether it acts in others than Cluster-v0, whose state and actions most agents are made for.
        told: Whether it learns only where the environment tells how probable what comes is, as Season-v0 does.
    """

    name: str
    make: Callable[[int, Given, Spaces], Agent]
    settings: type[Settings] | None = None
    networks: str | None = None
    suffix: str = ".json"
    needs_key: bool = False
    any_environment: bool = False
    told: bool = False

    @property
    def has_weights(self) -> bool:
        """Whether it has networks, which can be averaged in a federation and loaded on their own."""
        return self.networks is not None

    def known_networks(self) -> Networks:
        """What is known of its networks; AgentError if it has none."""
        if self.networks is None:
            raise AgentError(f"agent {self.name!r} has no networks; only {with_weights()} have")
        networks: Networks = import_module(self.networks)  # type: ignore[assignment]
        return networks

    def tensors(self, settings: Given) -> Mapping[str, Shape]:
        """Name -> shape of all tensors of its networks; empty if it has none."""
        return self.known_networks().layout(settings) if self.has_weights else {}

    def filled(self, given: Given | None) -> dict[str, Any]:
        """Checked settings as JSON holds them, with the defaults of those that are not given.

        Raises:
            AgentError: an unknown name (the nearest one is shown), a wrong type, a value out of range.
        """
        if self.settings is not None:
            return as_mapping(parse_settings(self.settings, given))
        if given:
            raise AgentError(f"agent {self.name!r} has no settings, {', '.join(given)} given; leave them out")
        return {}


def _dqn(seed: int, settings: Given, spaces: Spaces) -> Agent:
    from agents.dqn.agent import DQN

    return DQN(seed=seed, settings=settings)


def _ppo(seed: int, settings: Given, spaces: Spaces) -> Agent:
    from agents.ppo.agent import PPO

    return PPO(seed=seed, settings=settings, spaces=spaces)


def _forecast(seed: int, settings: Given, spaces: Spaces) -> Agent:
    from agents.forecast.agent import Forecaster

    return Forecaster(seed=seed, settings=settings, spaces=spaces)


def _greedy(seed: int, settings: Given, spaces: Spaces) -> Agent:
    from agents.tabular.agent import EpsilonGreedy

    return EpsilonGreedy(settings)


def _policy(name: str, seed: int, settings: Given, spaces: Spaces) -> Agent:
    from agents import policies

    return policies.Policy(getattr(policies, name))


def _llm(seed: int, settings: Given, spaces: Spaces) -> Agent:
    from agents.llm.agent import LLMAgent

    return LLMAgent(settings)


POLICY_NAMES = (
    "noop",
    "heuristic",
    "reactive",
    "autoscaler",
    "random",
    "bump_cpu",
    "bump_mem",
    "scale_replicas",
)
"""The functions of `agents.policies` that are agents."""

KINDS: Mapping[str, AgentKind] = {
    kind.name: kind
    for kind in (
        AgentKind("dqn", _dqn, DQNSettings, "agents.dqn.network", ".pt"),
        AgentKind("greedy", _greedy, GreedySettings),
        AgentKind("ppo", _ppo, PPOSettings, "agents.ppo.network", ".pt", any_environment=True),
        AgentKind(
            "forecast",
            _forecast,
            ForecastSettings,
            "agents.forecast.network",
            ".pt",
            any_environment=True,
            told=True,
        ),
        AgentKind("llm", _llm, LLMSettings, needs_key=True),
        *(AgentKind(name, partial(_policy, name)) for name in POLICY_NAMES),
    )
}

DEFAULT = "dqn"
"""Who is trained if nothing else is asked for."""


def agent_kind(name: str) -> AgentKind:
    """The kind of a name; AgentError, with the nearest name, if there is none."""
    if name not in KINDS:
        raise AgentError(f"agent {name!r} is unknown; {nearest(name, KINDS)}")
    return KINDS[name]


def check_trainable(name: str) -> None:
    """Accept an agent for a training or a job.

    Raises:
        AgentError: There is none of that name, or it needs a key: a worker has none.
    """
    if agent_kind(name).needs_key:
        raise AgentError(
            f"agent {name!r}: learns nothing, and asks a service with a key that workers do not have; "
            "play it with sim-arena episode, step, suggest or evaluate"
        )


def check_learns_from_rewards(name: str) -> None:
    """Accept an agent for an environment that tells nothing else.

    Raises:
        AgentError: It learns from what it is told, or is refused by `check_trainable`.
    """
    check_trainable(name)
    if agent_kind(name).told:
        raise AgentError(f"agent {name!r}: learns from laws, which only --env season tells; take another one here")


TRAINABLE = tuple(name for name, kind in KINDS.items() if not kind.needs_key)
"""The agents that a training or a job can be asked of."""


def with_weights() -> str:
    """The names of the agents that have networks, for messages."""
    return " and ".join(name for name, kind in KINDS.items() if kind.has_weights)


def make_agent(name: str, *, seed: int, settings: Given | None = None, spaces: Spaces = CLUSTER) -> Agent:
    """A fresh agent. Equal names, seeds, settings and spaces give equal agents, on any machine.

    Raises:
        AgentError: an unknown name, settings that do not fit, or an environment that this agent cannot act in.
    """
    kind = agent_kind(name)
    if spaces.id != CLUSTER.id and not kind.any_environment:
        able = " or ".join(each.name for each in KINDS.values() if each.any_environment)
        raise AgentError(f"agent {name!r}: acts in {CLUSTER.id} only; {spaces.id} takes {able}")
    return kind.make(seed, kind.filled(settings), spaces)
