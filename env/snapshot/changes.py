"""What changes in a cluster while it is watched, as the events of a trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from env.snapshot.beside import name_of
from env.snapshot.now import WorkloadNow
from env.snapshot.snapshot import Snapshot, driver_applies, running_jobs, trace_of
from env.trace.document import Manifest, Trace
from env.trace.upgrade import upgraded

_NEVER_CHANGED = ("Job", "Pod")
"""Of these nothing that a trace holds can change: a Job's `completions` here are those that are left."""


@dataclass(frozen=True)
class Change:
    """An event.

    Attributes:
        ts: Unix seconds.
        applied: Objects that are new, or not as they were.
        deleted: Objects that are gone.
        now: How the workloads are then.
    """

    ts: int
    applied: tuple[Manifest, ...] = ()
    deleted: tuple[Manifest, ...] = ()
    now: tuple[WorkloadNow, ...] = ()


def unread_kinds(snapshot: Snapshot) -> frozenset[str]:
    """The kinds that could not be read at all."""
    return frozenset(each.kind for each in snapshot.skipped if each.is_whole_kind)


def change(before: Snapshot, after: Snapshot, ts: int) -> Change | None:
    """What happened between two looks; None: nothing. Of a kind that one of them could not read nothing is known."""
    unknown = unread_kinds(before) | unread_kinds(after)
    old = {name_of(each): each for each in before.objects if each["kind"] not in unknown}
    new = {name_of(each): each for each in after.objects if each["kind"] not in unknown}
    applied = [each for name, each in new.items() if _is_news(each, old.get(name))]
    deleted = [each for name, each in old.items() if name not in new]
    return Change(ts, tuple(applied), tuple(deleted), after.now) if applied or deleted else None


def _is_news(manifest: Manifest, before: Manifest | None) -> bool:
    return before is None or (manifest["kind"] not in _NEVER_CHANGED and manifest != before)


def recorded_trace(first: Snapshot, start_ts: int, changes: Sequence[Change], end_ts: int | None = None) -> Trace:
    """The trace of a cluster that was watched.

    Args:
        first: How it was at the beginning.
        start_ts: When that was, unix seconds.
        changes: What happened after, in order.
        end_ts: When the watch ended: an empty event says so, as in SimKube's own recordings; None: it was one look.
    """
    trace = trace_of(first)
    metadata = dict(trace.extra["metadata"])
    late = [each for change in changes for each in change.applied if not driver_applies(each)]
    if late:  # they are not events, so they hold from the beginning
        metadata["unapplied"] = list({name_of(each): each for each in [*metadata.get("unapplied", []), *late]}.values())
    events = [{**trace.events[0], "ts": start_ts}, *map(_event, changes)]
    if end_ts is not None and end_ts > events[-1]["ts"]:
        events.append(_event(Change(end_ts)))
    # A Job that has ended is deleted by an event, so until then its pods run.
    every = (*first.now, *(each for change in changes for each in change.now))
    document = {"version": 1, "events": events, "pod_lifecycles": running_jobs(every, start_ts), "metadata": metadata}
    return Trace(upgraded(document), first.source)


def _event(change: Change) -> Manifest:
    applied = [each for each in change.applied if driver_applies(each)]
    deleted = [_named(each) for each in change.deleted if driver_applies(each)]
    return {"ts": change.ts, "applied_objs": applied, "deleted_objs": deleted}


def _named(manifest: Manifest) -> Manifest:
    """As much of an object as a deletion needs."""
    metadata = {key: manifest["metadata"][key] for key in ("name", "namespace")}
    return {"apiVersion": manifest["apiVersion"], "kind": manifest["kind"], "metadata": metadata}
