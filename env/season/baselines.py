"""Rules that set requests, to hold learned agents against: VPA's and KRR's as documented, and forms that can be tuned.

They play the same windows at the same prices as an agent, and see what it sees: a peak above the request is known only
as such. They may change a request by any number of steps at once, and agents by almost any.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env import jit
from env.interrupt import stop_if_asked
from env.quantity import MIB
from env.season.forms import KRR_CPU, KRR_MEMORY, Form, Histogram, vpa_bounds, vpa_moves, wanted
from env.season.series import Floats, Series, median
from env.season.variants import ALL_WINDOWS, JUMPS, WARM_UP, WINDOWS, WINDOWS_A_DAY, Variant
from env.season.window import Prices, play_window, start_request, window_cost

_BUMP = 1.2
"""What is put down for a window in which use was above the request: a fifth more than it, and a step at least."""
_FORGET = 0.9
"""How much of such a floor is left after each window."""
_STAY = JUMPS.index(0)
_FIRST_COSTS = 8
"""The first window for which members of a set are compared."""


@dataclass(frozen=True)
class Rule:
    """A rule: its form and settings.

    Attributes:
        name: For a table.
        form: Of Form.
        settings: Of the form.
    """

    name: str
    form: Form
    settings: tuple[float, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(f'{each:g}' for each in self.settings)})" if self.settings else self.name


@dataclass(frozen=True)
class Played:
    """What rules or agents came to on n workloads, in the mean of the windows that were played; float64 (n,).

    Attributes:
        cost: In windows in which the typical peak is requested.
        exceeded: Share of windows in which use was above the request: OOM-killed, throttled, overloaded.
        held: Request, by the typical peak.
        changed: Share of windows in which the request changed.
        requests: Of each window, in steps, int64 (n, WINDOWS).
    """

    cost: Floats
    exceeded: Floats
    held: Floats
    changed: Floats
    requests: NDArray[np.int64]


def _grid(name: str, form: Form, *settings: Sequence[float]) -> tuple[Rule, ...]:
    return tuple(Rule(name, form, each) for each in product(*settings))


_MARGINS = (1.0, 1.02, 1.05, 1.1, 1.15, 1.25)
FAMILIES: Mapping[str, tuple[Rule, ...]] = {
    rules[0].name: rules
    for rules in (
        _grid(
            "percentile", Form.PERCENTILE, (0.5, 0.75, 0.9, 0.95, 0.99), (2, 4, 12, 28), (1.0, 1.05, 1.1, 1.15, 1.25)
        ),
        _grid("max", Form.MAXIMUM, (1, 2, 4, 8, 14, 28, 56), _MARGINS),
        _grid("mean + std", Form.DEVIATIONS, (4, 8, 14, 28, 56), (1, 1.5, 2, 2.5, 3, 4)),
        _grid("seasonal", Form.SEASONAL, (1, 2, 3, 7), (0, 1, 2, 4), (1.0, 1.03, 1.06, 1.1, 1.15)),
        _grid("ensemble", Form.ENSEMBLE, (4, 14, 28, 112)),
    )
}
"""Forms to be tuned, by name, with all settings that are tried."""
NOOP, VPA, KRR = Rule("noop", Form.NOOP), Rule("VPA", Form.VPA), Rule("KRR", Form.KRR)
RULES = (NOOP, VPA, KRR, *(rule for rules in FAMILIES.values() for rule in rules))
"""All rules there are."""

_MEMBERS = tuple(
    (form, each)
    for form, settings in (
        (Form.MAXIMUM, ((2, 4, 8, 28), (1.05, 1.15))),
        (Form.PERCENTILE, ((0.9, 0.95), (4, 12), (1.05, 1.15))),
        (Form.SEASONAL, ((1, 3), (0, 2), (1.06,))),
        (Form.SEASONAL, ((0,), (1, 2), (1.06,))),
    )
    for each in product(*settings)
)
"""Forms and settings of the set of which ENSEMBLE chooses. More of them, and bolder ones, cost more."""


def play(rule: Rule, series: Series, variant: Variant, prices: Prices) -> Played:
    """Play the windows of each workload with a rule."""
    totals, requests = np.zeros((len(series), 4)), np.empty((len(series), WINDOWS), np.int64)
    _compiled()(
        int(rule.form),
        settings_of(rule, variant),
        np.array([int(form) for form, _ in _MEMBERS]),
        _padded([settings for _, settings in _MEMBERS]),
        _histogram(variant),
        series.peaks,
        series.growth,
        series.deploys,
        series.typical,
        variant.largest,
        variant.kills,
        prices,
        totals,
        requests,
    )
    cost, exceeded, held, changed = (totals / WINDOWS).T
    return Played(cost, exceeded, held, changed, requests)


def tune(
    series: Series, variant: Variant, prices: Prices, families: Iterable[str] = tuple(FAMILIES)
) -> dict[str, Rule]:
    """The rule of each family that costs least in the mean of these workloads."""
    return {name: cheapest(FAMILIES[name], series, variant, prices) for name in families}


def cheapest(rules: Sequence[Rule], series: Series, variant: Variant, prices: Prices) -> Rule:
    """The rule that costs least in the mean of these workloads.

    Raises:
        Stopped: A stop was asked for, see `env.interrupt`.
    """

    def cost(rule: Rule) -> float:
        stop_if_asked()
        return float(play(rule, series, variant, prices).cost.mean())

    return min(rules, key=cost)


def settings_of(rule: Rule, variant: Variant) -> Floats:
    """A rule's settings as compiled code takes them; KRR's follow from what is requested."""
    documented = {Form.KRR: KRR_MEMORY if variant.kills else KRR_CPU}
    settings: Floats = _padded([documented.get(rule.form, rule.settings)])[0]
    return settings


def _padded(settings: Sequence[tuple[float, ...]]) -> Floats:
    rows = np.zeros((len(settings), 3))
    for row, each in zip(rows, settings, strict=True):
        row[: len(each)] = each
    return rows


def _histogram(variant: Variant) -> Histogram:
    """VPA's for memory: buckets from 10 MB, and 100Mi more at least than what was OOM-killed; for CPU: from 10m.

    VPA sets no replicas; there it is as for CPU.
    """
    if variant.kills:
        return Histogram(WINDOWS_A_DAY, 1e7 / variant.step, 100 * MIB / variant.step)
    return Histogram(1, 10 / variant.step if variant.unit == "millicores" else 0.01, 0.0)


@cache
def _compiled() -> Callable[..., None]:
    """The compiled `play_all`; machine code is kept on disk for the next process."""
    sources = ""

    def play_all(
        form: int,
        settings: Floats,
        forms: NDArray[np.int64],
        members: Floats,
        histogram: Histogram,
        peaks: Floats,
        growth: Floats,
        deploys: NDArray[np.bool_],
        typical: Floats,
        largest: int,
        kills: bool,
        prices: Prices,
        totals: Floats,
        requests: NDArray[np.int64],
    ) -> None:
        """Play n workloads; totals (n, 4): cost, windows above the request, held, changes; requests (n, WINDOWS)."""
        sources  # noqa: B018  (numba's cache of compiled code knows a function by its own file and its closure)
        for i in range(len(peaks)):
            play_one(
                form, settings, forms, members, histogram, peaks[i], growth[i], deploys[i], typical[i], largest, kills,
                prices, totals[i], requests[i],
            )  # fmt: skip

    sources = jit.register_callees(play_all)
    made: Callable[..., None] = jit.compiled(play_all, error_model="numpy")
    return made


def play_one(
    form: int, settings: Any, forms: Any, members: Any, histogram: Histogram, peaks: Any, growth: float, deploys: Any,
    typical: float, largest: int, kills: bool, prices: Prices, totals: Any, requests: Any,
) -> None:  # fmt: skip
    """Play the windows of a workload; see `play_all`."""
    known, wants, costs = peaks.copy(), np.zeros(len(forms), np.int64), np.zeros(len(forms))
    typical_known, forget = median(peaks[:WARM_UP]), 0.5 ** (1 / settings[0]) if form == Form.ENSEMBLE else 0.0
    request, age, since, floor = start_request(peaks, largest), 0, 0, 0.0
    for now in range(_FIRST_COSTS if form == Form.ENSEMBLE else WARM_UP, ALL_WINDOWS):
        before = wants.copy()
        for member in range(len(forms) if form == Form.ENSEMBLE else 0):
            wants[member] = whole(wanted(forms[member], members[member], known, now), largest)
        if now >= WARM_UP:
            target = decide(form, settings, known, now, request, since, histogram, largest)
            if form == Form.ENSEMBLE:
                target = wants[np.argmin(costs)]
            target = max(target, whole(floor, largest))
            changed = target != request
            request, since = target, 0 if changed else since + 1
            over = play_window(request, 0 if changed else age, _STAY, peaks[now], growth, deploys[now], kills, largest)
            age = over.age
            totals[0] += window_cost(request, changed, over.exceeded, typical, prices)
            totals[1] += over.exceeded
            totals[2] += request / typical
            totals[3] += changed
            requests[now - WARM_UP] = request
            known[now] = put_down(form, request, histogram) if over.exceeded else over.peak
            floor = known[now] if over.exceeded and form > Form.KRR else floor * _FORGET
        for member in range(len(forms) if form == Form.ENSEMBLE else 0):
            want = wants[member]
            cost = window_cost(want, want != before[member], known[now] > want, typical_known, prices)
            costs[member] = costs[member] * forget + cost


def decide(
    form: int, settings: Any, known: Any, now: int, request: int, since: int, histogram: Histogram, largest: int
) -> int:
    """The request for a window; as it was, of forms that decide otherwise."""
    if form == Form.NOOP or form == Form.ENSEMBLE:
        return request
    if form == Form.VPA:
        recommended, low, high = vpa_bounds(known, now, histogram)
        target = whole(recommended, largest)
        return target if vpa_moves(request, target, low, high, since) else request
    return whole(wanted(form, settings, known, now), largest)


def whole(want: float, largest: int) -> int:
    """What is wanted in whole steps, rounded up, of those that can be requested."""
    return min(largest, max(1, math.ceil(want - 1e-9)))


def put_down(form: int, request: int, histogram: Histogram) -> float:
    """The sample of a window in which use was above the request."""
    if form == Form.KRR:
        return float(request)
    if form == Form.VPA:
        return max(_BUMP * request, request + histogram.bump) if histogram.bump > 0 else float(request)
    return max(_BUMP * request, request + 1.0)
