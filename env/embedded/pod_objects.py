"""Pods at the end of a replay, as the API server would show them.

Follows kubernetes 1.36: conditions `pkg/kubelet/status/generate.go` and `pkg/scheduler/schedule_one.go`
(`handleSchedulingFailure`), back-off `pkg/kubelet/kuberuntime/kuberuntime_manager.go` (`doBackOff`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import NAMESPACE_OID, uuid5

from env.api_objects import Manifest
from env.demand import Shortage
from env.engine.control_plane import ControlPlane
from env.engine.controllers.replica_set import ReplicaSet
from env.engine.events import pod_uid
from env.engine.manifests.not_modelled import DEFAULT_SCHEDULER, scheduler_of
from env.engine.manifests.qos import qos_class
from env.engine.pods import UNBOUND, Phase, Pod, crash_loop, next_restart_s

_LATEST_S = 253_402_300_799  # the end of the year 9999
_GATED = "Scheduling is blocked due to non-empty scheduling gates"
_OOM = {"reason": "OOMKilled", "exitCode": 137}


def time_text(time_s: float) -> str:
    """Seconds since 1970 as the API server writes times; those of a trace may be any."""
    return datetime.fromtimestamp(min(max(int(time_s), 0), _LATEST_S), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def uid_of(kind: str, namespace: str, name: str) -> str:
    """A uid that is the same in every replay."""
    return str(uuid5(NAMESPACE_OID, f"{kind}/{namespace}/{name}"))


def pod_object(plane: ControlPlane, pod: Pod, refusal: str) -> Manifest:
    """One pod.

    Args:
        plane: The end of a replay.
        pod: The pod.
        refusal: What the scheduler said about it last.
    """
    template = pod.template
    source = {} if template.origin is None else template.origin[0].manifest
    own = source.get("metadata") or {}
    metadata: Manifest = {
        "name": pod.name,
        "namespace": template.namespace,
        "uid": pod_uid(pod),
        "creationTimestamp": time_text(pod.created_s),
        "labels": {**template.labels, **_hash_label(pod)},
        "annotations": dict(own.get("annotations") or {}),
    }
    if pod.leaving:
        metadata["deletionTimestamp"] = time_text(pod.ended_s)
    if pod.owner.kind != "Pod":
        ref = pod.owner.ref
        metadata["ownerReferences"] = [
            {"kind": pod.owner.kind, "name": ref.name, "uid": uid_of(pod.owner.kind, ref.namespace, ref.name),
             "controller": True}
        ]  # fmt: skip
    spec = {**template.written(), "restartPolicy": template.restart_policy}
    if pod.row != UNBOUND:
        spec["nodeName"] = plane.api.scheduler.bound.table.nodes[pod.row].name
    status: Manifest = {"phase": str(pod.phase), "qosClass": str(qos_class(spec))}
    if pod.row == UNBOUND:
        conditions = _unscheduled(pod, spec, refusal)
        status |= {"conditions": conditions} if conditions else {}
    elif pod.phase is Phase.PENDING:
        status["conditions"] = [_condition("PodScheduled", True)]
    else:
        status |= _run(pod, spec, plane.api.now_s)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status}


def _hash_label(pod: Pod) -> dict[str, str]:
    """The label that a Deployment puts on pods of each of its ReplicaSets."""
    owner = pod.owner
    if isinstance(owner, ReplicaSet) and owner.parent is not None:
        return {"pod-template-hash": owner.ref.name.removeprefix(f"{owner.parent.ref.name}-")}
    return {}


def _unscheduled(pod: Pod, spec: Manifest, refusal: str) -> list[Manifest]:
    """The conditions of a pod without a node."""
    if spec.get("schedulingGates") and pod.template.unscheduled:
        return [_condition("PodScheduled", False, "SchedulingGated", _GATED)]
    if scheduler_of(spec) != DEFAULT_SCHEDULER or not refusal:
        return []  # no scheduler has looked at it
    return [_condition("PodScheduled", False, "Unschedulable", refusal)]


def _run(pod: Pod, spec: Manifest, now_s: float) -> Manifest:
    """The status of a pod that its kubelet has started."""
    short = _short_containers(pod)
    statuses = [_container(pod, str(each.get("name")), short, now_s) for each in spec.get("containers") or ()]
    unready = [status["name"] for status in statuses if not status["ready"]]
    reason, message = "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]"
    if pod.ended:
        reason, message = ("PodFailed" if pod.phase is Phase.FAILED else "PodCompleted"), ""
    ready = ("",) * 2 if not unready and not pod.ended else (reason, message)
    return {
        "startTime": time_text(pod.started_s),
        "conditions": [
            _condition("Initialized", True),
            _condition("Ready", ready[0] == "", *ready),
            _condition("ContainersReady", ready[0] == "", *ready),
            _condition("PodScheduled", True),
        ],
        "containerStatuses": statuses,
    }


def _short_containers(pod: Pod) -> dict[str, Shortage]:
    if pod.template.origin is None:
        return {}
    source, cpu_m, memory_bytes = pod.template.origin
    return {lack.container: lack.shortage for lack in reversed(source.lacks(cpu_m, memory_bytes))}


def _container(pod: Pod, name: str, short: dict[str, Shortage], now_s: float) -> Manifest:
    """The status of a container: running, ended with its pod, or waiting for its next start."""
    started = time_text(pod.started_s)
    status: Manifest = {"name": name, "ready": pod.ready and name not in short, "restartCount": 0, "started": True}
    killed = short.get(name) is Shortage.OOM_KILLED
    if pod.ended:
        end = _OOM if killed else {"reason": "Completed", "exitCode": 0}
        ended = {**end, "startedAt": started, "finishedAt": time_text(pod.ended_s)}
        return {**status, "ready": False, "started": False, "state": {"terminated": ended}}
    if not (killed and pod.is_crash_looping):
        return {**status, "ready": name not in short, "state": {"running": {"startedAt": started}}}
    elapsed_s = now_s - pod.started_s
    restarts, last_s = crash_loop(elapsed_s)
    last = time_text(pod.started_s + last_s)
    wait = f"back-off {_go_duration(next_restart_s(elapsed_s) - last_s)} restarting failed container={name}"
    whole = f"{wait} pod={pod.name}_{pod.template.namespace}({pod_uid(pod)})"
    return {
        **status,
        "restartCount": restarts,
        "started": False,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": whole}},
        "lastState": {"terminated": {**_OOM, "startedAt": last, "finishedAt": last}},
    }


def _go_duration(seconds: float) -> str:
    """As Go writes it: 40s, 1m20s, 5m0s."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _condition(kind: str, holds: bool, reason: str = "", message: str = "") -> Manifest:
    said = {key: text for key, text in (("reason", reason), ("message", message)) if text}
    return {"type": kind, "status": "True" if holds else "False", **said}
