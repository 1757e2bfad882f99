"""Double DQN: Q-learning with a neural network, a replay buffer and a target network.

Mnih et al., Nature 2015 (replay, target network); van Hasselt et al., AAAI 2016 (double Q-learning).
Deviations: Huber loss, Adam, several gradient steps per environment step, and the value of a truncated
episode is bootstrapped (Pardo et al., ICML 2018).

Equal seeds and transitions give equal bits: one thread, and every array that torch multiplies is
allocated by torch, since BLAS kernels may sum in another order at another alignment.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import smooth_l1_loss

from agents import checkpoint
from agents.agent import State, Transition
from agents.fields import check_equal, count, generator_from, generator_text, mapping
from agents.files import read_bounded, write_atomic
from agents.network import NETS, hidden_of, initial_weights, layout, net_layout
from agents.settings import DQNSettings, as_mapping, epsilon, parse_settings
from env.actions import Action
from env.errors import AgentError
from env.observation import STATE_DIM, STATE_FEATURES


class Batch(NamedTuple):
    """Columns of n transitions: states (n, STATE_DIM), actions (n, 1) int64, the others (n,); float32."""

    states: Tensor
    actions: Tensor
    rewards: Tensor
    next_states: Tensor
    continues: Tensor
    """0 where the episode terminated, else 1."""


class Replay:
    """The last `capacity` transitions, in memory that is allocated once."""

    def __init__(self, capacity: int) -> None:
        self.columns = _empty_columns(capacity)
        self.capacity = capacity
        self.size = 0
        self._next = 0
        # Rows are written through NumPy views: a scalar assignment costs a tenth of torch's.
        self._rows = tuple(checkpoint.numpy_view(column) for column in self.columns)

    def add(self, transition: Transition) -> None:
        """Keep a transition in place of the oldest one."""
        row = self._next
        states, actions, rewards, next_states, continues = self._rows
        states[row] = transition.state
        actions[row] = transition.action
        rewards[row] = transition.reward
        next_states[row] = transition.next_state
        continues[row] = not transition.terminated
        self._next = (row + 1) % self.capacity
        self.size = min(self.size + 1, self.capacity)

    def sample(self, rng: np.random.Generator, size: int) -> Batch:
        """`size` transitions drawn uniformly, with replacement."""
        rows = torch.from_numpy(rng.integers(self.size, size=size))
        return Batch(*(column[rows] for column in self.columns))

    def state_dict(self) -> dict[str, Any]:
        """The filled part and the row to be written next."""
        filled = {name: column[: self.size] for name, column in self.columns._asdict().items()}
        return {"size": self.size, "next": self._next, **filled}

    def load_state_dict(self, state: Mapping[str, Any], what: str) -> None:
        """Go on from `state_dict()`; AgentError if it is not one of a buffer of this capacity."""
        size, following = count(state, "size", what), count(state, "next", what)
        whole = size == self.capacity and following < size
        if size > self.capacity or not (whole or following == size):
            raise AgentError(f"{what}: {size} transitions, next {following}, in a buffer of {self.capacity}")
        loaded = [
            checkpoint.tensor(state.get(name), (size, *column.shape[1:]), column.dtype, f"{what}: {name}")
            for name, column in self.columns._asdict().items()
        ]
        if size and not 0 <= int(loaded[1].min()) <= int(loaded[1].max()) < len(Action):
            raise AgentError(f"{what}: an action that does not exist")
        for column, rows in zip(self.columns, loaded, strict=True):
            column[:size] = rows
        self.size, self._next = size, following


class DQN:
    """The agent. `settings` are those of `DQNSettings`; equal seeds give equal initial weights."""

    name = "dqn"
    learns = True

    def __init__(self, *, seed: int, settings: DQNSettings | Mapping[str, Any] | None = None) -> None:
        torch.set_num_threads(1)  # a second thread makes these small matrices slower
        if not isinstance(settings, DQNSettings):
            settings = parse_settings(DQNSettings, settings)
        self.settings = s = settings
        self._shapes = layout(s)
        self._nets = nn.ModuleDict({net: _mlp(s.hidden) for net in NETS})
        self._parameters = {name: p.data for name, p in self._nets.named_parameters()}
        self._q_net, self._target_net = self._nets["q_net"], self._nets["target_net"]
        self._optimizer = torch.optim.Adam(self._q_net.parameters(), lr=s.learning_rate, fused=True)
        self._replay = Replay(s.replay_size)
        self._rng = np.random.default_rng(seed)
        self._env_steps = 0
        self._train_steps = 0
        first = initial_weights(self._shapes, seed)
        self._copy_weights({name: torch.from_numpy(weight) for name, weight in first.items()})
        self._set_moments(0, {}, {})
        self._act_input, self._act_layers = _numpy_layers(self._q_net)

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
        return epsilon(self.settings, self._env_steps)

    def seed(self, rng: np.random.Generator) -> None:
        """Take exploration and batches from `rng` from now on."""
        self._rng = rng

    def act(self, state: State, *, explore: bool) -> int:
        """The action of the highest Q-value, or with probability epsilon a random one."""
        if explore and self._rng.random() < self.epsilon:
            return int(self._rng.integers(len(Action)))
        return int(self.q_values(state).argmax())

    def q_values(self, state: State) -> State:
        """Q-value of every action, float32 (7,); valid until the next call.

        NumPy on the weights' own memory: a fifth of the time torch needs for one state.
        """
        self._act_input[:] = state
        x = self._act_input
        for weight, bias, out in self._act_layers:
            np.dot(weight, x, out=out)
            np.add(out, bias, out=out)
            if out is not self._act_layers[-1][2]:
                np.maximum(out, 0, out=out)
            x = out
        return x

    def learn(self, transition: Transition) -> dict[str, float]:
        """Keep the transition and train; epsilon always, loss and q_mean if gradient steps were taken."""
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

    def weights(self) -> dict[str, Tensor]:
        """Copies of both nets' tensors by name: what a federated update consists of."""
        return {name: parameter.clone() for name, parameter in self._parameters.items()}

    def load_weights(self, given: Mapping[str, Any]) -> None:
        """Take both nets' tensors; optimizer, replay and counters stay. AgentError if they do not fit."""
        self._copy_weights(checkpoint.tensors(given, self._shapes, "weights"))

    def state_dict(self) -> dict[str, Any]:
        """Everything to go on bit-exactly."""
        step, mean, square = self._moments()
        return {
            "agent": self.name,
            "features": list(STATE_FEATURES),
            "settings": as_mapping(self.settings),
            "weights": self.weights(),
            "optimizer": {"step": step, "exp_avg": mean, "exp_avg_sq": square},
            "replay": self._replay.state_dict(),
            "env_steps": self._env_steps,
            "train_steps": self._train_steps,
            "rng": generator_text(self._rng),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict()`. Raises AgentError, and changes nothing, if it does not fit."""
        what = "dqn checkpoint"
        check_equal(state, {"agent": self.name}, "checkpoint")
        check_equal(state, {"features": list(STATE_FEATURES)}, what)
        check_equal(mapping(state, "settings", what), as_mapping(self.settings), what)
        optimizer = mapping(state, "optimizer", what)
        shapes = {name: shape for name, shape in self._shapes.items() if name.startswith("q_net.")}
        weights = checkpoint.tensors(state.get("weights"), self._shapes, what)
        mean = checkpoint.tensors(optimizer.get("exp_avg"), shapes, f"{what}: exp_avg")
        square = checkpoint.tensors(optimizer.get("exp_avg_sq"), shapes, f"{what}: exp_avg_sq")
        step = count(optimizer, "step", what)
        env_steps, train_steps = count(state, "env_steps", what), count(state, "train_steps", what)
        rng = generator_from(state.get("rng"), what)
        self._replay.load_state_dict(mapping(state, "replay", what), f"{what}: replay")
        self._copy_weights(weights)
        self._set_moments(step, mean, square)
        self._env_steps, self._train_steps, self._rng = env_steps, train_steps, rng

    def save(self, path: Path) -> None:
        """Write `state_dict()` as a .pt file, atomically."""
        write_atomic(path, checkpoint.dumps(self.state_dict()))

    @classmethod
    def of_weights(cls, weights: Mapping[str, Any], what: str) -> DQN:
        """An agent with the networks of a federated update, whatever the width of their layers.

        Raises:
            AgentError: not the tensors of two such networks.
        """
        agent = cls(seed=0, settings={"hidden": hidden_of(weights, what)})
        agent.load_weights(weights)
        return agent

    def load(self, path: Path) -> None:
        """Read a .pt file; AgentError if it does not fit."""
        self.load_state_dict(checkpoint.loads(read_bounded(path), f"checkpoint {path}"))

    def _gradient_step(self) -> tuple[float, float]:
        """One step of Adam on one batch; its loss and mean Q-value."""
        s = self.settings
        batch = self._replay.sample(self._rng, s.batch_size)
        with torch.no_grad():
            best = self._q_net(batch.next_states).argmax(dim=1, keepdim=True)
            following = self._target_net(batch.next_states).gather(1, best).squeeze(1)
            wanted = batch.rewards + s.gamma * batch.continues * following
        q = self._q_net(batch.states).gather(1, batch.actions).squeeze(1)
        loss = smooth_l1_loss(q, wanted)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._train_steps += 1
        if self._train_steps % s.target_every == 0:
            self._update_target()
        return loss.item(), q.mean().item()

    def _update_target(self) -> None:
        for name, target in self._parameters.items():
            net, _, parameter = name.partition(".")
            if net == "target_net":
                target.lerp_(self._parameters[f"q_net.{parameter}"], self.settings.target_tau)

    def _copy_weights(self, weights: Mapping[str, Tensor]) -> None:
        for name, parameter in self._parameters.items():
            parameter.copy_(weights[name])  # in place: act() looks at this memory

    def _moments(self) -> tuple[int, dict[str, Tensor], dict[str, Tensor]]:
        """Adam's step count and running moments by parameter name."""
        states = {f"q_net.{n}": self._optimizer.state[p] for n, p in self._q_net.named_parameters()}
        step = int(next(iter(states.values()))["step"].item())
        mean = {name: state["exp_avg"].clone() for name, state in states.items()}
        return step, mean, {name: state["exp_avg_sq"].clone() for name, state in states.items()}

    def _set_moments(self, step: int, mean: Mapping[str, Tensor], square: Mapping[str, Tensor]) -> None:
        for name, parameter in self._q_net.named_parameters():
            self._optimizer.state[parameter] = {
                "step": torch.tensor(float(step)),
                "exp_avg": mean.get(f"q_net.{name}", torch.zeros_like(parameter)),
                "exp_avg_sq": square.get(f"q_net.{name}", torch.zeros_like(parameter)),
            }


def _mlp(hidden: tuple[int, ...]) -> nn.Sequential:
    shapes = [shape for shape in net_layout(DQNSettings(hidden=hidden)).values() if len(shape) == 2]
    layers: list[nn.Module] = []
    for outputs, inputs in shapes:
        # Not initialised: that would draw from torch's global generator.
        linear = nn.utils.skip_init(nn.Linear, inputs, outputs)  # type: ignore[no-untyped-call]
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _numpy_layers(net: nn.Module) -> tuple[State, list[tuple[State, State, State]]]:
    """An input buffer; per layer its weight and bias (views) and an output buffer. All torch's memory."""
    linear = [layer for layer in net.modules() if isinstance(layer, nn.Linear)]
    view = checkpoint.numpy_view
    layers = [(view(m.weight), view(m.bias), view(torch.empty(m.out_features))) for m in linear]
    return view(torch.empty(STATE_DIM)), layers


def _empty_columns(capacity: int) -> Batch:
    return Batch(
        states=torch.zeros(capacity, STATE_DIM),
        actions=torch.zeros(capacity, 1, dtype=torch.int64),
        rewards=torch.zeros(capacity),
        next_states=torch.zeros(capacity, STATE_DIM),
        continues=torch.zeros(capacity),
    )
