"""Samples as a file has them, in any order, to the series of containers."""

from __future__ import annotations

from array import array
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from env.errors import ConfigError
from env.printable import one_line
from env.usage.owners import Owner
from env.usage.prometheus_queries import Cluster, cluster_text
from env.usage.series import (
    DAY_S,
    LONGEST_S,
    MOST_BYTES,
    MOST_CORES,
    UseSeries,
    is_bytes,
    make_track,
    use_of,
    usual_step_s,
)
from env.usage.series_names import AmbiguousNameError, Named, Names
from env.usage.usage import ContainerKey, Usage
from env.words import count

MOST_SAMPLES, MOST_SERIES = 2_000_000, 10_000
CPU, MEMORY, VALUE = "cpu", "memory", "value"
"""What a number is of; VALUE: the file does not say, so the size of the numbers tells."""

_LARGEST = {CPU: MOST_CORES, MEMORY: MOST_BYTES, VALUE: MOST_BYTES}
_LATEST_S = 1e10  # the year 2286
_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))  # times above the first are in nano-, micro-, milliseconds

_Pairs = tuple["array[float]", "array[float]"]


@dataclass
class Gatherer:
    """Takes samples, and makes of them what is known of each container.

    Attributes:
        file: For messages.
        asked: The containers of the workloads; none: the file's own.
        only: The one workload that is meant; None: all.
        is_partial: The file says itself that it lacks something.
        notes: What a reader has to know besides.
    """

    file: str
    asked: Collection[ContainerKey] = ()
    only: Owner | None = None
    is_partial: bool = False
    notes: list[str] = field(default_factory=list)
    _pairs: dict[tuple[ContainerKey, str, str], _Pairs] = field(default_factory=dict)
    _strange: dict[Named, None] = field(default_factory=dict)
    _clusters: dict[Cluster, None] = field(default_factory=dict)
    _samples: int = 0
    _left_out: int = 0

    def __post_init__(self) -> None:
        self._names = Names(self.asked, self.only)

    def key(self, named: Named, where: str, cluster: Cluster = ()) -> ContainerKey | None:
        """The container that samples are about; None, and remembered: none of the workloads.

        Raises:
            ConfigError: It could be one of several.
        """
        try:
            key = self._names.key(named)
        except AmbiguousNameError as error:
            raise ConfigError(f"{where}: {one_line(str(error), 400)}") from error
        if key is None:
            self._strange[named] = None
        else:
            self._clusters[cluster] = None
        return key

    def add(self, key: ContainerKey, pod: str, resource: str, at: float, value: float, where: str) -> None:
        """A sample; one that cannot be a use is left out and counted.

        Raises:
            ConfigError: A time that is none, or more samples or series than are read.
        """
        if not 0 <= at < _LATEST_S:
            raise ConfigError(f"{where}: time {at:g}: must be seconds since 1970, or RFC 3339")
        if not 0 <= value <= _LARGEST[resource]:  # NaN is not either
            self._left_out += 1
            return
        found = self._pairs.get((key, pod, resource))
        if found is None:
            if len(self._pairs) >= MOST_SERIES:
                raise ConfigError(f"{where}: more than {MOST_SERIES:,} series; save fewer namespaces or days a file")
            found = self._pairs[key, pod, resource] = array("d"), array("d")
        self._samples += 1
        if self._samples > MOST_SAMPLES:
            raise ConfigError(f"{where}: more than {MOST_SAMPLES:,} samples; a larger step has fewer")
        found[0].append(at)
        found[1].append(value)

    def usage(self) -> Usage:
        """What is known of the containers, their series, and a note of what was read.

        Raises:
            ConfigError: No sample that can be used, or samples of several clusters.
        """
        if len(self._clusters) > 1:
            named = "; ".join(map(cluster_text, sorted(self._clusters)[:10]))
            raise ConfigError(f"usage {self.file}: is of {len(self._clusters)} clusters: {named}; save one's")
        if not self._pairs and not self._strange:
            raise ConfigError(f"usage {self.file}: has no samples that can be a use")
        series = self._series()
        uses = {key: replace(use_of(each, self.file), is_partial=self.is_partial) for key, each in series.items()}
        missing = tuple(key for key in dict.fromkeys(self.asked) if key not in uses)
        notes = tuple(one_line(f"{self.file}: {each}", 600) for each in [*self._said(series), *self.notes])
        return Usage(uses, missing, notes, series)

    def _series(self) -> dict[ContainerKey, UseSeries]:
        latest = max((max(seconds) for seconds, _ in self._pairs.values()), default=0.0)
        found: dict[ContainerKey, UseSeries] = {}
        for (key, _, resource), (seconds, values) in sorted(self._pairs.items()):
            track = make_track(seconds, values)
            recent = track.seconds > latest - LONGEST_S
            track = replace(track, seconds=track.seconds[recent], values=track.values[recent])
            if not len(track.seconds):
                continue
            one = found.get(key, UseSeries())
            if resource == MEMORY or (resource == VALUE and is_bytes(values)):
                found[key] = replace(one, memory=(*one.memory, track))
            else:
                found[key] = replace(one, cpu=(*one.cpu, track))
        return found

    def _said(self, series: dict[ContainerKey, UseSeries]) -> list[str]:
        said = []
        tracks = [track for each in series.values() for track in each.tracks]
        if tracks:
            first, last = min(each.seconds[0] for each in tracks), max(each.seconds[-1] for each in tracks)
            what = [name for name in (CPU, MEMORY) if any(getattr(each, name) for each in series.values())]
            length = f"{(last - first) / DAY_S:.1f} days to {datetime.fromtimestamp(last, UTC):%Y-%m-%d %H:%M} UTC"
            samples = sum(len(each.seconds) for each in tracks)
            step = f"one in {usual_step_s(tracks):.0f} s"
            said.append(
                f"{samples:,} samples of {count(len(series), 'container')}: {', '.join(what)}; {length}, {step}"
            )
        if self._strange:
            few = "; ".join(map(str, list(self._strange)[:3]))
            said.append(f"{count(len(self._strange), 'name')} of none of the workloads left out: {few}")
        if self._left_out:
            said.append(f"{count(self._left_out, 'sample')} that cannot be a use (NaN, negative, too large) left out")
        return said


def parse_time(text: str) -> float:
    """Seconds since 1970 of a number (also of milli-, micro- and nanoseconds) or of RFC 3339.

    Raises:
        ValueError: Neither.
    """
    try:
        number = float(text)
    except ValueError:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    return next((number / unit for least, unit in _UNITS if number > least), number)
