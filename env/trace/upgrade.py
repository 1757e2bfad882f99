"""Documents of older trace formats to version 2: pure functions from document to document.

- version 1, `{version: 1, metadata, events}`, and version 2 without config, index or lifecycles: what is missing
  follows from the events;
- SimKube <= 1.1.1, an array `[config, events, index, lifecycles]` whose index and lifecycles name objects without
  their kind: the kind is looked up in the events, and the upgrade refused where it is not certain.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from env.trace.schema import TRACE_KEYS, VERSION, check_events
from env.trace.spec_hash import spec_hash

# SimKube's built-in pod template paths; it refuses other kinds in `trackedObjects` unless they name a path.
TEMPLATE_PATHS = {
    "apps/v1.DaemonSet": "/spec/template",
    "apps/v1.Deployment": "/spec/template",
    "apps/v1.ReplicaSet": "/spec",
    "apps/v1.StatefulSet": "/spec/template",
    "batch/v1.CronJob": "/spec/jobTemplate/spec/template",
    "batch/v1.Job": "/spec/template",
    "v1.Pod": "",
}


def upgraded(document: Any) -> dict[Any, Any]:
    """The version-2 document with the same events.

    Raises:
        ValueError: Not a format that can be brought to version 2 without loss; says why.
    """
    match document:
        case {"version": 1 | 2 as version} if type(version) is int:
            return _completed(document)
        case {"version": version}:
            raise ValueError(f"version {version!r:.40}; only 1 and 2 can be upgraded")
        case [{}, list(), {}, {}]:
            return _from_array(*document)
    raise ValueError("neither a map with a version nor the array of four that SimKube 1.1.1 and older wrote")


def _completed(document: dict[Any, Any]) -> dict[Any, Any]:
    events: Any = document.get("events")
    check_events(events)
    derived = {"version": VERSION, "config": _config(events), "index": _index(events), "pod_lifecycles": {}}
    complete = {**derived, **document, "version": VERSION}
    extra = {key: value for key, value in document.items() if key not in TRACE_KEYS}
    return {**{key: complete[key] for key in TRACE_KEYS}, **extra}


def _config(events: list[Any]) -> dict[str, Any]:
    kinds = dict.fromkeys(kind for kind, _, _ in _applied(events) if kind in TEMPLATE_PATHS)
    return {"trackedObjects": {kind: {"podSpecTemplatePaths": [TEMPLATE_PATHS[kind]]} for kind in kinds}}


def _index(events: list[Any]) -> dict[str, dict[str, int]]:
    """Hash of the last applied spec per object, of the kinds that are tracked."""
    last: dict[str, dict[str, Any]] = {}
    for kind, name, manifest in _applied(events):
        if kind in TEMPLATE_PATHS:
            last.setdefault(kind, {})[name] = manifest.get("spec")
    return {kind: {name: spec_hash(spec) for name, spec in specs.items()} for kind, specs in last.items()}


def _from_array(config: Any, events: Any, index: Any, lifecycles: Any) -> dict[Any, Any]:
    check_events(events)
    kinds: dict[str, set[str]] = {}
    for kind, name, _ in _applied(events):
        kinds.setdefault(name, set()).add(kind)
    typed_index: dict[str, dict[str, Any]] = {}
    for name, value in index.items():
        typed_index.setdefault(_only_kind(name, kinds), {})[name] = value
    typed_lifecycles = {(_only_kind(name, kinds), name): entries for name, entries in lifecycles.items()}
    return dict(zip(TRACE_KEYS, (VERSION, config, events, typed_index, typed_lifecycles), strict=True))


def _only_kind(name: Any, kinds: dict[str, set[str]]) -> str:
    found = kinds.get(name, set())
    if len(found) != 1:
        which = f"{len(found)} kinds ({', '.join(sorted(found))})" if found else "no kind"
        raise ValueError(f"object {name!r:.120} of the index has {which} in the events, so it cannot be typed")
    return next(iter(found))


def _applied(events: list[Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(kind, namespace/name, manifest) of everything applied, in order."""
    for event in events:
        for manifest in event["applied_objs"]:
            metadata = manifest["metadata"]
            kind = f"{manifest['apiVersion']}.{manifest['kind']}"
            yield kind, f"{metadata['namespace']}/{metadata['name']}", manifest
