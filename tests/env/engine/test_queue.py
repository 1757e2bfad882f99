"""In which order pods are tried, and when again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Make = Callable[..., Any]


def test_higher_priority_goes_first(cluster: Make, node: Make, manifest: Make, priority: Make) -> None:
    made = cluster(node("a")).apply(priority("high", 5), manifest("Pod", "old", cpu="4"))
    made.apply(manifest("Pod", "plain", cpu="4"))
    made.apply(manifest("Pod", cpu="4", priorityClassName="high", preemptionPolicy="Never")).delete("Pod", "old")
    assert (made.state(), made.state("plain")) == ((1, 0, 1), (0, 1, 1))


def test_pods_that_failed_are_tried_again_in_order_of_their_failure(cluster: Make, node: Make, manifest: Make) -> None:
    made = cluster(node("a")).apply(manifest("Pod", "old", cpu="4")).wait(60)
    for name in ("first", "second"):
        made.apply(manifest("Pod", name, cpu="4")).wait(60)
    assert (made.delete("Pod", "old").state("first"), made.state("second")) == ((1, 0, 1), (0, 1, 1))


def test_a_pod_whose_back_off_is_over_goes_before_one_that_still_waits(
    cluster: Make, node: Make, manifest: Make, priority: Make
) -> None:
    made = cluster(node("a")).apply(priority("high", 5), manifest("Pod", "old", cpu="4"))
    made.apply(manifest("Pod", "patient", cpu="4")).wait(1)
    made.apply(manifest("Pod", "hasty", cpu="4", priorityClassName="high", preemptionPolicy="Never"))
    assert made.delete("Pod", "old").state("patient") == (1, 0, 1)


def test_the_back_off_doubles_up_to_ten_seconds(cluster: Make, node: Make, manifest: Make) -> None:
    made = cluster(node("a")).apply(manifest("Pod", "old", cpu="4"), manifest("Pod", cpu="4"))
    for attempts in (2, 3, 4, 5, 6):
        made.apply(manifest("Pod", "free", cpu="0")).delete("Pod", "free")  # frees something, so that it is tried again
        assert made.pods()[0].attempts == attempts
    made.apply(manifest("Pod", "new", cpu="4"))  # its back-off is 1 s, that of web 10 s
    assert made.wait(1).delete("Pod", "old").state("new") == (1, 0, 1)
    assert made.state() == (0, 1, 1)


def test_a_binding_wakes_only_pods_that_mind_other_pods(cluster: Make, node: Make, manifest: Make) -> None:
    near = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "db"}}}
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [near]}}
    made = cluster(node("a"))
    made.apply(manifest("Pod", "near", affinity=affinity), manifest("Pod", "large", cpu="5"))
    made.apply(manifest("Pod", "db"))
    assert made.state("near") == (1, 0, 1)
    assert made.pods("large")[0].attempts == 1


def test_the_first_pods_that_fit_are_bound_even_if_earlier_ones_do_not(
    cluster: Make, node: Make, manifest: Make
) -> None:
    made = cluster(node("a")).apply(manifest("Pod", "large", cpu="5"), manifest("Pod"))
    assert (made.state("large"), made.state()) == ((0, 1, 1), (1, 0, 1))


def test_an_object_that_was_there_first_is_scheduled_before_one_of_higher_priority(
    cluster: Make, node: Make, manifest: Make, priority: Make
) -> None:
    made = cluster(node("a", cpu="1"), events=False).apply(
        priority("high", 10, preemptionPolicy="Never"),
        manifest(name="first"),
        manifest(name="later", priorityClassName="high"),
    )
    assert (made.state("first"), made.state("later")) == ((1, 0, 1), (0, 1, 1))


def test_the_back_off_of_a_pod_that_failed_thousands_of_times_is_the_longest(
    cluster: Make, node: Make, manifest: Make
) -> None:
    made = cluster(node("a")).apply(manifest(replicas=1, cpu="5"))
    (pod,) = made.pods()
    pod.attempts = 5000
    made.apply(manifest("Pod", "pod")).delete("Pod", "pod")
    assert (pod.attempts, made.state()) == (5001, (0, 1, 1))
