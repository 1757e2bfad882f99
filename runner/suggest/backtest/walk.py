"""Every week after the first tested with the weeks before it, and the rule whose request is proposed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from env.usage.series import Floats
from runner.evaluation.intervals import share
from runner.suggest.backtest.proposers import History, Proposer, prices, whole
from runner.suggest.backtest.windows import WEEK, Windows


@dataclass(frozen=True)
class Tried:
    """How one rule would have gone.

    Attributes:
        name: The rule's.
        request: What it requests for the week that comes, bytes.
        requests: What it requested in each window that was tested, bytes.
        ooms: Windows in which use was above that.
        windows: Windows that were tested and measured.
        held: The mean request over the typical peak.
        cost: As Season-v0 counts it at the price that was asked for, in the mean of the windows.
    """

    name: str
    request: int
    requests: Floats
    ooms: int
    windows: int
    held: float
    cost: float

    @property
    def oom_interval(self) -> tuple[float, float]:
        """The 95 % interval of the share of windows in which use is above the request."""
        found = share(self.ooms, self.windows)
        return (0.0, 1.0) if found is None or found.low is None or found.high is None else (found.low, found.high)


@dataclass(frozen=True)
class Backtest:
    """The memory of one container.

    Attributes:
        windows: What it used; the first WEEK of them are history alone.
        kappa: The price of a window above the request, in windows in which the typical peak is requested.
        tried: How each rule would have gone, in the order of a table.
        chosen: The one that cost least; the first where several did. Its request is proposed.
        followed: How it would have gone if in each week the rule had been chosen that cost least before. By this, and
            not by the chosen rule's own figures, is known how a choice goes on.
    """

    windows: Windows
    kappa: float
    tried: tuple[Tried, ...]
    chosen: Tried
    followed: Tried


def walk(every: Sequence[Windows], proposers: Mapping[str, Proposer], kappa: float) -> list[Backtest]:
    """Hold what each rule requests against the weeks that came after.

    The first week is history. Each week after it, of which the last may be shorter, is tested with what a rule requests
    given all windows before it.

    Args:
        every: Of each container at least LEAST windows.
        proposers: By name; where nothing was tested yet, the first is chosen.
        kappa: The price of a window above the request; that of the proposers.
    """
    known = [History(each.peaks[:end], each.since_monday) for each in every for end in _ends(each)]
    proposed = {name: iter(propose(known)) for name, propose in proposers.items()}
    found = []
    for windows in every:
        weekly = {name: [whole(next(requests)) for _ in _ends(windows)] for name, requests in proposed.items()}
        tried = tuple(_tried(name, windows, requests, kappa) for name, requests in weekly.items())
        choices = [min(weekly, key=lambda name: cost[name]) for cost in _costs_before(windows, weekly, kappa)]
        chosen = tried[list(weekly).index(choices[-1])]
        followed = [weekly[name][week] for week, name in enumerate(choices)]
        found.append(Backtest(windows, kappa, tried, chosen, _tried(chosen.name, windows, followed, kappa)))
    return found


def _ends(windows: Windows) -> list[int]:
    """Windows before which a request is proposed: for each week after the first, and for the one that comes."""
    return [*range(WEEK, len(windows), WEEK), len(windows)]


def _costs_before(windows: Windows, weekly: Mapping[str, Sequence[int]], kappa: float) -> list[dict[str, float]]:
    """For each time that a request is proposed, what each rule has cost by then."""
    costs = {name: _costs(windows, _by_window(windows, requests), kappa) for name, requests in weekly.items()}
    counted = windows.is_measured[WEEK:]
    return [
        {name: round(float(each[: end - WEEK][counted[: end - WEEK]].sum()), 9) for name, each in costs.items()}
        for end in _ends(windows)
    ]


def _by_window(windows: Windows, proposed: Sequence[int]) -> Floats:
    """What is requested in each window that is tested."""
    return np.repeat(np.array(proposed[:-1], np.float64), WEEK)[: len(windows) - WEEK]


def _costs(windows: Windows, requests: Floats, kappa: float) -> Floats:
    """What each window that is tested costs; see `env.season.window.window_cost`."""
    over, price = windows.peaks[WEEK:] > requests, prices(kappa)
    changed = np.append(False, np.diff(requests) != 0)
    costs: Floats = requests / windows.typical + price.kappa * over + price.restart * changed
    return costs


def _tried(name: str, windows: Windows, proposed: Sequence[int], kappa: float) -> Tried:
    requests, counted = _by_window(windows, proposed), windows.is_measured[WEEK:]
    over = windows.peaks[WEEK:] > requests
    return Tried(
        name,
        proposed[-1],
        requests,
        int(over[counted].sum()),
        int(counted.sum()),
        float(requests[counted].mean() / windows.typical),
        float(_costs(windows, requests, kappa)[counted].mean()),
    )
