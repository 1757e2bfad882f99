"""A round's aggregate: from the bytes of its updates to those of the global weights, by the federation's strategy.

It is a function of the updates in member order, the weights the round started from and the server's state: every closer
gets the same bytes. Robust strategies hold all updates of a round, which `ROBUST_BYTES` bounds; the others
hold one at a time.
"""

from __future__ import annotations

import math
from functools import lru_cache
from importlib import import_module

import numpy as np
import numpy.typing as npt

from agents.kinds import Networks, agent_kind
from agents.saved import checkpoint
from agents.saved.checkpoint import Body, Shape
from env.errors import AgentError, one_line
from protocol.rounds.aggregate import Aggregated, RoundInputs
from protocol.rounds.updates import max_update_bytes
from protocol.strategies.means import Combination, Floats, RoundStart, Spans, Update, Vector
from protocol.wire.bucket import WEIGHTS_BYTES
from protocol.wire.errors import BadDocument
from protocol.wire.federation_documents import Federation

_STATE = "the server's state"


class RoundAggregate:
    """The strategy's combination of vectors, with bytes on both sides.

    Raises:
        BadDocument: `before` holds other tensors, or cannot be read safely.
    """

    def __init__(self, federation: Federation, before: RoundInputs) -> None:
        self._model = Model(federation)
        start = self._model.start(federation, before)
        try:
            strategy = import_module(f"protocol.strategies.{federation.strategy.module}")
            self._combined: Combination = strategy.Combined(start)
        except ValueError as error:
            raise BadDocument(f"{_STATE}: {error}") from error

    def add(self, update: Body, weight: int) -> None:
        self._combined.add(self._model.read(update, "update"), weight)

    def finish(self) -> Aggregated:
        try:
            found = self._combined.finish()
        except ValueError as error:
            raise BadDocument(f"{_STATE}: {error}") from error
        state = None if found.state is None else checkpoint.write(found.state)
        return Aggregated(self._model.write(found.weights), state)


class Model:
    """The federation's tensors, all float32 and finite, laid end to end in one vector."""

    def __init__(self, federation: Federation) -> None:
        self.shapes = {spec.name: spec.shape for spec in federation.model}
        self.size = sum(spec.elements for spec in federation.model)
        self.max_bytes = max_update_bytes(federation)
        self._key = tuple(self.shapes.items())

    def read(self, body: Body, what: str) -> Update:
        """The vector of an update, which lies in `body`.

        Raises:
            BadDocument: it cannot be read safely, has other tensors, or numbers that are not finite.
        """
        return self._read(body, what, self.max_bytes)

    def _read(self, body: Body, what: str, max_bytes: int) -> Update:
        try:
            spans = _spans(checkpoint.header_of(body, what, max_bytes), len(body), self._key, what)
            update = Update(np.frombuffer(body, np.float32, len(body) // 4), spans)
            if not update.finite():
                names = (
                    name
                    for name, (start, end) in zip(self.shapes, spans, strict=True)
                    if not np.isfinite(update.numbers[start:end]).all()
                )
                raise AgentError(f"{what}: {next(names)}: holds numbers that are not finite")
        except AgentError as error:
            raise BadDocument(str(error)) from error
        return update

    def write(self, vector: Floats) -> bytes:
        """Its tensors; equal vectors give equal bytes."""
        header, parts = _frame(self._key)
        return b"".join((header, *(vector[start:stop].data for start, stop in parts)))

    def start(self, federation: Federation, before: RoundInputs) -> RoundStart:
        """What a round starts from, for a strategy that builds on it.

        Raises:
            BadDocument: as `read`.
        """
        names = federation.strategy.state
        if not names:
            return RoundStart(self.size, np.empty(0, np.float32), np.empty(0, np.bool_), None)
        networks = None if federation.training.learner else _networks(federation)
        online = self._mask(networks.TRAINED if networks else "")
        state = None if before.server_state is None else _read_state(before.server_state, names, int(online.sum()))
        weights = self._start_weights(networks, federation.training.seed, before.weights)
        return RoundStart(self.size, weights, online, state)

    def _start_weights(self, networks: Networks | None, seed: int, body: bytes | None) -> Floats:
        if body is not None:
            return self._read(body, "the weights that the round started from", WEIGHTS_BYTES).vector()
        if networks is None:
            raise BadDocument("a federation of a learner names the weights that it starts from; submit it again")
        drawn = networks.initial_weights(self.shapes, seed)
        return np.concatenate([drawn[name].ravel() for name in self.shapes])

    def _mask(self, prefix: str) -> npt.NDArray[np.bool_]:
        """Which places of the vector belong to tensors whose name begins so."""
        parts = [np.full(math.prod(shape), name.startswith(prefix)) for name, shape in self.shapes.items()]
        return np.concatenate(parts)


def _networks(federation: Federation) -> Networks:
    """Of the federation's agent; BadDocument if that is not known here or has none."""
    try:
        return agent_kind(federation.training.agent).known_networks()
    except AgentError as error:
        raise BadDocument(str(error)) from error


@lru_cache(maxsize=16)
def _frame(shapes: tuple[tuple[str, Shape], ...]) -> tuple[bytes, list[tuple[int, int]]]:
    """The header of a file of these tensors, and the parts of the vector that follow it, in the file's order."""
    body = checkpoint.write({name: np.zeros(shape, np.float32) for name, shape in shapes})
    header = checkpoint.header_of(body, "weights", len(body))
    stops = np.cumsum([math.prod(shape) for _, shape in shapes]).tolist()
    parts = {name: (stop - math.prod(shape), stop) for (name, shape), stop in zip(shapes, stops, strict=True)}
    return header, [parts[name] for name in checkpoint.parse(header, len(body), "weights").places]


@lru_cache(maxsize=16)
def _spans(header: bytes, size: int, shapes: tuple[tuple[str, Shape], ...], what: str) -> Spans:
    """Where the numbers of these tensors start and end in a file that begins so, counted in float32.

    Parsed once for all updates of a model, since their headers are equal; what does not fit is not remembered.

    Raises:
        AgentError: there are other tensors, or it is damaged.
    """
    places, plain = checkpoint.parse(header, size, what)
    wanted = dict(shapes)
    if plain:
        raise AgentError(f"{what}: holds more than tensors; {one_line(min(plain), 200)!r} is unknown")
    checkpoint.check_names(places, wanted, what)
    for name, shape in shapes:
        checkpoint.check_kind(places[name].dtype, places[name].shape, np.float32, shape, f"{what}: {name}")
    return np.array([(places[name].start // 4, places[name].stop // 4) for name in wanted], np.int64)


def _read_state(body: bytes, names: tuple[str, ...], size: int) -> dict[str, Vector]:
    """The vectors that a strategy kept, float64 (size,) and finite; BadDocument if they are not."""
    try:
        content = checkpoint.loads(body, _STATE, 8 * size * len(names) + 65_536)
        checkpoint.check_names(content, dict.fromkeys(names, ()), _STATE)
        return {name: checkpoint.tensor(content[name], (size,), np.float64, f"{_STATE}: {name}") for name in names}
    except AgentError as error:
        raise BadDocument(str(error)) from error
