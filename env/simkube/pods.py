"""What a cluster's objects say, as an observation: pure functions of what the API server returned."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from env.demand import VERDICT_ANNOTATION, Shortage
from env.engine.manifests.edited_container import Edited
from env.engine.manifests.not_modelled import DEFAULT_SCHEDULER
from env.engine.manifests.requests import request_of
from env.errors import ClusterError
from env.observation import Observation
from env.simkube.nodes import VirtualNode
from env.workload import Resources

Manifest = dict[str, Any]

_FOR_ROOM = ("Insufficient cpu", "Insufficient memory", "Too many pods")
_NODES = re.compile(r"0/(?P<nodes>\d{1,6}) nodes are available: (?P<reasons>.*)", re.DOTALL)
_REASON = re.compile(r"(?<!\d)(\d{1,6}) ([^,]*[^,.\s])")
_REFUSAL = re.compile(r"(?<!\d)(\d{1,6}) (Insufficient cpu|Insufficient memory|Too many pods)\b")


class PodState(Enum):
    """The state of a pod; the value is its name in messages."""

    READY = "Ready"
    REFUSED = "Unschedulable"
    OOM_KILLED = "OOM-killed"
    CPU_STARVED = "short of CPU"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Others:
    """What an observation says of all neighbours.

    Attributes:
        broken: Pods that those lack which were whole in the replay as recorded.
        pending: Pods that no node would take.
        reasons: How many nodes give each reason for the first of those; of a broken workload, if one is.
    """

    broken: int = 0
    pending: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)


def pod_state(pod: Manifest) -> PodState:
    """The state of a pod that exists."""
    status = pod.get("status") or {}
    if not pod["spec"].get("nodeName"):
        if pod["spec"].get("schedulerName") not in (None, "", DEFAULT_SCHEDULER):
            return PodState.REFUSED  # the cluster has no scheduler of that name
        scheduled = _condition(status, "PodScheduled")
        refused = scheduled.get("status") == "False" and scheduled.get("reason") in ("Unschedulable", "SchedulingGated")
        return PodState.REFUSED if refused else PodState.UNDECIDED
    if _is_ready(status):
        return PodState.READY
    if any(map(_oom_killed, status.get("containerStatuses") or ())):
        return PodState.OOM_KILLED
    if status.get("phase") == "Running" and shortage_of(pod) is Shortage.CPU_STARVED:
        return PodState.CPU_STARVED
    return PodState.UNDECIDED


def shortage_of(pod: Manifest) -> Shortage | None:
    """The shortage that the pod's annotation names; None for none, or for an unknown text."""
    text = (pod["metadata"].get("annotations") or {}).get(VERDICT_ANNOTATION)
    return next((verdict for verdict in Shortage if verdict == text), None)


def live(pods: Iterable[Manifest]) -> list[Manifest]:
    """Pods that count: neither ended nor being deleted; oldest first."""
    counted = [
        pod
        for pod in pods
        if "deletionTimestamp" not in pod["metadata"]
        and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
    ]
    return sorted(counted, key=lambda pod: (pod["metadata"].get("creationTimestamp") or "", pod["metadata"]["name"]))


def owned_by(objects: Iterable[Manifest], uids: Iterable[str]) -> list[Manifest]:
    """The objects whose controller is one of `uids`."""
    owners = set(uids)
    return [o for o in objects if any(r.get("uid") in owners for r in o["metadata"].get("ownerReferences") or ())]


def refusals(message: str) -> Counter[str]:
    """Nodes by reason in a FailedScheduling message.

    "0/3 nodes are available: 1 Insufficient memory, 2 Insufficient cpu. preemption: 0/3 …" gives 1 and 2; what
    follows `preemption:` repeats the same nodes.
    """
    reasons: Counter[str] = Counter()
    for times, reason in _REFUSAL.findall(message.partition("preemption:")[0]):
        reasons[reason] += int(times)
    return reasons


def refused_otherwise(message: str, nodes: int) -> int:
    """Virtual nodes that refuse a pod for another reason than room; `nodes` is how many there are.

    The message counts all nodes of the cluster. Each that is not virtual gives one such reason.
    """
    head = _NODES.match(message.partition(". ")[0])  # then come plugins, and preemption
    if head is None:
        return 0
    reasons = [(int(times), reason) for times, reason in _REASON.findall(head["reasons"])]
    found = sum(times for times, reason in reasons if reason not in _FOR_ROOM)
    return min(nodes, max(0, found - (int(head["nodes"]) - nodes)))


def wanted_pods(own: Manifest) -> int:
    """Pods that a workload asks for: its replicas; of a DaemonSet what its controller wants on these nodes."""
    on_nodes = (own.get("status") or {}).get("desiredNumberScheduled")
    return int(own["spec"].get("replicas", 1) if on_nodes is None else on_nodes)


