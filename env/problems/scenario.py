"""A problem to solve: a trace, the workload to fix in it, how many pods should be ready, and the nodes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from env.actions import MOST, NO_CEILING, Ceiling
from env.engine.manifests.objects import pod_templates, read_workload
from env.errors import ScenarioError, SimArenaError
from env.problems.node_metadata import pools_of_metadata
from env.problems.nodes import IN_ZONES, LARGEST, NodePools, check_range
from env.trace.document import Manifest, Trace
from env.trace.edit import edited
from env.workload import KINDS, ResourceEdit, Resources, WorkloadRef, is_of

_MOST_NAMED = 20


@dataclass(frozen=True)
class Scenario:
    """One problem to solve.

    Attributes:
        trace: What is replayed.
        workload: What the agent changes: a Deployment, StatefulSet, DaemonSet or ReplicaSet.
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
    kind: str | None = None,
    target: int | None = None,
    nodes: NodePools | None = None,
    duration_s: float | None = None,
) -> Scenario:
    """Make a scenario of a trace; what is not given comes from the trace.

    Defaults: the trace's own `metadata.scenario`, where the generator wrote one; else its only Deployment (without
    Deployments its only workload), the replicas that this has at the end, and three nodes of 16 CPU and 32 GiB. A
    DaemonSet has as many pods as its controller wants on the nodes.

    Args:
        trace: What is replayed.
        name: For messages and results.
        deploy, namespace, kind: Of the workload. A name alone is a Deployment's.
        target, nodes, duration_s: See `Scenario`.

    Raises:
        ScenarioError: No such workload at the end of the trace, more than one to choose from, or a value out of range.
    """
    recorded = _recorded_scenario(trace)
    is_given = deploy is not None or kind is not None
    wanted = (namespace or (None if is_given else recorded.get("namespace")),
              deploy or (None if is_given else recorded.get("deploy")))  # fmt: skip
    workload = _only_workload(trace, kind, *wanted)
    nodes = nodes or nodes_of(trace) or assumed_nodes(trace)
    if target is None and kind in (None, "Deployment"):
        target = recorded.get("target")
    if target is None:
        target = recorded_resources(trace, workload, duration_s, nodes).replicas
    return Scenario(
        trace=trace,
        workload=workload,
        target=target,
        nodes=nodes,
        duration_s=duration_s,
        name=name,
        problem=recorded.get("problem"),
    )


def nodes_of(trace: Trace) -> NodePools | None:
    """The nodes that a trace says itself, in `metadata.scenario`; None: it says none.

    Raises:
        ScenarioError: What it says are no nodes.
    """
    recorded = _recorded_scenario(trace)
    return None if recorded.get("nodes") is None else pools_of_metadata(recorded["nodes"])


def assumed_nodes(trace: Trace) -> NodePools:
    """Where a trace runs that says nothing of nodes: three of 16 CPU and 32 GiB.

    Those of a snapshot are in three zones of a region, as a cloud's are: its workloads may ask for that.
    """
    return IN_ZONES if trace.is_snapshot else NodePools()


def recorded_manifest(trace: Trace, workload: WorkloadRef, duration_s: float | None = None) -> Manifest:
    """The manifest of `workload` at the end of a replay of the unedited trace.

    Raises:
        ScenarioError: It does not exist then.
    """
    last: Manifest | None = None
    for event in trace.events_within(duration_s):
        for manifest in event["applied_objs"]:
            last = manifest if is_of(manifest, workload) else last
        if any(is_of(manifest, workload) for manifest in event["deleted_objs"]):
            last = None
    if last is None:
        raise ScenarioError(f"trace {trace.name}: no {workload.title} at the end of the replay")
    return last


