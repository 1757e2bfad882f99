"""From measurements of pods, one set for each span of time, to the use of workloads' containers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from env.usage.killed import with_floor
from env.usage.owners import Owners
from env.usage.prometheus_queries import STEP_S, Series
from env.usage.usage import ContainerKey, ContainerUse

SHORT_RUN = 0.1
"""Pods that ran for less than this share of the longest run say nothing of CPU: for them the start-up is all."""
LEAST_STEPS = 2
"""Nor do those that ran for fewer steps: a rate over more time than there is takes the rest for idle."""

_MOST_CORES, _MOST_BYTES = 10_000.0, 2.0**60  # of one container; more is a fault of the series

Values = Mapping[Series, float]


@dataclass(frozen=True)
class Span:
    """What was measured in one span of time.

    Attributes:
        length_s: Its length, seconds.
        working_set, resident: Peaks of memory, bytes.
        cores: CPU that is not exceeded in 95 % of it.
        measured: How many times in STEP_S there was a sample.
    """

    length_s: int
    working_set: Values = field(default_factory=dict)
    resident: Values = field(default_factory=dict)
    cores: Values = field(default_factory=dict)
    measured: Values = field(default_factory=dict)


@dataclass(frozen=True)
class Ends:
    """What happened to containers in all of the time.

    Attributes:
        killed: Those that were OOM-killed.
        limits: The memory limits of these, bytes; 0: none.
        throttled: Those that their CPU limit held back.
    """

    killed: Collection[Series] = ()
    limits: Values = field(default_factory=dict)
    throttled: Collection[Series] = ()


@dataclass
class _Gathered:
    """What is known of one container of a workload: for each span and series."""

    spans: list[tuple[Span, list[Series]]] = field(default_factory=list)
    series: set[Series] = field(default_factory=set)


def uses_of(
    spans: Sequence[Span], ends: Ends, owners: Owners, asked: Collection[ContainerKey]
) -> tuple[dict[ContainerKey, ContainerUse], set[Series]]:
    """The use of each container of workloads that was measured, and the series that it is from."""
    gathered: dict[ContainerKey, _Gathered] = {}
    for span in spans:
        mine: dict[ContainerKey, list[Series]] = {}
        for series in {**span.working_set, **span.cores}:
            key = _key(series, owners)
            if key in asked and key is not None:
                mine.setdefault(key, []).append(series)
        for key, found in mine.items():
            one = gathered.setdefault(key, _Gathered())
            one.spans.append((span, found))
            one.series.update(found)
    uses = {key: _use(one, ends) for key, one in gathered.items()}
    known = {key: use for key, use in uses.items() if use.is_known}
    return known, {series for key in known for series in gathered[key].series}


def _key(series: Series, owners: Owners) -> ContainerKey | None:
    owner = owners.of(series.namespace, series.pod)
    return ContainerKey(*owner, series.container) if owner else None


def _use(one: _Gathered, ends: Ends) -> ContainerUse:
    memory, resident = _most(one, "working_set", _MOST_BYTES), _most(one, "resident", _MOST_BYTES)
    cores = max(_cores(one), default=None)
    runs = [[span.measured.get(each, 0.0) for each in found] for span, found in one.spans]
    covered = sum(
        min(max(each, default=0.0) * STEP_S, span.length_s) for each, (span, _) in zip(runs, one.spans, strict=True)
    )
    use = ContainerUse(
        cpu_m=None if cores is None else _up(cores * 1000),
        memory_bytes=None if memory is None else _up(memory),
        resident_bytes=None if resident is None or memory is None else _up(min(resident, memory)),
        cpu_is_floor=any(each in ends.throttled for each in one.series),
        window_s=covered,
        samples=int(sum(map(sum, runs))),
        pods=len({(each.cluster, each.pod) for each in one.series}),
    )
    floors = [_floor(one, each, ends) for each in one.series if each in ends.killed]
    return with_floor(use, max(floors)) if floors else use


def _floor(one: _Gathered, series: Series, ends: Ends) -> int:
    peaks = (span.working_set.get(series, 0.0) for span, _ in one.spans)
    return _up(max(*peaks, _sane(ends.limits.get(series, 0.0), _MOST_BYTES) or 0.0, 1.0))


def _most(one: _Gathered, what: str, most: float) -> float | None:
    values = (getattr(span, what).get(each) for span, found in one.spans for each in found)
    return max((each for each in values if each is not None and _sane(each, most) is not None), default=None)


def _cores(one: _Gathered) -> Iterator[float]:
    longest = max((span.measured.get(each, 0.0) for span, found in one.spans for each in found), default=0.0)
    for span, found in one.spans:
        for each in found:
            is_short = span.measured and span.measured.get(each, 0.0) < max(SHORT_RUN * longest, LEAST_STEPS)
            if each in span.cores and not is_short:
                cores = _sane(span.cores[each], _MOST_CORES)
                if cores is not None:
                    yield cores


def _sane(value: float, most: float) -> float | None:
    return value if 0 <= value <= most else None


def _up(value: float) -> int:
    return -int(-value // 1)
