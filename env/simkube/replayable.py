"""What of a trace the driver cannot replay, or the cluster would make no pods with, left out of the copy that it gets.

A trace is recorded in another cluster than that in which it is replayed. SimKube's driver applies namespaced objects
only, and ends with an error at others. An API server makes no pods whose account or class is not there. Nothing could
be observed then, so they are left out, as `skctl validate` proposes, and said. The embedded cluster does without them,
too, but for the PriorityClasses of the trace: the cluster must have those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from env.engine.manifests.priorities import SYSTEM_PRIORITIES
from env.simkube.traces import TEMPLATE_FIELDS, field_at, replaced
from env.trace.document import Manifest, Trace
from env.trace.scopes import is_cluster_scoped
from env.trace.upgrade import TEMPLATE_PATHS

_ENTRY = ("trackLifecycle", "skipOwned")
_MISPLACED = "apps/v1.ReplicaSet"


def replayable(trace: Trace) -> tuple[Trace, tuple[str, ...]]:
    """A trace that SimKube 2.3 to 2.7 replay, and what of the given one it lacks, each in a few words."""
    left_out: dict[str, None] = {}
    there = {
        (manifest["kind"], manifest["metadata"]["namespace"] if manifest["kind"] == "ServiceAccount" else "",
         manifest["metadata"]["name"])
        for manifest in _applied(trace)
    }  # fmt: skip
    events = []
    for event in trace.events:
        applied = []
        for manifest in event["applied_objs"]:
            if is_cluster_scoped(manifest):
                if manifest["kind"] != "PriorityClass":
                    left_out[f"{manifest['kind']} {manifest['metadata']['name']}"] = None
            else:
                applied.append(_admitted(manifest, there, lambda what: left_out.update({what: None})))
        deleted = [manifest for manifest in event["deleted_objs"] if not is_cluster_scoped(manifest)]
        events.append({**event, "applied_objs": applied, "deleted_objs": deleted})
    kinds = {f"{each['apiVersion']}.{each['kind']}" for each in _applied(trace)}
    config = {**trace.config, "trackedObjects": _tracked(trace.config["trackedObjects"], kinds)}
    return Trace({**trace.document, "config": config, "events": events}, trace.name), tuple(left_out)


def priority_classes(trace: Trace) -> dict[str, Manifest]:
    """The PriorityClasses that a trace applies, by name. The driver cannot make them."""
    return {each["metadata"]["name"]: each for each in _applied(trace) if each["kind"] == "PriorityClass"}


def _applied(trace: Trace) -> Iterator[Manifest]:
    yield from trace.unapplied
    for event in trace.events:
        yield from event["applied_objs"]


def _admitted(manifest: Manifest, there: set[tuple[str, str, str]], say: Callable[[str], None]) -> Manifest:
    """The manifest without what its pods need and the cluster of the replay will not have."""
    path = TEMPLATE_FIELDS.get((manifest["apiVersion"], manifest["kind"]))
    pod = None if path is None else field_at(manifest, (*path, "spec"))
    if path is None or pod is None:
        return manifest
    namespace = manifest["metadata"]["namespace"]
    account = pod.get("serviceAccountName") or pod.get("serviceAccount") or "default"
    gone: list[str] = []
    if account != "default" and ("ServiceAccount", namespace, account) not in there:
        gone += ["serviceAccountName", "serviceAccount"]
        say(f"ServiceAccount {namespace}/{account}")
    priority = pod.get("priorityClassName")
    if priority and priority not in SYSTEM_PRIORITIES and ("PriorityClass", "", priority) not in there:
        gone += ["priorityClassName", "priority", "preemptionPolicy"]
        say(f"PriorityClass {priority}")
    if pod.get("runtimeClassName"):
        gone += ["runtimeClassName", "overhead"]
        say(f"RuntimeClass {pod['runtimeClassName']}")
    if not gone:
        return manifest
    return replaced(manifest, (*path, "spec"), {key: value for key, value in pod.items() if key not in gone})


def _tracked(tracked: dict[str, Any], applied: set[str]) -> dict[str, Any]:
    """`trackedObjects` as SimKube 2.7 takes them: its own paths for kinds that it knows, others only with a path.

    Of what is applied all kinds with pods are tracked: only in their templates the driver writes that pods go to
    virtual nodes, by which DaemonSets are counted. Not ReplicaSets: the driver looks for their template at `/spec`.
    """
    found = {}
    for kind in sorted({*tracked, *(applied & TEMPLATE_PATHS.keys())} - {_MISPLACED}):
        entry = tracked.get(kind, {})
        own = [entry["podSpecTemplatePath"]] if entry.get("podSpecTemplatePath") else []
        given = [TEMPLATE_PATHS[kind]] if kind in TEMPLATE_PATHS else entry.get("podSpecTemplatePaths") or own
        if given:  # it is only asked where the pod templates are
            found[kind] = {"podSpecTemplatePaths": given, **{key: entry[key] for key in _ENTRY if key in entry}}
    return found
