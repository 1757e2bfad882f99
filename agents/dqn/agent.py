"""DQN: Q-learning with a neural network, a replay buffer and a target network.

Mnih et al., Nature 2015 (replay, target network); by setting double Q-learning (van Hasselt et al., AAAI 2016), n-step
returns (Sutton 1988), advantage learning (Bellemare et al., AAAI 2016), prioritised replay (Schaul et al., ICLR 2016).
Deviations: Huber loss, Adam, and the value of a truncated episode is bootstrapped (Pardo et al., ICML 2018).
`agents.dqn.kernel` has the arithmetic.

Equal seeds and transitions give equal bits, on any machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.agent import State, Transition
from agents.dqn import kernel
from agents.dqn.kernel import Batch, Moments, Networks, Objective, Workspace
from agents.dqn.network import NETS, Weights, initial_weights, layout, settings_of
from agents.dqn.replay import Replay
from agents.dqn.settings import DQNSettings
from agents.saved import checkpoint
from agents.saved.fields import check_equal, check_features, count, generator_from, generator_text, mapping
from agents.saved.files import write_atomic
from agents.saved.formats import read_state
from agents.settings import as_mapping, linear, parse_settings, without_retired
from env.actions import Action
from env.errors import AgentError
from env.gym.features import STATE_DIM, STATE_FEATURES

Vector = NDArray[np.float32]


class DQN:
    """The agent. `settings` are those of `DQNSettings`; equal seeds give equal initial weights."""

    name = "dqn"
    learns = True

    def __init__(self, *, seed: int, settings: DQNSettings | Mapping[str, Any] | None = None) -> None:
        if not isinstance(settings, DQNSettings):
            settings = parse_settings(DQNSettings, settings)
        self.settings = s = settings
        self._shapes = layout(s)
        self._of_one_net = {name: shape for name, shape in self._shapes.items() if name.startswith(NETS[0])}
        self._widths = np.array([STATE_DIM, *s.hidden, len(Action)])
        widest = max(max(s.batch_size, m) * n for n, m in zip(self._widths, self._widths[1:], strict=False))
        layers = s.batch_size * int(self._widths.sum())
        self._workspace = Workspace(*(np.zeros(size, np.float32) for size in (layers, layers, widest)))
        self._objective = Objective(s.double, s.action_gap, s.proximal)
        self._acting = np.zeros(int(self._widths.sum()), np.float32)
        first = initial_weights(self._shapes, seed)
        self._nets = {net: self._joined(first, net) for net in NETS}
        self._anchor = self._nets["q_net"].copy()
        self._moments = np.zeros((2, len(self._anchor)), np.float32)
        self._beta_powers = np.ones(2)
        self._replay = Replay(s.replay_size, s.n_step, s.gamma, s.priority)
        self._rng = np.random.default_rng(seed)
        self._env_steps = 0
        self._train_steps = 0

    @property
    def env_steps(self) -> int:
        """Transitions learned from; epsilon is a function of them."""
        return self._env_steps

    @property
    def train_steps(self) -> int:
        """Gradient steps taken."""
        return self._train_steps

    @property
    def epsilon(self) -> float:
        """Probability of a random action at the next exploring step."""
        s = self.settings
        return linear(s.epsilon_start, s.epsilon_end, s.epsilon_steps, self._env_steps)

    def seed(self, rng: np.random.Generator) -> None:
        """Take exploration and batches from `rng` from now on."""
        self._rng = rng

    def act(self, state: State, *, explore: bool) -> int:
        """The action of the highest Q-value, or with probability epsilon a random one."""
        if explore and self._rng.random() < self.epsilon:
            return int(self._rng.integers(len(Action)))
        return int(self.q_values(state).argmax())

    def q_values(self, state: State) -> State:
        """Q-value of every action, float32 (actions,); valid until the next call."""
        q: State = kernel.act(self._nets["q_net"], self._widths, self._acting, state[None])[0]
        return q

    def learn(self, transition: Transition) -> dict[str, float]:
        """Take the next step of an episode in and train; epsilon always, loss and q_mean if it did."""
        s = self.settings
        self._replay.add(transition)
        self._env_steps += 1
        metrics = {"epsilon": self.epsilon}
        ready = self._replay.size >= max(s.batch_size, s.learning_starts)
        if ready and self._env_steps % s.train_every == 0:
            steps = [self._gradient_step() for _ in range(s.updates)]
            metrics["loss"] = sum(loss for loss, _ in steps) / len(steps)
            metrics["q_mean"] = sum(q for _, q in steps) / len(steps)
        return metrics

    def weights(self) -> Weights:
        """Both nets' arrays by name, copies: what a federated update consists of."""
        return {f"{net}.{name}": t for net in NETS for name, t in self._split(self._nets[net]).items()}

    def load_weights(self, given: Mapping[str, Any]) -> None:
        """Take both nets' arrays; optimizer, replay and counters stay. AgentError if they do not fit."""
        weights = checkpoint.tensors(given, self._shapes, "weights")
        for net in NETS:
            self._nets[net][:] = self._joined(weights, net)
        self._anchor[:] = self._nets["q_net"]

    def state_dict(self) -> dict[str, Any]:
        """Everything to go on bit-exactly, between two episodes."""
        return {
            "agent": self.name,
            "features": list(STATE_FEATURES),
            "settings": as_mapping(self.settings),
            "weights": self.weights(),
            "anchor": self._named(self._anchor),
            "optimizer": {
                "beta_powers": self._beta_powers.tolist(),
                "exp_avg": self._named(self._moments[0]),
                "exp_avg_sq": self._named(self._moments[1]),
            },
            "replay": self._replay.state_dict(),
            "env_steps": self._env_steps,
            "train_steps": self._train_steps,
            "rng": generator_text(self._rng),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict()`. Raises AgentError, and changes nothing, if it does not fit."""
        what = "dqn checkpoint"
        check_equal(state, {"agent": self.name}, "checkpoint")
        check_features(state.get("features"), STATE_FEATURES, what)
        stored = without_retired(DQNSettings, mapping(state, "settings", what))
        check_equal(stored, as_mapping(self.settings), what)
        optimizer = mapping(state, "optimizer", what)
        weights = checkpoint.tensors(state.get("weights"), self._shapes, what)
        nets = {net: self._joined(weights, net) for net in NETS}
        anchor = self._read(state, "anchor", what)
        moments = [self._read(optimizer, name, what) for name in ("exp_avg", "exp_avg_sq")]
        if moments[1].min() < 0:
            raise AgentError(f"{what}: exp_avg_sq has negative numbers, which are no means of squares")
        powers = _powers(optimizer.get("beta_powers"), what)
        env_steps, train_steps = count(state, "env_steps", what), count(state, "train_steps", what)
        rng = generator_from(state.get("rng"), what)
        self._replay.load_state_dict(mapping(state, "replay", what), f"{what}: replay")
        self._nets, self._anchor, self._moments, self._beta_powers = nets, anchor, np.stack(moments), powers
        self._env_steps, self._train_steps, self._rng = env_steps, train_steps, rng

    def save(self, path: Path) -> None:
        """Write `state_dict()` as a .pt file, atomically."""
        from agents.saved import pt_file  # torch

        write_atomic(path, pt_file.dumps(self.state_dict()))

    @classmethod
    def of_weights(cls, weights: Mapping[str, Any], what: str) -> DQN:
        """An agent with the networks of a federated update, with any layers.

        Raises:
            AgentError: not the tensors of two such networks.
        """
        agent = cls(seed=0, settings=settings_of(weights, what))
        agent.load_weights(weights)
        return agent

    def load(self, path: Path) -> None:
        """Read a .pt file; AgentError if it does not fit."""
        self.load_state_dict(read_state(path))

    def _gradient_step(self) -> tuple[float, float]:
        """One step of Adam on one batch; its loss and mean Q-value."""
        s = self.settings
        rows, weights = self._replay.sample(self._rng, s.batch_size)
        errors, loss, q_mean = kernel.gradient_step(
            Networks(self._nets["q_net"], self._nets["target_net"], self._anchor, self._widths),
            Moments(self._moments[0], self._moments[1], self._beta_powers),
            Batch(self._replay.columns, rows, weights),
            self._objective,
            s.learning_rate / (1.0 + self._train_steps / s.halving_steps),
            self._workspace,
        )
        self._replay.learned(rows, errors)
        self._train_steps += 1
        if self._train_steps % s.target_every == 0:
            target = self._nets["target_net"]
            target += np.float32(s.target_tau) * (self._nets["q_net"] - target)
        return loss, q_mean

    def _split(self, vector: Vector) -> Weights:
        """A net as arrays of their own, weights as (outputs, inputs) as torch has them."""
        arrays, at = {}, 0
        for layer, (n, m) in enumerate(zip(self._widths[:-1].tolist(), self._widths[1:].tolist(), strict=True)):
            weight, at = vector[at : at + n * m].reshape(n, m), at + n * m
            arrays[f"{2 * layer}.weight"] = weight.T.copy(order="C")
            arrays[f"{2 * layer}.bias"], at = vector[at : at + m].copy(), at + m
        return arrays

    def _joined(self, weights: Weights, net: str) -> Vector:
        """The vector of the arrays of one net."""
        return np.concatenate([array.T.ravel() for name, array in weights.items() if name.startswith(net)])

    def _named(self, vector: Vector) -> Weights:
        return {f"{NETS[0]}.{name}": array for name, array in self._split(vector).items()}

    def _read(self, state: Mapping[str, Any], name: str, what: str) -> Vector:
        return self._joined(checkpoint.tensors(state.get(name), self._of_one_net, f"{what}: {name}"), NETS[0])


def _powers(given: object, what: str) -> NDArray[np.float64]:
    """Adam's betas to the number of its steps; AgentError if they cannot be."""
    if isinstance(given, list) and len(given) == 2 and all(isinstance(p, float) and 0.0 <= p <= 1.0 for p in given):
        return np.array(given)
    raise AgentError(f"{what}: beta_powers are not two numbers from 0 to 1")
