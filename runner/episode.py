"""One episode: an agent in an environment until the goal, the step limit, or a request to stop.

In Cluster-v0, or in another environment whose `info` has `is_success` and, if actions may be forbidden, `action_mask`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import gymnasium
import numpy as np
import numpy.typing as npt

from agents.agent import Agent, MaskedAgent, Transition
from env.gym.cluster_env import ClusterEnv
from env.interrupt import Stopped, stopping_when
from env.observation import Observation
from env.quantity import format_cpu, format_memory
from runner.situation import tell

StepRecord = dict[str, Any]
OnStep = Callable[[StepRecord], None]
Learn = Callable[[Transition], dict[str, float]]
State = npt.NDArray[np.float32]
Env = gymnasium.Env[State, np.int64]


@dataclass(frozen=True)
class EpisodeResult:
    """What is known of a finished episode.

    Attributes:
        reward: Sum of the rewards, undiscounted.
        steps: Environment steps.
        transitions: Steps the agent learned from.
        solved: Whether the goal was reached.
        loss: Mean of the training loss; None if no gradient step was taken.
        q_mean: Mean of the batches' Q-values; None likewise.
        epsilon: Exploration probability after the last step; None for agents that do not explore.
        scenario: Name of the scenario; of the environment, where there are none.
        problem: Its kind, None if unknown.
        target: Pods that should be ready; 0 where there is no scenario.
        metrics: Means of the other numbers that the agent's learning gave, by name.
    """

    reward: float
    steps: int
    transitions: int
    solved: bool
    loss: float | None
    q_mean: float | None
    epsilon: float | None
    scenario: str
    problem: str | None
    target: int
    metrics: Mapping[str, float] = field(default_factory=dict)


def run_episode(
    env: Env,
    agent: Agent,
    *,
    seed_sequence: np.random.SeedSequence,
    explore: bool,
    learn: Learn | None,
    episode: int = 1,
    should_stop: Callable[[], bool] = lambda: False,
    on_step: OnStep | None = None,
) -> EpisodeResult:
    """Run one episode; everything random in it follows from `seed_sequence`.

    Args:
        explore: Let a learning agent try random actions.
        learn: Gets every transition, such as the agent's `learn`; gives the metrics of that step.
        episode: Its number, for the step records.
        should_stop: Asked before every step, and within replays.
        on_step: Gets the record of every step, see `step_record`; that of an unsolved episode's end says why.

    Raises:
        Stopped: `should_stop` turned true; what was learned so far stays learned.
        ClusterError: the cluster could not be observed. That step has no reward and teaches nothing.
    """
    with stopping_when(should_stop):
        return _run_episode(env, agent, seed_sequence, explore, learn, episode, should_stop, on_step)


def _run_episode(
    env: Env,
    agent: Agent,
    seed_sequence: np.random.SeedSequence,
    explore: bool,
    learn: Learn | None,
    episode: int,
    should_stop: Callable[[], bool],
    on_step: OnStep | None,
) -> EpisodeResult:
    seed = int(seed_sequence.generate_state(1)[0])
    agent.seed(np.random.default_rng(seed_sequence))
    state, info = env.reset(seed=seed)
    first, rewards, metrics = info, [], []
    terminated = truncated = False
    while not (terminated or truncated):
        if should_stop():
            raise Stopped
        action = act(agent, env, state, info, explore=explore)
        next_state, given, terminated, truncated, next_info = env.step(np.int64(action))
        reward = float(given)
        if learn is not None:
            metrics.append(learn(Transition(state, action, reward, next_state, terminated, truncated)))
        rewards.append(reward)
        if on_step is not None:
            record = _record(env, state, info, action, reward, next_info)
            why = env.why() if isinstance(env, ClusterEnv) and truncated and not terminated else ()
            on_step({"episode": episode, "step": len(rewards), "seed": seed, **record,
                     "terminated": terminated, "truncated": truncated, "why": list(why)})  # fmt: skip
        state, info = next_state, next_info
    return EpisodeResult(
        reward=float(sum(rewards)),
        steps=len(rewards),
        transitions=len(metrics),
        solved=bool(info["is_success"]),
        loss=_mean(metrics, "loss"),
        q_mean=_mean(metrics, "q_mean"),
        epsilon=metrics[-1].get("epsilon") if metrics else None,
        scenario=first.get("scenario") or (env.spec.id if env.spec else type(env).__name__),
        problem=first.get("problem"),
        target=first.get("target", 0),
        metrics=_other_means(metrics),
    )


def act(agent: Agent, env: Env, state: State, info: Mapping[str, Any], *, explore: bool) -> int:
    """The agent's action in this state: told where the episode stands, if it reads, and which actions are allowed."""
    if isinstance(env, ClusterEnv):
        tell(agent, env)
    mask = info.get("action_mask")
    if mask is None:
        return agent.act(state, explore=explore)
    return cast(MaskedAgent, agent).act(state, explore=explore, mask=mask)


def _record(
    env: Env, state: State, info: dict[str, Any], action: int, reward: float, after: dict[str, Any]
) -> StepRecord:
    if isinstance(env, ClusterEnv):
        return step_record(state, info, reward, after)
    return {
        "state": [float(value) for value in state],
        "action": {"index": action},
        "reward": reward,
        "line": env.render() if env.render_mode == "ansi" else None,
    }


def step_record(state: State, info: dict[str, Any], reward: float, after: dict[str, Any]) -> StepRecord:
    """Observation, action and result of a step, as JSON holds them; no clock time, so equal steps are equal."""
    outcome = after["outcome"]
    return {
        "scenario": info["scenario"],
        "target": info["target"],
        **_seen(info["observation"]),
        "state": [float(value) for value in state],
        "action": {"index": int(outcome.action), "name": outcome.action.name.lower()},
        "outcome": {"changed": outcome.changed, "blocked": outcome.blocked, "reason": outcome.reason},
        "after": _seen(after["observation"]),
        "reward": reward,
    }


def _seen(observation: Observation) -> dict[str, Any]:
    resources = observation.resources
    return {
        "obs": {
            "ready": observation.ready,
            "pending": observation.pending,
            "total": observation.total,
            "oom_killed": observation.oom_killed,
            "cpu_starved": observation.cpu_starved,
            "broken": observation.broken,
        },
        "resources": {
            "cpu": format_cpu(resources.cpu_m),
            "memory": format_memory(resources.memory_bytes),
            "replicas": resources.replicas,
        },
    }


def _other_means(metrics: list[dict[str, float]]) -> dict[str, float]:
    names = {name for metric in metrics for name in metric} - {"loss", "q_mean", "epsilon"}
    return {name: mean for name in sorted(names) if (mean := _mean(metrics, name)) is not None}


def _mean(metrics: list[dict[str, float]], name: str) -> float | None:
    values = [metric[name] for metric in metrics if name in metric]
    return sum(values) / len(values) if values else None
