"""What a season asks for: memory, CPU or replicas, in steps of the product's actions; and what goes wrong costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from env.actions import STEP
from env.errors import ConfigError, nearest

WINDOWS_A_DAY = 4
"""A window is six hours."""
DAYS_A_WEEK = 7
WARM_UP = WINDOWS_A_DAY * DAYS_A_WEEK
"""Windows that are over when an episode begins, and known."""
WINDOWS = 4 * WARM_UP
"""Windows that are played."""
ALL_WINDOWS = WARM_UP + WINDOWS

_SIZES = (*range(1, 9), 12, 16, 24)
JUMPS = (0, *(-size for size in reversed(_SIZES)), *_SIZES)
"""What each decision adds to the request, in steps; its index is the action. A request may be set to any number; with
every number of steps as an action the least cost of one who knows the law would be 0.1 % lower."""
KAPPA = 4.0
"""The price of a window in which use was above the request, where nothing else is asked for: as much as the typical
peak, requested for four windows."""
MOST_KAPPA = 1000.0


@dataclass(frozen=True)
class Variant:
    """What is asked for. Requests and peaks are in its steps.

    Attributes:
        name: As options have it.
        unit: What its amounts are in.
        step: How much one step is, in this unit.
        largest: The largest request, in steps; the least is 1.
        restart_price: What a change of the request costs: pods start anew, or one more or less does.
        kills: Whether pods that use more than they request are killed, and start anew.
    """

    name: str
    unit: str
    step: int
    largest: int
    restart_price: float
    kills: bool

    @property
    def most_peak(self) -> float:
        """The largest peak that is drawn, in steps: a request of at least that much is always possible."""
        return 0.9 * self.largest


VARIANTS: Mapping[str, Variant] = {
    each.name: each
    for each in (
        Variant("memory", "bytes", STEP.memory_bytes, 64, 0.02, kills=True),
        Variant("cpu", "millicores", STEP.cpu_m, 32, 0.02, kills=False),
        Variant("replicas", "pods", STEP.replicas, 64, 0.005, kills=False),
    )
}


def variant_named(name: str) -> Variant:
    """The variant of a name.

    Raises:
        ConfigError: There is none; it names the nearest.
    """
    if not isinstance(name, str) or name not in VARIANTS:
        raise ConfigError(f"variant {name!r:.80}: unknown; {nearest(str(name), VARIANTS)}")
    return VARIANTS[name]


def checked_kappa(kappa: float | None) -> float:
    """The price of a window in which use was above the request; None: `KAPPA`.

    Raises:
        ConfigError: It is no number from 0 to `MOST_KAPPA`.
    """
    if kappa is None:
        return KAPPA
    try:
        number = float(kappa)
    except (TypeError, ValueError):
        number = -1.0
    if not 0 <= number <= MOST_KAPPA:
        raise ConfigError(f"kappa {kappa!r:.80}: must be a number from 0 to {MOST_KAPPA:g}")
    return number
