"""What the attacker sends in place of weights and states: of integers, and of a learner's tensors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.saved import checkpoint
from infra.proof.tiny_learner import FIRST
from protocol.rounds.updates import max_update_bytes
from protocol.wire.federation_documents import Federation


@dataclass(frozen=True)
class Forgeries:
    """Bodies.

    Attributes:
        weights: What it would have the model be: far from any honest weights, and fit to be averaged.
        odd: What is no update.
        states: What is no state, or another one.
    """

    weights: bytes
    odd: tuple[bytes, ...]
    states: tuple[bytes, ...]


def forgeries_of(wanted: Federation) -> Forgeries:
    """What fits, or nearly fits, what the federation averages."""
    huge = b"1" * (max_update_bytes(wanted) + 1)
    if wanted.training.learner is None:
        return Forgeries(
            weights=b"4000000000",
            odd=(b"nan", b"", b"poison", huge, b"9" * 5000),
            states=(b"{}", b"poison", b'{"value": 1, "private": "", "episode": 999, "done": []}'),
        )
    far = np.full(2, 4e9, np.float32)
    fit = {"slope": far, "bias": far}
    others = (
        {**fit, "bias": np.full(2, np.nan, np.float32)},
        {**fit, "bias": np.full(2, np.inf, np.float32)},
        {**fit, "bias": np.full((2, 1), 4e9, np.float32)},
        {**fit, "bias": np.full(2, 4e9)},
        {**fit, "bias": np.array(4e9, np.float32)},
        {**fit, "more": far},
        {"slope": far, "Bias": far},
        {"slope": far},
    )
    state = {"learner": fit, "history": {}, "epoch": 999, "name": "tiny"}
    return Forgeries(
        weights=checkpoint.write(fit),
        odd=(
            b"",
            b"\xff" * 64,
            FIRST[:-1],
            huge,
            checkpoint.dumps({**fit, "state": 1}),
            *(checkpoint.write(each) for each in others),
        ),
        states=(b"{}", b"poison", checkpoint.dumps(state)),
    )