def recorded_resources(
    trace: Trace, workload: WorkloadRef, duration_s: float | None = None, nodes: NodePools | None = None
) -> Resources:
    """What `workload` asks for at the end of a replay of the unedited trace.

    A DaemonSet asks for as many pods as its controller wants on `nodes`; for 0 where none are given.

    Raises:
        ScenarioError: It does not exist then.
        TraceError, QuantityError: Its manifest is not valid.
    """
    manifest = recorded_manifest(trace, workload, duration_s)
    try:
        asked = read_workload(manifest).resources
        if nodes is None or workload.scales:
            return asked
        from env.problems.virtual_nodes import daemon_pods  # it needs a compiler

        return asked._replace(replicas=daemon_pods(manifest, nodes))
    except SimArenaError as error:
        raise type(error)(f"trace {trace.name}: {error}") from error


def has_neighbours(scenario: Scenario) -> bool:
    """Whether the trace applies anything besides the workload that has pods."""
    events = scenario.trace.events_within(scenario.duration_s)
    applied = (manifest for event in events for manifest in event["applied_objs"])
    return any(pod_templates(manifest) and not is_of(manifest, scenario.workload) for manifest in applied)


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
        cpu, memory = read_workload(manifest).source.ceilings()
    except SimArenaError:
        return NO_CEILING
    most = Resources(
        MOST.cpu_m if cpu is None else min(cpu[0], MOST.cpu_m),
        MOST.memory_bytes if memory is None else min(memory[0], MOST.memory_bytes),
        MOST.replicas if scenario.workload.scales else 0,
    )
    cpu_by = "" if cpu is None or most.cpu_m < cpu[0] else cpu[1]
    memory_by = "" if memory is None or most.memory_bytes < memory[0] else memory[1]
    replicas_by = "" if scenario.workload.scales else "its controller runs one on each node that admits it"
    return Ceiling(most, cpu_by, memory_by, replicas_by)


def edited_trace(scenario: Scenario, resources: Resources) -> Trace:
    """The scenario's trace with `resources` for its workload, in every event that applies it.

    Fields that equal what was recorded stay as they are in each event.
    """
    recorded = recorded_resources(scenario.trace, scenario.workload, scenario.duration_s)
    edit = ResourceEdit.between(recorded, resources)
    return scenario.trace.edited(scenario.workload, lambda manifest: edited(manifest, edit))


def _only_workload(trace: Trace, kind: str | None, namespace: str | None, name: str | None) -> WorkloadRef:
    """The one workload that this means; a name without a kind is a Deployment's."""
    every = trace.workloads()
    deployments = [ref for ref in every if ref.kind == "Deployment"]
    of_kind = [ref for ref in every if ref.kind == kind] if kind else deployments if deployments or name else every
    found = [ref for ref in of_kind if namespace in (None, ref.namespace) and name in (None, ref.name)]
    if len(found) == 1:
        return found[0]
    wanted = kind or ("Deployment" if of_kind is deployments else "workload")
    if found:
        names = _named(found)
        raise ScenarioError(f"trace {trace.name}: {len(found)} {wanted}s, choose one by name and namespace: {names}")
    if not every:
        kinds = ", ".join(KINDS)
        raise ScenarioError(f"trace {trace.name}: no workload whose requests could be changed, of the kinds {kinds}")
    others = "" if of_kind else f"; its workloads: {_named(every)}"
    missing = f"no {wanted} {namespace or '*'}/{name or '*'}; its {wanted}s: {_named(of_kind)}{others}"
    raise ScenarioError(f"trace {trace.name}: {missing}")


def _named(refs: Sequence[WorkloadRef]) -> str:
    more = f" and {len(refs) - _MOST_NAMED} more" if len(refs) > _MOST_NAMED else ""
    return (", ".join(map(str, refs[:_MOST_NAMED])) or "none") + more


def _recorded_scenario(trace: Trace) -> Mapping[str, Any]:
    """What the generator wrote into the trace, or `snapshot.trace_of`; those of other tools lack these keys."""
    metadata = trace.extra.get("metadata")
    scenario = metadata.get("scenario") if isinstance(metadata, dict) else None
    if not isinstance(scenario, dict):
        return {}
    is_ours = isinstance(scenario.get("problem"), str) or trace.is_snapshot
    return scenario if is_ours else {}
