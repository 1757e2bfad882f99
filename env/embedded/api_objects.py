"""The end of a replay as an API server would show it; implements `env.api_objects.ApiObjects`.

Names, phases, states of containers and Events are those of the engine. What it does not know, such as addresses and
images on nodes, is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from env.api_objects import LONGEST_LOG, Manifest, NoSuchObject
from env.embedded.deployment_objects import deployment_object
from env.embedded.pod_objects import pod_object, time_text
from env.engine.control_plane import ControlPlane
from env.engine.controllers.deployment import Deployment
from env.engine.events import Event
from env.engine.manifests.container_log import container_log
from env.engine.pods import Phase, Pod
from env.engine.scheduling.nodes import Node
from env.errors import ScenarioError
from env.problems.scenario import Scenario, recorded_manifest
from env.quantity import format_cpu, format_memory
from env.workload import ObjectRef, WorkloadRef

_MOST_NAMED = 20
_HEALTHY = (
    ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
)


class ReplayedObjects:
    """What there is at the end of a replay.

    Args:
        scenario: What was replayed.
        plane: Its end; its events were recorded. It must not change any more.
    """

    def __init__(self, scenario: Scenario, plane: ControlPlane) -> None:
        self._scenario = scenario
        self._plane = plane

    def pods(self, namespace: str) -> list[Manifest]:
        """See `ApiObjects.pods`."""
        self._check(namespace)
        return [self._pod(pod) for pod in self._pods if pod.template.namespace == namespace]

    def deployment(self, namespace: str, name: str) -> Manifest | None:
        """See `ApiObjects.deployment`."""
        ref = ObjectRef(namespace, name)
        workload = self._plane.workloads.get(("Deployment", ref))
        if not isinstance(workload, Deployment):
            return None
        try:
            recorded = recorded_manifest(self._scenario.trace, WorkloadRef(namespace, name), self._scenario.duration_s)
        except ScenarioError:
            recorded = {}
        return deployment_object(workload, recorded, self._plane.api.now_s, self._texts("ReplicaSet", "FailedCreate"))

    def events(self, namespace: str) -> list[Manifest]:
        """See `ApiObjects.events`."""
        self._check(namespace)
        return [_event(number, each) for number, each in enumerate(self._events) if each.namespace == namespace]

    def nodes(self) -> list[Manifest]:
        """See `ApiObjects.nodes`."""
        return [_node(node) for node in self._plane.api.scheduler.bound.table.nodes]

    def log(self, namespace: str, pod: str, container: str, tail_lines: int) -> str:
        """See `ApiObjects.log`; the lines are made up: see `env.engine.manifests.container_log`."""
        self._check(namespace)
        found = next((p for p in self._pods if p.template.namespace == namespace and p.name == pod), None)
        if found is None:
            raise NoSuchObject(f"pod {namespace}/{pod}")
        text = container_log(self._pod(found), container)
        if text is None:
            raise NoSuchObject(f"container {container} of pod {namespace}/{pod}")
        if found.phase is Phase.PENDING:
            raise NoSuchObject(f"log of pod {namespace}/{pod}: no container of it was started yet")
        return "".join(text.splitlines(keepends=True)[-tail_lines:])[-LONGEST_LOG:]

    @cached_property
    def _pods(self) -> list[Pod]:
        return sorted(self._plane.pods(), key=lambda pod: pod.number)

    @cached_property
    def _events(self) -> list[Event]:
        return self._plane.events

    @cached_property
    def _refusals(self) -> Mapping[str, tuple[str, str]]:
        """What the scheduler said last about each pod, by namespace and name."""
        return self._texts("Pod", "FailedScheduling")

    def _texts(self, kind: str, reason: str) -> dict[str, tuple[str, str]]:
        every = (each for each in self._events if each.kind == kind and each.reason == reason)
        return {each.name: (each.reason, each.message) for each in every}

    def _pod(self, pod: Pod) -> Manifest:
        return pod_object(self._plane, pod, self._refusals.get(pod.name, ("", ""))[1])

    def _check(self, namespace: str) -> None:
        known = {self._scenario.workload.namespace, *(pod.template.namespace for pod in self._pods)}
        known |= {ref.namespace for _, ref in self._plane.workloads}
        if namespace not in known:
            raise NoSuchObject(f"namespace {namespace}; there are {', '.join(sorted(known - {''})[:_MOST_NAMED])}")


def _event(number: int, event: Event) -> Manifest:
    version = {"Pod": "v1", "Job": "batch/v1", "CronJob": "batch/v1"}.get(event.kind, "apps/v1")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{event.name}.{number:x}", "namespace": event.namespace},
        "involvedObject": {
            "apiVersion": version, "kind": event.kind, "namespace": event.namespace, "name": event.name
        },
        "reason": event.reason,
        "message": event.message,
        "type": "Warning" if event.warning else "Normal",
        "count": event.count,
        "lastTimestamp": time_text(event.time_s),
        "source": {"component": event.source},
    }  # fmt: skip


def _node(node: Node) -> Manifest:
    amounts = {
        "cpu": format_cpu(node.cpu_m),
        "memory": format_memory(node.memory_bytes),
        "pods": str(node.pods),
        **{name: str(amount) for name, amount in node.extended.items()},
    }
    taints = [
        {"key": taint.key, "effect": taint.effect, **({"value": taint.value} if taint.value else {})}
        for taint in node.taints
    ]
    spec = {**({"taints": taints} if taints else {}), **({"unschedulable": True} if node.unschedulable else {})}
    conditions = [
        {"type": kind, "status": "False", "reason": reason, "message": message} for kind, reason, message in _HEALTHY
    ]
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.name, "labels": dict(node.labels)},
        "spec": spec,
        "status": {"capacity": amounts, "allocatable": amounts, "conditions": [*conditions, ready]},
    }
