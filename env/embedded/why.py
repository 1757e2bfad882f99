"""Why a replay does not end at the goal: in the words of those who keep pods of a workload from being Ready, and what
its neighbours lack.

The scheduler's and the controllers' are the texts of their events. Kubelets say less than the engine knows, so that a
shortage is said in words of our own, with the container and the amounts.
"""

from __future__ import annotations

from collections.abc import Collection

from env.embedded.neighbours import neighbours
from env.engine.control_plane import ControlPlane, Key
from env.engine.controllers.deployment import Deployment
from env.engine.manifests.pod_template import PodTemplate
from env.engine.manifests.requests import Lack
from env.engine.pods import UNBOUND, Phase
from env.words import count
from env.workload import WorkloadRef


def why_not_ready(plane: ControlPlane, ref: WorkloadRef) -> tuple[str, ...]:
    """What keeps a Deployment's pods from being Ready, a sentence each; empty where nothing does.

    Of pods that no node takes the first is explained.

    Args:
        plane: The end of a replay in which events were recorded.
        ref: The Deployment.
    """
    workload = plane.workloads.get(("Deployment", ref))
    if not isinstance(workload, Deployment):
        return ()
    refused = {each.ref.name: None for each in workload.sets if each.replicas > len(each.members)}
    pods = workload.pods()
    pending = [pod for pod in pods if pod.phase is Phase.PENDING and pod.row == UNBOUND]
    texts: dict[tuple[str, str], str] = {}
    for event in plane.events:
        if event.namespace == ref.namespace and event.reason in ("FailedCreate", "FailedScheduling"):
            texts[event.kind, event.name] = event.message
    said = [texts.get(("ReplicaSet", name), "") for name in refused]
    if pending:
        first = pending[0]
        said.append(_held(first.template) or texts.get(("Pod", first.name), ""))
    short = {id(pod.template): pod.template for pod in pods if pod.phase is Phase.RUNNING and pod.template.shortage}
    said += [str(lack) for template in short.values() for lack in _lacks(template)]
    return tuple(dict.fromkeys(text for text in said if text))


def why_broken(plane: ControlPlane, ref: WorkloadRef, whole: Collection[Key]) -> tuple[str, ...]:
    """What neighbours lack that should be whole, a sentence each.

    Args:
        plane: The end of a replay in which events were recorded.
        ref: The Deployment whose neighbours they are.
        whole: Kinds and names of those that should lack nothing.
    """
    texts = {
        (event.namespace, event.name): event.message for event in plane.events if event.reason == "FailedScheduling"
    }
    said = []
    for (kind, name), pods in neighbours(plane, ref, whole).lacking.items():
        if pods and (kind, name) in whole:
            waiting = plane.workloads[kind, name].pods()
            reasons = (texts.get((name.namespace, pod.name), "") for pod in waiting if not pod.ready)
            why = next(filter(None, reasons), "")
            said.append(f"{kind} {name} lacks {count(pods, 'pod')}" + (f": {why}" if why else ""))
    return tuple(said)


def _held(template: PodTemplate) -> str:
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


def _lacks(template: PodTemplate) -> list[Lack]:
    if template.origin is None:
        return []
    source, cpu_m, memory_bytes = template.origin
    return source.lacks(cpu_m, memory_bytes)
