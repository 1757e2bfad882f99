"""Whether a workload of any kind has come to rest; Deployments, whose controllers have most moves, in `rest.py`.

Pure functions. Of the others the counts of their controllers are compared with the pods. What those would do next
cannot be seen of all of them: a StatefulSet's next pod, or one that is refused. `settling.py` waits until nothing has
changed for a while then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from env.simkube import rest
from env.simkube.pods import PodState, pod_state, wanted_pods
from env.words import count

Manifest = dict[str, Any]

_ALL = {"DaemonSet": ("currentNumberScheduled", "numberReady", "updatedNumberScheduled")}
_OTHERWISE = ("replicas", "readyReplicas", "updatedReplicas")


def why_not_at_rest(kind: str, own: Manifest, sets: Sequence[Manifest], pods: Sequence[Manifest]) -> str | None:
    """What the controllers of a workload have yet to do or to see; None: nothing that can be seen.

    Args:
        kind: Of the workload.
        own: It.
        sets: Its ReplicaSets, of a Deployment.
        pods: Its live pods.
    """
    if kind == "Deployment":
        return rest.why_not_at_rest(own, sets, pods)
    asked, status = own["metadata"].get("generation", 1), own.get("status") or {}
    seen = status.get("observedGeneration") or 0
    if seen < asked:
        return f"the {kind} controller has seen generation {seen} of {asked}"
    there, ready, _ = (int(status.get(name) or 0) for name in _ALL.get(kind, _OTHERWISE))
    if there != len(pods):
        return f"{count(len(pods), 'pod')}, the {kind} counts {there}"
    actual = sum(pod_state(pod) is PodState.READY for pod in pods)
    return None if ready == actual else f"{count(actual, 'pod')} Ready, the {kind} counts {ready}"


def is_rolled_out(kind: str, own: Manifest, pods: Sequence[Manifest]) -> bool:
    """Whether every pod that is asked for is of the newest revision and Ready; of a workload at rest."""
    if kind == "Deployment":
        return rest.is_rolled_out(own, pods)
    wanted, status = wanted_pods(own), own.get("status") or {}
    updated = wanted if kind == "ReplicaSet" else int(status.get(_ALL.get(kind, _OTHERWISE)[2]) or 0)
    return updated == wanted == len(pods) and all(pod_state(pod) is PodState.READY for pod in pods)
