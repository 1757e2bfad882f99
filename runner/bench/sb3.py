"""Stable-Baselines3's DQN and PPO, for comparison: with settings that mean the same as ours, and played as ours are."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import gymnasium

from agents.dqn.agent import DQN
from agents.dqn.settings import DQNSettings
from agents.ppo.agent import PPO
from agents.ppo.settings import PPOSettings
from agents.settings import linear
from agents.spaces import CLUSTER, Spaces
from env.errors import SimArenaError

HOW_TO_INSTALL = (
    "Stable-Baselines3 is not installed; for the comparison: pip install -c constraints.txt 'sim-arena[sb3]'"
)


def installed() -> bool:
    """Whether there is anything to compare with."""
    return find_spec("stable_baselines3") is not None


def make_model(env: gymnasium.Env[Any, Any], seed: int, settings: DQNSettings, **arguments: Any) -> Any:
    """SB3's DQN on one thread, with the net, the discount and the replay size of `settings`; the rest is SB3's default.

    Args:
        arguments: Others of `stable_baselines3.DQN`, such as those of `equal_arguments`.

    Raises:
        SimArenaError: Stable-Baselines3 is not installed.
    """
    return _model_class("DQN")(
        "MlpPolicy",
        env,
        seed=seed,
        device="cpu",
        policy_kwargs={"net_arch": list(settings.hidden)},
        gamma=settings.gamma,
        buffer_size=settings.replay_size,
        **arguments,
    )


def make_ppo(env: Any, seed: int, settings: PPOSettings, **arguments: Any) -> Any:
    """SB3's PPO on one thread, with the nets and the discount of `settings`; the rest is SB3's default.

    Args:
        env: One environment, or a `VecEnv` of several as `many` makes it.
        arguments: Others of `stable_baselines3.PPO`, such as those of `equal_ppo_arguments`.

    Raises:
        SimArenaError: Stable-Baselines3 is not installed.
    """
    return _model_class("PPO")(
        "MlpPolicy",
        env,
        seed=seed,
        device="cpu",
        policy_kwargs={"net_arch": list(settings.hidden)},
        gamma=settings.gamma,
        **arguments,
    )


def many(make: Callable[[], gymnasium.Env[Any, Any]], environments: int) -> Any:
    """Environments that are stepped one after the other in this process, as SB3 does by default."""
    return import_module("stable_baselines3.common.env_util").make_vec_env(make, environments)


def _model_class(name: str) -> Any:
    if not installed():
        raise SimArenaError(HOW_TO_INSTALL)
    import torch

    torch.set_num_threads(1)
    return getattr(import_module("stable_baselines3"), name)


def equal_ppo_arguments(settings: PPOSettings, environments: int, env_steps: int) -> dict[str, Any]:
    """SB3's arguments that mean what `settings` mean, for a training of `env_steps`.

    SB3 cannot let the entropy's weight fall: it gets the mean. Its squared error is not halved, so its weight is.
    """
    s = settings

    def rate(remaining: float) -> float:
        return linear(s.learning_rate, s.learning_rate_end, s.anneal_steps, round((1.0 - remaining) * env_steps))

    return {
        "learning_rate": rate,
        "n_steps": max(1, s.rollout_steps // environments),
        "batch_size": s.minibatch_size,
        "n_epochs": s.epochs,
        "gae_lambda": s.gae_lambda,
        "clip_range": s.clip,
        "ent_coef": (s.entropy + linear(s.entropy, s.entropy_end, s.anneal_steps, env_steps)) / 2.0,
        "vf_coef": s.value / 2.0,
        "max_grad_norm": s.max_gradient,
    }


def ppo_as_agent(model: Any, settings: PPOSettings, spaces: Spaces = CLUSTER) -> PPO:
    """Our agent with SB3's networks: it acts greedily as `model.predict(state, deterministic=True)` does.

    Where `spaces` have a mask, which SB3 does not know, it takes the likeliest action that is allowed.
    """
    agent = PPO(seed=0, settings={"hidden": list(settings.hidden)}, spaces=spaces)
    policy, last = model.policy, 2 * len(settings.hidden)
    nets = {
        "actor": (policy.mlp_extractor.policy_net, policy.action_net),
        "critic": (policy.mlp_extractor.value_net, policy.value_net),
    }
    weights = {}
    for name, (hidden, output) in nets.items():
        for parameter, tensor in hidden.state_dict().items():
            weights[f"{name}.{parameter}"] = tensor.numpy().copy()
        for parameter, tensor in output.state_dict().items():
            weights[f"{name}.{last}.{parameter}"] = tensor.numpy().copy()
    agent.load_weights(weights)
    return agent


def equal_arguments(settings: DQNSettings, env_steps: int) -> dict[str, Any]:
    """SB3's arguments that mean what `settings` mean, for a training of `env_steps`.

    What SB3's DQN cannot do is left out: double Q-learning, the action gap, priorities. SB3 counts
    environment steps between two updates of its target net where ours counts gradient steps, and updates it once an
    environment step at most: several Polyak averages of ours, each of a share tau, become one of 1 - (1 - tau)^n.
    """
    s = settings
    updates_per_step = s.updates / s.train_every
    interval = max(1, round(s.target_every / updates_per_step))

    def rate(remaining: float) -> float:
        return s.learning_rate / (1.0 + (1.0 - remaining) * env_steps * updates_per_step / s.halving_steps)

    averages = max(1.0, interval * updates_per_step / s.target_every)
    return {
        "learning_rate": rate,
        "learning_starts": max(s.learning_starts, s.batch_size),
        "batch_size": s.batch_size,
        "train_freq": s.train_every,
        "gradient_steps": s.updates,
        "n_steps": s.n_step,
        "target_update_interval": interval,
        "tau": 1.0 - (1.0 - s.target_tau) ** averages,
        "exploration_initial_eps": s.epsilon_start,
        "exploration_final_eps": s.epsilon_end,
        "exploration_fraction": min(1.0, s.epsilon_steps / env_steps),
    }


def as_agent(model: Any, settings: DQNSettings) -> DQN:
    """Our agent with SB3's networks: it acts greedily as `model.predict(state, deterministic=True)` does."""
    agent = DQN(seed=0, settings={"hidden": list(settings.hidden)})
    nets = {"q_net": model.q_net, "target_net": model.q_net_target}
    agent.load_weights(
        {
            f"{name}.{parameter}": tensor.detach().numpy()
            for name, net in nets.items()
            for parameter, tensor in net.q_net.state_dict().items()
        }
    )
    return agent
