"""What a reading action shows of what it read: a few lines for people, each printable, and not too many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from env.doctor.actions import DoctorAction
from env.doctor.faults import REVEALS
from env.errors import QuantityError
from env.live.faults_seen import Finding
from env.live.observe import counts, is_recent, recent_events
from env.live.pods import pod_key
from env.live.reading import AUTOSCALER, LOG, NODE_USE, POD_USE, POLICY, QUOTA, Seen
from env.live.usage import allocatable, cluster_use, is_cordoned, is_ready, memory_limits, node_name, node_use, pod_use
from env.quantity import thousandths
from env.untrusted import mapping, message, name
from env.words import count

MOST_LINES = 10
"""Of a kind, such as findings."""

_ASKS_FOR = {
    DoctorAction.CHECK_LOGS: (LOG, POLICY),
    DoctorAction.TOP_NODES: (NODE_USE,),
    DoctorAction.TOP_PODS: (POD_USE, AUTOSCALER),
    DoctorAction.GET_RESOURCE_QUOTAS: (QUOTA,),
}


def shown(action: DoctorAction, seen: Seen, found: list[Finding]) -> list[str]:
    """A line that sums up what a reading action read, and one for each finding that it reveals."""
    reveals = REVEALS[action]
    told = [each for each in found if _tells(action, reveals, each)]
    lines = [f"{each.object}: {each.what}: {each.said}" for each in told[:MOST_LINES]]
    if len(told) > MOST_LINES:
        lines.append(f"and {count(len(told) - MOST_LINES, 'more finding')}")
    unread = [f"not read: {seen.unread[each]}" for each in _ASKS_FOR.get(action, ()) if each in seen.unread]
    return [*_summary(action, seen), *unread, *lines]


def _tells(action: DoctorAction, reveals: int, finding: Finding) -> bool:
    if finding.fault is not None:
        return bool(reveals >> finding.fault & 1)
    return action is DoctorAction.DESCRIBE_UNHEALTHY


def _summary(action: DoctorAction, seen: Seen) -> Iterator[str]:
    total = counts(seen)
    match action:
        case DoctorAction.GET_NODES:
            cordoned = sum(is_ready(each) and is_cordoned(each) for each in seen.nodes)
            ready, lost = total.nodes_ready, total.nodes_not_ready
            yield f"{count(total.nodes, 'node')}: {ready} Ready, {cordoned} cordoned, {lost} NotReady"
        case DoctorAction.GET_PODS:
            yield (
                f"{count(total.pods, 'pod')}: {total.pods_running} running, {total.pods_pending} pending, "
                f"{total.pods_failed} failed, {total.pods_unknown} unknown"
            )
        case DoctorAction.GET_EVENTS:
            yield from _events(seen)
        case DoctorAction.GET_DEPLOYMENTS:
            yield f"{count(total.deployments, 'Deployment')}: {total.deployments_unavailable} not fully available"
        case DoctorAction.CHECK_LOGS:
            yield f"logs of {len(seen.logs)} of {count(total.pods, 'pod')}"
        case DoctorAction.DESCRIBE_UNHEALTHY:
            yield "nodes, pods, claims and Deployments that are not well"
        case DoctorAction.TOP_NODES:
            yield from _top_nodes(seen)
        case DoctorAction.TOP_PODS:
            yield from _top_pods(seen)
        case DoctorAction.GET_RESOURCE_QUOTAS:
            yield from _quotas(seen)


def _events(seen: Seen) -> Iterator[str]:
    warned, normal = recent_events(seen)
    more = " (there are more Events than were read)" if seen.more_events else ""
    yield f"in 10 minutes: Warnings about {count(warned, 'object')}, {count(normal, 'Normal Event')}{more}"
    last: dict[str, str] = {}
    for each in seen.events:
        if each.get("type") == "Warning" and is_recent(each, seen):
            about = mapping(each.get("involvedObject"))
            where = "/".join(filter(None, (name(about.get("namespace")), name(about.get("name")))))
            last[f"{name(about.get('kind'))} {where}"] = f"{name(each.get('reason'))}: {message(each.get('message'))}"
    yield from (f"{about}: {said}" for about, said in list(last.items())[:MOST_LINES])


def _top_nodes(seen: Seen) -> Iterator[str]:
    used = cluster_use(seen)
    if used is None:
        yield "what nodes use is not known: the metrics API does not say"
        return
    yield f"Ready nodes use {100 * used[0]:.0f} % of their CPU and {100 * used[1]:.0f} % of their memory"
    uses = node_use(seen)
    rows = []
    for node in seen.nodes:
        use, has = uses.get(node_name(node)), allocatable(node)
        if use and has.cpu_m and has.memory_bytes:
            cpu, memory = use.cpu_m / has.cpu_m, use.memory_bytes / has.memory_bytes
            rows.append((max(cpu, memory), f"{node_name(node)}: CPU {100 * cpu:.0f} %, memory {100 * memory:.0f} %"))
    yield from (line for _, line in sorted(rows, reverse=True)[:MOST_LINES])


def _top_pods(seen: Seen) -> Iterator[str]:
    if seen.pod_usage is None:
        yield "what pods use is not known: the metrics API does not say"
        return
    uses = pod_use(seen)
    yield f"{count(len(uses), 'pod')} measured"
    for key, use in sorted(uses.items(), key=lambda each: (-each[1].cpu_m, each[0]))[:5]:
        yield f"{'/'.join(key)}: CPU {use.cpu_m}m, memory {use.memory_bytes // 2**20}Mi"
    for pod in seen.pods:
        limit, found = memory_limits(pod), uses.get(pod_key(pod))
        if limit and found and found.memory_bytes > 0.95 * limit:
            yield f"{'/'.join(pod_key(pod))}: uses {100 * found.memory_bytes / limit:.0f} % of its memory limit"


def _quotas(seen: Seen) -> Iterator[str]:
    full = [line for each in seen.quotas for line in _full(each)]
    yield f"{count(len(seen.quotas), 'quota')}; used up: {len(full)}"
    yield from full[:MOST_LINES]


def _full(quota: Any) -> Iterator[str]:
    status = mapping(quota.get("status"))
    used = mapping(status.get("used"))
    for resource, hard in mapping(status.get("hard")).items():
        if _amount(used.get(resource)) >= _amount(hard) > 0:
            yield f"{'/'.join(pod_key(quota))}: {name(resource)} {name(used.get(resource))} of {name(hard)}"


def _amount(value: Any) -> int:
    try:
        return thousandths(value) if isinstance(value, str | int | float) else 0
    except QuantityError:
        return 0
