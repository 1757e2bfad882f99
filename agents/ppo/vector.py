"""PPO on many environments at a time: each step of theirs is one call of the policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from agents.ppo.agent import PPO
from agents.ppo.memory import nothing, remembered, told
from agents.ppo.ppo import Bools, Rollout
from env.errors import AgentError


def train(
    agent: PPO,
    envs: VectorEnv[Any, Any, Any],
    env_steps: int,
    *,
    seed: int,
    on_update: Callable[[dict[str, float]], None] = lambda metrics: None,
) -> None:
    """Train for at least so many environment steps, of all environments together.

    Every call resets the environments, so calls with equal seeds, lengths and agents give equal bits: a trainer that
    saves the agent between two calls goes on from there as if it had not stopped.

    Args:
        envs: With `AutoresetMode.NEXT_STEP`: the step after an episode's last one resets, and ignores the action. Its
            `info` has "action_mask", bool (num_envs, actions), if the agent's spaces are masked.
        seed: Of the environments' first episodes.
        on_update: Gets the metrics of each update, `env_steps`, and, where episodes ended, the means of their
            `return`, their `length`, and of `solved`: `info["is_success"]` after the last step, where there is that.

    Raises:
        AgentError: other spaces than the agent's, or another autoreset mode.
    """
    _check(agent, envs)
    agent.seed(np.random.default_rng(np.random.SeedSequence((seed, agent.env_steps))))
    steps = max(1, agent.settings.rollout_steps // envs.num_envs)
    rollout = Rollout.empty(steps, envs.num_envs, agent.spaces)
    episodes = _Episodes(envs.num_envs)
    until = agent.env_steps + env_steps
    states, info = envs.reset(seed=seed)
    memory = nothing(envs.num_envs, agent.spaces)
    resets = np.zeros(envs.num_envs, np.bool_)
    while agent.env_steps < until:
        for t in range(steps):
            masks = _masks(info, resets) if agent.spaces.masked else None
            rollout.states[t] = told(states, memory)
            actions, log_probs = agent.act_in_all(rollout.states[t], masks)
            following, rewards, terminated, truncated, info = envs.step(actions)
            memory = remembered(memory, actions)
            rollout.actions[t], rollout.log_probs[t] = actions, log_probs
            rollout.rewards[t], rollout.next_states[t] = rewards, told(following, memory)
            rollout.terminated[t], rollout.ended[t], rollout.taken[t] = terminated, terminated | truncated, ~resets
            rollout.masks[t] = True if masks is None else masks
            episodes.add(rewards, ~resets, rollout.ended[t], info.get("is_success"))
            memory[resets] = 0.0
            states, resets = following, rollout.ended[t].copy()
        metrics = agent.learn_from(rollout)
        on_update({"env_steps": float(agent.env_steps), **metrics, **episodes.means()})


class _Episodes:
    """Returns, lengths and successes of the episodes that end."""

    def __init__(self, n: int) -> None:
        self._returns, self._lengths = np.zeros(n), np.zeros(n)
        self._ended: list[NDArray[np.float64]] = []

    def add(self, rewards: NDArray[Any], taken: Bools, ended: Bools, solved: NDArray[Any] | None) -> None:
        self._returns += rewards
        self._lengths += taken
        known = np.full(len(ended), np.nan) if solved is None else solved
        self._ended.append(np.stack([self._returns[ended], self._lengths[ended], known[ended]]))
        self._returns[ended] = self._lengths[ended] = 0.0

    def means(self) -> dict[str, float]:
        """Of those since the last call."""
        ended, self._ended = np.concatenate(self._ended, axis=1), []
        if not ended.shape[1]:
            return {}
        means = dict(zip(("return", "length", "solved"), ended.mean(axis=1).tolist(), strict=True))
        return {name: mean for name, mean in means.items() if not np.isnan(mean)}


def _masks(info: dict[str, Any], resets: Bools) -> Bools:
    """What is allowed now; everything where the action is ignored."""
    masks: Bools = np.array(info["action_mask"], np.bool_)
    masks[resets] = True
    return masks


def _check(agent: PPO, envs: VectorEnv[Any, Any, Any]) -> None:
    spaces = agent.spaces
    shape, actions = envs.single_observation_space.shape, getattr(envs.single_action_space, "n", None)
    if shape != (len(spaces.features),) or actions != len(spaces.actions):
        raise AgentError(
            f"ppo: environments of states {shape} and {actions} actions; {spaces.id} has states "
            f"({len(spaces.features)},) and {len(spaces.actions)} actions"
        )
    if (mode := envs.metadata.get("autoreset_mode")) != AutoresetMode.NEXT_STEP:
        raise AgentError(f"ppo: autoreset mode {mode}; only {AutoresetMode.NEXT_STEP} is known")