def resources_of(own: Manifest, edited: Edited) -> Resources:
    """What a workload asks for: the requests of its edited containers (a limit where there is none), and replicas.

    Raises:
        QuantityError: A quantity that is none.
    """
    pod = own["spec"]["template"]["spec"]
    cpu, memory = (
        request_of(pod[slot.field][slot.index], name) or 0
        for name, slot in (("cpu", edited.cpu), ("memory", edited.memory))
    )
    return Resources(cpu, memory, wanted_pods(own))


_NO_OTHERS = Others()


def observation(
    own: Manifest,
    pods: Sequence[Manifest],
    nodes: Sequence[VirtualNode],
    edited: Edited,
    others: Others = _NO_OTHERS,
) -> Observation:
    """The observation of a workload whose pods are all decided.

    Args:
        own: The live workload.
        pods: Its live pods, oldest first.
        nodes: The virtual nodes, at least one.
        edited: The containers whose requests are edited, as chosen from the recorded manifest.
        others: What is seen of other workloads.
    """
    states = Counter(map(pod_state, pods))
    message = next((refusal(pod) for pod in pods if pod_state(pod) is PodState.REFUSED), "")
    reasons = refusals(message)
    return Observation(
        ready=states[PodState.READY],
        pending=states[PodState.REFUSED],
        total=len(pods),
        resources=resources_of(own, edited),
        node_cpu_m=max(node.cpu_m for node in nodes),
        node_memory_bytes=max(node.memory_bytes for node in nodes),
        cluster_cpu_m=sum(node.cpu_m for node in nodes),
        cluster_memory_bytes=sum(node.memory_bytes for node in nodes),
        nodes=len(nodes),
        insufficient_cpu=reasons["Insufficient cpu"],
        insufficient_memory=reasons["Insufficient memory"],
        too_many_pods=reasons["Too many pods"],
        oom_killed=states[PodState.OOM_KILLED],
        cpu_starved=states[PodState.CPU_STARVED],
        refused_otherwise=refused_otherwise(message, len(nodes)),
        broken=others.broken,
        others_pending=others.pending,
        others_insufficient_cpu=others.reasons.get("Insufficient cpu", 0),
        others_insufficient_memory=others.reasons.get("Insufficient memory", 0),
        others_too_many_pods=others.reasons.get("Too many pods", 0),
    )


def refusal(pod: Manifest) -> str:
    """The scheduler's message about a pod; empty where there is none."""
    return str(_condition(pod.get("status") or {}, "PodScheduled").get("message") or "")


def why_not_ready(pods: Sequence[Manifest]) -> tuple[str, ...]:
    """What keeps pods from being Ready: the scheduler's words about the first that it refused, and shortages."""
    refused = next((pod for pod in pods if pod_state(pod) is PodState.REFUSED), None)
    said = [] if refused is None else [refusal(refused)]
    states = {pod_state(pod) for pod in pods}
    said += [f"pods are {each.value}" for each in (PodState.OOM_KILLED, PodState.CPU_STARVED) if each in states]
    return tuple(text for text in said if text)


def check_verdicts(pods: Iterable[Manifest]) -> None:
    """Refuse pods that are Ready although their verdict says that they never will be.

    Raises:
        ClusterError: The cluster's KWOK does not know the verdicts.
    """
    for pod in pods:
        verdict = shortage_of(pod)
        if verdict is not None and pod_state(pod) is PodState.READY:
            raise ClusterError(
                f"pod {pod['metadata']['name']}: is Ready, but must be {verdict}: KWOK lacks the Stages of "
                "sim-arena; run: sim-arena doctor --fix"
            )


def why_undecided(pod: Manifest) -> str:
    """One line about a pod that has not settled: phase, and what its first waiting container says."""
    status = pod.get("status") or {}
    waiting = [w for w in map(_waiting, status.get("containerStatuses") or ()) if w]
    where = f"on {pod['spec']['nodeName']}" if pod["spec"].get("nodeName") else "not yet tried by the scheduler"
    return ", ".join([f"pod {pod['metadata']['name']} {status.get('phase', 'without a phase')} {where}", *waiting[:1]])


def _waiting(container: Manifest) -> str:
    waiting = (container.get("state") or {}).get("waiting") or {}
    return " ".join(str(waiting[key]) for key in ("reason", "message") if waiting.get(key))[:300]


def _oom_killed(container: Manifest) -> bool:
    states = (container.get(name) or {} for name in ("state", "lastState"))
    return any((state.get("terminated") or {}).get("reason") == "OOMKilled" for state in states)


def _is_ready(status: Manifest) -> bool:
    return bool(_condition(status, "Ready").get("status") == "True")


def _condition(status: Manifest, kind: str) -> Manifest:
    return next((c for c in status.get("conditions") or () if c.get("type") == kind), {})
