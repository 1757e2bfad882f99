"""What one may suppose of a workload before any of its windows is known: laws, and how probable each is.

A hypothesis fixes what is not Gaussian: which parts a law has, its noise, how its level wanders, its bursts. Ranges of
these are cut into cells, of each of which one hypothesis stands for all values; cells that turn out to be probable are
cut finer. Given all that, the logarithms of levels are Gaussian: `mean` and `covariance` are those of the state

    base | wander | what each window of the day adds (4) | what the week's high window adds | what the upper phase adds

where `base` is a logarithm of steps, and the others are logarithms of factors.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations, pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env.season.laws import LEAST_STAY, SHARES, Kind, Ranges
from env.season.variants import WINDOWS_A_DAY

BASE, WANDER, DAY, WEEK = 0, 1, 2, 2 + WINDOWS_A_DAY
PHASE = WEEK + 1
STATE = PHASE + 1
EVERY_DAY, WORKING_DAYS = 1, 2
NEVER, NOT_YET = -2, -1
"""What can't come, and what has not come yet."""

HYPOTHESIS = np.dtype(
    [
        ("origin", np.int64),  # which of the first hypotheses it follows from
        ("log_weight", np.float64),
        ("mean", np.float64, (STATE,)),
        ("covariance", np.float64, (STATE, STATE)),
        ("noise", np.float64),
        ("wander", np.float64),
        ("memory", np.float64),
        ("burst_probability", np.float64),  # as expected by what was seen
        ("bursts", np.float64),  # so far, as expected
        ("windows", np.int64),  # so far, of those in which a burst may have been seen
        ("burst_scale", np.float64),
        ("deploy", np.float64),  # standard deviation of a deploy's factor's logarithm; 0: there are no deploys
        ("days", np.int64),  # 0, EVERY_DAY or WORKING_DAYS: whether windows of the day differ
        ("week", np.int64),  # the high window of the week, NEVER or NOT_YET
        ("shifts", np.int64),  # so far, or NEVER
        ("phase", np.int64),  # NEVER, NOT_YET, 0 in the lower one or 1 in the upper one
        ("height", np.float64, (2,)),  # mean and variance of what a stay in the upper one adds, before it is seen
        ("stays", np.int64, (2,)),  # windows so far in the lower and the upper phase,
        ("ends", np.int64, (2,)),  # and of them those after which it ended
    ]
)
Hypotheses = NDArray[Any]

PARTS = (Kind.DAILY, Kind.WEEKLY, Kind.LEAK, Kind.BURSTY, Kind.SHIFTS, Kind.DEPLOYS)
"""What may vary, alone or two of them at once."""
_CELLED = ("noise", "wander", "memory")
_POINTS = 16
"""Of each range that moments are computed on."""
_COARSE = {"noise": 6, "wander": 5, "memory": 2}
"""Into how many cells the range of each is cut at first."""


