"""The embedded cluster: a replay in virtual time, inside this process, in well under a millisecond."""

from __future__ import annotations

from collections import Counter
from weakref import WeakKeyDictionary

from env.actions import Resources
from env.control_plane import ControlPlane
from env.errors import ClusterError
from env.observation import Observation
from env.scenario import NodePool, Scenario
from env.scheduler import Node, Refusal, Taint, refusals
from env.timeline import VIRTUAL_LABEL, VIRTUAL_TAINT_KEY, Step, read_timeline
from env.trace import Trace, WorkloadRef
from env.workload import ResourceEdit

_VIRTUAL_TAINT = Taint(VIRTUAL_TAINT_KEY, "true", "NoSchedule")


class EmbeddedCluster:
    """Replays traces in virtual time; implements `env.cluster.Cluster`.

    A trace is read once and kept for as long as somebody holds it. The same scenario and resources always give the
    same observation.
    """

    def __init__(self) -> None:
        self._timelines: WeakKeyDictionary[Trace, tuple[Step, ...]] = WeakKeyDictionary()

    def observe(self, scenario: Scenario, resources: Resources | None) -> Observation:
        """See `env.cluster.Cluster.observe`.

        Raises:
            ClusterError: The workload does not exist at the end of the replay, or there are too many pods.
            TraceError, QuantityError: A Deployment in the trace is not valid.
        """
        steps = _within(self._timeline(scenario.trace), scenario.duration_s)
        return _observed(scenario, _replayed(steps, scenario, resources))

    def close(self) -> None:
        """Forget the traces read so far."""
        self._timelines.clear()

    def _timeline(self, trace: Trace) -> tuple[Step, ...]:
        steps = self._timelines.get(trace)
        if steps is None:
            steps = self._timelines[trace] = read_timeline(trace)
        return steps


def virtual_nodes(pool: NodePool) -> list[Node]:
    """The pool's nodes as SimKube expects them: labelled `type=virtual`, tainted `kwok-provider`."""
    key, value = VIRTUAL_LABEL
    return [
        Node(
            name=f"node-{i}",
            cpu_m=pool.cpu_m,
            memory_bytes=pool.memory_bytes,
            pods=pool.pods,
            labels={key: value, "kubernetes.io/hostname": f"node-{i}"},
            taints=(_VIRTUAL_TAINT,),
        )
        for i in range(1, pool.count + 1)
    ]


def _within(steps: tuple[Step, ...], duration_s: float | None) -> tuple[Step, ...]:
    """The steps before start + duration, as `Trace.events_within`."""
    if duration_s is None or not steps:
        return steps
    end = steps[0].ts + duration_s
    return tuple(step for step in steps if step.ts < end)


def _replayed(steps: tuple[Step, ...], scenario: Scenario, resources: Resources | None) -> ControlPlane:
    control_plane = ControlPlane(virtual_nodes(scenario.nodes))
    edit = _edit(steps, scenario.workload, resources)
    for step in steps:
        for deployment, asked in step.applied:
            edits = edit is not None and deployment.ref == scenario.workload
            control_plane.apply(deployment.asked(edit) if edits else asked)
        for ref in step.deleted:
            control_plane.delete(ref)
        control_plane.settle()
    return control_plane


def _edit(steps: tuple[Step, ...], workload: WorkloadRef, resources: Resources | None) -> ResourceEdit | None:
    """How `resources` differ from the last recorded ones."""
    recorded = [asked.resources for step in steps for _, asked in step.applied if asked.ref == workload]
    return ResourceEdit.between(recorded[-1], resources) if resources is not None and recorded else None


def _observed(scenario: Scenario, control_plane: ControlPlane) -> Observation:
    workload = control_plane.workloads.get(scenario.workload)
    if workload is None:
        raise ClusterError(f"scenario {scenario.name}: no Deployment {scenario.workload} at the end of the replay")
    pods = workload.pods()
    pending = [pod for pod in pods if pod.node is None]
    nodes = control_plane.nodes
    reasons = Counter(reason for node in nodes for reason in refusals(pending[0].shape, node)) if pending else {}
    return Observation(
        ready=len(pods) - len(pending),
        pending=len(pending),
        total=len(pods),
        resources=workload.asked.resources,
        node_cpu_m=max(node.cpu_m for node in nodes),
        node_memory_bytes=max(node.memory_bytes for node in nodes),
        cluster_cpu_m=sum(node.cpu_m for node in nodes),
        cluster_memory_bytes=sum(node.memory_bytes for node in nodes),
        nodes=len(nodes),
        insufficient_cpu=reasons.get(Refusal.INSUFFICIENT_CPU, 0),
        insufficient_memory=reasons.get(Refusal.INSUFFICIENT_MEMORY, 0),
        too_many_pods=reasons.get(Refusal.TOO_MANY_PODS, 0),
    )
