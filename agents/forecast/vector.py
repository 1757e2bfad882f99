"""Learning to forecast in many environments at a time: each step is one call of the network, and one of what tells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv

from agents.episodes import Episodes, check_environments
from agents.forecast.agent import Forecaster
from agents.forecast.forecast import Floats, Told

Teller = Callable[[], tuple[Floats, Floats]]
"""Says of the states that environments are in now what `Told` has of them: (environments, actions), (environments,)."""


def train(
    agent: Forecaster,
    envs: VectorEnv[Any, Any, Any],
    teller: Teller,
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
        teller: Is asked before every step.
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
        rollout = []
        for _ in range(steps):
            taken = ~resets
            above, held = teller()
            rollout.append(Told(states[taken], above[taken], held[taken]))
            states, rewards, terminated, truncated, info = envs.step(agent.act_in_all(states))
            resets = terminated | truncated
            episodes.add(rewards, taken, resets, info.get("is_success"))
        metrics = agent.learn_from(Told(*(np.concatenate(parts) for parts in zip(*rollout, strict=True))))
        on_update({"env_steps": float(agent.env_steps), **metrics, **episodes.means()})
