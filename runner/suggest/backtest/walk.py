"""Every week after the first tested with the weeks before it, and the rule whose request is proposed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from env.season.variants import KAPPA, VARIANTS
from env.season.window import Prices, window_cost
from env.usage.series import Floats
from runner.evaluation.intervals import share
from runner.suggest.backtest.proposers import History, Proposer, whole
from runner.suggest.backtest.windows import WEEK, Windows

PRICES = Prices(KAPPA, VARIANTS["memory"].restart_price)


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
        cost: As Season-v0 counts it, in the mean of the windows.
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
        tried: How each rule would have gone, in the order of a table.
        chosen: Whose request is proposed: that of the least cost; of the first where several cost the same.
    """

    windows: Windows
    tried: tuple[Tried, ...]
    chosen: Tried


def walk(every: Sequence[Windows], proposers: Mapping[str, Proposer]) -> list[Backtest]:
    """Hold what each rule requests against the weeks that came after.

    The first week is history. Each week after it, of which the last may be shorter, is tested with what a rule requests
    given all windows before it.

    Args:
        every: Of each container at least LEAST windows.
        proposers: By name; the first one's request is proposed unless another costs less.
    """
    known = [History(each.peaks[:end], each.since_monday) for each in every for end in _ends(each)]
    proposed = {name: iter(propose(known)) for name, propose in proposers.items()}
    found = []
    for windows in every:
        tried = tuple(
            _tried(name, windows, [whole(next(requests)) for _ in _ends(windows)])
            for name, requests in proposed.items()
        )
        found.append(Backtest(windows, tried, min(tried, key=lambda each: round(each.cost, 9))))
    return found


def _ends(windows: Windows) -> list[int]:
    """Windows before which a request is proposed: for each week after the first, and for the one that comes."""
    return [*range(WEEK, len(windows), WEEK), len(windows)]


def _tried(name: str, windows: Windows, proposed: Sequence[int]) -> Tried:
    *weekly, request = proposed
    requests = np.repeat(np.array(weekly, np.float64), WEEK)[: len(windows) - WEEK]
    over = windows.peaks[WEEK:] > requests
    changed = np.append(False, np.diff(requests) != 0)
    counted = windows.is_measured[WEEK:]
    costs = [
        window_cost(each, new, above, windows.typical, PRICES)
        for each, new, above in zip(requests[counted], changed[counted], over[counted], strict=True)
    ]
    return Tried(
        name,
        request,
        requests,
        int(over[counted].sum()),
        int(counted.sum()),
        float(requests[counted].mean() / windows.typical),
        float(np.mean(costs)),
    )
