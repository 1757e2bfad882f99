"""Stable-Baselines3's PPO on CartPole-v1 as a learner that Sim-Arena federates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gymnasium
import numpy as np
import torch
from pydantic import BaseModel, Field
from stable_baselines3 import PPO

from protocol.learners.learner import Epoch, Task


class CartPoleSettings(BaseModel):
    """What `--set` sets."""

    rollout_steps: int = Field(default=512, ge=8, le=1 << 16, description="steps between two updates")
    rollouts: int = Field(default=4, ge=1, le=1000, description="of an epoch")
    learning_rate: float = Field(default=1e-3, gt=0, le=1)


class CartPole:
    """The policy is averaged; Adam's moments stay with their member, and are in its state."""

    Settings = CartPoleSettings

    def __init__(self, settings: CartPoleSettings, task: Task) -> None:
        torch.set_num_threads(1)  # the bits of a sum depend on how many there are
        self.steps = settings.rollouts * settings.rollout_steps
        self.model = PPO(
            "MlpPolicy",
            gymnasium.make("CartPole-v1"),
            n_steps=settings.rollout_steps,
            learning_rate=settings.learning_rate,
            seed=task.seed,
            device="cpu",
        )

    def train(self, epoch: int, seed: int, may_stop: Callable[[], None]) -> Epoch:
        """So many rollouts; `learn` resets the environment and counts steps anew."""

        def go_on(*_: object) -> bool:
            may_stop()  # raises where the worker must stop
            return True

        self.model.set_random_seed(seed)
        self.model.learn(self.steps, callback=go_on)
        returns = [episode["r"] for episode in self.model.ep_info_buffer]
        return Epoch(steps=self.model.num_timesteps, reward=float(np.mean(returns)) if returns else None)

    def state(self) -> Mapping[str, Any]:
        moments = self.model.policy.optimizer.state_dict()["state"]
        return {"weights": self.weights(), "adam": {str(number): each for number, each in moments.items()}}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.load_weights(state["weights"])
        optimizer = self.model.policy.optimizer
        moments = {int(number): tensors(each) for number, each in state["adam"].items()}
        optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})

    def weights(self) -> Mapping[str, Any]:
        return {name: tensor.numpy() for name, tensor in self.model.policy.state_dict().items()}

    def load_weights(self, weights: Mapping[str, Any]) -> None:
        self.model.policy.load_state_dict(tensors(weights))


def tensors(arrays: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """torch's tensors on the memory of the arrays."""
    return {name: torch.from_numpy(array) for name, array in arrays.items()}
