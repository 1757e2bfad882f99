"""PPO on many environments at a time: each step of theirs is one call of the policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv

from agents.episodes import Episodes, check_environments
from agents.ppo.agent import PPO
from agents.ppo.memory import nothing, remembered, told
from agents.ppo.ppo import Bools, Rollout


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
    check_environments(agent.name, agent.spaces, envs)
    agent.seed(np.random.default_rng(np.random.SeedSequence((seed, agent.env_steps))))
    steps = max(1, agent.settings.rollout_steps // envs.num_envs)
    rollout = Rollout.empty(steps, envs.num_envs, agent.spaces)
    episodes = Episodes(envs.num_envs)
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


def _masks(info: dict[str, Any], resets: Bools) -> Bools:
    """What is allowed now; everything where the action is ignored."""
    masks: Bools = np.array(info["action_mask"], np.bool_)
    masks[resets] = True
    return masks
