"""Deployments at the end of a replay, as the API server would show them.

Follows kubernetes 1.36 `pkg/controller/deployment/sync.go` (`calculateStatus`), `progress.go` (`syncRolloutStatus`)
and `util/deployment_util.go`.
"""

from __future__ import annotations

from collections.abc import Mapping

from env.api_objects import Manifest
from env.embedded.pod_objects import time_text, uid_of
from env.engine.controllers.deployment import Deployment
from env.engine.controllers.replica_set import ReplicaSet

_PROGRESS_DEADLINE_S = 600  # the API server's default


def deployment_object(
    workload: Deployment, recorded: Manifest, now_s: float, refusals: Mapping[str, tuple[str, str]]
) -> Manifest:
    """One Deployment.

    Args:
        workload: It and its ReplicaSets.
        recorded: Its manifest in the trace, without what was made of its requests and replicas.
        now_s: The end of the replay.
        refusals: By ReplicaSet: reason and message of the Event that says why no pod could be made.
    """
    asked, ref = workload.spec, workload.ref
    own = recorded.get("metadata") or {}
    metadata = {
        **{key: own[key] for key in ("labels", "annotations") if own.get(key)},
        "name": ref.name,
        "namespace": ref.namespace,
        "uid": uid_of("Deployment", ref.namespace, ref.name),
    }
    spec = dict(recorded.get("spec") or {})
    template = dict(spec.get("template") or {})
    spec |= {"replicas": asked.replicas, "template": {**template, "spec": asked.template.written()}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": spec,
        "status": _status(workload, spec, now_s, refusals),
    }


def _status(workload: Deployment, spec: Manifest, now_s: float, refusals: Mapping[str, tuple[str, str]]) -> Manifest:
    asked = workload.spec
    newest = next((each for each in workload.sets if each.template.revision == asked.template.revision), None)
    pods = workload.pods()
    available = sum(each.available(now_s) for each in workload.sets)
    counts = {
        "replicas": len(pods),
        "updatedReplicas": 0 if newest is None else len(newest.members),
        "readyReplicas": sum(pod.ready for pod in pods),
        "availableReplicas": available,
        "unavailableReplicas": max(0, asked.replicas - available),
    }
    _, unavailable = asked.fenceposts
    enough = available >= asked.replicas - unavailable
    conditions = [
        _condition("Available", enough, f"MinimumReplicas{'Available' if enough else 'Unavailable'}",
                   f"Deployment {'has' if enough else 'does not have'} minimum availability."),
    ]  # fmt: skip
    if newest is not None and not asked.paused:
        complete = counts["updatedReplicas"] == counts["replicas"] == asked.replicas == available
        deadline_s = spec.get("progressDeadlineSeconds") or _PROGRESS_DEADLINE_S
        conditions.append(_progressing(newest, complete, now_s, deadline_s))
    refused = next((refusals[each.ref.name] for each in workload.sets if each.ref.name in refusals), None)
    if refused is not None and len(pods) < sum(each.replicas for each in workload.sets):
        conditions.append(_condition("ReplicaFailure", True, *refused))
    return {**{name: number for name, number in counts.items() if number}, "conditions": conditions}


def _progressing(newest: ReplicaSet, complete: bool, now_s: float, deadline_s: object) -> Manifest:
    name = f'ReplicaSet "{newest.ref.name}"'
    if complete:
        return _condition("Progressing", True, "NewReplicaSetAvailable", f"{name} has successfully progressed.")
    last_s = max((pod.created_s for pod in newest.members), default=now_s)
    if isinstance(deadline_s, int | float) and now_s - last_s > deadline_s:
        return _condition("Progressing", False, "ProgressDeadlineExceeded", f"{name} has timed out progressing.")
    updated = time_text(last_s)
    return {
        **_condition("Progressing", True, "ReplicaSetUpdated", f"{name} is progressing."),
        "lastUpdateTime": updated,
    }


def _condition(kind: str, holds: bool, reason: str, message: str) -> Manifest:
    return {"type": kind, "status": "True" if holds else "False", "reason": reason, "message": message}
