"""What a cluster's namespace holds, as an outcome of a truth file: pure functions of what the API server returned."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from env.fidelity.kubelet import is_ready
from env.fidelity.truth import RecordedOutcome, WorkloadOutcome, revision
from env.words import count

Manifest = dict[str, Any]

# What the scheduler says when a pod is deleted while it is scheduled: no decision, and a pod's random name in it.
_RACES = ("skip schedule deleting pod", "running ")
_OBSERVING = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet")


@dataclass(frozen=True)
class NamespaceState:
    """A namespace.

    Attributes:
        pods: All of them.
        workloads: By kind, with those in between (ReplicaSets, a CronJob's Jobs).
        events: Those with the reason FailedScheduling.
    """

    pods: Sequence[Manifest]
    workloads: dict[str, Sequence[Manifest]]
    events: Sequence[Manifest]

    @property
    def pending(self) -> list[Manifest]:
        """Pods that wait for a node."""
        return [pod for pod in self.pods if _phase(pod) == "Pending"]

    @property
    def fingerprint(self) -> tuple[object, ...]:
        """Equal as long as nothing has happened."""
        pods = (
            (pod["metadata"]["uid"], _phase(pod), is_ready(pod), (pod.get("spec") or {}).get("nodeName", ""))
            for pod in self.pods
        )
        return (tuple(sorted(pods)), tuple(messages(self.events)))


def unsettled(view: NamespaceState) -> str | None:
    """Why it cannot have settled; None: it has, if nothing changes any more."""
    for kind in _OBSERVING:
        for workload in view.workloads.get(kind, ()):
            reason = _unseen(kind, workload)
            if reason:
                return reason
    for job in view.workloads.get("Job", ()):
        if not (job.get("status") or {}).get("startTime") and not job["spec"].get("suspend"):
            return f"Job {job['metadata']['name']} has not been started"
    for pod in view.pods:
        if "deletionTimestamp" in pod["metadata"]:
            return f"pod {pod['metadata']['name']} is being deleted"
        if not _is_decided(pod):
            return f"pod {pod['metadata']['name']} is {_phase(pod)} and not decided"
    return None


def outcome(view: NamespaceState) -> RecordedOutcome:
    """The outcome; pods that are being deleted are not counted."""
    owners = _owner_names(view.workloads)
    pods = defaultdict(list)
    for pod in view.pods:
        if "deletionTimestamp" not in pod["metadata"]:
            pods[_workload_name(pod, owners)].append(pod)
    workloads = {name: _counted(members) for name, members in sorted(pods.items())}
    return RecordedOutcome(failed_scheduling=messages(view.events), workloads=workloads)


def messages(events: Iterable[Manifest]) -> list[str]:
    """The distinct messages, sorted, without those about races."""
    texts = {str(event.get("message") or event.get("note") or "") for event in events}
    return sorted(text for text in texts if text and not text.startswith(_RACES))


def _counted(pods: Sequence[Manifest]) -> WorkloadOutcome:
    nodes = Counter(name for pod in pods if (name := pod["spec"].get("nodeName")))
    revisions = Counter(revision(pod["spec"]) for pod in pods)
    return WorkloadOutcome(
        nodes=dict(sorted(nodes.items())),
        pending=sum(_phase(pod) == "Pending" for pod in pods),
        ready=sum(is_ready(pod) for pod in pods),
        succeeded=sum(_phase(pod) == "Succeeded" for pod in pods),
        total=len(pods),
        revisions=dict(sorted(revisions.items())),
    )


def _owner_names(workloads: dict[str, Sequence[Manifest]]) -> dict[str, str]:
    """Name of what each workload that another one owns belongs to, by uid: a ReplicaSet's Deployment."""
    every = [workload for found in workloads.values() for workload in found]
    return {each["metadata"]["uid"]: str(_controller(each).get("name") or each["metadata"]["name"]) for each in every}


def _workload_name(pod: Manifest, owners: dict[str, str]) -> str:
    owner = _controller(pod)
    if not owner:
        return str(pod["metadata"]["name"])
    return owners.get(owner["uid"], str(owner["name"]))


def _controller(manifest: Manifest) -> Manifest:
    references = manifest["metadata"].get("ownerReferences") or ()
    return next((reference for reference in references if reference.get("controller")), {})


def _unseen(kind: str, workload: Manifest) -> str | None:
    metadata, status = workload["metadata"], workload.get("status") or {}
    if status.get("observedGeneration", 0) < metadata.get("generation", 1):
        return f"{kind} {metadata['name']} has not been seen by its controller"
    if kind == "ReplicaSet" and status.get("replicas", 0) != workload["spec"].get("replicas", 1):
        return (
            f"{kind} {metadata['name']} has {status.get('replicas', 0)} of "
            f"{count(workload['spec'].get('replicas', 1), 'pod')}"
        )
    return None


def _is_decided(pod: Manifest) -> bool:
    if _phase(pod) in ("Succeeded", "Failed") or is_ready(pod):
        return True
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "PodScheduled" and each["status"] == "False" for each in conditions)


def _phase(pod: Manifest) -> str:
    return str((pod.get("status") or {}).get("phase") or "Pending")
