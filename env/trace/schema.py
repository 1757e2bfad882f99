"""What SimKube 2.x demands of a trace's document; the first thing that does not fit is named by its place."""

from __future__ import annotations

from typing import Any

VERSION = 2
TRACE_KEYS = ("version", "config", "events", "index", "pod_lifecycles")

_TRACKED_KEYS = {"podSpecTemplatePath", "podSpecTemplatePaths", "trackLifecycle", "skipOwned"}
_LARGEST_HASH = 2**64 - 1
_LARGEST_TS = 2**63 - 1


def check_trace(document: Any) -> None:
    """Accept exactly what SimKube's reader and driver accept.

    Raises:
        ValueError: Names the first place that does not fit.
    """
    _need(isinstance(document, dict), "the trace", f"a map with the keys {', '.join(TRACE_KEYS)}")
    _need(_is_int(document.get("version")) and document["version"] == VERSION, "version", str(VERSION))
    missing = [key for key in TRACE_KEYS if key not in document]
    if missing:
        raise ValueError(f"no {', '.join(missing)}")
    _check_config(document["config"])
    check_events(document["events"])
    _check_index(document["index"])
    _check_lifecycles(document["pod_lifecycles"])


def _check_config(config: Any) -> None:
    _need(isinstance(config, dict), "config", "a map")
    tracked: Any = config.get("trackedObjects")
    _need(isinstance(tracked, dict), "config.trackedObjects", "a map of kinds")
    for kind, entry in tracked.items():
        place = f"config.trackedObjects[{kind}]"
        _need(isinstance(kind, str) and isinstance(entry, dict), place, "a map")
        unknown = [key for key in entry if key not in _TRACKED_KEYS]
        _need(not unknown, f"{place}.{unknown[0] if unknown else ''}", f"one of {', '.join(sorted(_TRACKED_KEYS))}")


def check_events(events: Any) -> None:
    """The events alone: a list of {ts, applied_objs, deleted_objs} of whole, namespaced objects."""
    _need(isinstance(events, list), "events", "a list")
    for i, event in enumerate(events):
        _need(isinstance(event, dict), f"events[{i}]", "a map")
        ts = event.get("ts")
        _need(_is_int(ts) and -_LARGEST_TS <= ts <= _LARGEST_TS, f"events[{i}].ts", "whole seconds")
        for key in ("applied_objs", "deleted_objs"):
            _need(isinstance(event.get(key), list), f"events[{i}].{key}", "a list")
            for j, manifest in enumerate(event[key]):
                _check_manifest(manifest, f"events[{i}].{key}[{j}]")


def check_unapplied(document: dict[Any, Any]) -> None:
    """Objects beside the events, of which SimKube knows nothing: whole, with a namespace or the namespace "".

    Raises:
        ValueError: Names the first place that does not fit.
    """
    metadata = document.get("metadata")
    if not isinstance(metadata, dict) or "unapplied" not in metadata:
        return
    _need(isinstance(metadata["unapplied"], list), "metadata.unapplied", "a list")
    for i, manifest in enumerate(metadata["unapplied"]):
        place = f"metadata.unapplied[{i}]"
        own = manifest.get("metadata") if isinstance(manifest, dict) else None
        if isinstance(own, dict) and own.get("namespace") == "":
            manifest = {**manifest, "metadata": {**own, "namespace": "-"}}
        _check_manifest(manifest, place)


def _check_manifest(manifest: Any, place: str) -> None:
    _need(isinstance(manifest, dict), place, "a Kubernetes object")
    metadata = manifest.get("metadata")
    _need(isinstance(metadata, dict), f"{place}.metadata", "a map")
    for key in ("apiVersion", "kind"):
        _need(_is_name(manifest.get(key)), f"{place}.{key}", "a string")
    for key in ("name", "namespace"):
        _need(_is_name(metadata.get(key)), f"{place}.metadata.{key}", "a string")
    _need(_is_json(manifest), place, "like JSON: map keys are strings")


def _check_index(index: Any) -> None:
    _need(isinstance(index, dict), "index", "a map of kinds")
    for kind, entries in index.items():
        _need(isinstance(kind, str) and isinstance(entries, dict), f"index[{kind}]", "a map")
        for name, value in entries.items():
            _need(isinstance(name, str) and _is_hash(value), f"index[{kind}][{name}]", "an unsigned 64-bit hash")


def _check_lifecycles(lifecycles: Any) -> None:
    _need(isinstance(lifecycles, dict), "pod_lifecycles", "a map")
    for owner, by_hash in lifecycles.items():
        place = f"pod_lifecycles[{owner}]"
        pair = isinstance(owner, tuple) and len(owner) == 2 and all(isinstance(part, str) for part in owner)
        _need(pair, place, "keyed by [kind, namespace/name]")
        _need(isinstance(by_hash, dict), place, "a map of hashes")
        for spec, entries in by_hash.items():
            fits = _is_hash(spec) and isinstance(entries, list) and all(map(_is_lifecycle, entries))
            _need(fits, f"{place}[{spec}]", "a list of Empty, Running or Finished")


def _is_lifecycle(entry: Any) -> bool:
    match entry:
        case "Empty":
            return True
        case {"Running": start} if len(entry) == 1:
            return _is_int(start)
        case {"Finished": [start, end]} if len(entry) == 1:
            return _is_int(start) and _is_int(end)
    return False


def _is_json(value: Any) -> bool:
    match value:
        case dict():
            return all(isinstance(key, str) for key in value) and all(map(_is_json, value.values()))
        case list():
            return all(map(_is_json, value))
    return True


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_hash(value: Any) -> bool:
    return _is_int(value) and 0 <= value <= _LARGEST_HASH


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _need(fits: bool, place: str, wanted: str) -> None:
    if not fits:
        raise ValueError(f"{place[:200]}: must be {wanted}")
