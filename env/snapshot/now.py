"""How each workload of a cluster is at the moment, by the cluster's own word, to hold a replay against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from env.snapshot.pods import Key, PodSeen
from env.untrusted import count, mapping, mappings, message


@dataclass(frozen=True)
class WorkloadNow:
    """A workload's pods now.

    Attributes:
        key: Kind, namespace and name.
        wanted: Pods that it is to have.
        ready: Pods that are Ready, of whichever revision.
        updated: Pods of the current revision; fewer than `wanted`: a rollout is not done.
        unscheduled: Pods without a node.
        oom_killed: Containers whose last end was for their memory.
        waiting: Why containers wait, and in how many pods each, most often first.
        said: Why pods are not there or not placed, in the words of controller or scheduler; empty: nothing said.
    """

    key: Key
    wanted: int
    ready: int
    updated: int
    unscheduled: int = 0
    oom_killed: tuple[str, ...] = ()
    waiting: tuple[tuple[str, int], ...] = ()
    said: str = ""

    @property
    def is_whole(self) -> bool:
        """All pods that it is to have are Ready, and of the current revision."""
        return self.ready >= self.wanted and self.updated >= self.wanted and not self.unscheduled

    def __str__(self) -> str:
        """In a few words: "2 of 3 ready, OOM-killed: app, CrashLoopBackOff (1)"."""
        parts = [f"{self.ready} of {self.wanted} ready"]
        if self.updated < self.wanted:
            parts.append(f"{self.updated} of the current revision")
        if self.unscheduled:
            parts.append(f"{self.unscheduled} without a node")
        if self.oom_killed:
            parts.append(f"OOM-killed: {', '.join(self.oom_killed)}")
        return ", ".join(parts + [f"{why} ({pods})" for why, pods in self.waiting])


def workload_now(key: Key, manifest: Any, pods: Sequence[PodSeen]) -> WorkloadNow:
    """A workload by its own status and by its pods.

    Args:
        key: Its name.
        manifest: As the API server sent it, with its status.
        pods: Those that are its own and have not ended.
    """
    wanted, ready, updated = _counts(key.kind, mapping(manifest.get("spec")), mapping(manifest.get("status")), pods)
    waiting = Counter(why for pod in pods for why in pod.waiting)
    return WorkloadNow(
        key,
        wanted,
        ready,
        updated,
        unscheduled=sum(not pod.node for pod in pods),
        oom_killed=tuple(dict.fromkeys(each for pod in pods for each in pod.oom_killed)),
        waiting=tuple(waiting.most_common()),
        said=next((pod.said for pod in pods if not pod.node and pod.said), "") or _refusal(manifest),
    )


def _counts(kind: str, spec: Any, status: Any, pods: Sequence[PodSeen]) -> tuple[int, int, int]:
    """Pods that are wanted, Ready, and of the current revision."""
    ready = count(status.get("readyReplicas"))
    match kind:
        case "Deployment":
            return _replicas(spec), ready, count(status.get("updatedReplicas"))
        case "StatefulSet":
            is_partial = bool(mapping(mapping(spec.get("updateStrategy")).get("rollingUpdate")).get("partition"))
            is_on_delete = mapping(spec.get("updateStrategy")).get("type") == "OnDelete"
            # `updatedReplicas` is left out of a StatefulSet that has never been updated
            all_new = is_partial or is_on_delete or status.get("currentRevision") == status.get("updateRevision")
            return _replicas(spec), ready, _replicas(spec) if all_new else count(status.get("updatedReplicas"))
        case "DaemonSet":
            wanted = count(status.get("desiredNumberScheduled"))
            is_on_delete = mapping(spec.get("updateStrategy")).get("type") == "OnDelete"
            return (
                wanted,
                count(status.get("numberReady")),
                (wanted if is_on_delete else count(status.get("updatedNumberScheduled"))),
            )
        case "ReplicaSet":
            return _replicas(spec), ready, _replicas(spec)
        case "CronJob":
            return 0, 0, 0
    wanted = max(1, len(pods)) if kind == "Pod" else len(pods)
    return wanted, sum(pod.is_ready for pod in pods), wanted


def _replicas(spec: Any) -> int:
    return count(spec["replicas"]) if "replicas" in spec else 1


def _refusal(manifest: Any) -> str:
    """Why its controller could create no pods."""
    conditions = mappings(mapping(manifest.get("status")).get("conditions"))
    failed = (each for each in conditions if each.get("type") == "ReplicaFailure" and each.get("status") == "True")
    return next((message(each.get("message")) for each in failed), "")
