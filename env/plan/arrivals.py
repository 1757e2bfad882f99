"""The workloads of a trace at its end, in an order in which the scheduler packs them well: largest first.

kube-scheduler takes pods one after the other and spreads them. Where small pods come first, what is left is in small
pieces on all nodes, and large pods need more nodes: worst-fit in any order against worst-fit decreasing. An order costs
nothing: a move evicts pods in it, and manifests are applied in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from env.plan.demand import Floats, Key, PodGroup, Table
from env.trace.document import Manifest, Trace
from env.workload import object_ref


def at_end(trace: Trace) -> Trace:
    """A trace that applies at once what there is at the end of another one."""
    there: dict[tuple[str, Key], Manifest] = {}
    for event in trace.events:
        there |= {_id(each): each for each in event["applied_objs"]}
        for each in event["deleted_objs"]:
            there.pop(_id(each), None)
    return _of(trace, list(there.values()))


def without(trace: Trace, gone: Callable[[Manifest], bool]) -> Trace:
    """The same trace of one event without some of its objects."""
    every = (each for event in trace.events for each in event["applied_objs"])
    return _of(trace, [each for each in every if not gone(each)])


def in_order(trace: Trace, keys: Sequence[Key]) -> Trace:
    """The same trace of one event with these workloads last, in this order."""
    place = {key: number for number, key in enumerate(keys)}
    every = [each for event in trace.events for each in event["applied_objs"]]
    return _of(trace, sorted(every, key=lambda each: place.get(key_of(each), -1)))


def largest_first(groups: Sequence[PodGroup], table: Table, amounts: Floats) -> list[Key]:
    """Workloads by what a pod takes of the scarcest resource, the largest first.

    Args:
        groups: The workloads.
        table: Their requests.
        amounts: Nodes of each offer by which scarcity is measured, shape (offers,).
    """
    total = amounts @ table.rooms
    shares = (table.requests / total.clip(min=1)).max(axis=1)
    by_priority = {group.key: -group.template.priority for group in groups}
    sizes = {group.key: -share for group, share in zip(groups, shares.tolist(), strict=True)}
    return sorted(sizes, key=lambda key: (by_priority[key], sizes[key], key))


def key_of(manifest: Manifest) -> Key:
    """Kind, namespace and name of an object."""
    ref = object_ref(manifest)
    return manifest["kind"], ref.namespace, ref.name


def _id(manifest: Manifest) -> tuple[str, Key]:
    return str(manifest["apiVersion"]).rpartition("/")[0], key_of(manifest)


def _of(trace: Trace, applied: list[Manifest]) -> Trace:
    ts = trace.events[0]["ts"] if trace.events else 0
    event = {"ts": ts, "applied_objs": applied, "deleted_objs": []}
    return Trace({**trace.document, "events": [event]}, trace.name)
