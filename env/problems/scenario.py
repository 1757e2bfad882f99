"""A problem to solve: a trace, the workload to fix in it, how many pods should be ready, and the nodes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from env.actions import MOST, NO_CEILING, Ceiling
from env.engine.manifests.deployment import read_deployment
from env.engine.manifests.objects import pod_templates
from env.errors import ScenarioError, SimArenaError
from env.problems.node_metadata import pools_of_metadata
from env.problems.nodes import LARGEST, NodePools, check_range
from env.trace.document import Manifest, Trace
from env.trace.edit import edited
from env.workload import ResourceEdit, Resources, WorkloadRef, is_deployment, workload_ref


@dataclass(frozen=True)
class Scenario:
    """One problem to solve.

    Attributes:
        trace: What is replayed.
        workload: The Deployment that the agent changes.
        target: Pods of it that should exist and be ready at the end; 0 for one that is scaled to zero.
        nodes: The cluster.
        duration_s: Seconds of the trace to replay; None for all of it.
        name: For messages and results.
        problem: Its kind, one of `env.problems.draw.PROBLEMS` for generated ones.
    """

    trace: Trace
    workload: WorkloadRef
    target: int
    nodes: NodePools
    duration_s: float | None
    name: str
    problem: str | None

    def __post_init__(self) -> None:
        check_range("target", self.target, LARGEST, least=0)
        if self.duration_s is not None and not (math.isfinite(self.duration_s) and self.duration_s > 0):
            raise ScenarioError(f"duration {self.duration_s}: must be more than 0 seconds")


def scenario_from_trace(
    trace: Trace,
    *,
    name: str,
    deploy: str | None = None,
    namespace: str | None = None,
    target: int | None = None,
    nodes: NodePools | None = None,
    duration_s: float | None = None,
) -> Scenario:
    """Make a scenario of a trace; what is not given comes from the trace.

    Defaults: the trace's own `metadata.scenario`, where the generator wrote one; else its only Deployment, the
    replicas that this has at the end, and three nodes of 16 CPU and 32 GiB.

    Raises:
        ScenarioError: No such Deployment at the end of the trace, more than one to choose from, or a value out
            of range.
    """
    recorded = _recorded_scenario(trace)
    wanted = (namespace or (None if deploy else recorded.get("namespace")), deploy or recorded.get("deploy"))
    workload = _only_deployment(trace, *wanted)
    if target is None:
        target = recorded.get("target")
    return Scenario(
        trace=trace,
        workload=workload,
        target=recorded_resources(trace, workload, duration_s).replicas if target is None else target,
        nodes=nodes or (NodePools() if recorded.get("nodes") is None else pools_of_metadata(recorded["nodes"])),
        duration_s=duration_s,
        name=name,
        problem=recorded.get("problem"),
    )


def recorded_manifest(trace: Trace, workload: WorkloadRef, duration_s: float | None = None) -> Manifest:
    """The manifest of `workload` at the end of a replay of the unedited trace.

    Raises:
        ScenarioError: It does not exist then.
    """
    last: Manifest | None = None
    for event in trace.events_within(duration_s):
        for manifest in event["applied_objs"]:
            last = manifest if _names(manifest, workload) else last
        if any(_names(manifest, workload) for manifest in event["deleted_objs"]):
            last = None
    if last is None:
        raise ScenarioError(f"trace {trace.name}: no Deployment {workload} at the end of the replay")
    return last


def recorded_resources(trace: Trace, workload: WorkloadRef, duration_s: float | None = None) -> Resources:
    """What `workload` asks for at the end of a replay of the unedited trace.

    Raises:
        ScenarioError: It does not exist then.
        TraceError, QuantityError: Its manifest is not valid.
    """
    return _in_trace(trace, recorded_manifest(trace, workload, duration_s))


def has_neighbours(scenario: Scenario) -> bool:
    """Whether the trace applies anything besides the workload that has pods."""
    events = scenario.trace.events_within(scenario.duration_s)
    applied = (manifest for event in events for manifest in event["applied_objs"])
    return any(pod_templates(manifest) and not _names(manifest, scenario.workload) for manifest in applied)


def fingerprint(scenarios: Sequence[Scenario]) -> str:
    """SHA-256 of all that decides what an agent meets in these scenarios, in hex; their names have no part in it."""
    digest = hashlib.sha256()
    for scenario in scenarios:
        facts = (str(scenario.workload), scenario.target, *scenario.nodes.pools, scenario.duration_s)
        digest.update(repr(facts).encode())
        digest.update(hashlib.sha256(scenario.trace.to_bytes()).digest())
    return digest.hexdigest()


def ceiling_of(scenario: Scenario) -> Ceiling:
    """The most that actions make the scenario's workload request, as its recorded manifest allows.

    `NO_CEILING` where that is not valid: then a replay says what is wrong.
    """
    try:
        manifest = recorded_manifest(scenario.trace, scenario.workload, scenario.duration_s)
        cpu, memory = read_deployment(manifest).source.ceilings()
    except SimArenaError:
        return NO_CEILING
    most = Resources(
        MOST.cpu_m if cpu is None else min(cpu[0], MOST.cpu_m),
        MOST.memory_bytes if memory is None else min(memory[0], MOST.memory_bytes),
        MOST.replicas,
    )
    cpu_by = "" if cpu is None or most.cpu_m < cpu[0] else cpu[1]
    memory_by = "" if memory is None or most.memory_bytes < memory[0] else memory[1]
    return Ceiling(most, cpu_by, memory_by)


def edited_trace(scenario: Scenario, resources: Resources) -> Trace:
    """The scenario's trace with `resources` for its workload, in every event that applies it.

    Fields that equal what was recorded stay as they are in each event.
    """
    recorded = recorded_resources(scenario.trace, scenario.workload, scenario.duration_s)
    edit = ResourceEdit.between(recorded, resources)
    return scenario.trace.edited(scenario.workload, lambda manifest: edited(manifest, edit))


def _in_trace(trace: Trace, manifest: Manifest) -> Resources:
    try:
        return read_deployment(manifest).resources
    except SimArenaError as error:
        raise type(error)(f"trace {trace.name}: {error}") from error


def _only_deployment(trace: Trace, namespace: str | None, name: str | None) -> WorkloadRef:
    every = trace.deployments()
    found = [ref for ref in every if namespace in (None, ref.namespace) and name in (None, ref.name)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(map(str, found or every)) or "none"
    if found:
        raise ScenarioError(f"trace {trace.name}: {len(found)} Deployments, choose one by name and namespace: {names}")
    wanted = f"no Deployment {namespace or '*'}/{name or '*'}"
    raise ScenarioError(f"trace {trace.name}: {wanted}; its Deployments: {names}")


def _recorded_scenario(trace: Trace) -> Mapping[str, Any]:
    """What the generator wrote into the trace, or `snapshot.trace_of`; those of other tools lack these keys."""
    metadata = trace.extra.get("metadata")
    scenario = metadata.get("scenario") if isinstance(metadata, dict) else None
    if not isinstance(scenario, dict):
        return {}
    is_ours = isinstance(scenario.get("problem"), str) or scenario.get("made_from") == "snapshot"
    return scenario if is_ours else {}


def _names(manifest: Manifest, workload: WorkloadRef) -> bool:
    return is_deployment(manifest) and workload_ref(manifest) == workload
