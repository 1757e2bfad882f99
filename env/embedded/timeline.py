"""A trace read once into the steps that a replay performs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from env.embedded.objects_read import ObjectsRead
from env.engine.manifests.fields import as_map, as_text
from env.engine.manifests.objects import (
    INERT,
    KubeObject,
    is_builtin,
    pod_templates,
    priority_class,
)
from env.engine.manifests.priorities import SYSTEM_PRIORITIES, PriorityClass
from env.errors import SimArenaError
from env.trace.document import Manifest, Trace
from env.workload import ObjectRef, WorkloadRef, object_ref

logger = logging.getLogger("env.embedded.cluster")


@dataclass(frozen=True)
class ReplayStep:
    """One event: objects applied in order, then those deleted.

    Attributes:
        ts: Unix seconds.
        applied: Objects of the kinds that the engine simulates.
        deleted: Kind and name of objects that go.
    """

    ts: int
    applied: tuple[KubeObject, ...]
    deleted: tuple[tuple[str, ObjectRef], ...]


@dataclass(frozen=True)
class Timeline:
    """All steps of a trace, and how long pods live that are known to have ended.

    Attributes:
        lifetimes: Seconds that the pods of (kind, workload) ran, in turn; infinity: without end.
    """

    steps: tuple[ReplayStep, ...]
    lifetimes: Mapping[tuple[str, ObjectRef], tuple[float, ...]]

    def within(self, duration_s: float | None) -> tuple[ReplayStep, ...]:
        """The steps before start + duration, as `Trace.events_within`."""
        if duration_s is None or not self.steps:
            return self.steps
        end = self.steps[0].ts + duration_s
        return tuple(step for step in self.steps if step.ts < end)

    def has_others(self, workload: WorkloadRef) -> bool:
        """Whether anything but `workload` is applied."""
        key = workload.key
        return any((each.kind, each.ref) != key for step in self.steps for each in step.applied)


def read_timeline(trace: Trace, known: ObjectsRead | None = None) -> Timeline:
    """Read every event; what the embedded cluster does not simulate is logged, once per trace, by name.

    Args:
        trace: What is read.
        known: Manifests that were read before, of other traces too; more are added.

    Raises:
        TraceError, QuantityError: An object that the API server would refuse.
    """
    try:
        priorities = _priorities(trace)
        known = known or ObjectsRead()
        known.begin(priorities, keep_ports=trace.is_snapshot)
        steps = tuple(_step(event, known) for event in trace.events)
        lifetimes = dict(_lifetimes(trace))
    except SimArenaError as error:
        raise type(error)(f"trace {trace.name}: {error}") from error
    not_modelled = _not_modelled(trace, steps, priorities)
    if not_modelled:
        logger.warning("trace %s: not simulated: %s", trace.name, "; ".join(not_modelled))
    return Timeline(steps, lifetimes)


def _step(event: Manifest, known: ObjectsRead) -> ReplayStep:
    """An event, read."""
    applied = tuple(read for manifest in event["applied_objs"] if (read := known.read(manifest)) is not None)
    deleted = tuple((manifest["kind"], object_ref(manifest)) for manifest in event["deleted_objs"])
    return ReplayStep(event["ts"], applied, deleted)


def _priorities(trace: Trace) -> dict[str, PriorityClass]:
    every: dict[str, PriorityClass] = {}
    for manifest in _applied(trace):
        if manifest["kind"] == "PriorityClass":
            every |= priority_class(manifest)
    return every


def _lifetimes(trace: Trace) -> list[tuple[tuple[str, ObjectRef], tuple[float, ...]]]:
    """The driver gives the pods of an owner the recorded lives in turn, and takes the first list that it finds."""
    found = []
    for (kind, name), lives in trace.pod_lifecycles.items():
        namespace, _, own = name.partition("/")
        entries = next(iter(lives.values()), [])
        spans = tuple(_span(entry) for entry in entries)
        if spans:
            found.append(((kind.rpartition(".")[2], ObjectRef(namespace, own)), spans))
    return found


def _span(entry: Any) -> float:
    if isinstance(entry, dict) and "Finished" in entry:
        start, end = entry["Finished"]
        return float(max(0, end - start))
    return inf


def _not_modelled(trace: Trace, steps: tuple[ReplayStep, ...], priorities: Mapping[str, PriorityClass]) -> list[str]:
    known = {"PriorityClass", *INERT}
    read = {each.kind for step in steps for each in step.applied}
    others = (
        f"{m['kind']} {object_ref(m)}"
        for m in _applied(trace)
        if not is_builtin(m) or (m["kind"] not in known and m["kind"] not in read)
    )
    fields = (
        f"{name} of {each.kind} {each.ref}" for step in steps for each in step.applied for name in each.not_modelled
    )
    classes = (
        f"PriorityClass {name}, which the trace does not hold (its pods count as priority 0)"
        for m in _applied(trace)
        for template in pod_templates(m)
        if (name := as_text(as_map(template, "spec"), "priorityClassName"))
        and name not in priorities
        and name not in SYSTEM_PRIORITIES
    )
    return [*dict.fromkeys(others), *dict.fromkeys(fields), *dict.fromkeys(classes)]


def _applied(trace: Trace) -> list[Manifest]:
    return [*trace.unapplied, *(manifest for event in trace.events for manifest in event["applied_objs"])]
