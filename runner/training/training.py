"""A training that can be stopped after any episode and continued anywhere, to the same bits."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.agent import Agent, WeightedAgent
from agents.kinds import DEFAULT, check_trainable, make_agent, with_weights
from agents.saved import checkpoint
from agents.saved.fields import check_equal, count, mapping
from agents.saved.files import parse_json
from env.actions import Action
from env.cluster import Cluster
from env.errors import AgentError, ConfigError
from env.gym.cluster_env import ClusterEnv
from env.gym.reward import check_reward
from env.problems.generate import problem_plugin
from env.problems.scenario import Scenario
from runner.episode import EpisodeResult, OnStep, StepRecord, run_episode
from runner.training.summary import about, summarise
from runner.training.trainee import Summary

_STATE = "training state"
_SUMMARY = {"episode", *(field.name for field in fields(EpisodeResult))} - {"metrics"}
DEFAULT_EPISODES = 10_000
RECORDED_EPISODES = 1_000
MAX_EPISODES = 1_000_000
MAX_STEPS = 100_000
MAX_SEED = 2**63 - 1


@dataclass(frozen=True)
class TrainingConfig:
    """What a training is, apart from its scenarios.

    Attributes:
        agent, agent_settings: The agent that learns, and its settings.
        episodes: In all.
        steps: At most so many environment steps an episode.
        reward: One of `env.gym.reward.REWARDS`, or an installed package's.
        seed: Everything random follows from it.
        problem: What is generated, where no scenarios are given: one of `env.problems.rooms.kinds.NAMES`, or an
            installed package's; None: any of `env.problems.draw.PROBLEMS`.
        member: Its place in a federation.
    """

    agent: str = DEFAULT
    agent_settings: Mapping[str, Any] = field(default_factory=dict)
    episodes: int = DEFAULT_EPISODES
    steps: int = 100
    reward: str = "shaped"
    seed: int = 0
    problem: str | None = None
    member: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("episodes", 1, MAX_EPISODES),
            ("steps", 1, MAX_STEPS),
            ("seed", 0, MAX_SEED),
            ("member", 0, MAX_SEED),
        ):
            if not low <= getattr(self, name) <= high:
                raise ConfigError(f"{name}: {getattr(self, name)} is outside {low} to {high}")
        check_reward(self.reward)
        if self.problem is not None:
            problem_plugin(self.problem)


class Training:
    """One member's training: an agent, its environment and the results of its episodes.

    Everything random in an episode follows from (seed, member, episode), the agent's first weights from
    the seed alone, so all members of a federation start equal.
    """

    def __init__(
        self, config: TrainingConfig, scenarios: Sequence[Scenario] | None, cluster: Cluster | None = None
    ) -> None:
        """`scenarios` None: every episode generates a fresh one. `cluster` None: the embedded one.

        Raises:
            AgentError, ConfigError: an agent, a setting or a reward that does not exist.
        """
        check_trainable(config.agent)
        self.config = config
        self.agent = make_agent(config.agent, seed=config.seed, settings=config.agent_settings)
        self.history: list[Summary] = []
        self.env_steps = 0
        self.records: list[StepRecord] = []
        """Step records of the recorded episodes since `forget_records`."""
        self._env = ClusterEnv(
            scenarios, reward=config.reward, max_steps=config.steps, cluster=cluster, problem=config.problem
        )
        self._whole = True

    unit = "episode"
    actions = tuple(action.name.lower() for action in Action)

    @property
    def kind(self) -> str:
        """The name of the agent's kind."""
        return self.config.agent

    @property
    def seed(self) -> int:
        """What everything random follows from."""
        return self.config.seed

    @property
    def total(self) -> int:
        """Episodes in all."""
        return self.config.episodes

    @staticmethod
    def records_steps(episode: int) -> bool:
        """Whether the steps of an episode are recorded: of the first `RECORDED_EPISODES`, then of every second, of
        twice as many every fourth, and so on. However long a training is, its records stay small."""
        return bool(episode % (1 << ((episode - 1) // RECORDED_EPISODES).bit_length()) == 0)

    @property
    def done(self) -> int:
        """Number of the last whole episode, 0 before the first."""
        return int(self.history[-1]["episode"]) if self.history else 0

    def run_next(self, should_stop: Callable[[], bool], on_step: OnStep) -> None:
        """Train the next episode; raises as `run_episode`."""
        self.run_episode(self.done + 1, should_stop, on_step)

    def copy_of_agent(self) -> Agent:
        """An equal agent that may be played with."""
        agent = make_agent(self.config.agent, seed=self.config.seed, settings=self.config.agent_settings)
        agent.load_state_dict(self.agent.state_dict())
        return agent

    def totals(self) -> Summary:
        """Numbers about all episodes so far."""
        return summarise(self.history)

    def about(self, history: Sequence[Summary]) -> str:
        """One line about some episodes."""
        return about(history)

    def run_episode(
        self,
        episode: int,
        should_stop: Callable[[], bool] = lambda: False,
        on_step: OnStep = lambda record: None,
    ) -> EpisodeResult:
        """Train episode number `episode`: the one after the last, or a later one (a federation's member that was
        left behind goes on with the newest round). `on_step` gets the step records, if they are kept of this one.

        Raises:
            Stopped, ClusterError: the episode was cut short. What it taught cannot be taken back, so this
                object is of no more use: restore the state before it into a new one.
        """
        if episode <= self.done or not self._whole:
            raise AgentError(f"episode {episode} cannot follow {self._describe()}")
        records: list[StepRecord] = []

        def keep(record: StepRecord) -> None:
            records.append(record)
            on_step(record)

        self._whole = False
        result = run_episode(
            self._env,
            self.agent,
            seed_sequence=np.random.SeedSequence((self.config.seed, self.config.member, episode)),
            explore=True,
            learn=self.agent.learn if self.agent.learns else None,
            episode=episode,
            should_stop=should_stop,
            on_step=keep if self.records_steps(episode) else None,
        )
        self._whole = True
        self.env_steps += result.steps
        self.history.append(_summary(episode, result))
        self.records += records
        return result

    def state(self) -> bytes:
        """`state_dict()` as safetensors; equal states are equal bytes."""
        return checkpoint.dumps(self.state_dict())

    def restore(self, data: bytes) -> int:
        """Go on from `state()`, possibly another process's; the number of the last episode.

        Raises:
            AgentError: damaged, or as `load_state_dict`.
        """
        return self.load_state_dict(checkpoint.loads(data, _STATE))

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on bit-exactly, replay buffer included.

        Raises:
            AgentError: an episode was cut short.
        """
        if not self._whole:
            raise AgentError(f"there is no state to save: {self._describe()}")
        return {
            "training": self._identity(),
            "agent": self.agent.state_dict(),
            "env_steps": self.env_steps,
            "history": as_array(to_lines(self.history)),
            "records": as_array(to_lines(self.records)),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> int:
        """Go on from `state_dict()`; the number of the last episode.

        Raises:
            AgentError: damaged, or of a training with another agent, seed, member, reward or step limit.
        """
        what = _STATE
        check_equal(mapping(state, "training", what), self._identity(), what)
        history, records = from_lines(state.get("history"), what), from_lines(state.get("records"), what)
        env_steps = count(state, "env_steps", what)
        _check_history(history, env_steps, what)
        self.agent.load_state_dict(mapping(state, "agent", what))
        self.history, self.records, self.env_steps, self._whole = history, records, env_steps, True
        return self.done

    def forget_records(self) -> None:
        """Drop the step records, for a caller that has put them elsewhere; the next state is without them."""
        self.records = []

    def weights(self) -> bytes:
        """The federated update: both nets' float32 tensors as safetensors; equal weights are equal bytes."""
        return checkpoint.dumps(_weighted(self.agent).weights())

    def load_weights(self, data: bytes) -> None:
        """Go on from averaged weights; optimizer, replay and exploration stay. AgentError if unfit."""
        load_agent_weights(self.agent, checkpoint.loads(data, "weights"))

    def _identity(self) -> dict[str, Any]:
        return {name: getattr(self.config, name) for name in ("agent", "steps", "reward", "seed", "problem", "member")}

    def _describe(self) -> str:
        return f"episode {self.done}" + ("" if self._whole else " and one that was cut short")


def load_agent_weights(agent: Agent, state: Mapping[str, Any]) -> None:
    """Put networks into an agent: weights alone, or those in the state of an agent or of a training.

    Raises:
        AgentError: they do not fit, or the agent has no networks.
    """
    _weighted(agent).load_weights(weights_in(state))


def weights_in(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """The weights in the state of a training, in that of an agent, or as they are."""
    for inner in ("agent", "weights"):
        state = state[inner] if isinstance(state.get(inner), Mapping) else state
    return state


def records_of(state: bytes) -> list[StepRecord]:
    """The step records in the bytes of `Training.state`; AgentError if they are damaged."""
    return from_lines(checkpoint.loads(state, _STATE).get("records"), _STATE)


def to_lines(records: Sequence[Mapping[str, Any]]) -> str:
    """Records as JSON Lines."""
    return "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records)


def as_array(text: str) -> NDArray[np.uint8]:
    """A text of any length as a tensor of a state: a safetensors header is bounded."""
    return np.frombuffer(text.encode(), np.uint8)


def from_lines(text: object, what: str) -> list[dict[str, Any]]:
    """Records of episodes from the bytes of JSON Lines, as a uint8 array or, in .pt files of 0.1, as text.

    Raises:
        AgentError: it is anything else.
    """
    if isinstance(text, str):
        text = as_array(text.encode("utf-8", "replace").decode())
    if not isinstance(text, np.ndarray) or text.dtype != np.uint8 or text.ndim != 1:
        raise AgentError(f"{what}: records are missing")
    records = [dict(parse_json(line, f"{what}: records")) for line in text.tobytes().splitlines()]
    for record in records:
        count(record, "episode", f"{what}: records")
    return records


def _weighted(agent: Agent) -> WeightedAgent:
    if not isinstance(agent, WeightedAgent):
        raise AgentError(f"agent {agent.name!r} has no networks to average; only {with_weights()} have")
    return agent


def _summary(episode: int, result: EpisodeResult) -> Summary:
    """An `EpisodeResult` and the number of its `episode`; its `metrics` stand among the others."""
    summary: Summary = {"episode": episode, **asdict(result)}
    metrics: Summary = summary.pop("metrics")
    return summary | metrics


def _check_history(history: list[Summary], env_steps: int, what: str) -> None:
    """AgentError unless the episodes are in order, each with all that is reported later."""
    last = 0
    for summary in history:
        means = [summary[name] for name in ("loss", "q_mean", "epsilon") if summary.get(name) is not None]
        others = [summary[name] for name in summary.keys() - _SUMMARY]
        numbers = [summary.get("reward"), *means, *others]
        whole = summary.keys() >= _SUMMARY and isinstance(summary["solved"], bool)
        if not whole or not all(isinstance(number, float) and math.isfinite(number) for number in numbers):
            raise AgentError(f"{what}: damaged summary of an episode after {last}")
        if count(summary, "episode", what) <= last:
            raise AgentError(f"{what}: episode {summary['episode']} follows {last}")
        last = summary["episode"]
    if sum(count(summary, "steps", what) for summary in history) != env_steps:
        raise AgentError(f"{what}: its episodes have not {env_steps} steps together")
