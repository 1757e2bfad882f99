"""What containers used over days, from a Prometheus or a server that answers as one.

The range is read a day at a time, so that CPU has a busiest day. What cannot be read is said, and the figures are
called partial, so that no request is lowered by them. Of two weeks and more, memory is read in windows of six hours
besides, so that rules can be tested on it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from env.errors import ConfigError
from env.printable import one_line
from env.usage import prometheus_queries as promql
from env.usage.killed import NONE_KILLED, Killed, with_killed
from env.usage.measured import uses_of
from env.usage.owners import NONE_KNOWN, Owners, PodOwners
from env.usage.prometheus_http import PrometheusApi
from env.usage.prometheus_queries import Series
from env.usage.prometheus_reading import SHORTEST_S, SOURCE, RangeReading, Say, silent
from env.usage.series import DAY_S, MOST_BYTES, UseSeries, make_track
from env.usage.usage import ContainerKey, ContainerUse, Usage

LONGEST_RANGE_S = 90 * DAY_S


def read_prometheus(
    api: PrometheusApi,
    asked: Collection[ContainerKey],
    *,
    range_s: float,
    now: float,
    labels: Iterable[tuple[str, str]] = (),
    pod_owners: PodOwners = NONE_KNOWN,
    killed: Killed = NONE_KILLED,
    say: Say = silent,
) -> Usage:
    """The use of these containers over a range that ends now.

    Args:
        api: The server.
        asked: Containers of workloads.
        range_s: The range's length, seconds: an hour to 90 days.
        now: Seconds since 1970.
        labels: Labels that series must have, for a store of several clusters.
        pod_owners: Of the pods that are there now, if the cluster can be read.
        killed: Containers that the cluster says were OOM-killed.
        say: Told of each query: how many were asked, of about how many.

    Raises:
        ConfigError: Another range; or the workloads are in several clusters, which it names.
        PrometheusError: No answer.
    """
    if not SHORTEST_S <= range_s <= LONGEST_RANGE_S:
        raise ConfigError(f"--range of {range_s:.0f} s: must be from 1h to 90d")
    asked = dict.fromkeys(asked)
    selectors = promql.selectors({key.namespace for key in asked}, labels)
    if not selectors:
        return Usage(missing=tuple(asked))
    reading = RangeReading(api.until_late(), selectors, now, int(range_s), say)
    uses, series = _read(reading, asked, pod_owners)
    uses = {key: replace(use, source=SOURCE) for key, use in uses.items()}
    uses = with_killed(uses, killed)
    if not uses:
        reading.note_why_nothing()
    if reading.is_partial:
        uses = {key: replace(use, is_partial=True) for key, use in uses.items()}
    return Usage(uses, tuple(key for key in asked if key not in uses), tuple(reading.notes), series)


def _read(
    reading: RangeReading, asked: Collection[ContainerKey], pod_owners: PodOwners
) -> tuple[dict[ContainerKey, ContainerUse], dict[ContainerKey, UseSeries]]:
    scheme = reading.scheme()
    if scheme is None:
        return {}, {}
    known = {**reading.owners(), **pod_owners}
    if not known:
        reading.note("no series kube_pod_owner (kube-state-metrics): pods are matched to workloads by their names")
    owners = Owners(asked, known)
    uses, series = uses_of(reading.spans(scheme), reading.ends(scheme), owners, asked)
    _check_one_cluster(series, reading)
    return uses, _memory_by_windows(reading.windows(scheme), owners, asked)


def _memory_by_windows(
    windows: list[tuple[float, dict[Series, float]]], owners: Owners, asked: Collection[ContainerKey]
) -> dict[ContainerKey, UseSeries]:
    """The peaks of each window, the largest of a workload's pods."""
    found: dict[ContainerKey, dict[float, float]] = {}
    for middle, peaks in windows:
        for each, peak in peaks.items():
            owner = owners.of(each.namespace, each.pod)
            key = ContainerKey(*owner, each.container) if owner else None
            if key is not None and key in asked and peak <= MOST_BYTES:
                one = found.setdefault(key, {})
                one[middle] = max(peak, one.get(middle, 0.0))
    return {key: UseSeries(memory=(make_track(list(one), list(one.values())),)) for key, one in found.items()}


def _check_one_cluster(series: Collection[Series], reading: RangeReading) -> None:
    clusters = sorted({each.cluster for each in series})
    if len(clusters) > 1:
        names = "; ".join(map(promql.cluster_text, clusters[:10]))
        example = next(f"{key}={value}" for each in clusters for key, value in each)
        told = f"{reading.api.url}: has these workloads in {len(clusters)} clusters: {names}; say which of them"
        raise ConfigError(one_line(f"{told}: --prometheus-label {example}", 1_500))
    if clusters and clusters[0]:
        reading.note(f"all samples are of {promql.cluster_text(clusters[0])}")
