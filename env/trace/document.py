"""SimKube traces (version 2): read, check, edit, write back byte for byte.

A trace is one MessagePack map: `version`, `config`, `events`, `index`, `pod_lifecycles`. Further keys are kept,
and ignored by SimKube.
"""

from __future__ import annotations

import copy
import os
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from env.errors import TraceError, one_line
from env.trace.msgpack_document import MAX_BYTES, pack, unpack
from env.trace.schema import TRACE_KEYS, VERSION, check_trace, check_unapplied
from env.trace.upgrade import upgraded
from env.workload import WorkloadRef, is_of, workload_ref

Manifest = dict[str, Any]

TRACE_SUFFIXES = (".msgpack", ".sktrace")
_MANIFEST_SUFFIXES = (".yaml", ".yml", ".json")
_HEAD = 65_536
_YAML = re.compile(rb"(^|\n)(---|#|[A-Za-z][A-Za-z0-9_-]*:(\s|$))")


@dataclass(frozen=True, eq=False)
class Trace:
    """A checked trace; never changed in place, edits make a new one that shares what they leave alone.

    Attributes:
        document: The whole decoded map, in the order of the file.
        name: Where it came from, for messages.
    """

    document: Manifest
    name: str = "trace"

    @property
    def version(self) -> int:
        """That of the format."""
        return VERSION

    @property
    def config(self) -> Manifest:
        """What SimKube tracked: `trackedObjects` by kind."""
        return self._map("config")

    @property
    def events(self) -> list[Manifest]:
        """Maps of `ts` (unix seconds), `applied_objs` and `deleted_objs` (whole Kubernetes objects)."""
        events: list[Manifest] = self.document["events"]
        return events

    @property
    def index(self) -> dict[str, dict[str, int]]:
        """Spec hash by kind and "namespace/name"."""
        return self._map("index")

    @property
    def pod_lifecycles(self) -> dict[tuple[str, str], dict[int, list[Any]]]:
        """Recorded pod lives by (kind, "namespace/name") and pod spec hash."""
        lifecycles: dict[tuple[str, str], dict[int, list[Any]]] = self.document["pod_lifecycles"]
        return lifecycles

    @property
    def extra(self) -> Manifest:
        """Top-level keys that are not SimKube's, such as `metadata`."""
        return {key: value for key, value in self.document.items() if key not in TRACE_KEYS}

    @property
    def unapplied(self) -> list[Manifest]:
        """Objects of `metadata.unapplied`: SimKube's driver cannot apply them, and they decide about pods all the same.

        Their namespace is "". Files of other tools have none.
        """
        metadata = self.document.get("metadata")
        return metadata.get("unapplied", []) if isinstance(metadata, dict) else []

    @property
    def is_snapshot(self) -> bool:
        """Whether its objects are a cluster's own or to be applied to one (`env.snapshot`), and no recording."""
        metadata = self.document.get("metadata")
        scenario = metadata.get("scenario") if isinstance(metadata, dict) else None
        return isinstance(scenario, dict) and scenario.get("made_from") == "snapshot"

    def events_within(self, duration_s: float | None) -> list[Manifest]:
        """The events that a replay of `duration_s` seconds reaches: those before start + duration, as in SimKube."""
        if duration_s is None or not self.events:
            return self.events
        end = self.events[0]["ts"] + duration_s
        return [event for event in self.events if event["ts"] < end]

    def to_bytes(self) -> bytes:
        """The file's bytes: identical to what was read when nothing was edited."""
        return pack(self.document)

    def deployments(self) -> list[WorkloadRef]:
        """Every Deployment that is applied, in order of first appearance."""
        return [ref for ref in self.workloads() if ref.kind == "Deployment"]

    def workloads(self) -> list[WorkloadRef]:
        """Every Deployment, StatefulSet, DaemonSet and ReplicaSet that is applied, in order of first appearance."""
        applied = (workload_ref(manifest) for event in self.events for manifest in event["applied_objs"])
        return list(dict.fromkeys(ref for ref in applied if ref is not None))

    def edited(self, ref: WorkloadRef, edit: Callable[[Manifest], Manifest]) -> Trace:
        """A new trace in which every applied manifest of `ref` went through `edit`.

        Each event that applies the object is edited, else a later one would revert the change.

        Args:
            ref: The workload to edit.
            edit: Gets a copy of the manifest, which it may change, and returns the new one.

        Raises:
            TraceError: The trace never applies `ref`.
        """
        touched = [any(is_of(m, ref) for m in event["applied_objs"]) for event in self.events]
        if not any(touched):
            raise TraceError(f"trace {self.name}: no {ref.title} to edit")

        def edited_event(event: Manifest) -> Manifest:
            applied = [edit(copy.deepcopy(m)) if is_of(m, ref) else m for m in event["applied_objs"]]
            return {**event, "applied_objs": applied}

        events = [edited_event(e) if hit else e for e, hit in zip(self.events, touched, strict=True)]
        return Trace({**self.document, "events": events}, self.name)

    def _map(self, key: str) -> Manifest:
        value: Manifest = self.document[key]
        return value


