"""The embedded cluster: a replay in virtual time, inside this process, in well under a millisecond."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import cycle
from typing import ClassVar
from weakref import WeakKeyDictionary

from env.demand import Shortage
from env.embedded.api_objects import ReplayedObjects
from env.embedded.asked import asked_for, live_pods
from env.embedded.neighbours import Seen, neighbours, refusals
from env.embedded.objects_read import ObjectsRead
from env.embedded.scaling import ScalingTrace, scaling_trace
from env.embedded.survey import WorkloadState, survey
from env.embedded.timeline import ReplayStep, Timeline, read_timeline
from env.embedded.why import why_broken, why_not_ready
from env.engine.control_plane import ControlPlane, Key
from env.engine.events import Event
from env.engine.manifests.lasting import LastingSpec
from env.engine.manifests.objects import KubeObject
from env.engine.pods import UNBOUND, Phase
from env.engine.scheduling.cluster_shape import MOST_RESOURCES, ClusterShape
from env.engine.scheduling.diagnosis import FOR_ROOM, INSUFFICIENT_CPU, INSUFFICIENT_MEMORY, TOO_MANY_PODS
from env.engine.workload import Workload
from env.errors import ClusterError
from env.interrupt import stop_if_asked
from env.observation import Observation
from env.problems.nodes import NodePools
from env.problems.scenario import Scenario
from env.problems.virtual_nodes import virtual_nodes
from env.trace.document import Trace
from env.workload import ResourceEdit, Resources, WorkloadRef

logger = logging.getLogger("env.embedded.cluster")

_MOST_CLUSTERS = 64
_MOST_SEEN = 100_000
_LONGEST_REST_S = 3600.0
COMPILED_FROM = 100
"""Replays of a process by the engine before compiled code takes over: to compile it takes 10 s, where it was never."""


_Place = tuple[WorkloadRef, NodePools, float | None]


@dataclass
class _Known:
    """A trace as read, and what was observed of it.

    Attributes:
        scaling: The same trace if its Deployments only scale.
        restless: Whether a replay that did not come to rest was logged already.
        seen: By workload, nodes, duration, and resources.
        whole: The neighbours that lack nothing in the replay as recorded, by the same but resources.
    """

    timeline: Timeline
    scaling: ScalingTrace | None
    restless: bool = False
    seen: dict[tuple[_Place, Resources | None], Observation] = field(default_factory=dict)
    whole: dict[_Place, frozenset[Key]] = field(default_factory=dict)


class EmbeddedCluster:
    """Replays traces in virtual time; implements `env.cluster.Cluster`.

    The same scenario and resources always give the same observation, so each is replayed only once. A trace is read
    once, and what is known of it kept for as long as the caller holds it.
    """

    _replays: ClassVar[int] = 0

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Trace, _Known] = WeakKeyDictionary()
        self._objects = ObjectsRead()
        self._clusters: dict[NodePools, ClusterShape] = {}

    def __reduce__(self) -> tuple[type[EmbeddedCluster], tuple[()]]:
        """A copy in another process has seen nothing yet."""
        return EmbeddedCluster, ()

    def observe(self, scenario: Scenario, resources: Resources | None) -> Observation:
        """See `env.cluster.Cluster.observe`.

        Raises:
            ClusterError: The workload does not exist at the end of the replay, or there are too many pods.
            TraceError, QuantityError: An object in the trace is not valid.
        """
        known, place = self._of(scenario.trace), _place(scenario)
        if (place, resources) not in known.seen:
            whole = frozenset[Key]() if resources is None else self._whole(scenario)
            found = self._scaled(scenario, resources, whole)
            if found is None:
                found = _observed(scenario, self._replayed(scenario, resources, events=False), whole)
            if len(known.seen) >= _MOST_SEEN:
                known.seen.clear()
                known.whole.clear()
            if resources is None:
                known.whole[place] = frozenset(each for each, pods in found.lacking.items() if not pods)
            known.seen[place, resources] = found.observation
        return known.seen[place, resources]

    def events(self, scenario: Scenario, resources: Resources | None) -> list[Event]:
        """The Events of the same replay, as the API server would show them; times are the trace's.

        Raises:
            ClusterError, TraceError, QuantityError: As `observe`.
        """
        return self._replayed(scenario, resources, events=True).events

    def why(self, scenario: Scenario, resources: Resources | None) -> tuple[str, ...]:
        """See `env.cluster.Cluster.why`; here it is another replay, so that it may be of any arguments.

        Raises:
            ClusterError, TraceError, QuantityError: As `observe`.
        """
        plane, whole = self._replayed(scenario, resources, events=True), self._whole(scenario)
        return (*why_not_ready(plane, scenario.workload), *why_broken(plane, scenario.workload, whole))

    def objects(self, scenario: Scenario, resources: Resources | None) -> ReplayedObjects:
        """See `env.cluster.Cluster.objects`; here it is another replay, so that it may be of any arguments.

        Raises:
            ClusterError, TraceError, QuantityError: As `observe`.
        """
        return ReplayedObjects(scenario, self._replayed(scenario, resources, events=True))

    def survey(
        self, trace: Trace, nodes: NodePools, duration_s: float | None, *, explained: bool = True
    ) -> tuple[WorkloadState, ...]:
        """Every workload at the end of a replay of the trace as it is, in the order in which they were applied first.

        Args:
            trace: What is replayed.
            nodes: Where.
            duration_s: Seconds of the trace; None: all of it.
            explained: Whether to say in whole sentences why pods are not Ready, which takes longer.

        Raises:
            ClusterError, TraceError, QuantityError: As `observe`.
        """
        return survey(self.replayed(trace, nodes, duration_s, events=explained))

    def replayed(
        self, trace: Trace, nodes: NodePools, duration_s: float | None = None, *, events: bool = False
    ) -> ControlPlane:
        """The control plane at the end of a replay of the trace as it is, for the caller to keep and to go on with.

        Args:
            trace: What is replayed.
            nodes: Where.
            duration_s: Seconds of the trace; None: all of it.
            events: Whether events are recorded.

        Raises:
            ClusterError, TraceError, QuantityError: As `observe`.
        """
        scenario = Scenario(trace, WorkloadRef("", ""), 0, nodes, duration_s, trace.name, None)  # as recorded: no edit
        return self._replayed(scenario, None, events=events)

    def close(self) -> None:
        """Forget the traces read so far."""
        self._known.clear()
        self._objects = ObjectsRead()
        self._clusters.clear()

    def _whole(self, scenario: Scenario) -> frozenset[Key]:
        """The neighbours that lack nothing in the replay as recorded."""
        known, place = self._of(scenario.trace), _place(scenario)
        if place not in known.whole:
            if not known.timeline.has_others(scenario.workload):
                known.whole[place] = frozenset()
            else:
                self.observe(scenario, None)
        return known.whole[place]

    def _scaled(self, scenario: Scenario, resources: Resources | None, whole: frozenset[Key]) -> Seen | None:
        """What is seen of a trace whose Deployments only scale; None for others, and for the first replays."""
        known, replays = self._of(scenario.trace), EmbeddedCluster._replays
        if known.scaling is None or replays < COMPILED_FROM:
            EmbeddedCluster._replays = replays + 1
            return None
        return known.scaling.observe(scenario, resources, self._shape(scenario.nodes), whole)

    def _replayed(self, scenario: Scenario, resources: Resources | None, *, events: bool) -> ControlPlane:
        """The cluster at the end of the duration; where none is given, once it has come to rest."""
        known = self._of(scenario.trace)
        plane = _replayed(known.timeline, self._shape(scenario.nodes), scenario, resources, events=events)
        if scenario.duration_s is None and not plane.rest(_LONGEST_REST_S) and not known.restless:
            known.restless = True
            logger.warning("trace %s: still changing an hour after its last event; judged then", scenario.trace.name)
        return plane

    def _of(self, trace: Trace) -> _Known:
        known = self._known.get(trace)
        if known is None:
            timeline = read_timeline(trace, self._objects)
            known = self._known[trace] = _Known(timeline, scaling_trace(timeline))
        return known

    def _shape(self, nodes: NodePools) -> ClusterShape:
        found = self._clusters.get(nodes)
        if found is None or len(found.nodes.extended) > MOST_RESOURCES:
            if len(self._clusters) >= _MOST_CLUSTERS:
                self._clusters.clear()
            found = self._clusters[nodes] = ClusterShape(virtual_nodes(nodes))
        return found


def _place(scenario: Scenario) -> _Place:
    return scenario.workload, scenario.nodes, scenario.duration_s


def _replayed(
    timeline: Timeline, cluster: ClusterShape, scenario: Scenario, resources: Resources | None, *, events: bool
) -> ControlPlane:
    steps = timeline.within(scenario.duration_s)
    start_s = float(steps[0].ts) if steps else 0.0
    lives = {key: cycle(spans) for key, spans in timeline.lifetimes.items()}

    def lifetime_s(workload: Workload) -> float | None:
        spans = lives.get((workload.kind, workload.ref))
        return None if spans is None else next(spans)

    plane = ControlPlane(cluster, now_s=start_s, events=events, lifetimes=lifetime_s if lives else None)
    edit = _edit(steps, scenario.workload, resources)
    for step in steps:
        stop_if_asked()
        plane.advance(step.ts)
        for applied in step.applied:
            plane.apply(applied if edit is None else _edited(applied, scenario.workload, edit))
        for kind, ref in step.deleted:
            plane.delete(kind, ref)
        plane.settle()
    if scenario.duration_s is not None:
        plane.advance(start_s + scenario.duration_s)
    return plane


def _edit(steps: tuple[ReplayStep, ...], workload: WorkloadRef, resources: Resources | None) -> ResourceEdit | None:
    """How `resources` differ from the last recorded ones."""
    if resources is None:
        return None
    recorded = [
        applied.spec.resources
        for step in steps
        for applied in step.applied
        if isinstance(applied.spec, LastingSpec) and (applied.kind, applied.ref) == workload.key
    ]
    return ResourceEdit.between(recorded[-1], resources) if recorded else None


def _edited(applied: KubeObject, workload: WorkloadRef, edit: ResourceEdit) -> KubeObject:
    if isinstance(applied.spec, LastingSpec) and (applied.kind, applied.ref) == workload.key:
        return replace(applied, spec=applied.spec.edited(edit))
    return applied


def _observed(scenario: Scenario, plane: ControlPlane, whole: frozenset[Key]) -> Seen:
    workload = plane.workloads.get(scenario.workload.key)
    asked = None if workload is None else asked_for(workload)
    if workload is None or asked is None:
        raise ClusterError(f"scenario {scenario.name}: no {scenario.workload.title} at the end of the replay")
    pods = live_pods(workload)
    pending = [pod for pod in pods if pod.phase is Phase.PENDING and pod.row == UNBOUND]
    running = [pod.template.shortage for pod in pods if pod.phase is Phase.RUNNING and pod.template.shortage]
    reasons = refusals(plane, pending[0]) if pending else Counter[str]()
    others = neighbours(plane, scenario.workload, whole)
    nodes = scenario.nodes
    seen = Observation(
        ready=sum(pod.ready for pod in pods),
        pending=len(pending),
        total=len(pods),
        resources=asked,
        node_cpu_m=nodes.largest[0],
        node_memory_bytes=nodes.largest[1],
        cluster_cpu_m=nodes.total[0],
        cluster_memory_bytes=nodes.total[1],
        nodes=nodes.count,
        insufficient_cpu=reasons[INSUFFICIENT_CPU],
        insufficient_memory=reasons[INSUFFICIENT_MEMORY],
        too_many_pods=reasons[TOO_MANY_PODS],
        oom_killed=running.count(Shortage.OOM_KILLED),
        cpu_starved=running.count(Shortage.CPU_STARVED),
        refused_otherwise=min(nodes.count, reasons.total() - sum(reasons[each] for each in FOR_ROOM)),
        broken=sum(pods for each, pods in others.lacking.items() if each in whole),
        others_pending=others.pending,
        others_insufficient_cpu=others.reasons[INSUFFICIENT_CPU],
        others_insufficient_memory=others.reasons[INSUFFICIENT_MEMORY],
        others_too_many_pods=others.reasons[TOO_MANY_PODS],
    )
    return Seen(seen, others.lacking)
