"""Traces whose Deployments only scale: what a replay ends in, computed by one compiled call instead of the engine.

Such a trace applies Deployments and nothing else, deletes none, and changes nothing of them but their replicas. And
nothing but free room, fixed rules and siblings decides where their pods go.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from env.demand import Shortage
from env.embedded.neighbours import Seen
from env.embedded.scaling_kernel import Plan, Workloads, replay
from env.embedded.timeline import Timeline
from env.engine.admission import asks_as_a_whole
from env.engine.control_plane import Key
from env.engine.manifests.deployment import DeploymentSpec
from env.engine.manifests.pod_template import PodTemplate
from env.engine.scheduling.cluster_shape import MOST_RESOURCES, ClusterShape
from env.jit import Ints
from env.observation import Observation
from env.problems.scenario import Scenario
from env.workload import ObjectRef, ResourceEdit, Resources

_MOST_PODS = 20_000  # more of them, or on so many nodes, are left to the engine, which can be interrupted
_MOST_ROOM = 2_000_000
_MOST_SELECTED = 480_000_000  # sizes of selectors, at each node; 30 million looks of the engine's budget
_LATEST_S = 2**53  # the engine's clock is a float, exact up to here


class Replayed(NamedTuple):
    """The end of a replay.

    Attributes:
        spec: What the workload asked for at last.
        seen, lacking: As `scaling_kernel.replay` gives them.
        counts: Pods of each workload on each node, int64 of shape (workloads, nodes).
    """

    spec: DeploymentSpec
    seen: Ints
    lacking: Ints
    counts: Ints


@dataclass(frozen=True, eq=False)
class ScalingTrace:
    """A trace of that kind.

    Attributes:
        rows: The row of each workload.
        last: The specs that are asked for at last, a row each.
        plan: What is applied; see `Plan`.
        timeline: As it was read.
        selected: How much there is of the pods' selectors; see `Placement.size`.
    """

    rows: dict[ObjectRef, int]
    last: tuple[DeploymentSpec, ...]
    plan: Plan
    timeline: Timeline
    selected: int
    _parts: dict[int, ScalingTrace | None] = field(default_factory=dict)
    _tables: dict[ClusterShape, Workloads] = field(default_factory=dict)

    def observe(
        self, scenario: Scenario, resources: Resources | None, cluster: ClusterShape, whole: Collection[Key] = ()
    ) -> Seen | None:
        """What a replay with other requests ends in; None if the workload is not there, or it is too much work.

        `whole` are the neighbours that should lack nothing.
        """
        trace = self.within(scenario.duration_s)
        if trace is None:
            return None
        own = scenario.workload
        found = None if own.kind != "Deployment" else trace.replayed(own.ref, resources, cluster, whole)
        if found is None or not found.seen[0]:
            return None
        _, ready, pending, total, running, others_pending = found.seen[:6].tolist()
        lack_cpu, lack_memory, full, otherwise = found.seen[6:10].tolist()
        others_lack_cpu, others_lack_memory, others_full, _ = found.seen[10:].tolist()
        nodes, shortage = scenario.nodes, found.spec.template.shortage
        lacking = {
            ("Deployment", ref): pods
            for ref, pods in zip(trace.rows, found.lacking.tolist(), strict=True)
            if ref != own.ref
        }
        seen = Observation(
            ready=ready,
            pending=pending,
            total=total,
            resources=found.spec.resources,
            node_cpu_m=nodes.largest[0],
            node_memory_bytes=nodes.largest[1],
            cluster_cpu_m=nodes.total[0],
            cluster_memory_bytes=nodes.total[1],
            nodes=nodes.count,
            insufficient_cpu=lack_cpu,
            insufficient_memory=lack_memory,
            too_many_pods=full,
            oom_killed=running if shortage is Shortage.OOM_KILLED else 0,
            cpu_starved=running if shortage is Shortage.CPU_STARVED else 0,
            refused_otherwise=min(nodes.count, otherwise),
            broken=sum(pods for key, pods in lacking.items() if key in whole),
            others_pending=others_pending,
            others_insufficient_cpu=others_lack_cpu,
            others_insufficient_memory=others_lack_memory,
            others_too_many_pods=others_full,
        )
        return Seen(seen, lacking)

    def replayed(
        self, workload: ObjectRef, resources: Resources | None, cluster: ClusterShape, whole: Collection[Key] = ()
    ) -> Replayed | None:
        """The whole trace with other requests for a workload; None if that is not there, or it is too much work."""
        number = self.rows.get(workload)
        if number is None:
            return None
        recorded = self.last[number]
        edit = ResourceEdit() if resources is None else ResourceEdit.between(recorded.resources, resources)
        spec = recorded.edited(edit)
        replicas = self.plan.replicas
        if edit.replicas is not None:
            replicas = np.where(self.plan.workloads == number, edit.replicas, replicas)
        many = _pods_made(self.plan.workloads, replicas)
        if many > _MOST_PODS or many * len(cluster.nodes) > _MOST_ROOM:
            return None
        if self.selected * len(cluster.nodes) > _MOST_SELECTED:
            return None
        workloads, plan = self._edited(number, spec.template, cluster), self.plan._replace(replicas=replicas)
        is_whole = np.array([("Deployment", ref) in whole for ref in self.rows], dtype=np.int64)
        seen, lacking = replay(plan, workloads, cluster.nodes.allocatable, cluster.nodes.pods, many, number, is_whole)
        return Replayed(spec, seen, lacking, workloads.own_counts)

    def within(self, duration_s: float | None) -> ScalingTrace | None:
        """The part of it that is replayed."""
        steps = self.timeline.within(duration_s)
        if len(steps) == len(self.timeline.steps):
            return self
        if len(steps) not in self._parts:
            self._parts[len(steps)] = scaling_trace(Timeline(steps, self.timeline.lifetimes))
        return self._parts[len(steps)]

    def _edited(self, number: int, template: PodTemplate, cluster: ClusterShape) -> Workloads:
        """The workloads, with other requests for one of them, and without pods."""
        request, score_request = cluster.nodes.requests([template])
        table = self._tables.get(cluster)
        # Another trace on the same nodes may have asked for a resource that was not known before.
        if table is None or table.request.shape[1] != request.shape[1]:
            self._tables.clear()
            table = self._tables[cluster] = _workloads([spec.template for spec in self.last], cluster)
        changed = table._replace(
            request=table.request.copy(),
            score_request=table.score_request.copy(),
            runs=table.runs.copy(),
            own_counts=np.zeros_like(table.own_counts),
        )
        changed.request[number], changed.score_request[number] = request[0], score_request[0]
        changed.runs[number] = template.shortage is None
        return changed


def scaling_trace(timeline: Timeline) -> ScalingTrace | None:
    """The trace if it is of that kind; None otherwise, for the engine."""
    steps = timeline.steps
    if timeline.lifetimes or any(step.deleted or abs(step.ts) > _LATEST_S for step in steps):
        return None
    rows: dict[ObjectRef, int] = {}
    last: list[DeploymentSpec] = []
    operations: list[tuple[int, int]] = []
    times: list[int] = []
    ends: list[int] = []
    for step in steps:
        for applied in step.applied:
            spec = applied.spec
            if not isinstance(spec, DeploymentSpec) or not _only_scales(spec):
                return None
            number = rows.setdefault(applied.ref, len(rows))
            if number == len(last):
                last.append(spec)
            elif last[number].template.revision != spec.template.revision:
                return None
            last[number] = spec
            operations.append((number, spec.replicas))
        times.append(max(step.ts, times[-1]) if times else step.ts)
        ends.append(len(operations))
    templates = {spec.template for spec in last}
    if not operations or len({template.priority for template in templates}) > 1:
        return None
    if len({name for template in templates for name, _ in template.extended}) > MOST_RESOURCES:
        return None
    workloads, replicas = np.array(operations, dtype=np.int64).T
    plan = Plan(np.array(times, dtype=np.int64), np.array(ends, dtype=np.int64), workloads.copy(), replicas.copy())
    return ScalingTrace(rows, tuple(last), plan, timeline, sum(template.placement.size for template in templates))


def _only_scales(spec: DeploymentSpec) -> bool:
    """Whether nothing but free room, fixed rules and siblings decides where its pods go, and when they are Ready.

    Pods that ask for resources as a whole may be refused after an edit.
    """
    template = spec.template
    if asks_as_a_whole(template):
        return False
    elsewhere = template.node_name or template.unscheduled or template.placement.only_node is not None
    plain = template.is_alone and template.graceful and not template.spread and not elsewhere
    return plain and not spec.paused and not spec.min_ready_s


def _pods_made(workloads: Ints, replicas: Ints) -> int:
    """How many pods there ever are."""
    made, current = 0, dict.fromkeys(workloads.tolist(), 0)
    for number, wanted in zip(workloads.tolist(), replicas.tolist(), strict=True):
        made += max(0, wanted - current[number])
        current[number] = wanted
    return made


def _workloads(templates: Sequence[PodTemplate], cluster: ClusterShape) -> Workloads:
    request, score_request = cluster.nodes.requests(templates)
    placements, statics, eligible = cluster.placements(templates)
    domains, _, limits = cluster.topology.default_constraints(templates[0])
    return Workloads(
        request=request,
        score_request=score_request,
        placement=np.array(placements, dtype=np.int64),
        runs=np.array([template.shortage is None for template in templates], dtype=np.int64),
        own_counts=np.zeros((len(templates), len(cluster.nodes)), dtype=np.int64),
        statics=statics,
        domains=domains,
        eligible=eligible,
        limits=limits,
    )
