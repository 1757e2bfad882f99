"""The queries to a Prometheus, as text, and which container a sample of their answers is about.

All series are cAdvisor's, as the kubelet exports them, or kube-state-metrics'. Each query takes the maximum over the
series of one container, never their sum: several scrape jobs export the same container, and the last run of a restarted
one is there for five minutes more. Gaps in a series are no samples and so no zeros; `rate` sees to counters that begin
again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from env.errors import ConfigError
from env.printable import one_line
from env.untrusted import LONGEST_NAME

WORKING_SET = "container_memory_working_set_bytes"
ANONYMOUS, MAPPED = "container_memory_rss", "container_memory_mapped_file"
"""Memory that is no page cache, or is mapped: shared memory, such as a database's buffers, is in the second alone."""
MEMORY_LIMIT = "container_spec_memory_limit_bytes"
OOM_EVENTS = "container_oom_events_total"
OOM_KILLED = "OOMKilled"
STEP_S = 300
"""Seconds between two points at which CPU is looked at, and the length of one measurement."""
RATES_S = (300, 1200)
"""Seconds over which CPU is a rate; the second where scrapes are so rare that the first finds none."""
CPU_QUANTILE = 0.95
THROTTLED = 0.25
"""Share of CFS periods in which a container is held back that counts: that of kubernetes-mixin's CPUThrottlingHigh."""

CLUSTER_LABELS = (
    "cluster", "cluster_name", "cluster_id", "clusterName", "k8s_cluster", "k8s_cluster_name", "kubernetes_cluster",
)  # fmt: skip
"""Labels by which stores of several clusters tell them apart."""

_NAMES = ("exported_namespace", "namespace"), ("exported_pod", "pod", "pod_name"), (
    "exported_container", "container", "container_name",
)  # fmt: skip
_BY = ", ".join(
    ("namespace", *(label for labels in _NAMES for label in labels if label != "namespace"), *CLUSTER_LABELS)
)
_OWNER_BY = f"{_BY}, owner_kind, owner_name"
_DNS = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,62}", re.ASCII)
_LONGEST_MATCHER = 2_000
_LAST_END = "kube_pod_container_status_last_terminated_reason"
_OF_POD = 'pod!=""'

Cluster = tuple[tuple[str, str], ...]


class Series(NamedTuple):
    """What a sample is about.

    Attributes:
        cluster: Its labels of CLUSTER_LABELS, with values.
        namespace, pod, container: Names; the container's is empty where the sample is about the pod.
    """

    cluster: Cluster
    namespace: str
    pod: str
    container: str


class Scheme(NamedTuple):
    """Names of the labels that tell namespace and container, for matchers."""

    namespace: str
    container: str


SCHEMES = (
    Scheme("namespace", "container"),
    Scheme("exported_namespace", ""),
    Scheme("namespace", "container_name"),
)
"""As the kubelet names them; as a scrape without `honor_labels` does; and as before Kubernetes 1.16."""


@dataclass(frozen=True)
class Selector:
    """Which series: of some namespaces, with given labels.

    Attributes:
        namespaces: Empty: all.
        labels: Further labels and their values.
    """

    namespaces: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()

    def halves(self) -> tuple[Selector, Selector]:
        """Two of half the namespaces each."""
        middle = len(self.namespaces) // 2
        return replace(self, namespaces=self.namespaces[:middle]), replace(self, namespaces=self.namespaces[middle:])

    def text(self, scheme: Scheme, *, states: str = "") -> str:
        """In PromQL, without the series of whole pods and of their pause containers; or the `states` of any of them."""
        parts = [f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in self.labels]
        if self.namespaces:
            parts.append(f'{scheme.namespace}=~"{"|".join(self.namespaces)}"')
        if states:
            parts.append(states)
        elif scheme.container:
            parts += [f'{scheme.container}!=""', f'{scheme.container}!="POD"']
        return "{" + ", ".join(parts) + "}"


Ask = Callable[[Selector, int], str]
"""A query, made for some series and a number of seconds before its evaluation."""


def selectors(namespaces: Iterable[str], labels: Iterable[tuple[str, str]]) -> list[Selector]:
    """Selectors for these namespaces, each short enough for a URL; names that no namespace can have are left out."""
    found: list[list[str]] = []
    room = 0
    for each in sorted({each for each in namespaces if _DNS.fullmatch(each)}):
        if not found or len(each) + 1 > room:
            found.append([])
            room = _LONGEST_MATCHER
        found[-1].append(each)
        room -= len(each) + 1
    return [Selector(tuple(each), tuple(labels)) for each in found]


