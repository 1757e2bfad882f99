"""A torch network with Adam, as agents keep it: tensors by name, and everything to go on from bit-exactly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from agents.saved import checkpoint
from agents.saved.fields import count, mapping
from env.errors import AgentError

Weights = dict[str, NDArray[np.float32]]

_EPSILON = 1e-5  # CleanRL's and the original implementation's of PPO; torch has 1e-8
_MOMENTS = ("exp_avg", "exp_avg_sq")  # Adam's, as torch names them


@contextmanager
def one_thread() -> Iterator[None]:
    """torch on one thread: its sums are then in the same order on any number of cores, and small nets lose nothing."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def make_optimizer(network: nn.Module) -> torch.optim.Adam:
    """Adam; its step size is set by each update."""
    return torch.optim.Adam(network.parameters(), eps=_EPSILON, fused=True)


class Adam:
    """A network, its optimizer, and the weights that were loaded last.

    Args:
        network: Of torch; its named parameters have the names and shapes of `shapes`.
        shapes: Of all tensors.
        weights: It starts with.

    Attributes:
        optimizer: Its step size is set by each update.
        anchor: The weights that were loaded last, for a proximal term.
    """

    def __init__(self, network: nn.Module, shapes: Mapping[str, tuple[int, ...]], weights: Weights) -> None:
        self._shapes = shapes
        self._tensors = dict(network.named_parameters())
        self.optimizer = make_optimizer(network)
        self.anchor: dict[str, torch.Tensor] = {}
        self._set_weights(weights)
        zeros = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
        self._set_moments(0, zeros, zeros)

    def weights(self) -> Weights:
        """The tensors by name, copies."""
        return {name: tensor.detach().numpy().copy() for name, tensor in self._tensors.items()}

    def load_weights(self, given: Mapping[str, Any]) -> None:
        """Take tensors; the optimizer stays. AgentError if they do not fit."""
        self._set_weights(checkpoint.tensors(given, self._shapes, "weights"))

    def pull(self, proximal: float) -> None:
        """Add the gradient of proximal / 2 x the squared distance to the anchor (Li et al., arXiv 1812.06127)."""
        for name, tensor in self._tensors.items():
            assert tensor.grad is not None  # noqa: S101 (all take part in the loss)
            tensor.grad += proximal * (tensor.detach() - self.anchor[name])

    def state_dict(self) -> dict[str, Any]:
        """Weights, anchor and moments."""
        moments = {name: self.optimizer.state[tensor] for name, tensor in self._tensors.items()}
        first = next(iter(moments.values()))
        return {
            "weights": self.weights(),
            "anchor": {name: tensor.numpy().copy() for name, tensor in self.anchor.items()},
            "optimizer": {
                "steps": int(first["step"]),
                **{part: {name: of[part].numpy().copy() for name, of in moments.items()} for part in _MOMENTS},
            },
        }

    def read(self, state: Mapping[str, Any], what: str) -> State:
        """Check a part of a state as `state_dict` makes it; nothing is changed.

        Raises:
            AgentError: It does not fit.
        """
        optimizer = mapping(state, "optimizer", what)
        weights, anchor = (checkpoint.tensors(state.get(name), self._shapes, what) for name in ("weights", "anchor"))
        moments = [checkpoint.tensors(optimizer.get(part), self._shapes, f"{what}: {part}") for part in _MOMENTS]
        if any(array.min() < 0 for array in moments[1].values()):
            raise AgentError(f"{what}: exp_avg_sq has negative numbers, which are no means of squares")
        return State(weights, anchor, count(optimizer, "steps", what), moments[0], moments[1])

    def set(self, state: State) -> None:
        """Go on from a state."""
        self._set_weights(state.weights)
        self.anchor = {name: torch.from_numpy(array.copy()) for name, array in state.anchor.items()}
        self._set_moments(state.steps, state.means, state.squares)

    def _set_weights(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        with torch.no_grad():
            for name, tensor in self._tensors.items():
                tensor.copy_(torch.from_numpy(weights[name].copy()))
        self.anchor = {name: tensor.detach().clone() for name, tensor in self._tensors.items()}

    def _set_moments(self, steps: int, means: Weights, squares: Weights) -> None:
        for name, tensor in self._tensors.items():
            parts = dict(zip(_MOMENTS, (means, squares), strict=True))
            self.optimizer.state[tensor] = {
                "step": torch.tensor(float(steps)),
                **{part: torch.from_numpy(of[name].copy()) for part, of in parts.items()},
            }


class State(NamedTuple):
    """A checked state of `Adam`."""

    weights: Weights
    anchor: Weights
    steps: int
    means: Weights
    squares: Weights
