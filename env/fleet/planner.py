"""Identify, then plan: fit what services use from a few replays, anneal on the fit in the engine, replay the plan.

use = base + load / replicas is fitted to what was measured, by least squares of relative errors. A replay also tells
which requests were enough; as they move in steps, use is within the last step below them. The first replay is of the
replicas as they are; the second has half as many more, so that there is something to fit. Each further one is the plan
of the fit so far, or one near it where that plan was replayed already.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env.actions import CPU_STEP_M
from env.fleet.rules import requests_of
from env.fleet.search import search
from env.fleet.use import MEMORY_STEP_MIB
from env.fleet.variants import MOST_REPLICAS
from env.interrupt import stop_if_asked

REPLAYS = 8
PLANNED_WITH = 2_400
"""Replays in the engine of what is thought to be so, for one plan."""

_STEPS = {"cpu_m": (0, CPU_STEP_M, "cpu_offset_m"), "memory_mib": (1, MEMORY_STEP_MIB, "memory_offset_mib")}
"""Which of `requests_of`, their steps, and what these are counted from."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def plan(
    problems: NDArray[Any],
    replays: int = REPLAYS,
    noise: float = 0.0,
    seed: int = 0,
    on_replay: Callable[[Ints, Ints], None] = lambda replicas, nodes: None,
) -> Ints:
    """The fewest nodes that were found after each replay.

    Args:
        problems: Of `env.fleet.draw.PROBLEM`, (n,).
        replays: Of the services as they are; each on the nodes that it needs.
        noise: Standard deviation of the logarithm of what is measured. Requests that were enough have none.
        seed: Of measurements and of plans.
        on_replay: Gets the replicas of each replay, (n, MOST_SERVICES), and the nodes that they need, (n,).

    Returns:
        Shape (replays, n).
    """
    rng = np.random.default_rng([seed, len(problems)])
    replicas = problems["start"].copy()
    tried: list[Ints] = []
    measured: list[tuple[Floats, Floats]] = []
    found: list[Ints] = []
    for number in range(replays):
        stop_if_asked()
        found.append(search(problems, replicas).nodes)
        on_replay(replicas, found[-1])
        tried.append(replicas)
        measured.append(
            (
                _measured(problems, "cpu_m", replicas, noise, rng),
                _measured(problems, "memory_mib", replicas, noise, rng),
            )
        )
        if number == 0:
            replicas = np.minimum(replicas + np.maximum(replicas // 2, 1), MOST_REPLICAS)
        elif number + 1 < replays:
            fits = _fitted(problems, np.stack(tried), measured)
            start = np.maximum(replicas, fits["fewest"])
            planned = search(fits, start, PLANNED_WITH, seed=(seed << 16) + number, anneals=True).replicas
            replicas = _not_again(np.maximum(planned, problems["fewest"]), tried, problems, rng)
    return np.minimum.accumulate(np.stack(found), axis=0)


def fit(replicas: Ints, use: Floats) -> tuple[Floats, Floats]:
    """Base and load of each series of measurements, at least 0.

    Args:
        replicas, use: Shape (measurements, …), of positive numbers.
    """
    per_base, per_load = 1 / use, 1 / (use * replicas)
    bases, both, loads = (per_base**2).sum(axis=0), (per_base * per_load).sum(axis=0), (per_load**2).sum(axis=0)
    base_sum, load_sum = per_base.sum(axis=0), per_load.sum(axis=0)
    scale = bases * loads - both * both
    tells = scale > 1e-9 * bases * loads  # else all measurements are at the same replicas
    safe = np.where(tells, scale, 1.0)
    base = np.where(tells, (base_sum * loads - load_sum * both) / safe, 0.0)
    load = np.where(tells, (load_sum * bases - base_sum * both) / safe, load_sum / loads)
    base, load = np.where(load < 0, base_sum / bases, base), np.maximum(load, 0.0)
    return np.maximum(base, 0.0), np.where(base < 0, load_sum / loads, load)


def _measured(problems: NDArray[Any], name: str, replicas: Ints, noise: float, rng: np.random.Generator) -> Floats:
    """Use as it was measured, where the requests that were enough don't say that it was less or more."""
    replicas = replicas.clip(1)
    use = problems[f"base_{name}"] + -(-problems[f"load_{name}"] // replicas)
    measured = np.maximum(use, 1) * np.exp(rng.normal(0.0, noise, use.shape))
    which, step, offset = _STEPS[name]
    asked = np.take_along_axis(requests_of(problems)[which], replicas[:, :, np.newaxis] - 1, axis=2)[:, :, 0]
    least = np.where(asked > problems[offset], asked - step + 1, 1)
    return np.asarray(np.clip(measured, least, asked.clip(1)), np.float64)


def _fitted(problems: NDArray[Any], tried: Ints, measured: list[tuple[Floats, Floats]]) -> NDArray[Any]:
    """Problems with what is thought that services use."""
    fits = problems.copy()
    for name, uses in zip(("cpu_m", "memory_mib"), zip(*measured, strict=True), strict=True):
        base, load = fit(tried.clip(1), np.stack(uses))
        fits[f"base_{name}"], fits[f"load_{name}"] = np.ceil(base), np.ceil(load)
    cpu_m, memory_mib = requests_of(fits)
    fits_node = np.ones(cpu_m.shape, np.bool_)
    for name, asked in (("cpu_m", cpu_m), ("memory_mib", memory_mib)):
        room = problems[name][:, 0] - problems["daemons"] * problems[f"daemon_{name}"]
        fits_node &= asked <= room[:, np.newaxis, np.newaxis]
    fewest = np.where(fits_node.any(axis=2), 1 + fits_node.argmax(axis=2), MOST_REPLICAS)
    fits["fewest"] = np.maximum(problems["fewest"], fewest)
    return fits


def _not_again(replicas: Ints, tried: list[Ints], problems: NDArray[Any], rng: np.random.Generator) -> Ints:
    """The configurations, with some replicas changed by one in those that were replayed already."""
    again = np.any([(each == replicas).all(axis=1) for each in tried], axis=0)
    moved = np.clip(replicas + rng.integers(-1, 2, replicas.shape), problems["fewest"], MOST_REPLICAS)
    return np.where(again[:, np.newaxis], moved, replicas)
