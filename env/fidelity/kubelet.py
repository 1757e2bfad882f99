"""What kubelets write about nodes and pods, for nodes that have no other kubelet: pure functions of manifests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from env.engine.manifests.labels import HOSTNAME, with_beta_copies
from env.fidelity.truth import RecordedNode
from env.simkube.paths import MANAGED_BY, SIM_ARENA

Manifest = dict[str, Any]


def node_manifest(node: RecordedNode) -> Manifest:
    """The Node, as KWOK's annotation wants it."""
    labels = {**with_beta_copies({HOSTNAME: node.name, **node.labels}), MANAGED_BY: SIM_ARENA}
    spec: Manifest = {"taints": taints(node)} if node.taints else {}
    if node.unschedulable:
        spec["unschedulable"] = True
    metadata = {"name": node.name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec}


def taints(node: RecordedNode) -> list[Manifest]:
    """The node's own taints."""
    return [taint.model_dump(exclude_none=True) for taint in node.taints]


def node_status(node: RecordedNode, now: str) -> Manifest:
    """Ready, with what it can allocate; `now` in RFC 3339."""
    room = {"cpu": node.cpu, "memory": node.memory, "pods": str(node.pods), **node.resources}
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "played by sim-arena",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    }
    return {"capacity": room, "allocatable": room, "conditions": [ready]}


def serves(pod: Manifest) -> bool:
    """Whether a kubelet has something to write about a pod that is bound to its node."""
    status = pod.get("status") or {}
    if status.get("phase") in ("Succeeded", "Failed"):
        return False
    return is_of_job(pod) or not is_ready(pod)


def pod_status(pod: Manifest, now: str) -> Manifest:
    """A Job's pod has succeeded, any other is Ready, both at once."""
    spec, status = pod["spec"], pod.get("status") or {}
    done = is_of_job(pod)
    if done:
        state: Manifest = {
            "terminated": {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now},
        }
    else:
        state = {"running": {"startedAt": now}}
    ended = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now}}
    kinds = {"Initialized": "True", "ContainersReady": str(not done), "Ready": str(not done)}
    reason = {"reason": "PodCompleted"} if done else {}
    conditions = [each for each in status.get("conditions") or () if each["type"] not in kinds]
    conditions += [
        {"type": kind, "status": value, "lastTransitionTime": now, **(reason if value == "False" else {})}
        for kind, value in kinds.items()
    ]
    return {
        "phase": "Succeeded" if done else "Running",
        "startTime": now,
        "conditions": conditions,
        "containerStatuses": _containers(spec["containers"], state, ready=not done),
        "initContainerStatuses": _containers(spec.get("initContainers") or (), ended, ready=True),
    }


def is_ready(pod: Manifest) -> bool:
    """Whether the pod runs and is Ready."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def is_of_job(pod: Manifest) -> bool:
    """Whether a Job owns the pod."""
    return any(owner.get("kind") == "Job" for owner in pod["metadata"].get("ownerReferences") or ())


def _containers(containers: Sequence[Manifest], state: Manifest, *, ready: bool) -> list[Manifest]:
    names = ((each["name"], each.get("image", "")) for each in containers)
    common = {"ready": ready, "restartCount": 0, "imageID": "", "started": ready, "state": state}
    return [{"name": name, "image": image, **common} for name, image in names]
