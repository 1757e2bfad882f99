"""What containers use now, by the metrics API (`metrics.k8s.io`, metrics-server): one look, some seconds long.

One look says what is too little, if it is, and never what is too much. Several make a peak.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from env.errors import ClusterError, QuantityError
from env.kube.client import KubeApi, KubeError
from env.kube.paths import within
from env.printable import one_line
from env.quantity import parse_cpu, parse_memory
from env.untrusted import mapping, mappings, name
from env.usage.killed import NONE_KILLED, Killed, with_killed
from env.usage.owners import NONE_KNOWN, Owners, PodOwners
from env.usage.usage import ContainerKey, ContainerUse, Usage

SOURCE = "metrics API"
POD_METRICS = "/apis/metrics.k8s.io/v1beta1/pods"
LOOK_S = 60.0
"""Seconds that all requests may take together."""

_LIKELY = {
    404: "there is none in this cluster; install metrics-server, or give --prometheus",
    403: "the credentials may not list pods.metrics.k8s.io",
    503: "it is registered and does not answer: see kubectl get apiservice v1beta1.metrics.k8s.io",
}


def read_metrics_api(
    api: KubeApi,
    asked: Collection[ContainerKey],
    *,
    namespaces: Sequence[str] = (),
    pod_owners: PodOwners = NONE_KNOWN,
    killed: Killed = NONE_KILLED,
) -> Usage:
    """What these containers use now; without a metrics API nothing, and a note that says why.

    Args:
        api: The API server.
        asked: Containers of workloads.
        namespaces: Those that are read; none: all.
        pod_owners: Of the pods that are there now.
        killed: Containers that the cluster says were OOM-killed.
    """
    api = api.until(api.timer.now() + LOOK_S)
    notes: tuple[str, ...] = ()
    found: list[Any] = []
    try:
        for path in [within(POD_METRICS, each) for each in namespaces] or [POD_METRICS]:
            found += api.list(path)
    except ClusterError as error:
        status = error.status if isinstance(error, KubeError) else 0
        found, notes = [], (one_line(f"{SOURCE}: {_LIKELY.get(status, str(error))}", 600),)
    uses = uses_of_metrics(found, asked, pod_owners)
    if asked and not uses and not notes:
        notes = (f"{SOURCE}: it has no measurements of these containers, or none yet: see kubectl top pods",)
    uses = with_killed(uses, killed)
    uses = {key: use for key, use in uses.items() if key in set(asked)}
    return Usage(uses, tuple(key for key in dict.fromkeys(asked) if key not in uses), notes)


def uses_of_metrics(
    pods: Iterable[Any], asked: Collection[ContainerKey], pod_owners: PodOwners = NONE_KNOWN
) -> dict[ContainerKey, ContainerUse]:
    """The use of containers by PodMetrics objects: of a workload's pods, the largest of each resource."""
    owners, asked = Owners(asked, pod_owners), frozenset(asked)
    found: dict[ContainerKey, ContainerUse] = {}
    for pod in pods:
        metadata = mapping(pod.get("metadata"))
        owner = owners.of(name(metadata.get("namespace")), name(metadata.get("name")))
        for container in mappings(pod.get("containers")):
            key = ContainerKey(*owner, name(container.get("name"))) if owner else None
            if key is not None and key in asked:
                found[key] = _larger(found.get(key), mapping(container.get("usage")))
    return {key: use for key, use in found.items() if use.is_known}


def peak(known: Usage, look: Usage, window_s: float) -> Usage:
    """The most of both of each container: of the looks so far, and of another one.

    Args:
        known: What was seen so far.
        look: What is seen now.
        window_s: Seconds from the first look to this one.
    """
    uses = dict(known.uses)
    for key, use in look.uses.items():
        uses[key] = _peak(uses[key], use, window_s) if key in uses else use
    missing = tuple(key for key in dict.fromkeys(known.missing + look.missing) if key not in uses)
    return Usage(uses, missing, tuple(dict.fromkeys(known.notes + look.notes)))


def _peak(known: ContainerUse, look: ContainerUse, window_s: float) -> ContainerUse:
    """What another source than the metrics API says of a container is not one look, so it stays."""
    if SOURCE not in (known.source, look.source):
        return known
    most = max(known, look, key=lambda use: (use.memory_bytes or 0, use.is_floor))
    return replace(
        most,
        cpu_m=max(_present(known.cpu_m, look.cpu_m), default=None),
        window_s=window_s,
        samples=(known.samples or 0) + (look.samples or 0),
        pods=max(known.pods or 0, look.pods or 0),
    )


def _larger(known: ContainerUse | None, usage: dict[str, Any]) -> ContainerUse:
    known = known or ContainerUse(pods=0)
    return ContainerUse(
        cpu_m=max(_present(known.cpu_m, _cpu(usage.get("cpu"))), default=None),
        memory_bytes=max(_present(known.memory_bytes, _memory(usage.get("memory"))), default=None),
        source=SOURCE,
        window_s=0.0,
        samples=(known.samples or 0) + 1,
        pods=(known.pods or 0) + 1,
    )


def _present(*values: int | None) -> list[int]:
    return [each for each in values if each is not None]


def _cpu(value: Any) -> int | None:
    try:
        return parse_cpu(value) if isinstance(value, str | int | float) else None
    except QuantityError:
        return None


def _memory(value: Any) -> int | None:
    """Bytes; 0 is what a container without a process shows, and so unknown."""
    try:
        return (parse_memory(value) or None) if isinstance(value, str | int | float) else None
    except QuantityError:
        return None