def parse_label(text: str) -> tuple[str, str]:
    """KEY=VALUE, a label of series.

    Raises:
        ConfigError: Not of that form.
    """
    key, equals, value = text.partition("=")
    if not equals or not _LABEL.fullmatch(key) or len(value) > LONGEST_NAME or not value.isprintable():
        raise ConfigError(f"--prometheus-label {text!r:.80}: must be KEY=VALUE, such as cluster=prod")
    return key, value


def cpu_query(selector: str, window_s: int, rate_s: int) -> str:
    """Cores that are not exceeded in 95 % of the time; a container that restarted is one and the same."""
    rates = f"max by ({_BY}) (rate(container_cpu_usage_seconds_total{selector}[{rate_s}s]))"
    return f"quantile_over_time({CPU_QUANTILE}, {rates}[{window_s}s:{STEP_S}s])"


def coverage_query(selector: str, window_s: int) -> str:
    """How many times in STEP_S there was a sample."""
    return f"count_over_time((max by ({_BY}) ({WORKING_SET}{selector}))[{window_s}s:{STEP_S}s])"


def throttled_query(selector: str, window_s: int) -> str:
    """Containers that were held back in more than THROTTLED of the periods, with the share."""
    held = f"increase(container_cpu_cfs_throttled_periods_total{selector}[{window_s}s])"
    return f"max by ({_BY}) ({held} / increase(container_cpu_cfs_periods_total{selector}[{window_s}s])) > {THROTTLED}"


def peak(metric: str, scheme: Scheme) -> Ask:
    """The largest value of a gauge or counter of containers."""
    return lambda selector, window_s: _peak(metric, selector.text(scheme), window_s, _BY)


def killed(scheme: Scheme) -> Ask:
    """1 for each container whose last end was an OOM kill, by kube-state-metrics."""
    return lambda selector, window_s: _peak(
        _LAST_END, selector.text(scheme, states=f'reason="{OOM_KILLED}"'), window_s, _BY
    )


def owners(scheme: Scheme) -> Ask:
    """The owners of pods, by kube-state-metrics."""
    return lambda selector, window_s: _peak(
        "kube_pod_owner", selector.text(scheme, states=_OF_POD), window_s, _OWNER_BY
    )


def cpu(scheme: Scheme, rate_s: int) -> Ask:
    """Cores that are not exceeded in 95 % of the time; a container that restarted is one and the same."""

    def ask(selector: Selector, window_s: int) -> str:
        rates = f"max by ({_BY}) (rate(container_cpu_usage_seconds_total{selector.text(scheme)}[{rate_s}s]))"
        return f"quantile_over_time({CPU_QUANTILE}, {rates}[{window_s}s:{STEP_S}s])"

    return ask


def coverage(scheme: Scheme) -> Ask:
    """How many times in STEP_S there was a sample of memory."""

    def ask(selector: Selector, window_s: int) -> str:
        return f"count_over_time((max by ({_BY}) ({WORKING_SET}{selector.text(scheme)}))[{window_s}s:{STEP_S}s])"

    return ask


def throttled(scheme: Scheme) -> Ask:
    """Containers that were held back in more than THROTTLED of the periods, with the share."""

    def ask(selector: Selector, window_s: int) -> str:
        series = f"{selector.text(scheme)}[{window_s}s]"
        held, all_of_them = (f"increase(container_cpu_cfs_{each}periods_total{series})" for each in ("throttled_", ""))
        return f"max by ({_BY}) ({held} / {all_of_them}) > {THROTTLED}"

    return ask


def _peak(metric: str, selector: str, window_s: int, by: str) -> str:
    return f"max by ({by}) (max_over_time({metric}{selector}[{window_s}s]))"


def clusters_query(window_s: int) -> str:
    """Clusters of which there are series at all."""
    return f"count by ({', '.join(CLUSTER_LABELS)}) (max_over_time({WORKING_SET}[{window_s}s]))"


def alike_query() -> str:
    """Series with names like that of the working set, which relabelling may have changed."""
    return 'count by (__name__) ({__name__=~".*memory.*working_set.*"})'


def series_of(labels: Mapping[str, str]) -> Series:
    """What a sample is about, by the labels of any of SCHEMES."""
    namespace, pod, container = (next(_said(labels, names), "") for names in _NAMES)
    return Series(cluster_of(labels), namespace, pod, container)


def cluster_of(labels: Mapping[str, str]) -> Cluster:
    """The labels that tell the cluster."""
    return tuple((label, labels[label]) for label in CLUSTER_LABELS if labels.get(label))


def _said(labels: Mapping[str, str], names: Iterable[str]) -> Iterator[str]:
    return (labels[each] for each in names if labels.get(each))


def cluster_text(cluster: Cluster) -> str:
    """A cluster for a message."""
    return one_line(", ".join(f"{key}={value}" for key, value in cluster), 200) or "no label of a cluster"
