"""Flower's average of the same updates, for comparison; Flower is no dependency of ours, see docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version as installed
from importlib.util import find_spec
from math import prod

import numpy as np

Shapes = dict[str, tuple[int, ...]]

MOST_BYTES = 2 << 30
"""Rounds beyond it are left out: Flower holds all replies of a round."""


def is_there() -> bool:
    """Whether Flower is installed."""
    return find_spec("flwr") is not None


def bytes_of(shapes: Shapes, n: int) -> int:
    """What n replies hold."""
    return 4 * n * sum(prod(shape) for shape in shapes.values())


def version() -> str:
    """Of what is installed."""
    return installed("flwr")


def round_of(shapes: Shapes, n: int) -> Callable[[], object]:
    """What a strategy of Flower's message API does with n replies: from their arrays' bytes to those of the average."""
    from flwr.app import Array, ArrayRecord, MetricRecord, RecordDict
    from flwr.serverapp.strategy.strategy_utils import aggregate_arrayrecords

    replies = []
    for seed in range(n):
        rng = np.random.default_rng(seed)
        arrays = {name: Array(rng.standard_normal(shape, np.float32)) for name, shape in shapes.items()}
        replies.append(RecordDict({"arrays": ArrayRecord(arrays), "metrics": MetricRecord({"num-examples": 1000})}))
    return lambda: aggregate_arrayrecords(replies, "num-examples")
