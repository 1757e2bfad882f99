"""When a Deployment has come to rest, by what its controllers say and would do next."""

from __future__ import annotations

from typing import Any

import pytest

from env.simkube.rest import is_rolled_out, why_not_at_rest

Manifest = dict[str, Any]


def pod(of: str, state: str) -> Manifest:
    """A pod of the ReplicaSet `of`: Ready, refused by the scheduler, or not yet tried by it."""
    condition = {
        "ready": {"type": "Ready", "status": "True"},
        "refused": {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"},
        "new": {"type": "Initialized", "status": "True"},
    }[state]
    spec = {"nodeName": "n"} if state == "ready" else {}
    return {"metadata": {"ownerReferences": [{"uid": of}]}, "spec": spec, "status": {"conditions": [condition]}}


def workload(
    wanted: int, *sets: tuple[int, str], available: dict[int, int] | None = None, **spec: Any
) -> tuple[Manifest, list[Manifest], list[Manifest]]:
    """A Deployment, its ReplicaSets, oldest first, and its pods.

    Args:
        wanted: Its replicas.
        sets: Of each the size that is asked for, and its pods: r Ready, u refused, n new.
        available: Of a ReplicaSet, where not all Ready pods are.
        spec: More of the Deployment's.
    """
    states = {"r": "ready", "u": "refused", "n": "new"}
    pods = [pod(str(i), states[letter]) for i, (_, letters) in enumerate(sets) for letter in letters]
    found = []
    for i, (size, letters) in enumerate(sets):
        ready = letters.count("r")
        counts = {
            "replicas": len(letters),
            "readyReplicas": ready,
            "availableReplicas": (available or {}).get(i, ready),
        }
        annotations = {"deployment.kubernetes.io/revision": str(i + 1)}
        metadata = {"name": f"web-{i}", "uid": str(i), "generation": 1, "annotations": annotations}
        found.append({"metadata": metadata, "spec": {"replicas": size}, "status": {"observedGeneration": 1, **counts}})
    totals = {name: sum(each["status"][name] for each in found) for name in ("replicas", "readyReplicas",
                                                                             "availableReplicas")}  # fmt: skip
    updated = {"updatedReplicas": found[-1]["status"]["replicas"]} if found else {}
    status = {"observedGeneration": 2, **totals, **updated}
    return {"metadata": {"generation": 2}, "spec": {"replicas": wanted, **spec}, "status": status}, found, pods


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(workload(3, (3, "rrr")), id="all Ready"),
        pytest.param(workload(3, (3, "ruu")), id="two refused"),
        pytest.param(workload(0, (0, "")), id="scaled to zero"),
        pytest.param(workload(4, (3, "rrr"), (2, "uu")), id="a rollout whose new pods find no room"),
        pytest.param(workload(4, (4, "rrrr"), (0, ""), paused=True), id="a paused rollout"),
        pytest.param(workload(1, (1, "r"), (1, "u"), strategy={"type": "RollingUpdate"}), id="one of one, by surge"),
        pytest.param(workload(2, (0, ""), (2, "uu"), strategy={"type": "Recreate"}), id="recreated without room"),
    ],
)
def test_at_rest(seen: tuple[Manifest, list[Manifest], list[Manifest]]) -> None:
    assert why_not_at_rest(*seen) is None


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        pytest.param(workload(3), "no pods, the Deployment counts 0 and asks for 3", id="nothing was made"),
        pytest.param(workload(3, (2, "rr"), (2, "rr"), available={1: 1}),
                     "1 of 2 Ready pods available (minReadySeconds)", id="the middle of a rollout"),
        pytest.param(workload(3, (3, "rrr"), (1, "r")), "a rollout is under way: 1 of 3 pods updated, 4 available",
                     id="an old pod may go"),
        pytest.param(workload(4, (4, "rruu"), (1, "r")), "a rollout is under way: 1 of 4 pods updated, 3 available",
                     id="an old pod that is not Ready may go"),
        pytest.param(workload(3, (3, "rrr"), (0, "")), "a rollout is under way: 0 of 3 pods updated, 3 available",
                     id="a new pod may come"),
        pytest.param(workload(3, (1, "r"), (2, "rr"), strategy={"type": "Recreate"}),
                     "a rollout is under way: 2 of 3 pods updated, 3 available", id="old pods of a Recreate"),
        pytest.param(workload(3, (3, "rr")), "2 pods, ReplicaSet web-0 counts 2 and asks for 3", id="pods to come"),
        pytest.param(workload(2, (2, "rrr")), "3 pods, ReplicaSet web-0 counts 3 and asks for 2", id="a pod to go"),
    ],
)  # fmt: skip
def test_not_at_rest(seen: tuple[Manifest, list[Manifest], list[Manifest]], reason: str) -> None:
    assert why_not_at_rest(*seen) == reason


@pytest.mark.parametrize(
    ("kind", "change", "reason"),
    [
        ("Deployment", {"observedGeneration": 1}, "the Deployment controller has seen generation 1 of 2"),
        ("ReplicaSet", {"observedGeneration": 0}, "the ReplicaSet controller has seen generation 0 of 1"),
        ("ReplicaSet", {"readyReplicas": 1}, "2 pods Ready, ReplicaSet web-0 counts 1"),
        ("Deployment", {"availableReplicas": 0}, "the Deployment's availableReplicas is 0, that of its ReplicaSets 2"),
        ("Deployment", {"updatedReplicas": 0}, "the Deployment's updatedReplicas is 0, that of its ReplicaSets 2"),
    ],
)
def test_what_a_controller_has_not_seen_yet_is_waited_for(kind: str, change: Manifest, reason: str) -> None:
    deployment, sets, pods = workload(2, (2, "rr"))
    (deployment if kind == "Deployment" else sets[0])["status"].update(change)
    assert why_not_at_rest(deployment, sets, pods) == reason


def test_pods_that_a_quota_refuses_are_not_waited_for() -> None:
    deployment, sets, pods = workload(3, (3, "r"))
    assert why_not_at_rest(deployment, sets, pods) is not None
    failure = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: q"}
    deployment["status"]["conditions"] = [failure]
    assert why_not_at_rest(deployment, sets, pods) is None


def test_rolled_out_is_all_updated_and_ready() -> None:
    deployment, _, pods = workload(2, (2, "rr"))
    assert is_rolled_out(deployment, pods)
    deployment, _, pods = workload(2, (2, "ru"))
    assert not is_rolled_out(deployment, pods)
    deployment, _, pods = workload(2, (1, "r"), (1, "r"))
    assert not is_rolled_out(deployment, pods)
