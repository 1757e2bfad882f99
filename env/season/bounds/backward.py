"""The dynamic programme that every bound is: from the last window back, over the request and the age of the pods.

A change of the request starts pods anew, whatever it is, so the best change to a request is the same at every age;
that makes a window cost `largest` x (ages + jumps) and not their product. Bellman, "Dynamic Programming", 1957.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from env import jit
from env.season.variants import JUMPS, Variant
from env.season.window import Prices, Window, play_window

Floats = NDArray[np.float64]
Changes = NDArray[np.int8]


@dataclass(frozen=True)
class Odds:
    """How probably the peak of each window is above the request.

    Attributes:
        paid: What part of `kappa` is to be paid, float64 (windows, largest + 1, ages), by request and age of the pods
            in the window. Row 0 of requests is not used.
        happens: How probably the pods are above their request indeed, of this shape; most often `paid` itself.
        deploys: Whether a deploy starts the pods anew before a window, bool (windows,).
    """

    paid: Floats
    happens: Floats
    deploys: NDArray[np.bool_]


def ages_of(growth: float, windows: int) -> int:
    """How many ages of pods have to be told apart: only one, if they don't grow."""
    return windows if growth > 0 else 1


def grown_of(growth: float, deploys: NDArray[np.bool_]) -> Floats:
    """How much pods have grown, by window and age: (windows, ages); nothing where they have just been deployed."""
    ages = np.arange(ages_of(growth, len(deploys)))
    return np.where(deploys[:, None], 0.0, growth * ages[None, :])


def least_cost(odds: Odds, start: int, typical: float, variant: Variant, prices: Prices) -> tuple[float, Changes]:
    """The least expected cost, with fresh pods and this request before the first window; and a plan that has it.

    Args:
        odds: Of each window.
        start: Request before the first window, in steps.
        typical: What a request of one window is divided by, in steps.
        variant: What is asked for.
        prices: What a window costs besides its request.

    Returns:
        The sum over all windows, and by window, request before it and age of the pods the best change in steps.
    """
    plan = np.zeros(odds.paid.shape, np.int8)
    cost = compiled()(odds.paid, odds.happens, odds.deploys, start, typical, *prices, variant.kills, plan)
    return float(cost), plan


@cache
def compiled() -> Callable[..., float]:
    """The compiled `go_back`; machine code is kept on disk for the next process."""
    sources = ""

    def go_back(
        paid: Floats,
        happens: Floats,
        deploys: NDArray[np.bool_],
        start: int,
        typical: float,
        kappa: float,
        restart: float,
        kills: bool,
        plan: Changes,
    ) -> float:
        """From the last window to the first; write the plan and return the least cost."""
        sources  # noqa: B018  (numba's cache of compiled code knows a function by its own file and its closure)
        windows, rows, ages = paid.shape
        after, before, staying = np.zeros((rows, ages)), np.zeros((rows, ages)), np.zeros((rows, ages))
        for window in range(windows - 1, -1, -1):
            for request in range(1, rows):
                for age in range(min(ages, window + 1)):
                    grown = 0 if deploys[window] else age
                    older = after[request, min(grown + 1, ages - 1)]
                    anew = after[request, 0] if kills else older
                    above = happens[window, request, age]
                    later = above * anew + (1 - above) * older
                    staying[request, age] = request / typical + kappa * paid[window, request, age] + later
            for request in range(1, rows):
                best, change = np.inf, 0
                for jump in JUMPS:
                    if jump != 0 and 1 <= request + jump < rows and staying[request + jump, 0] + restart < best:
                        best, change = staying[request + jump, 0] + restart, jump
                for age in range(min(ages, window + 1)):
                    stay = staying[request, age]
                    before[request, age] = min(stay, best)
                    plan[window, request, age] = change if best < stay else 0
            after, before = before, after
        return float(after[start, 0])

    sources = jit.register_callees(go_back)
    made: Callable[..., float] = jit.compiled(go_back, error_model="numpy")
    return made


def follow(
    plan: Changes, peaks: Floats, growth: float, deploys: NDArray[np.bool_], start: int, variant: Variant
) -> list[Window]:
    """Play a plan on the peaks of fresh pods, float64 (windows,): what each window was like."""
    request, age, played = start, 0, []
    for window, change in enumerate(plan):
        action = JUMPS.index(int(change[request, min(age, plan.shape[2] - 1)]))
        fresh, deploy = float(peaks[window]), bool(deploys[window])
        played.append(play_window(request, age, action, fresh, growth, deploy, variant.kills, variant.largest))
        request, age = played[-1].request, played[-1].age
    return played