def load_trace(path: str | os.PathLike[str]) -> Trace:
    """Read the trace file at `path`.

    Raises:
        TraceError: It cannot be read, or `read_trace` refuses its content.
    """
    return read_trace(read_trace_file(path), os.fspath(path))


def trace_files(path: str | os.PathLike[str]) -> list[Path]:
    """The file itself, or the traces in a folder by name.

    Raises:
        TraceError: A folder without any.
    """
    path = Path(path)
    if not path.is_dir():
        return [path]
    found = sorted(child for child in path.iterdir() if child.suffix in TRACE_SUFFIXES)
    if not found:
        holds_manifests = any(child.suffix in _MANIFEST_SUFFIXES for child in path.iterdir())
        instead = f"; it holds manifests? those go to -f: -f {path}" if holds_manifests else ""
        raise TraceError(f"folder {path}: holds no {' or '.join(TRACE_SUFFIXES)} file{instead}")
    return found


def read_trace_file(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a trace file, never more than one byte over the limit.

    Raises:
        TraceError: The file cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise TraceError(f"trace {os.fspath(path)}: cannot be read: {reason}") from error


def read_trace(data: bytes, name: str) -> Trace:
    """Decode and check a version-2 trace.

    Args:
        data: The file's bytes, at most 64 MiB.
        name: Where they came from, for messages.

    Raises:
        TraceError: Anything that SimKube 2.x would not read, with the place and the reason.
    """
    document = _unpack(data, name)
    _refuse_other_formats(document, name)
    return _checked(document, name)


def upgrade_trace(data: bytes, name: str) -> Trace:
    """Bring an older trace to version 2; one that is version 2 and complete is returned as it is.

    Raises:
        TraceError: Not a trace, or one that cannot be upgraded without loss.
    """
    document = _unpack(data, name)
    try:
        document = upgraded(document)
    except ValueError as error:
        raise TraceError(f"trace {name}: cannot be upgraded: {one_line(str(error))}") from error
    return _checked(document, name)


def _unpack(data: bytes, name: str) -> Any:
    try:
        return unpack(data)
    except ValueError as error:
        text = _text_kind(data, name)
        if text:
            raise TraceError(f"trace {name}: {text}") from None
        raise TraceError(f"trace {name}: not a SimKube trace: {one_line(str(error))}") from error


def _text_kind(data: bytes, name: str) -> str:
    """What a text is that is not MessagePack, and what takes it; "" for other bytes."""
    head = data[:_HEAD].removeprefix(b"\xef\xbb\xbf").lstrip()
    is_json = head[:1] == b"{"
    if is_json and b'"events"' in data and b'"config"' in data:
        return "is JSON; a SimKube trace is MessagePack, which `skctl export` writes"
    if not is_json and (b"\0" in head or not _YAML.search(head)):
        return ""
    what = "JSON" if is_json else "YAML"
    make = f"sim-arena trace make -f {shlex.quote(name)} --to web.sktrace"
    options = "-f (in Python filename=)"
    return f"is {what}, and a trace is MessagePack; manifests go to {options}, or make a trace of them: {make}"


def _checked(document: Any, name: str) -> Trace:
    try:
        check_trace(document)
        check_unapplied(document)
    except ValueError as error:
        raise TraceError(f"trace {name}: not a valid SimKube trace: {one_line(str(error))}") from error
    return Trace(document, name)


def _refuse_other_formats(document: Any, name: str) -> None:
    upgrade = f"run: sim-arena trace upgrade {name}"
    match document:
        case {"version": 1 as version} if type(version) is int:
            raise TraceError(f"trace {name}: version 1, SimKube 2.x reads 2; {upgrade}")
        case {"version": int(version)} if version not in (1, VERSION):
            raise TraceError(f"trace {name}: version {version}, SimKube 2.x reads 2")
        case {"version": _, "events": _}:
            missing = [key for key in TRACE_KEYS if key not in document]
            if missing:
                raise TraceError(f"trace {name}: no {', '.join(missing)}, SimKube needs them; {upgrade}")
        case [{}, list(), {}, {}]:
            raise TraceError(f"trace {name}: the format of SimKube 1.1.1 and older, 2.x reads version 2; {upgrade}")
