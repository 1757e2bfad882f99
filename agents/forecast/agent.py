"""The agent `forecast`: how it acts in an environment, and is kept in a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from agents.adam import Adam, Weights, one_thread
from agents.agent import State, Transition
from agents.forecast.forecast import Floats, Forecast, Told, choose, update
from agents.forecast.network import initial_weights, layout, settings_of
from agents.forecast.settings import ForecastSettings
from agents.saved import pt_file
from agents.saved.fields import check_equal, count, generator_from, generator_text, mapping
from agents.saved.files import write_atomic
from agents.saved.formats import read_state
from agents.settings import as_mapping, linear, parse_settings
from agents.spaces import Spaces
from env import SEASON_ID
from env.errors import AgentError


class Forecaster:
    """The agent. `settings` are those of `ForecastSettings`; equal seeds give equal initial weights.

    Args:
        spaces: Of Season-v0: what an action costs follows from what it forecasts there alone.

    Raises:
        AgentError: Another environment.
    """

    name = "forecast"
    learns = True

    def __init__(
        self, *, seed: int, settings: ForecastSettings | Mapping[str, Any] | None = None, spaces: Spaces
    ) -> None:
        if not isinstance(settings, ForecastSettings):
            settings = parse_settings(ForecastSettings, settings)
        if spaces.id != SEASON_ID:
            raise AgentError(f"agent {self.name!r}: forecasts {SEASON_ID} alone, not {spaces.id}; take ppo")
        self.settings = settings
        self.spaces = spaces
        self._seed = seed
        self._network = Forecast(spaces, settings.hidden)
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
        """(n, actions): what each action seems to cost in the window that comes."""
        from env.season.decision import next_costs, without_price  # the compiler, which takes a second

        with one_thread(), torch.inference_mode():
            said = self._network(torch.from_numpy(without_price(states)))
            above, held = torch.sigmoid(said[:, :-1]).numpy(), said[:, -1].numpy()
        return next_costs(states, above, held, self.settings.change)

    def learn(self, transition: Transition) -> dict[str, float]:
        """Nothing is learned from rewards: see `learn_from`."""
        return {}

    def learn_from(self, told: Told) -> dict[str, float]:
        """Learn from a rollout of many environments; its metrics."""
        from env.season.decision import without_price

        told, rate = told._replace(states=without_price(told.states)), self.learning_rate
        self._env_steps += len(told.states)
        with one_thread():
            metrics = update(self._network, self._adam, told, self.settings, rate, self._rng)
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
    def of_weights(cls, weights: Mapping[str, Any], what: str, spaces: Spaces) -> Forecaster:
        """An agent with the network of a federated update, with any layers.

        Raises:
            AgentError: not the tensors of such a network.
        """
        agent = cls(seed=0, settings=settings_of(weights, what), spaces=spaces)
        agent.load_weights(weights)
        return agent

    def _identity(self) -> dict[str, Any]:
        return {"agent": self.name, "environment": self.spaces.id, "schema": self.spaces.schema}
