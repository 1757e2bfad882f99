"""The agent `ppo`: how PPO acts in an environment, learns step by step, and is kept in a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from agents.adam import Adam, one_thread
from agents.agent import State, Transition
from agents.ppo.memory import nothing, remembered, told
from agents.ppo.network import Weights, initial_weights, layout, settings_of
from agents.ppo.ppo import ActorCritic, Bools, Floats, Rollout, log_probs_of, sample, update
from agents.ppo.settings import PPOSettings
from agents.saved import checkpoint, pt_file
from agents.saved.fields import check_equal, count, generator_from, generator_text, mapping
from agents.saved.files import write_atomic
from agents.saved.formats import read_state
from agents.settings import as_mapping, linear, parse_settings
from agents.spaces import CLUSTER, Spaces
from env.errors import AgentError

_FLAGS = ("terminated", "ended", "masks")  # bool, as uint8 in a state
_COLUMNS = ("states", "actions", "log_probs", "rewards", "next_states", *_FLAGS)


class _Acted(NamedTuple):
    """What `act` has chosen, for `learn`."""

    action: int
    log_prob: float
    mask: Bools | None
    memory: Floats
    """From before the action."""


class PPO:
    """The agent. `settings` are those of `PPOSettings`; equal seeds give equal initial weights.

    Args:
        spaces: The environment it learns; where that has a mask, `act` needs it.
    """

    name = "ppo"
    learns = True

    def __init__(
        self, *, seed: int, settings: PPOSettings | Mapping[str, Any] | None = None, spaces: Spaces = CLUSTER
    ) -> None:
        if not isinstance(settings, PPOSettings):
            settings = parse_settings(PPOSettings, settings)
        self.settings = settings
        self.spaces = spaces
        self._seed = seed
        self._shapes = layout(settings, spaces)
        self._network = ActorCritic(spaces, settings.hidden)
        self._adam = Adam(self._network, self._shapes, initial_weights(self._shapes, seed))
        self._rng = np.random.default_rng(seed)
        self._rollout = Rollout.empty(settings.rollout_steps, 1, spaces)
        self._filled = 0
        self._memory = nothing(1, spaces)
        self._acted: _Acted | None = None
        self._env_steps = 0
        self._updates = 0

    @property
    def env_steps(self) -> int:
        """Steps learned from; the schedules are functions of them."""
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

    @property
    def entropy_weight(self) -> float:
        """The entropy's weight in the loss of the next update."""
        s = self.settings
        return linear(s.entropy, s.entropy_end, s.anneal_steps, self._env_steps)

    def seed(self, rng: np.random.Generator) -> None:
        """An episode begins: take actions and minibatches from `rng` from now on, and remember nothing."""
        self._rng, self._memory, self._acted = rng, nothing(1, self.spaces), None

    def act(self, state: State, *, explore: bool, mask: Bools | None = None) -> int:
        """An action drawn from the policy, or its likeliest.

        Args:
            mask: Which actions are allowed, bool (actions,); for an environment that has masks.
        """
        memory = self._memory
        logits = self.logits(told(state[None], memory), None if mask is None else mask[None])
        if explore:
            actions, log_probs = sample(logits, self._rng)
        else:
            actions = logits.argmax(axis=1)
            log_probs = log_probs_of(logits, actions)
        self._acted = _Acted(int(actions[0]), float(log_probs[0]), mask, memory)
        self._memory = remembered(memory, actions)
        return int(actions[0])

    def act_in_all(self, states: Floats, masks: Bools | None) -> tuple[NDArray[np.int64], Floats]:
        """An action for each of n states, drawn from the policy, and its log-probability; arguments as in `logits`."""
        return sample(self.logits(states, masks), self._rng)

    def best_in_all(self, states: Floats) -> NDArray[np.int64]:
        """The likeliest action in each of n states, (n, features), where all actions are allowed."""
        likeliest: NDArray[np.int64] = self.logits(states, None).argmax(axis=1)
        return likeliest

    def logits(self, states: Floats, masks: Bools | None) -> Floats:
        """(n, actions): the log-probabilities but for a constant.

        Args:
            states: With what is remembered, as `agents.ppo.memory.told` joins them.
            masks: bool (n, actions); None where there are none.
        """
        if (masks is not None) != self.spaces.masked:
            raise AgentError(f"ppo: a mask is {'needed' if self.spaces.masked else 'unknown'} in {self.spaces.id}")
        with one_thread(), torch.inference_mode():
            given = None if masks is None else torch.from_numpy(masks)
            logits: Floats = self._network.logits(torch.from_numpy(states), given).numpy()
        return logits

    def learn(self, transition: Transition) -> dict[str, float]:
        """Take the next step of an episode in; metrics once a rollout is full, which is then learned from."""
        acted, self._acted = self._acted, None
        before = self._memory if acted is None else acted.memory
        state, action = told(transition.state[None], before), np.array([transition.action])
        if acted is None or acted.action != transition.action:  # not chosen by `act`
            acted = _Acted(transition.action, float(log_probs_of(self.logits(state, None), action)[0]), None, before)
        self._memory = remembered(before, action)
        rollout, t = self._rollout, self._filled
        rollout.states[t], rollout.actions[t], rollout.log_probs[t] = state, action, acted.log_prob
        rollout.rewards[t], rollout.next_states[t] = transition.reward, told(transition.next_state[None], self._memory)
        rollout.terminated[t], rollout.ended[t] = transition.terminated, transition.terminated or transition.truncated
        rollout.masks[t] = True if acted.mask is None else acted.mask
        if rollout.ended[t]:
            self._memory = nothing(1, self.spaces)
        self._filled += 1
        self._env_steps += 1
        if self._filled < self.settings.rollout_steps:
            return {}
        self._filled = 0
        return self._update(rollout)

    def learn_from(self, rollout: Rollout) -> dict[str, float]:
        """Learn from a rollout of many environments; its metrics. What `learn` has taken in waits for its own."""
        self._env_steps += int(rollout.taken.sum())
        return self._update(rollout)

    def weights(self) -> Weights:
        """Both nets' arrays by name, copies: what a federated update consists of."""
        return self._adam.weights()

    def load_weights(self, given: Mapping[str, Any]) -> None:
        """Take both nets' arrays; optimizer, rollout and counters stay. AgentError if they do not fit.

        The rollout's steps keep the probabilities of the policy that took them, so the ratios stay right.
        """
        self._adam.load_weights(given)

    def state_dict(self) -> dict[str, Any]:
        """Everything to go on bit-exactly, between two episodes."""
        rollout = self._rollout._asdict()
        return {
            **self._identity(),
            "features": list(self.spaces.features),
            "actions": list(self.spaces.actions),
            "seed": self._seed,
            "settings": as_mapping(self.settings),
            **self._adam.state_dict(),
            "rollout": {name: _plain(rollout[name][: self._filled, 0]) for name in _COLUMNS},
            "env_steps": self._env_steps,
            "updates": self._updates,
            "rng": generator_text(self._rng),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict()`. Raises AgentError, and changes nothing, if it does not fit."""
        what = "ppo checkpoint"
        check_equal(state, {"agent": self.name}, "checkpoint")
        check_equal(state, self._identity(), what)
        check_equal(mapping(state, "settings", what), as_mapping(self.settings), what)
        adam = self._adam.read(state, what)
        counters = [count(state, name, what) for name in ("seed", "env_steps", "updates")]
        rng = generator_from(state.get("rng"), what)
        self._load_rollout(mapping(state, "rollout", what), f"{what}: rollout")
        self._adam.set(adam)
        self._seed, self._env_steps, self._updates = counters
        self._rng, self._acted, self._memory = rng, None, nothing(1, self.spaces)

    def save(self, path: Path) -> None:
        """Write `state_dict()` as a .pt file, atomically."""
        write_atomic(path, pt_file.dumps(self.state_dict()))

    def load(self, path: Path) -> None:
        """Read a file in any of `agents.saved`'s formats; AgentError if it does not fit."""
        self.load_state_dict(read_state(path))

    @classmethod
    def of_weights(cls, weights: Mapping[str, Any], what: str, spaces: Spaces = CLUSTER) -> PPO:
        """An agent with the networks of a federated update, with any layers.

        Raises:
            AgentError: not the tensors of two such networks.
        """
        agent = cls(seed=0, settings=settings_of(weights, what), spaces=spaces)
        agent.load_weights(weights)
        return agent

    def _identity(self) -> dict[str, Any]:
        return {"agent": self.name, "environment": self.spaces.id, "schema": self.spaces.schema}

    def _update(self, rollout: Rollout) -> dict[str, float]:
        rate = self.learning_rate
        with one_thread():
            metrics = update(
                self._network,
                self._adam.optimizer,
                rollout,
                self.settings,
                masked=self.spaces.masked,
                learning_rate=rate,
                entropy_weight=self.entropy_weight,
                anchor=self._adam.anchor,
                rng=self._rng,
            )
        self._updates += 1
        return {**metrics, "learning_rate": rate}

    def _load_rollout(self, state: Mapping[str, Any], what: str) -> None:
        rewards = state.get("rewards")
        filled = len(rewards) if isinstance(rewards, np.ndarray) and rewards.ndim else 0
        if filled >= self.settings.rollout_steps:
            raise AgentError(f"{what}: {filled} steps, an update comes after {self.settings.rollout_steps}")
        columns: dict[str, NDArray[Any]] = self._rollout._asdict()
        read = {}
        for name in _COLUMNS:
            column = columns[name][:, 0]
            dtype = np.uint8 if name in _FLAGS else column.dtype
            read[name] = checkpoint.tensor(state.get(name), (filled, *column.shape[1:]), dtype, f"{what}: {name}")
        actions = len(self.spaces.actions)
        if filled and not 0 <= read["actions"].min() <= read["actions"].max() < actions:
            raise AgentError(f"{what}: an action that does not exist")
        if any(read[name].max(initial=0) > 1 for name in _FLAGS):
            raise AgentError(f"{what}: a flag that is neither 0 nor 1")
        for name, array in read.items():
            columns[name][:filled, 0] = array
        self._filled = filled


def _plain(column: NDArray[Any]) -> NDArray[Any]:
    """A copy as a state holds it."""
    return column.astype(np.uint8) if column.dtype == np.bool_ else column.copy()
