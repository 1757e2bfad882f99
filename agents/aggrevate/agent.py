"""The agent `aggrevate`: how it acts in an environment, and is kept in a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from agents.adam import Adam, Weights, one_thread
from agents.agent import State, Transition
from agents.aggrevate.aggrevate import Advised, Costs, Floats, choose, update
from agents.aggrevate.network import initial_weights, layout, settings_of
from agents.aggrevate.settings import AggrevateSettings
from agents.saved import pt_file
from agents.saved.fields import check_equal, count, generator_from, generator_text, mapping
from agents.saved.files import write_atomic
from agents.saved.formats import read_state
from agents.settings import as_mapping, linear, parse_settings
from agents.spaces import CLUSTER, Spaces
from env.errors import AgentError


class Aggrevate:
    """The agent. `settings` are those of `AggrevateSettings`; equal seeds give equal initial weights.

    Args:
        spaces: The environment it learns, in which every action is always allowed.

    Raises:
        AgentError: An environment with masks.
    """

    name = "aggrevate"
    learns = True

    def __init__(
        self, *, seed: int, settings: AggrevateSettings | Mapping[str, Any] | None = None, spaces: Spaces = CLUSTER
    ) -> None:
        if not isinstance(settings, AggrevateSettings):
            settings = parse_settings(AggrevateSettings, settings)
        if spaces.masked:
            raise AgentError(f"agent {self.name!r}: knows no masks of actions, which {spaces.id} has; take ppo")
        self.settings = settings
        self.spaces = spaces
        self._seed = seed
        self._network = Costs(spaces, settings.hidden)
        shapes = layout(settings, spaces)
        self._adam = Adam(self._network, shapes, initial_weights(shapes, seed))
        self._rng = np.random.default_rng(seed)
        self._env_steps = 0
        self._updates = 0

    @property
    def env_steps(self) -> int:
        """Steps learned from; the schedule is a function of them."""
        return self._env_steps

    @property
    def updates(self) -> int:
        """Rollouts learned from."""
        return self._updates

    @property
    def learning_rate(self) -> float:
        """Adam's step size in the next update."""
        s = self.settings
        return linear(s.learning_rate, s.learning_rate_end, s.anneal_steps, self._env_steps)

    def seed(self, rng: np.random.Generator) -> None:
        """Take actions and minibatches from `rng` from now on."""
        self._rng = rng

    def act(self, state: State, *, explore: bool) -> int:
        """The action that seems cheapest; to explore, one drawn as `choose` says."""
        return int((self.act_in_all if explore else self.best_in_all)(state[None])[0])

    def act_in_all(self, states: Floats) -> NDArray[np.int64]:
        """An action for each of n states, drawn as `choose` says."""
        return choose(self.costs(states), self.settings.temperature, self._rng)

    def best_in_all(self, states: Floats) -> NDArray[np.int64]:
        """The action that seems cheapest in each of n states, (n, features)."""
        best: NDArray[np.int64] = self.costs(states).argmin(axis=1)
        return best

    def costs(self, states: Floats) -> Floats:
        """(n, actions): by how much each action seems to cost more than the best one."""
        with one_thread(), torch.inference_mode():
            costs: Floats = self._network(torch.from_numpy(np.ascontiguousarray(states))).numpy()
        return costs

    def learn(self, transition: Transition) -> dict[str, float]:
        """Nothing is learned from rewards: see `learn_from`."""
        return {}

    def learn_from(self, advised: Advised) -> dict[str, float]:
        """Learn from a rollout of many environments; its metrics."""
        rate = self.learning_rate
        self._env_steps += len(advised.states)
        with one_thread():
            metrics = update(self._network, self._adam, advised, self.settings, rate, self._rng)
        self._updates += 1
        return {**metrics, "learning_rate": rate}

    def weights(self) -> Weights:
        """The network's arrays by name, copies: what a federated update consists of."""
        return self._adam.weights()

    def load_weights(self, given: Mapping[str, Any]) -> None:
        """Take the network's arrays; optimizer and counters stay. AgentError if they do not fit."""
        self._adam.load_weights(given)

    def state_dict(self) -> dict[str, Any]:
        """Everything to go on bit-exactly, between two updates."""
        return {
            **self._identity(),
            "features": list(self.spaces.features),
            "actions": list(self.spaces.actions),
            "seed": self._seed,
            "settings": as_mapping(self.settings),
            **self._adam.state_dict(),
            "env_steps": self._env_steps,
            "updates": self._updates,
            "rng": generator_text(self._rng),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict()`. Raises AgentError, and changes nothing, if it does not fit."""
        what = f"{self.name} checkpoint"
        check_equal(state, {"agent": self.name}, "checkpoint")
        check_equal(state, self._identity(), what)
        check_equal(mapping(state, "settings", what), as_mapping(self.settings), what)
        adam = self._adam.read(state, what)
        counters = [count(state, name, what) for name in ("seed", "env_steps", "updates")]
        rng = generator_from(state.get("rng"), what)
        self._adam.set(adam)
        self._seed, self._env_steps, self._updates = counters
        self._rng = rng

    def save(self, path: Path) -> None:
        """Write `state_dict()` as a .pt file, atomically."""
        write_atomic(path, pt_file.dumps(self.state_dict()))

    def load(self, path: Path) -> None:
        """Read a file in any of `agents.saved`'s formats; AgentError if it does not fit."""
        self.load_state_dict(read_state(path))

    @classmethod
    def of_weights(cls, weights: Mapping[str, Any], what: str, spaces: Spaces = CLUSTER) -> Aggrevate:
        """An agent with the network of a federated update, with any layers.

        Raises:
            AgentError: not the tensors of such a network.
        """
        agent = cls(seed=0, settings=settings_of(weights, what), spaces=spaces)
        agent.load_weights(weights)
        return agent

    def _identity(self) -> dict[str, Any]:
        return {"agent": self.name, "environment": self.spaces.id, "schema": self.spaces.schema}
