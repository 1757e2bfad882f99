"""The peaks of a workload's use, window by window: drawn from laws, or read from what was measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env import jit
from env.errors import ConfigError, nearest
from env.problems.philox import philox
from env.season.laws import (
    BURST_SHAPE,
    FOR_PEAKS,
    KINDS,
    LAW,
    MOST_BURST,
    RANGES,
    Ranges,
    draw_law,
    normals,
    on_grain,
    unit,
)
from env.season.variants import ALL_WINDOWS, Variant

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Series:
    """The use of n workloads, in steps.

    Attributes:
        peaks: Of fresh pods, float64 (n, ALL_WINDOWS): the warm-up, then the windows that are played.
        growth: How much higher a pod's peak is for each window of its age, float64 (n,).
        deploys: Whether a deploy starts the pods anew before a window, bool (n, ALL_WINDOWS).
        kinds: Of `env.season.laws.Kind`, int64 (n,); -1: not known.
        typical: The median of `peaks`, float64 (n,): costs are in units of it.
    """

    peaks: Floats
    growth: Floats
    deploys: Bools
    kinds: NDArray[np.int64]
    typical: Floats

    def __len__(self) -> int:
        return len(self.peaks)


@dataclass(frozen=True)
class Laws:
    """What generated series follow, for bounds that may know it.

    A fresh pod's peak is level x burst x exp(noise x a standard normal number), clipped to 1 and the variant's
    `most_peak`. A burst is 1, or with `burst_probability` 1 + min(burst_scale x P, MOST_BURST), where P is Pareto's (of
    Lomax's form) with BURST_SHAPE.

    Attributes:
        level: float64 (n, ALL_WINDOWS), in steps; with season, shifts, deploys and wander.
        noise, burst_probability, burst_scale: float64 (n,).
        growth, deploys, kinds: As in `Series`.
    """

    level: Floats
    noise: Floats
    burst_probability: Floats
    burst_scale: Floats
    growth: Floats
    deploys: Bools
    kinds: NDArray[np.int64]


def generated(
    variant: Variant, seeds: Sequence[int] | NDArray[np.int64], kind: str | None = None
) -> tuple[Series, Laws]:
    """The series of seeds, and their laws; always the same ones.

    Args:
        variant: What is asked for.
        seeds: One for each workload, 0 to 2^63 - 1.
        kind: One of `env.season.laws.KINDS`; None: any.

    Raises:
        ConfigError: There is no such kind.
    """
    laws, peaks, typical = np.zeros(len(seeds), LAW), np.empty((len(seeds), ALL_WINDOWS)), np.empty(len(seeds))
    keys = np.asarray(seeds, np.int64)
    _compiled()(keys, kind_number(kind), RANGES[variant.name], variant.most_peak, laws, peaks, typical)
    fields = {name: laws[name].copy() for name in LAW.names or ()}
    fields["deploys"] = fields["deploys"].astype(np.bool_)
    series = Series(peaks, fields["growth"], fields["deploys"], fields["kind"], typical)
    return series, Laws(kinds=fields.pop("kind"), **fields)


def measured(peaks: Floats, deploys: Bools | None = None) -> Series:
    """Series of measured peaks, in steps, (n, ALL_WINDOWS): they grow with nothing but what they show."""
    none = np.zeros(peaks.shape, np.bool_)
    kinds = np.full(len(peaks), -1)
    return Series(peaks, np.zeros(len(peaks)), none if deploys is None else deploys, kinds, np.median(peaks, axis=1))


def kind_number(kind: str | None) -> int:
    """The number of a kind's name; -1 for None, any kind.

    Raises:
        ConfigError: There is no such kind.
    """
    if kind is None:
        return -1
    if not isinstance(kind, str) or kind not in KINDS:
        raise ConfigError(f"kind {kind!r:.80}: unknown; {nearest(str(kind), KINDS)}")
    return KINDS.index(kind)


def draw_peaks(law: Any, seed: int, most_peak: float, peaks: Any) -> None:
    """Throw the dice of a law of the same seed.

    Args:
        law: A record with the fields of LAW.
        seed: 0 to 2^63 - 1.
        most_peak: No peak is above it, in steps.
        peaks: Of fresh pods, float64 (ALL_WINDOWS,); filled.
    """
    for window in range(ALL_WINDOWS):
        words = philox(seed, FOR_PEAKS, window)
        peak = law.level[window] * math.exp(law.noise * normals(words[0], words[1])[0])
        if unit(words[2]) < law.burst_probability:
            above = law.burst_scale * (unit(words[3]) ** (-1 / BURST_SHAPE) - 1)
            peak *= 1 + min(above, MOST_BURST)
        peaks[window] = on_grain(min(max(peak, 1.0), most_peak))


def median(numbers: Any) -> float:
    """The median of an even number of numbers."""
    ordered, half = np.sort(numbers), len(numbers) // 2
    return float((ordered[half - 1] + ordered[half]) / 2)


@cache
def _compiled() -> Callable[..., None]:
    """The compiled `generate`; machine code is kept on disk for the next process."""
    sources = ""

    def generate(
        seeds: NDArray[np.int64],
        kind: int,
        ranges: Ranges,
        most_peak: float,
        laws: NDArray[Any],
        peaks: Floats,
        typical: Floats,
    ) -> None:
        """Draw laws, peaks and their medians, each of n rows."""
        sources  # noqa: B018  (numba's cache of compiled code knows a function by its own file and its closure)
        for i in range(len(seeds)):
            draw_law(laws[i], seeds[i], kind, ranges, most_peak)
            draw_peaks(laws[i], seeds[i], most_peak, peaks[i])
            typical[i] = median(peaks[i])

    sources = jit.register_callees(generate)
    made: Callable[..., None] = jit.compiled(generate, error_model="numpy")
    return made
