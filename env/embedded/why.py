"""Why a replay does not end at the goal: in the words of those who keep pods of a workload from being Ready, and what
its neighbours lack.

The scheduler's and the controllers' are the texts of their events. Kubelets say less than the engine knows, so that a
shortage is said in words of our own, with the container and the amounts.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from env.embedded.asked import live_pods
from env.embedded.neighbours import neighbours, wanted_pods
from env.engine.control_plane import ControlPlane, Key
from env.engine.controllers.deployment import Deployment
from env.engine.controllers.stateful_set import StatefulSet
from env.engine.manifests.pod_template import PodTemplate
from env.engine.manifests.requests import Lack
from env.engine.pods import UNBOUND, Phase, Pod
from env.engine.workload import Workload
from env.words import count
from env.workload import WorkloadRef


def why_not_ready(plane: ControlPlane, own: WorkloadRef) -> tuple[str, ...]:
    """What keeps a workload's pods from being Ready, a sentence each; empty where nothing does.

    Of pods that no node takes the first is explained.

    Args:
        plane: The end of a replay in which events were recorded.
        own: The workload.
    """
    workload = plane.workloads.get(own.key)
    if workload is None:
        return ()
    pods = live_pods(workload)
    pending = [pod for pod in pods if pod.phase is Phase.PENDING and pod.row == UNBOUND]
    texts: dict[tuple[str, str], str] = {}
    for event in plane.events:
        if event.namespace == own.namespace and event.reason in ("FailedCreate", "FailedScheduling"):
            texts[event.kind, event.name] = event.message
    said = [texts.get(maker, "") for maker in _short_of_pods(workload)]
    if pending:
        first = pending[0]
        said.append(held(first.template) or texts.get(("Pod", first.name), ""))
    short = {id(pod.template): pod.template for pod in pods if pod.phase is Phase.RUNNING and pod.template.shortage}
    said += [str(lack) for template in short.values() for lack in lacks(template)]
    said.append(_waits_in_order(workload, pods))
    return tuple(dict.fromkeys(text for text in said if text))


def _short_of_pods(workload: Workload) -> list[tuple[str, str]]:
    """Kind and name of those that should have made more pods: ReplicaSets of a Deployment, others themselves."""
    if isinstance(workload, Deployment):
        return list(dict.fromkeys((each.kind, each.ref.name) for each in workload.sets if _lacks_pods(each)))
    return [(workload.kind, workload.ref.name)] if _lacks_pods(workload) else []


def _lacks_pods(workload: Workload) -> bool:
    return wanted_pods(workload) > len(workload.pods())


def _waits_in_order(workload: Workload, pods: Sequence[Pod]) -> str:
    """That a StatefulSet makes no more pods before those that it has are available."""
    if not isinstance(workload, StatefulSet) or workload.spec.parallel or len(pods) >= workload.spec.replicas:
        return ""
    first = next((pod for pod in pods if not pod.ready), None)
    missing = count(workload.spec.replicas - len(pods), "pod")
    return (
        "" if first is None else f"{missing} not made before {first.name} is Ready (podManagementPolicy OrderedReady)"
    )


def why_broken(plane: ControlPlane, own: WorkloadRef, whole: Collection[Key]) -> tuple[str, ...]:
    """What neighbours lack that should be whole, a sentence each.

    Args:
        plane: The end of a replay in which events were recorded.
        own: The workload whose neighbours they are.
        whole: Kinds and names of those that should lack nothing.
    """
    texts = {
        (event.namespace, event.name): event.message for event in plane.events if event.reason == "FailedScheduling"
    }
    said = []
    for (kind, name), pods in neighbours(plane, own, whole).lacking.items():
        if pods and (kind, name) in whole:
            waiting = plane.workloads[kind, name].pods()
            reasons = (texts.get((name.namespace, pod.name), "") for pod in waiting if not pod.ready)
            why = next(filter(None, reasons), "")
            said.append(f"{kind} {name} lacks {count(pods, 'pod')}" + (f": {why}" if why else ""))
    return tuple(said)


def held(template: PodTemplate) -> str:
    """Why the scheduler leaves pods alone."""
    if not template.unscheduled or template.origin is None:
        return ""
    return held_back(template.origin[0].manifest["spec"])


def held_back(pod: dict[str, object]) -> str:
    """Why the scheduler leaves pods of this spec alone; "" where it does not."""
    gates = pod.get("schedulingGates")
    if isinstance(gates, list) and gates:
        names = ", ".join(str(gate.get("name")) for gate in gates if isinstance(gate, dict))
        return f"pods wait until {names} removes its scheduling gate"
    scheduler = pod.get("schedulerName") or "default-scheduler"
    return (
        "" if scheduler == "default-scheduler" else f"pods wait for the scheduler {scheduler}, which is not simulated"
    )


def lacks(template: PodTemplate) -> list[Lack]:
    """What containers of pods of this template lack of what they use."""
    if template.origin is None:
        return []
    source, cpu_m, memory_bytes = template.origin
    return source.lacks(cpu_m, memory_bytes)
