"""Series of use to compare rules on: recorded memory, and generated CPU."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from pathlib import Path

import numpy as np
import numpy.typing as npt

from env.quantity import GIB

Floats = npt.NDArray[np.float64]
Series = tuple[Floats, Floats]

LIMIT = 16 * GIB
"""What a utilisation of 1 is taken for; the recording does not say it. Only buckets and minima depend on it."""
STEP_S = 300.0


def recorded_memory(path: Path) -> list[Series]:
    """The memory of pods that were measured at least 1,000 times and used any, bytes."""
    rows = defaultdict(list)
    with gzip.open(path, "rt") as file:
        for row in csv.DictReader(file):
            rows[row["pod"]].append((float(row["seconds"]), float(row["memory_utilisation"])))
    found = (np.array(sorted(each)) for each in rows.values() if len(each) >= 1000)
    return [(each[:, 0], each[:, 1] * LIMIT) for each in found if each[:, 1].max() > 0]


def generated_cpu(kind: str, seed: int, days: int = 14) -> Series:
    """Cores in steps of five minutes: a level, its rhythm, and noise of a tenth that lasts half an hour or so."""
    draw = np.random.default_rng((seed, sum(kind.encode())))
    seconds = np.arange(days * 86_400 / STEP_S) * STEP_S
    level, phase = draw.uniform(0.05, 2), draw.uniform(0, 2 * np.pi)
    day = seconds / 86_400
    shape = {
        "steady": np.ones_like(day),
        "daily": 1 + 0.8 * np.sin(2 * np.pi * day + phase),
        "weekdays": (1 + 0.8 * np.sin(2 * np.pi * day + phase)) * np.where((day % 7).astype(int) < 5, 1, 0.3),
        "bursts": np.where(draw.random(len(day)) < 0.03, 6.0, 0.5),
        "growing": 1 + 0.03 * day,
    }[kind]
    noise = np.convolve(draw.normal(0, 0.1 * np.sqrt(6), len(day) + 5), np.ones(6) / 6, "valid")
    return seconds, np.maximum(level * shape * (1 + noise), 0.001)


CPU_KINDS = ("steady", "daily", "weekdays", "bursts", "growing")
