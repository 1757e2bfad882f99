"""One range of a Prometheus, read a day at a time, and in smaller parts where that is more than it computes at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from env.printable import one_line
from env.usage import prometheus_queries as promql
from env.usage.measured import Ends, Span
from env.usage.owners import Owner
from env.usage.prometheus_answer import Answer, Sample
from env.usage.prometheus_http import PrometheusApi, PrometheusError
from env.usage.prometheus_queries import SCHEMES, Ask, Scheme, Selector, Series
from env.usage.series import DAY_S, LEAST_WEEKS_S, WINDOW_S

SOURCE = "Prometheus"
MOST_NOTES = 30
MOST_WINDOWS = 140
"""Of six hours: five weeks."""
SHORTEST_S = 3600
"""Seconds of the shortest part that is asked for."""

Say = Callable[[str, int, int], None]


def silent(what: str, done: int, total: int) -> None:
    """Shows nothing."""


_QUERIES = 12  # of a day, where none is too much at once and labels are as usual
_Values = dict[Series, float]


@dataclass
class RangeReading:
    """Queries of one range, and what is to be told of their answers.

    Attributes:
        api: The server.
        selectors: Series of the workloads' namespaces.
        now: The range's end, seconds since 1970.
        range_s: Its length.
        say: Told of each query: how many were asked, of about how many.
        is_partial: An answer lacks something.
        notes: What is to be told, in order.
    """

    api: PrometheusApi
    selectors: Sequence[Selector]
    now: float
    range_s: int
    say: Say = silent
    is_partial: bool = False
    notes: dict[str, None] = field(default_factory=dict)
    _asked: int = 0
    _answered: bool = False
    _apart: set[Selector] = field(default_factory=set)
    _longest_s: dict[Selector, int] = field(default_factory=dict)
    _peaks: list[_Values] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Tell this, once."""
        if len(self.notes) < MOST_NOTES:
            self.notes[one_line(f"{SOURCE}: {text}", 600)] = None

    def scheme(self) -> Scheme | None:
        """The first scheme of labels by which there are series; None: there are none."""
        for scheme in SCHEMES:
            self._peaks = self._each_day(promql.peak(promql.WORKING_SET, scheme))
            if any(self._peaks):
                return scheme
        return None

    def spans(self, scheme: Scheme) -> list[Span]:
        """What was measured on each day, after `scheme`."""
        anonymous, mapped = (self._each_day(promql.peak(each, scheme)) for each in (promql.ANONYMOUS, promql.MAPPED))
        resident = [
            {series: value + more.get(series, 0.0) for series, value in day.items()}
            for day, more in zip(anonymous, mapped, strict=True)
        ]
        measured = self._each_day(promql.coverage(scheme), _sum)
        cores: list[_Values] = []
        for rate_s in promql.RATES_S:
            cores = self._each_day(promql.cpu(scheme, rate_s))
            if any(cores):
                break
        else:
            self.note("no rate of container_cpu_usage_seconds_total: what CPU is used is unknown")
        lengths = [length for _, length in self._days()]
        return [Span(*each) for each in zip(lengths, self._peaks, resident, cores, measured, strict=True)]

    def windows(self, scheme: Scheme) -> list[tuple[float, _Values]]:
        """Peaks of memory of the last whole windows, at most MOST_WINDOWS: the middle of each, and its peaks.

        None, where the server does not answer: that is told.
        """
        ask, last = promql.peak(promql.WORKING_SET, scheme), self.now // WINDOW_S * WINDOW_S
        ends = [last - WINDOW_S * number for number in range(self._windows)]
        try:
            return [(end - WINDOW_S / 2, self._values(self._pieces(ask, end, WINDOW_S), max)) for end in ends]
        except PrometheusError as error:
            self.note(f"memory was not read in windows, so it is not tested week by week: {error}")
            return []

    @property
    def _windows(self) -> int:
        """How many are read: none of a range that is too short to be tested."""
        return min(MOST_WINDOWS, -(-self.range_s // WINDOW_S)) if self.range_s >= LEAST_WEEKS_S else 0

    def ends(self, scheme: Scheme) -> Ends:
        """What was killed or throttled, after `scheme`."""
        asks = [promql.peak(promql.OOM_EVENTS, scheme), *map(promql.killed, SCHEMES[:2])]
        killed = {series for ask in asks for series, count in self._all_days(ask).items() if count > 0}
        # As the memory's series name them: another exporter may lack the cluster's label.
        names = {each[1:] for each in killed}
        killed = {series for day in self._peaks for series in day if series[1:] in names}
        limits = self._all_days(promql.peak(promql.MEMORY_LIMIT, scheme)) if killed else {}
        return Ends(killed, limits, set(self._all_days(promql.throttled(scheme))))

    def owners(self) -> dict[tuple[str, str], Owner]:
        """The owners of pods by kube-state-metrics, as it said last."""
        found: dict[tuple[str, str], Owner] = {}
        for scheme in SCHEMES[:2]:
            for end, length in self._days():
                for sample in self._samples(promql.owners(scheme), end, length):
                    _, namespace, pod, _ = promql.series_of(sample.labels)
                    kind, name = (sample.labels.get(f"owner_{each}", "") for each in ("kind", "name"))
                    has_owner = kind not in ("", "<none>") and bool(name)
                    owner = Owner(kind, namespace, name) if has_owner else Owner("Pod", namespace, pod)
                    found.setdefault((namespace, pod), owner)
        return found

    def note_why_nothing(self) -> None:
        """Tell what may be the reason that there are no samples of the workloads."""
        self.note("no samples of these workloads: their use is unknown")
        clusters = {
            promql.cluster_of(each.labels) for each in self._ask(promql.clusters_query(DAY_S), self.now).samples
        }
        if clusters:
            named = "; ".join(map(promql.cluster_text, sorted(clusters)[:10]))
            self.note(f"there are samples of other workloads, with {named}")
            return
        alike = {each.labels.get("__name__", "") for each in self._ask(promql.alike_query(), self.now).samples} - {""}
        named = ", ".join(sorted(alike)[:5])
        why = f"relabelling may have made {named} of it" if named else "does it scrape the kubelets' cAdvisor?"
        self.note(f"there are no series {promql.WORKING_SET}; {why}")

    def _days(self) -> list[tuple[float, int]]:
        """End and length of each day of the range, the last day first."""
        starts = range(0, self.range_s, DAY_S)
        return [(self.now - start, min(DAY_S, self.range_s - start)) for start in starts]

    def _each_day(self, ask: Ask, combine: Callable[[float, float], float] = max) -> list[_Values]:
        return [self._values(self._pieces(ask, end, length), combine) for end, length in self._days()]

    def _all_days(self, ask: Ask) -> _Values:
        return self._values((piece for end, length in self._days() for piece in self._pieces(ask, end, length)), max)

    def _samples(self, ask: Ask, end: float, length: int) -> Iterator[Sample]:
        return (sample for piece in self._pieces(ask, end, length) for sample in piece.samples)

    @staticmethod
    def _values(pieces: Any, combine: Callable[[float, float], float]) -> _Values:
        """The value of each series; of one that an answer has twice, the larger."""
        found: _Values = {}
        for piece in pieces:
            one: _Values = {}
            for sample in piece.samples:
                if sample.labels.get("reason", promql.OOM_KILLED) != promql.OOM_KILLED:
                    continue  # of a server that leaves it in
                series = promql.series_of(sample.labels)
                one[series] = max(sample.value, one.get(series, sample.value))
            for series, value in one.items():
                found[series] = combine(found[series], value) if series in found else value
        return found

    def _pieces(self, ask: Ask, end: float, length: int) -> Iterator[Answer]:
        return (answer for selector in self.selectors for answer in self._split(ask, selector, end, length))

    def _split(self, ask: Ask, selector: Selector, end: float, length: int) -> list[Answer]:
        """The answers to a query: one, or those to its parts where it is too much at once."""
        if selector not in self._apart and length <= self._longest_s.get(selector, DAY_S):
            try:
                return [self._ask(ask(selector, length), end)]
            except PrometheusError as error:
                if not error.too_big and not (error.timed_out and self._answered):
                    raise
                if len(selector.namespaces) == 1 and length <= SHORTEST_S:
                    self.is_partial = True
                    lacks = f"a part of namespace {selector.namespaces[0]} was not read, so figures may be too small"
                    self.note(f"{lacks}: {error}")
                    return []
                self._make_smaller(selector, length)
        if selector in self._apart:
            return [answer for half in selector.halves() for answer in self._split(ask, half, end, length)]
        later = _half(length)
        parts = ((end, later), (end - later, length - later))
        return [answer for part in parts for answer in self._split(ask, selector, *part)]

    def _make_smaller(self, selector: Selector, length: int) -> None:
        """Remember what is too much at once: first fewer namespaces are asked for, and then less of a day."""
        if len(selector.namespaces) > 1:
            self._apart.add(selector)
            return
        self._longest_s[selector] = _half(length)
        self.note(
            f"the server computes no {length / 3600:g} h of namespace {selector.namespaces[0]} at once: read in parts"
        )

    def _ask(self, query: str, at: float) -> Answer:
        about = len(self.selectors) * (_QUERIES * len(self._days()) + self._windows)
        self.say("asking Prometheus", self._asked, max(self._asked, about))
        self._asked += 1
        answer = self.api.query(query, at)
        self._answered = True
        if answer.is_partial:
            self.is_partial = True
            self.note("the server says that its answers lack something, so figures may be too small")
        for each in answer.warnings:
            self.note(f"the server warns: {self.api.credentials.hidden(each)}")
        if answer.left_out:
            self.note("samples that are no numbers of at least 0 were left out")
        return answer


def _half(length: int) -> int:
    """Half of a span, in whole steps."""
    return max(SHORTEST_S, length // 2 // promql.STEP_S * promql.STEP_S)


def _sum(one: float, other: float) -> float:
    return one + other