class Prior:
    """The first hypotheses for workloads that are drawn as a generator of laws draws them.

    Args:
        ranges: What parameters are drawn from.
        kind: Of `Kind`, by number; -1: any.
        leaks: Whether the pods grow; that is told.

    Attributes:
        rows: (n,) of HYPOTHESIS; weights sum to 1.
        cells: (n, 3, 2): the cells of noise, wander and memory of each, the first two as logarithms.
    """

    def __init__(self, ranges: Ranges, kind: int, leaks: bool) -> None:
        rows, cells = [], []
        for parts, probability in _structures(kind, leaks, ranges.growth[1] > 0):
            for values, share in _settings(ranges, parts):
                cell = np.array([values.pop(f"{name} cell") for name in _CELLED])
                rows.append(_hypothesis(ranges, values, probability * share))
                cells.append(cell)
        self.rows, self.cells = np.array(rows, HYPOTHESIS), np.array(cells)
        _set_cells(self.rows, self.cells)

    def refined(self, seen: Hypotheses, cuts: int, least: float = 1e-4) -> Hypotheses:
        """Those first hypotheses that are at least so probable after what was seen, with their cells cut finer.

        Args:
            seen: What has become of `rows`.
            cuts: Into so many parts, of noise and of wander; memory into about half as many.
            least: Share of the most probable one; of those with deploys and of those without by themselves.
        """
        posterior = np.bincount(seen["origin"], np.exp(seen["log_weight"]), len(self.rows))
        deploys = self.rows["deploy"] > 0
        best = np.where(deploys, posterior.max(where=deploys, initial=0), posterior.max(where=~deploys, initial=0))
        origins = np.flatnonzero((posterior >= least * best) & (best > 0))
        numbers = (cuts, cuts, (cuts + 1) // 2)
        found, cells = [], []
        for places in product(*map(range, numbers)):
            low, high = self.cells[origins, :, 0], self.cells[origins, :, 1]
            width, place = (high - low) / np.array(numbers), np.array(places)
            cells.append(np.stack([low + width * place, low + width * (place + 1)], axis=2))
            found.append(self.rows[origins])
        rows = np.concatenate(found)
        _set_cells(rows, np.concatenate(cells))
        return rows


def _set_cells(rows: Hypotheses, cells: NDArray[np.float64]) -> None:
    """Let hypotheses stand for the middles of their cells."""
    middles = cells.mean(axis=2)
    rows["noise"], rows["wander"], rows["memory"] = np.exp(middles[:, 0]), np.exp(middles[:, 1]), middles[:, 2]
    rows["covariance"][:, WANDER, WANDER] = rows["wander"] ** 2
    rows["origin"] = np.arange(len(rows))
    rows["log_weight"] -= np.logaddexp.reduce(rows["log_weight"])


def _structures(kind: int, leaks: bool, can_leak: bool) -> Iterator[tuple[tuple[Kind, ...], float]]:
    """The parts that laws have besides growth, by how probable they are."""
    odds: dict[tuple[Kind, ...], float] = {}
    pairs: list[tuple[Kind, ...]] = [*combinations(PARTS, 2)]
    for each in SHARES if kind < 0 else (kind,):
        for parts in pairs if each == Kind.MIXTURE else [(Kind(each),)]:
            odds[parts] = odds.get(parts, 0.0) + 1 / (len(pairs) if each == Kind.MIXTURE else 1)
    for parts, probability in odds.items():
        if leaks == (Kind.LEAK in parts and can_leak):
            yield tuple(each for each in parts if each not in (Kind.FLAT, Kind.LEAK)), probability


def _settings(ranges: Ranges, parts: tuple[Kind, ...]) -> Iterator[tuple[dict[str, Any], float]]:
    """What hypotheses with these parts fix, with the probability of each."""
    choices: list[list[tuple[dict[str, Any], float]]] = []
    for name in _CELLED:
        low, high = getattr(ranges, name)
        low, high = (low, high) if name == "memory" else (math.log(low), math.log(high))
        ends = np.linspace(low, high, _COARSE[name] + 1)
        choices.append([({f"{name} cell": each}, 1 / _COARSE[name]) for each in pairwise(ends)])
    if Kind.BURSTY in parts:
        low, high = ranges.burst_probability
        mean = (high - low) / math.log(high / low) if low < high else low
        choices.append(
            [({"burst_probability": mean, "burst_scale": each}, 1 / 3) for each in _middles(ranges.burst_scale, 3)]
        )
    if Kind.DAILY in parts:
        choices.append([({"days": EVERY_DAY}, 0.5), ({"days": WORKING_DAYS}, 0.5)])
    if Kind.DEPLOYS in parts:
        choices.append([({"deploy": each}, 1 / 2) for each in _middles(ranges.deploy, 2)])
    if Kind.SHIFTS in parts:
        choices.append([*_of_shifts(ranges)])
    choices.append([({"week": NOT_YET if Kind.WEEKLY in parts else NEVER}, 1.0)])
    for combination in product(*choices):
        values = {"phase": NEVER, "shifts": NEVER}
        for each, _ in combination:
            values |= each
        yield values, math.prod(share for _, share in combination)


def _of_shifts(ranges: Ranges) -> Iterator[tuple[dict[str, Any], float]]:
    """Shifts without phases, or phases and either, as `env.season.laws` has them."""
    yield {"shifts": 0}, 1 / 2
    for low, high in _log_cells(ranges.phase, 4):
        height = _height((low, high))
        yield {"phase": NOT_YET, "shifts": 0, "height": height}, 1 / 4 / 4
        yield {"phase": NOT_YET, "height": height}, 1 / 4 / 4


def _hypothesis(ranges: Ranges, values: dict[str, Any], probability: float) -> NDArray[np.void]:
    row = np.zeros((), HYPOTHESIS)
    mean, spread = np.zeros(STATE), np.zeros(STATE)
    for name, value in values.items():
        row[name] = value
    mean[PHASE], spread[PHASE] = row["height"][0], math.sqrt(row["height"][1])
    row["log_weight"] = math.log(probability)
    mean[BASE], spread[BASE] = _moments(math.log(ranges.base[0]), math.log(ranges.base[1]))
    if row["days"]:
        mean[DAY:WEEK], spread[DAY:WEEK] = _moments(0.0, math.log(1 + ranges.daily[1]))
    if row["week"] != NEVER:
        mean[WEEK], spread[WEEK] = _moments(math.log(1 + ranges.weekly[0]), math.log(1 + ranges.weekly[1]))
    row["mean"], row["covariance"] = mean, np.diag(spread**2)
    return row


def _moments(low: float, high: float) -> tuple[float, float]:
    """Mean and standard deviation of a uniform law."""
    return (low + high) / 2, (high - low) / math.sqrt(12)


def _height(highest: tuple[float, float]) -> tuple[float, float]:
    """Mean and variance of what a stay adds to a level's logarithm, where that of the highest one is of a range, L."""
    middles = (np.arange(_POINTS) + 0.5) / _POINTS
    above = highest[0] * (highest[1] / highest[0]) ** middles
    added = np.log(1 + above[:, None] * (LEAST_STAY + (1 - LEAST_STAY) * middles))
    return float(added.mean()), float(added.var())


def shift_moments(ranges: Ranges) -> tuple[float, float]:
    """Mean and variance of the logarithm of a shift's factor."""
    mean, spread = _moments(math.log(ranges.shift[0]), math.log(ranges.shift[1]))
    return mean, spread**2


def _middles(ends: tuple[float, float], number: int) -> list[float]:
    """The middles of parts of equal width of a range."""
    return [ends[0] + (ends[1] - ends[0]) * (i + 0.5) / number for i in range(number)]


def _log_cells(ends: tuple[float, float], number: int) -> list[tuple[float, float]]:
    """A range above 0 in parts whose ends have equal ratios."""
    cuts = np.geomspace(*ends, number + 1).tolist()
    return [*pairwise(cuts)]
