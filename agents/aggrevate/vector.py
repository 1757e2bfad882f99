"""AggreVaTe in many environments at a time: each step of theirs is one call of the network and one of the adviser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv

from agents.aggrevate.agent import Aggrevate
from agents.aggrevate.aggrevate import Advice, Advised
from agents.episodes import Episodes, check_environments


def train(
    agent: Aggrevate,
    envs: VectorEnv[Any, Any, Any],
    advice: Advice,
    env_steps: int,
    *,
    seed: int,
    on_update: Callable[[dict[str, float]], None] = lambda metrics: None,
) -> None:
    """Train for at least so many environment steps, of all environments together.

    Every call resets the environments, so calls with equal seeds, lengths and agents give equal bits: a trainer that
    saves the agent between two calls goes on from there as if it had not stopped.

    Args:
        envs: With `AutoresetMode.NEXT_STEP`: the step after an episode's last one resets, and ignores the action.
        advice: Says of the states that the environments are in now what each action costs from there on.
        seed: Of the environments' first episodes.
        on_update: Gets the metrics of each update, `env_steps`, and, where episodes ended, the means of their `return`
            and `length`.

    Raises:
        AgentError: other spaces than the agent's, or another autoreset mode.
    """
    check_environments(agent.name, agent.spaces, envs)
    agent.seed(np.random.default_rng(np.random.SeedSequence((seed, agent.env_steps))))
    steps = max(1, agent.settings.rollout_steps // envs.num_envs)
    episodes = Episodes(envs.num_envs)
    until = agent.env_steps + env_steps
    states, _ = envs.reset(seed=seed)
    resets = np.zeros(envs.num_envs, np.bool_)
    while agent.env_steps < until:
        seen, said = [], []
        for _ in range(steps):
            taken = ~resets
            seen.append(states[taken])
            said.append(advice()[taken])
            states, rewards, terminated, truncated, info = envs.step(agent.act_in_all(states))
            resets = terminated | truncated
            episodes.add(rewards, taken, resets, info.get("is_success"))
        metrics = agent.learn_from(Advised(np.concatenate(seen), np.concatenate(said)))
        on_update({"env_steps": float(agent.env_steps), **metrics, **episodes.means()})
