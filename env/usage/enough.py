"""The rule: which requests are enough for what a container uses; whether those that it has are too little or too much.

CPU     enough = 1.15 x the 95th percentile of the busiest day of the busiest pod
memory  enough = 1.15 x the peak of all pods and days

An OOM-killed container needs more than was ever seen of it: its peak is raised as VPA raises it, by a fifth and at
least 100 MiB. The margin is VPA's and KRR's (`recommenders.py` has both rules); how the three compare is measured in
docs/usage.md.

A request is left alone from the use itself up to a tenth above what is enough, as VPA's updater leaves alone what
differs by less than a tenth. Page cache counts as memory only against lowering: it is given back when memory is short,
so it is no reason to raise a request, but without it a database is slow.

Nothing is called too much after less than a day of measurement, where the source left something out, or where an
autoscaler sets the replicas by the use's share of the request: it would make more of them.

Where weeks of use were tested (`runner.suggest.backtest`), what came of that is enough memory instead of the margin
above the peak. It may be less than the peak, where rare windows above the request cost less than holding it always.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from env.quantity import MIB, format_cpu
from env.usage.containers import Amounts
from env.usage.usage import ContainerUse

MARGIN = 0.15
"""Share of the use that is added. VPA: `recommendation-margin-fraction`; KRR: `memory_buffer_percentage`."""
OOM_RATIO, OOM_BYTES = 1.2, 100 * MIB
"""What an OOM-killed container is given at least: VPA's `oom-bump-up-ratio` and `oom-min-bump-up-bytes`."""
LEAST_CPU_M, LEAST_MEMORY = 10, 16 * MIB
"""No request is proposed below these: CPU as in KRR; memory about what an idle process takes."""
SPARE = 0.1
"""Share above what is enough that is left alone. VPA makes no update of less than a tenth."""
LOWER_AFTER_S = 24 * 3600.0
"""Seconds of measurement after which a request may be called too much: most load has a day's rhythm."""

_NEEDS, _NOW, _TESTED = "needs {}", "uses {} now", "by weeks of use needs {}"
_NEARLY = 0.95  # the first and the last measurement of a day lie a little less than a day apart


class Verdict(StrEnum):
    """How a request is, beside the use."""

    UNKNOWN = "unknown"
    TOO_LITTLE = "too little"
    ENOUGH = "enough"
    TOO_MUCH = "too much"


@dataclass(frozen=True)
class Sized:
    """One resource of a container, judged.

    Attributes:
        verdict: How its request is.
        propose: What to request, another value only where it is too little or too much; None: it requests none, and
            what it uses is unknown.
        why: A few words for a table.
    """

    verdict: Verdict
    propose: int | None
    why: str


@dataclass(frozen=True)
class Sizing:
    """The requests of a container, judged: CPU in millicores and memory in bytes."""

    cpu: Sized
    memory: Sized

    @property
    def proposed(self) -> Amounts:
        """What to request."""
        return Amounts(self.cpu.propose, self.memory.propose)


@dataclass(frozen=True)
class _Band:
    """A request below `least` is too little, and gets `raised`; well above `most` it is too much, and gets `most`."""

    least: int
    raised: int
    most: int
    unsure: str  # why nothing may be called too much; empty: it may
    used: str  # what is needed, in a few words


def enough(use: ContainerUse) -> Amounts:
    """The requests that are enough for a container, whatever it requests now; None where its use is unknown."""
    cpu, memory = _cpu_band(use), _memory_band(use)
    return Amounts(None if cpu is None else cpu.most, None if memory is None else memory.most)


def needed_memory(use: ContainerUse) -> int | None:
    """Bytes that the container must have: without page cache where that is known; than a floor more, in whole MiB."""
    if use.memory_bytes is not None and use.is_floor:
        return math.ceil(max(use.memory_bytes * OOM_RATIO, use.memory_bytes + OOM_BYTES) / MIB) * MIB
    needed = use.memory_bytes if use.resident_bytes is None else use.resident_bytes
    return needed if needed is None or use.proposed_bytes is None else min(needed, use.proposed_bytes)


def sizing(use: ContainerUse, requests: Amounts, limits: Amounts) -> Sizing:
    """Whether what a container requests fits what it uses, and what it should request.

    Args:
        use: What it uses.
        requests: What it requests now (`containers.requests_of`).
        limits: What it is limited to. A memory limit below the need is too little, whatever the request is.
    """
    granted = [each for each in (requests.memory_bytes, limits.memory_bytes) if each is not None]
    return Sizing(
        _judged(_cpu_band(use), requests.cpu_m, requests.cpu_m, format_cpu),
        _judged(_memory_band(use), requests.memory_bytes, min(granted, default=None), mib_text),
    )


def mib_text(memory_bytes: int) -> str:
    """Bytes in whole MiB, rounded up, for a table."""
    return f"{math.ceil(memory_bytes / MIB)}Mi"


def _cpu_band(use: ContainerUse) -> _Band | None:
    if use.cpu_m is None:
        return None
    target = max(math.ceil(use.cpu_m * (1 + MARGIN)), LEAST_CPU_M)
    held_back = "its limit holds it back" if use.cpu_is_floor else ""
    used = (_NOW if use.window_s == 0 else _NEEDS).format(format_cpu(use.cpu_m))
    return _Band(use.cpu_m, target, target, _unsure(use, "cpu") or held_back, used)


def _memory_band(use: ContainerUse) -> _Band | None:
    needed = needed_memory(use)
    if needed is None:
        return None
    if use.proposed_bytes is not None and not use.is_floor:
        least, proposed = math.ceil(use.proposed_bytes / (1 + SPARE)), use.proposed_bytes
        return _Band(min(needed, least), proposed, proposed, _unsure(use, "memory"), _TESTED.format(mib_text(proposed)))
    raised = _memory_target(needed)
    most = max(raised, _memory_target(use.memory_bytes or 0))
    killed = "it was OOM-killed" if use.is_floor else ""
    is_now = use.window_s == 0 and not use.is_floor
    used = (_NOW if is_now else _NEEDS).format(mib_text(needed))
    return _Band(needed, raised, most, _unsure(use, "memory") or killed, used)


def _memory_target(needed: int) -> int:
    return max(math.ceil(needed * (1 + MARGIN) / MIB) * MIB, LEAST_MEMORY)


def _unsure(use: ContainerUse, resource: str) -> str:
    if resource in use.scaled_by:
        return "an autoscaler scales by it"
    if use.is_partial:
        return "the source left something out"
    if use.window_s is not None and use.window_s < _NEARLY * LOWER_AFTER_S:
        return "measured for less than a day"
    return ""


def _judged(band: _Band | None, now: int | None, granted: int | None, text: Callable[[int], str]) -> Sized:
    """A request beside the band; `granted` is what the container may use at least, the request or a lower limit."""
    if band is None:
        return Sized(Verdict.UNKNOWN, now, "its use is unknown")
    if now is None or granted is None:
        return Sized(Verdict.TOO_LITTLE, band.raised, f"{band.used}, requests none")
    if granted < band.least:
        return Sized(Verdict.TOO_LITTLE, max(band.raised, now), f"{band.used}, has {text(granted)}")
    if now <= band.most * (1 + SPARE):
        return Sized(Verdict.ENOUGH, now, band.used)
    if band.unsure:
        return Sized(Verdict.ENOUGH, now, f"{band.used}; not lowered: {band.unsure}")
    return Sized(Verdict.TOO_MUCH, band.most, f"{band.used}, has {text(now)}")
