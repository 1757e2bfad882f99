"""Controllers acquire pods that were there before them, if their selector matches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., Any]


@pytest.fixture
def pair(cluster: Make, node: Make) -> Any:
    """A cluster of two nodes."""
    return cluster(node("a"), node("b"))


def bare(manifest: Make, name: str, app: str = "web", **fields: Any) -> Any:
    return manifest("Pod", name, cpu="100m", labels={"app": app}, **fields)


def requests(made: Any, name: str) -> list[int]:
    """CPU requests of a workload's pods, those that are being deleted left out."""
    return sorted(pod.template.cpu_m for pod in made.pods(name) if not pod.leaving)


@pytest.mark.parametrize("together", [True, False])
def test_a_replica_set_acquires_a_pod_and_makes_only_the_others(together: bool, pair: Any, manifest: Make) -> None:
    pod, web = bare(manifest, "p"), manifest("ReplicaSet", replicas=2)
    made = pair.apply(pod, web) if together else pair.apply(pod).apply(web)
    assert (requests(made, "web"), requests(made, "p")) == ([100, 1000], [])


def test_a_pod_that_comes_to_a_full_replica_set_is_deleted(pair: Any, manifest: Make) -> None:
    made = pair.apply(manifest("ReplicaSet", replicas=1)).apply(bare(manifest, "p"))
    assert (requests(made, "web"), made.state(), made.pods("p")) == ([1000], (1, 0, 1), [])


def test_of_two_pods_a_replica_set_of_one_keeps_the_older(pair: Any, manifest: Make) -> None:
    made = pair.apply(bare(manifest, "p"), bare(manifest, "q"), manifest("ReplicaSet", replicas=1))
    (kept,) = made.pods("web")
    assert (kept.name, made.pods("p"), made.pods("q")) == ("p", [], [])


@pytest.mark.parametrize("fields", [{"app": "other"}, {"namespace": "elsewhere"}])
def test_pods_with_other_labels_or_elsewhere_stay_as_they_are(fields: Any, pair: Any, manifest: Make) -> None:
    made = pair.apply(bare(manifest, "p", **fields), manifest("ReplicaSet", replicas=1))
    assert (requests(made, "web"), requests(made, "p")) == ([1000], [100])


def test_a_deployment_acquires_nothing(pair: Any, manifest: Make) -> None:
    made = pair.apply(bare(manifest, "p"), manifest(replicas=1))
    assert (requests(made, "web"), requests(made, "p")) == ([1000], [100])


def test_a_stateful_set_acquires_by_name_and_replaces(pair: Any, manifest: Make) -> None:
    made = pair.apply(bare(manifest, "web-0"), bare(manifest, "p"), manifest("StatefulSet", replicas=2))
    assert (requests(made, "web"), made.pods("web-0"), requests(made, "p")) == ([1000, 1000], [], [100])


def test_one_with_on_delete_keeps_what_it_has_acquired(pair: Any, manifest: Make) -> None:
    asked = manifest("StatefulSet", replicas=1, spec={"updateStrategy": {"type": "OnDelete"}})
    assert requests(pair.apply(bare(manifest, "web-0"), asked), "web") == [100]


def test_a_stateful_set_waits_for_a_name_that_another_pod_has(pair: Any, manifest: Make) -> None:
    made = pair.apply(bare(manifest, "web-0", app="other"), manifest("StatefulSet", replicas=1))
    assert made.pods("web") == []
    assert made.delete("Pod", "web-0").state("web") == (1, 0, 1)


def test_a_daemon_set_acquires_the_pod_of_a_node_and_replaces_it(pair: Any, manifest: Make) -> None:
    made = pair.apply(bare(manifest, "p")).apply(manifest("DaemonSet"))
    assert (requests(made, "web"), made.placed("web"), made.pods("p")) == ([1000, 1000], {"a": 1, "b": 1}, [])


def test_a_daemon_set_deletes_what_comes_beside_its_own(pair: Any, manifest: Make) -> None:
    made = pair.apply(manifest("DaemonSet")).apply(bare(manifest, "p"))
    assert (requests(made, "web"), made.pods("p")) == ([1000, 1000], [])


@pytest.mark.parametrize(("manual", "made_pods"), [(True, [100]), (False, [1000])])
def test_a_job_acquires_only_with_a_manual_selector(
    manual: bool, made_pods: list[int], pair: Any, manifest: Make
) -> None:
    job = manifest("Job", spec={"manualSelector": manual}, restartPolicy="Never")
    assert requests(pair.apply(bare(manifest, "p"), job), "web") == made_pods


def test_a_pod_that_was_acquired_can_still_be_deleted_by_its_name(pair: Any, manifest: Make) -> None:
    made = pair.apply(bare(manifest, "p"), manifest("ReplicaSet", replicas=1)).delete("Pod", "p")
    assert requests(made, "web") == [1000]


def test_acquired_pods_go_with_their_controller(pair: Any, manifest: Make) -> None:
    made = pair.apply(bare(manifest, "p"), manifest("ReplicaSet", replicas=1)).delete("ReplicaSet", "web")
    assert not made.plane.api.scheduler.bound.pods


@pytest.mark.parametrize("kind", ["ReplicaSet", "StatefulSet"])
def test_a_controller_releases_a_pod_whose_labels_no_longer_match_and_makes_another(
    kind: str, pair: Any, manifest: Make
) -> None:
    asked = manifest(kind, replicas=1, spec={"updateStrategy": {"type": "OnDelete"}} if kind == "StatefulSet" else {})
    made = pair.apply(bare(manifest, "web-0")).apply(asked)
    assert (requests(made, "web"), requests(made, "web-0")) == ([100], [])
    made = made.apply(bare(manifest, "web-0", app="other"))
    assert requests(made, "web-0") == [100]
    # A StatefulSet's next pod needs the name.
    assert requests(made, "web") == ([1000] if kind == "ReplicaSet" else [])


def test_a_pod_that_gets_the_right_labels_is_acquired(pair: Any, manifest: Make) -> None:
    made = pair.apply(manifest("ReplicaSet", replicas=1), bare(manifest, "p", app="other"))
    made = made.apply(bare(manifest, "p"))
    assert (len(requests(made, "web")), made.pods("p")) == (1, [])


def test_a_bare_pod_is_scheduled_once_its_gates_are_gone(pair: Any, manifest: Make) -> None:
    gated = bare(manifest, "p", schedulingGates=[{"name": "example.com/wait"}])
    made = pair.apply(gated)
    assert made.state("p") == (0, 1, 1)
    assert made.apply(bare(manifest, "p")).state("p") == (1, 0, 1)
