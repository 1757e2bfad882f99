"""Pods of higher priority take the place of others."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., Any]

HIGH = {"priorityClassName": "high"}


@pytest.fixture
def busy(cluster: Make, priority: Make) -> Make:
    """Makes a cluster that knows the classes low (10), middle (50) and high (100)."""

    def make(*nodes: Any) -> Any:
        classes = (priority("low", 10), priority("middle", 50), priority("high", 100))
        return cluster(*nodes).apply(*classes)

    return make


def test_a_pod_of_higher_priority_takes_the_place_of_another(busy: Make, node: Make, manifest: Make) -> None:
    made = busy(node("a")).apply(manifest("ReplicaSet", "old", replicas=4), manifest(**HIGH))
    assert (made.state(), made.state("old")) == ((1, 0, 1), (3, 1, 4))  # the victim's controller made another pod


def test_a_pod_of_equal_priority_waits(busy: Make, node: Make, manifest: Make) -> None:
    made = busy(node("a")).apply(manifest("ReplicaSet", "old", replicas=4, **HIGH)).apply(manifest(**HIGH))
    assert (made.state(), made.told("Preempted")) == ((0, 1, 1), [])


def test_no_more_pods_go_than_have_to(busy: Make, node: Make, manifest: Make) -> None:
    small, large = (manifest("Pod", name, cpu=cpu) for name, cpu in (("small", "1"), ("large", "3")))
    made = busy(node("a")).apply(small, large, manifest(cpu="2", **HIGH))
    assert (made.state("small"), made.pods("large")) == ((1, 0, 1), [])


def test_the_more_important_pods_are_put_back_first(busy: Make, node: Make, manifest: Make) -> None:
    low = manifest("Pod", "low", cpu="2", priorityClassName="low")
    middle = manifest("Pod", "middle", cpu="2", priorityClassName="middle")
    made = busy(node("a")).apply(middle, low, manifest(cpu="2", **HIGH))
    assert (made.pods("low"), made.state("middle")) == ([], (1, 0, 1))


def test_of_equally_important_pods_the_one_that_started_last_goes(busy: Make, node: Make, manifest: Make) -> None:
    made = busy(node("a")).apply(manifest("Pod", "first", cpu="2")).wait(5).apply(manifest("Pod", "second", cpu="2"))
    made.apply(manifest(cpu="2", **HIGH))
    assert (made.state("first"), made.pods("second")) == ((1, 0, 1), [])


def test_the_node_whose_highest_victim_is_lowest_is_chosen(busy: Make, node: Make, manifest: Make) -> None:
    middle = manifest(
        "Pod", "middle", cpu="4", nodeSelector={"kubernetes.io/hostname": "a"}, priorityClassName="middle"
    )
    low = manifest(
        "ReplicaSet", "low", 2, cpu="2", nodeSelector={"kubernetes.io/hostname": "b"}, priorityClassName="low"
    )
    made = busy(node("a"), node("b")).apply(middle, low, manifest(cpu="4", **HIGH))
    assert (made.placed(), made.state("middle")) == ({"b": 1}, (1, 0, 1))


def test_then_the_node_with_fewer_victims_is_chosen(busy: Make, node: Make, manifest: Make) -> None:
    two = manifest("ReplicaSet", "two", 2, cpu="2", nodeSelector={"kubernetes.io/hostname": "a"})
    one = manifest("ReplicaSet", "one", 1, cpu="4", nodeSelector={"kubernetes.io/hostname": "b"})
    assert busy(node("a"), node("b")).apply(two, one, manifest(cpu="4", **HIGH)).placed() == {"b": 1}


def test_then_the_node_whose_victim_started_last_is_chosen(busy: Make, node: Make, manifest: Make) -> None:
    old, new = (
        manifest("Pod", name, cpu="4", nodeSelector={"kubernetes.io/hostname": place})
        for name, place in (("old", "a"), ("new", "b"))
    )
    made = busy(node("a"), node("b")).apply(old).wait(5).apply(new, manifest(cpu="4", **HIGH))
    assert made.placed() == {"b": 1}


def test_a_bare_pod_that_was_preempted_does_not_come_back(busy: Make, node: Make, manifest: Make) -> None:
    made = busy(node("a")).apply(manifest("Pod", "bare", cpu="4"), manifest(cpu="4", **HIGH))
    assert made.pods("bare") == []
    assert made.delete("Deployment", "web").pods("bare") == []
    assert made.apply(manifest("Pod", "bare", cpu="4")).state("bare") == (1, 0, 1)


def test_a_policy_of_never_waits(busy: Make, node: Make, manifest: Make, priority: Make) -> None:
    polite = priority("polite", 100, preemptionPolicy="Never")
    for made in (
        busy(node("a")).apply(manifest("Pod", "old", cpu="4"), manifest(preemptionPolicy="Never", **HIGH)),
        busy(node("a")).apply(polite, manifest("Pod", "old", cpu="4"), manifest(priorityClassName="polite")),
    ):
        assert made.state() == (0, 1, 1)
        assert made.messages() == [
            "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, "
            "preemption: not eligible due to preemptionPolicy=Never."
        ]


def test_a_policy_of_never_still_goes_first_in_the_queue(busy: Make, node: Make, manifest: Make) -> None:
    made = busy(node("a")).apply(manifest("Pod", "old", cpu="4"))
    made.apply(manifest(name="plain", cpu="4"), manifest(cpu="4", preemptionPolicy="Never", **HIGH))
    assert made.delete("Pod", "old").state() == (1, 0, 1)


def test_the_message_of_the_preemptor_says_nothing_about_preemption(busy: Make, node: Make, manifest: Make) -> None:
    made = busy(node("a")).apply(manifest("Pod", "old", cpu="4"), manifest(**HIGH))
    assert made.messages() == ["0/1 nodes are available: 1 Insufficient cpu."]


def test_preemption_does_not_help_where_the_node_is_too_small(busy: Make, node: Make, manifest: Make) -> None:
    made = busy(node("a")).apply(manifest("Pod", "old", cpu="4"), manifest(cpu="5", **HIGH))
    assert (made.state("old"), made.told("Preempted")) == ((1, 0, 1), [])
    assert made.messages() == [
        "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: "
        "0/1 nodes are available: 1 Preemption is not helpful for scheduling."
    ]


def test_where_removing_all_lower_pods_is_not_enough_their_node_says_what_is_lacking(
    busy: Make, node: Make, manifest: Make
) -> None:
    important = manifest("Pod", "important", cpu="3", priorityClassName="high")
    made = busy(node("a")).apply(important, manifest("Pod", "old"), manifest(cpu="2", **HIGH))
    assert made.messages() == [
        "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: "
        "0/1 nodes are available: 1 Insufficient cpu."
    ]


def test_a_victim_learns_who_took_its_place(busy: Make, node: Make, manifest: Make) -> None:
    made = busy(node("a")).apply(manifest("ReplicaSet", "old", replicas=1, cpu="4"), manifest("Pod", **HIGH))
    (event,) = [event for event in made.plane.events if event.reason == "Preempted"]
    assert re.fullmatch(r"Preempted by pod [0-9a-f-]{36} on node a", event.message)
    assert (event.name.startswith("old-"), event.warning, event.source) == (True, False, "default-scheduler")
    assert made.told("SuccessfulDelete") == []  # its controller did not delete it


def test_victims_may_stand_in_the_way_by_affinity(busy: Make, node: Make, manifest: Make) -> None:
    foe = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "web"}}}
    shy = {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [foe]}}}
    made = busy(node("a")).apply(manifest("Pod", "shy", **shy), manifest(**HIGH))
    assert (made.state(), made.pods("shy")) == ((1, 0, 1), [])


def test_the_node_that_was_cleared_is_kept_for_the_preemptor(busy: Make, node: Make, manifest: Make) -> None:
    old = manifest("ReplicaSet", "old", replicas=1, cpu="4")
    made = busy(node("a")).apply(old)
    # The small pod, and the one that replaces the victim, come before the second try of the preemptor.
    made.apply(manifest("Pod", cpu="4", **HIGH), manifest("Pod", "small", cpu="1"))
    assert (made.state(), made.state("small"), made.state("old")) == ((1, 0, 1), (0, 1, 1), (0, 1, 1))


def test_the_default_class_is_for_pods_that_name_none(
    cluster: Make, node: Make, manifest: Make, priority: Make
) -> None:
    made = cluster(node("a")).apply(priority("low", -5), priority("usual", 7, globalDefault=True))
    made.apply(manifest("Pod", "low", cpu="4", priorityClassName="low"), manifest())
    assert made.state() == (1, 0, 1)


def test_the_classes_of_the_system_are_known(cluster: Make, node: Make, manifest: Make) -> None:
    made = cluster(node("a")).apply(
        manifest("Pod", "cluster", cpu="4", priorityClassName="system-cluster-critical"),
        manifest(priorityClassName="system-node-critical"),
    )
    assert made.state() == (1, 0, 1)


def test_a_preemptor_whose_node_went_to_another_pod_gives_up_its_claim(
    busy: Make, node: Make, manifest: Make, priority: Make
) -> None:
    made = busy(node("a")).apply(priority("top", 200), manifest("Pod", "old", cpu="4"))
    made.apply(manifest("Pod", cpu="4", **HIGH), manifest("Pod", "top", cpu="3", priorityClassName="top"))
    assert (made.state(), made.state("top")) == ((0, 1, 1), (1, 0, 1))
    assert made.apply(manifest("Pod", "small", cpu="1")).state("small") == (1, 0, 1)


def test_of_more_than_a_hundred_nodes_that_would_do_the_first_hundred_are_looked_at(
    cluster: Make, node: Make, manifest: Make, priority: Make
) -> None:
    pool = [node(f"n{i}", cpu="1") for i in range(120)]
    made = cluster(*pool).apply(priority("low", 0), priority("some", 10), priority("high", 100))
    made.apply(*(manifest("Pod", f"p{i}", cpu="1", nodeName=f"n{i}", priorityClassName="some") for i in range(119)))
    made.apply(manifest("Pod", "last", cpu="1", nodeName="n119", priorityClassName="low"))
    made.apply(manifest("Pod", "urgent", cpu="1", priorityClassName="high"))
    assert made.placed("urgent") == {"n0": 1}
