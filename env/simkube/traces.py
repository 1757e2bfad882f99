"""The trace that a simulation replays, and how it gets to where the driver reads it."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from env.demand import DEMAND_ANNOTATION, VERDICT_ANNOTATION, Shortage, container_shortage, read_demand
from env.errors import ClusterError, ScenarioError, SimArenaError, TraceError
from env.problems.scenario import Scenario, edited_trace
from env.quantity import parse_cpu, parse_memory
from env.trace.document import Manifest, Trace
from env.workload import Resources

END_MARKER = "sim-arena-end-of-replay"
"""Name of the ConfigMap that the last event applies: once it is there, all that was before it has been applied."""

_OURS = re.compile(r"\.?(?P<simulation>arena-[0-9a-f]{8}-\d+)\.sktrace(\..*)?")  # half a file begins with a dot

TEMPLATE_FIELDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("apps/v1", "Deployment"): ("spec", "template"),
    ("apps/v1", "ReplicaSet"): ("spec", "template"),
    ("apps/v1", "StatefulSet"): ("spec", "template"),
    ("apps/v1", "DaemonSet"): ("spec", "template"),
    ("batch/v1", "Job"): ("spec", "template"),
    ("batch/v1", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
    ("v1", "Pod"): (),
}
"""Where the pod template is, by version and kind."""


class TraceStore(Protocol):
    """Takes a trace to where a driver can read it."""

    def put(self, name: str, body: bytes) -> str:
        """Keep `body` under `name`; the URL, with a scheme, under which a driver reads it. ClusterError if it fails."""
        ...

    def remove(self, name: str) -> None:
        """Delete what `name` holds, if anything; ClusterError if that is not possible."""
        ...


@dataclass(frozen=True)
class NodeFolder:
    """A local folder that is mounted into the cluster's nodes.

    Attributes:
        local: The folder here, such as /tmp/kind-node-data.
        node: The same folder as a node sees it, such as /data.
    """

    local: Path
    node: str = "/data"

    def put(self, name: str, body: bytes) -> str:
        """Write the file in one go, so that no driver reads half of it.

        Raises:
            ClusterError: It cannot be written.
        """
        try:
            with tempfile.NamedTemporaryFile(dir=self.local, prefix=f".{name}.", delete=False) as file:
                try:
                    file.write(body)
                    file.flush()
                    os.fchmod(file.fileno(), 0o644)  # the driver is another user
                    Path(file.name).replace(self.local / name)
                except BaseException:
                    Path(file.name).unlink(missing_ok=True)
                    raise
        except OSError as error:
            raise ClusterError(
                f"trace folder {self.local}: {error.strerror}; it must be mounted in the nodes"
            ) from error
        return f"file://{self.node.rstrip('/')}/{name}"

    def remove(self, name: str) -> None:
        """Delete the file.

        Raises:
            ClusterError: That is not possible.
        """
        try:
            (self.local / name).unlink(missing_ok=True)
        except OSError as error:
            raise ClusterError(f"trace {self.local / name}: {error.strerror}") from error

    def left_over(self, running: Collection[str]) -> list[str] | None:
        """Names of files that `put` left here for simulations that do not run; None where there is no such folder."""
        try:
            found = sorted(path.name for path in self.local.iterdir())
        except OSError:
            return None
        named = ((name, match["simulation"]) for name in found if (match := _OURS.fullmatch(name)))
        return [name for name, simulation in named if simulation not in running]


def replayed_trace(scenario: Scenario, resources: Resources | None) -> Trace:
    """The trace to hand to SimKube: edited, cut to the scenario's duration, with verdicts, and with its end marked.

    It begins when its first object does: `skctl export` writes an empty event at the start of what it was asked for.

    Raises:
        ScenarioError: Nothing is replayed.
        TraceError, QuantityError: The trace is not valid.
    """
    trace = scenario.trace if resources is None else edited_trace(scenario, resources)
    events = trace.events_within(scenario.duration_s)
    if not events:
        raise ScenarioError(f"scenario {scenario.name}: no events to replay")
    first = next((i for i, event in enumerate(events) if event["applied_objs"] or event["deleted_objs"]), 0)
    events = events[first:]
    metadata = {"name": END_MARKER, "namespace": scenario.workload.namespace}
    marker = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    end = {"ts": events[-1]["ts"], "applied_objs": [marker], "deleted_objs": []}
    return with_verdicts(Trace({**trace.document, "events": [*events, end]}, trace.name))


def replayed_s(trace: Trace) -> float:
    """Seconds between the first and the last event."""
    return float(trace.events[-1]["ts"] - trace.events[0]["ts"])


def namespaces_of(trace: Trace) -> set[str]:
    """Every namespace that an object is applied in."""
    return {str(m["metadata"]["namespace"]) for event in trace.events for m in event["applied_objs"]}


def workloads_of(trace: Trace) -> set[tuple[str, str, str]]:
    """Kind, namespace and name of every object with pods that is applied."""
    return {
        (str(m["kind"]), str(m["metadata"]["namespace"]), str(m["metadata"]["name"]))
        for event in trace.events
        for m in event["applied_objs"]
        if (m["apiVersion"], m["kind"]) in TEMPLATE_FIELDS
    }


def with_verdicts(trace: Trace) -> Trace:
    """A trace whose pod templates name the shortage of their pods; the same trace if that changes nothing.

    A template with `sim-arena.io/demand` gets `sim-arena.io/verdict`, or loses a stale one. Where one container is
    OOM-killed and another is short of CPU, the pod counts as OOM-killed.

    Raises:
        TraceError, QuantityError: A demand or a quantity that cannot be read.
    """
    events = [_with_verdicts(event, trace.name) for event in trace.events]
    if all(new is old for new, old in zip(events, trace.events, strict=True)):
        return trace
    return Trace({**trace.document, "events": events}, trace.name)


def pod_shortage(template: Manifest) -> Shortage | None:
    """The shortage of the pods of a template.

    Raises:
        ValueError, QuantityError: A demand or a quantity that cannot be read.
    """
    demand = read_demand(_annotations(template))
    verdicts = set()
    for container in (template.get("spec") or {}).get("containers") or ():
        cpu_use_m, memory_use = demand.get(container.get("name"), (0, 0))
        cpu, memory = _granted(container, "cpu"), _granted(container, "memory")
        cpu_m = None if cpu is None else parse_cpu(cpu)
        memory_bytes = None if memory is None else parse_memory(memory)
        verdicts.add(container_shortage(cpu_m, memory_bytes, cpu_use_m, memory_use))
    return next((v for v in (Shortage.OOM_KILLED, Shortage.CPU_STARVED) if v in verdicts), None)


def _with_verdicts(event: Manifest, trace: str) -> Manifest:
    applied = [_judged(manifest, trace) for manifest in event["applied_objs"]]
    changed = any(new is not old for new, old in zip(applied, event["applied_objs"], strict=True))
    return {**event, "applied_objs": applied} if changed else event


def _judged(manifest: Manifest, trace: str) -> Manifest:
    path = TEMPLATE_FIELDS.get((manifest["apiVersion"], manifest["kind"]))
    template = None if path is None else field_at(manifest, path)
    annotations = {} if template is None else _annotations(template)
    if path is None or template is None or not annotations.keys() & {DEMAND_ANNOTATION, VERDICT_ANNOTATION}:
        return manifest
    try:
        verdict = pod_shortage(template)
    except (SimArenaError, ValueError) as error:
        metadata = manifest["metadata"]
        what = f"trace {trace}: {manifest['kind']} {metadata['namespace']}/{metadata['name']}: {error}"
        raise type(error)(what) if isinstance(error, SimArenaError) else TraceError(what) from error
    if annotations.get(VERDICT_ANNOTATION) == verdict:
        return manifest
    kept = {key: value for key, value in annotations.items() if key != VERDICT_ANNOTATION}
    judged = kept if verdict is None else {**kept, VERDICT_ANNOTATION: str(verdict)}
    return replaced(manifest, (*path, "metadata", "annotations"), judged)


def field_at(manifest: Manifest, path: tuple[str, ...]) -> Manifest | None:
    """The map at a path of keys; None where there is none."""
    found: Any = manifest
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None


def replaced(manifest: Manifest, path: tuple[str, ...], value: Any) -> Manifest:
    """A copy with `value` at `path`; it shares all the rest."""
    key, *rest = path
    return {**manifest, key: replaced(manifest[key], tuple(rest), value) if rest else value}


def _annotations(template: Manifest) -> Manifest:
    annotations = (template.get("metadata") or {}).get("annotations")
    return annotations if isinstance(annotations, dict) else {}


def _granted(container: Manifest, name: str) -> Any:
    resources = container.get("resources") or {}
    limit = (resources.get("limits") or {}).get(name)
    return (resources.get("requests") or {}).get(name) if limit is None else limit
