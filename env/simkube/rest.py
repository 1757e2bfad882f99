"""Whether a Deployment has come to rest: what its controllers say, and whether they have a next move.

That nothing changes for a while is not enough: in a rollout with `minReadySeconds`, nothing does between two pods.

Pure functions. The arithmetic follows kubernetes 1.36 `pkg/controller/deployment` (`rolling.go`, `recreate.go`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from env.engine.manifests.fields import as_map
from env.engine.manifests.strategy import read_strategy
from env.simkube.pods import PodState, owned_by, pod_state
from env.words import count

Manifest = dict[str, Any]

_REVISION = "deployment.kubernetes.io/revision"


def why_not_at_rest(deployment: Manifest, sets: Sequence[Manifest], pods: Sequence[Manifest]) -> str | None:
    """What the controllers of a workload have yet to do or to see; None: nothing, as long as its pods stay as they are.

    Args:
        deployment: The live Deployment.
        sets: Its ReplicaSets.
        pods: Their live pods.
    """
    for kind, each in (("Deployment", deployment), *(("ReplicaSet", each) for each in sets)):
        asked, seen = each["metadata"].get("generation", 1), _counted(each, "observedGeneration")
        if seen < asked:
            return f"the {kind} controller has seen generation {seen} of {asked}"
    paused = bool(deployment["spec"].get("paused"))  # then none are made for a new template
    wanted = _replicas(deployment)
    if not sets:
        return None if paused or wanted == 0 else f"no pods, the Deployment counts 0 and asks for {wanted}"
    for each in sets:
        behind = _behind(each, pods, refused=bool(refusal_of_pods(deployment)))
        if behind is not None:
            return behind
    newest = max(sets, key=_revision)
    for name, found in (("replicas", sets), ("readyReplicas", sets), ("availableReplicas", sets),
                        ("updatedReplicas", [newest])):  # fmt: skip
        total = sum(_counted(each, "replicas" if name == "updatedReplicas" else name) for each in found)
        if _counted(deployment, name) != total:
            return f"the Deployment's {name} is {_counted(deployment, name)}, that of its ReplicaSets {total}"
    if paused or not _has_a_next_move(deployment, newest, [each for each in sets if each is not newest]):
        return None
    updated, available = (_counted(deployment, name) for name in ("updatedReplicas", "availableReplicas"))
    return f"a rollout is under way: {updated} of {count(wanted, 'pod')} updated, {available} available"


def is_rolled_out(deployment: Manifest, pods: Sequence[Manifest]) -> bool:
    """Whether every pod that is asked for is of the newest revision and Ready; of a Deployment at rest."""
    updated = _counted(deployment, "updatedReplicas")
    return updated == _replicas(deployment) == len(pods) and all(pod_state(pod) is PodState.READY for pod in pods)


def refusal_of_pods(deployment: Manifest) -> str:
    """Why the API server takes no more pods of the Deployment; empty where it takes all."""
    conditions = (deployment.get("status") or {}).get("conditions") or ()
    failed = (each for each in conditions if each.get("type") == "ReplicaFailure" and each.get("status") == "True")
    return next((str(each.get("message") or each.get("reason") or "ReplicaFailure") for each in failed), "")


def _behind(replica_set: Manifest, pods: Sequence[Manifest], *, refused: bool) -> str | None:
    """What the ReplicaSet's controller has yet to do or to see; it tries refused pods again and again."""
    own = owned_by(pods, [replica_set["metadata"]["uid"]])
    ready = sum(pod_state(pod) is PodState.READY for pod in own)
    asked, counted = _replicas(replica_set), _counted(replica_set, "replicas")
    name = replica_set["metadata"]["name"]
    if counted != len(own) or counted > asked or (counted < asked and not refused):
        return f"{count(len(own), 'pod')}, ReplicaSet {name} counts {counted} and asks for {asked}"
    if _counted(replica_set, "readyReplicas") != ready:
        return f"{count(ready, 'pod')} Ready, ReplicaSet {name} counts {_counted(replica_set, 'readyReplicas')}"
    available = _counted(replica_set, "availableReplicas")
    return None if available == ready else f"{available} of {count(ready, 'Ready pod')} available (minReadySeconds)"


def _has_a_next_move(deployment: Manifest, newest: Manifest, old: Sequence[Manifest]) -> bool:
    """Whether the Deployment controller would scale a ReplicaSet."""
    wanted, size = _replicas(deployment), _replicas(newest)
    strategy = read_strategy(as_map(deployment["spec"], "strategy"))
    left = sum(map(_replicas, old))
    if strategy.recreate:
        return left > 0 or size != wanted
    surge, unavailable = strategy.fenceposts(wanted)
    if size > wanted or (size < wanted and size + left < wanted + surge):
        return True
    least = wanted - unavailable
    if left == 0 or size + left - least - (size - _counted(newest, "availableReplicas")) <= 0:
        return False
    available = [_counted(each, "availableReplicas") for each in (newest, *old)]
    return sum(available) > least or sum(available[1:]) < left


def _counted(o: Manifest, name: str) -> int:
    return int((o.get("status") or {}).get(name) or 0)


def _replicas(o: Manifest) -> int:
    found = o["spec"].get("replicas")
    return 1 if found is None else int(found)


def _revision(replica_set: Manifest) -> int:
    text = str((replica_set["metadata"].get("annotations") or {}).get(_REVISION) or "")
    return int(text) if text.isdecimal() else 0
