"""A round's aggregate from the bytes of its updates, for each strategy.

It is a function of the updates in member order, the weights the round started from and the server's state: whoever
computes it gets the same bytes. `fedavg`, `uniform`, `fedprox` and `fedadam` hold one update at a time; the robust
strategies hold all of a round, which `schemas.ROBUST_BYTES` bounds.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch

from agents.dqn.network import initial_weights
from agents.saved import checkpoint
from agents.saved.frame import Frame
from env.errors import AgentError
from protocol.rounds.aggregation import Aggregate, Aggregated, RoundInputs
from protocol.rounds.updates import max_update_bytes
from protocol.strategies.fedadam import Moments, adam_step, first_moments
from protocol.strategies.means import Floats, Update, WeightedMean, median_cut, trimmed_cut, trimmed_mean
from protocol.wire.bucket import WEIGHTS_BYTES
from protocol.wire.errors import BadDocument
from protocol.wire.federation_documents import Federation, Strategy

ADAPTED = "q_net."  # fedadam steps this net; the target net is a delayed copy, of which it takes the mean

Body = bytes | memoryview  # a view: of a file that is mapped into memory, say


def aggregate_of(federation: Federation, before: RoundInputs) -> Aggregate:
    """The aggregate of a round by the federation's strategy.

    Raises:
        BadDocument: `before` holds other tensors, or cannot be read safely.
    """
    model = Model(federation)
    if federation.strategy is Strategy.FEDADAM:
        return ServerAdam(model, federation, before)
    if federation.strategy.robust:
        return Robust(model, federation.strategy)
    return Mean(model)


class Model:
    """The federation's tensors, all float32 and finite, laid end to end in one vector."""

    def __init__(self, federation: Federation) -> None:
        self.shapes = {spec.name: spec.shape for spec in federation.model}
        self.size = sum(spec.elements for spec in federation.model)
        self.max_bytes = max_update_bytes(federation)
        self._frame = _frame(tuple(self.shapes.items()))

    def read(self, body: Body, what: str) -> Update:
        """The vector of an update; it lies in `body` if that is what `checkpoint.dumps` writes.

        Raises:
            BadDocument: it cannot be read safely, has other tensors, or numbers that are not finite.
        """
        numbers = self._frame.numbers(body)
        if numbers is not None and (update := Update(numbers, self._frame.spans)).finite():
            return update
        try:
            return Update.of(self._vector(checkpoint.loads(bytes(body), what, self.max_bytes), what))
        except AgentError as error:
            raise BadDocument(str(error)) from error

    def start(self, federation: Federation, body: bytes | None) -> Floats:
        """The vector that a round starts from: see `Before.weights`.

        Raises:
            BadDocument: as `read`.
        """
        what = "the weights that the round started from"
        if body is None:
            drawn = initial_weights(self.shapes, federation.training.seed)
            return np.concatenate([drawn[name].ravel() for name in self.shapes])
        try:
            found = checkpoint.loads(body, what, WEIGHTS_BYTES)
            for inner in ("agent", "weights"):  # a user may start from a training's state or an agent's checkpoint
                found = found[inner] if isinstance(found.get(inner), dict) else found
            return self._vector(found, what)
        except AgentError as error:
            raise BadDocument(str(error)) from error

    def _vector(self, given: dict[str, object], what: str) -> Floats:
        vector, end = np.empty(self.size, np.float32), 0
        for name, tensor in checkpoint.each_tensor(given, self.shapes, what):
            start, end = end, end + tensor.numel()
            vector[start:end] = checkpoint.numpy_view(tensor).ravel()
            del given[name]  # so that no more than one tensor is there twice
        return vector

    def write(self, vector: Floats) -> bytes:
        """Its tensors in the model's order; equal vectors give equal bytes."""
        return self._frame.dumps(vector)

    def mask(self, prefix: str) -> npt.NDArray[np.bool_]:
        """Which places of the vector belong to tensors whose name begins so."""
        parts = [np.full(math.prod(shape), name.startswith(prefix)) for name, shape in self.shapes.items()]
        return np.concatenate(parts)


@lru_cache(maxsize=16)
def _frame(shapes: tuple[tuple[str, tuple[int, ...]], ...]) -> Frame:
    """Made once for all rounds of a model, since it takes as long as writing the model."""
    return Frame(dict(shapes))


class Mean:
    """FedAvg: the weighted mean (McMahan et al. 2017, arXiv 1602.05629, algorithm 1)."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._mean = WeightedMean(model.size)

    def add(self, update: Body, weight: int) -> None:
        self._mean.add(self._model.read(update, "update"), weight)

    def finish(self) -> Aggregated:
        return Aggregated(self._model.write(self._mean.rounded()))


class Robust:
    """Trimmed mean or median; the members count alike, since a weight is what a liar claims."""

    def __init__(self, model: Model, strategy: Strategy) -> None:
        self._model = model
        self._cut_of = median_cut if strategy is Strategy.MEDIAN else trimmed_cut
        self._updates: list[Floats] = []

    def add(self, update: Body, weight: int) -> None:
        self._updates.append(self._model.read(update, "update").vector())

    def finish(self) -> Aggregated:
        mean = trimmed_mean(self._updates, self._cut_of(len(self._updates)))
        return Aggregated(self._model.write(mean.astype(np.float32)))


class ServerAdam:
    """FedAdam over the weighted mean of the moves of q_net; the plain weighted mean for everything else."""

    def __init__(self, model: Model, federation: Federation, before: RoundInputs) -> None:
        self._model = model
        self._mean = WeightedMean(model.size)
        self._adapted = model.mask(ADAPTED)
        self._weights = model.start(federation, before.weights)[self._adapted].astype(np.float64)
        self._moments = _moments(before.server_state, len(self._weights))

    def add(self, update: Body, weight: int) -> None:
        self._mean.add(self._model.read(update, "update"), weight)

    def finish(self) -> Aggregated:
        result = self._mean.value()
        result[self._adapted], moments = adam_step(self._weights, result[self._adapted], self._moments)
        if (np.abs(result) > np.finfo(np.float32).max).any():
            raise BadDocument("the server's state: its moments lead to numbers that are not finite")
        state = {"first": torch.from_numpy(moments.first), "second": torch.from_numpy(moments.second)}
        return Aggregated(self._model.write(result.astype(np.float32)), checkpoint.dumps(state))


def _moments(state: bytes | None, n: int) -> Moments:
    """The server's state after the round before; None before round 1. BadDocument if it cannot be one."""
    if state is None:
        return first_moments(n)
    what = "the server's state"
    try:
        content = checkpoint.loads(state, what, 16 * n + 65_536)
        first, second = (
            checkpoint.numpy_view(checkpoint.tensor(content.get(name), (n,), torch.float64, f"{what}: {name}"))
            for name in ("first", "second")
        )
    except AgentError as error:
        raise BadDocument(str(error)) from error
    if (second < 0).any():
        raise BadDocument(f"{what}: second: a mean of squares below zero")
    return Moments(first, second)
