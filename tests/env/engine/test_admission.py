"""LimitRanges and ResourceQuotas: what new pods get, and which of them there never are."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from env.engine.manifests.objects import read_object
from env.quantity import MIB
from env.trace.document import Manifest

Make = Callable[..., Any]


def limits(*items: Manifest, name: str = "l", namespace: str = "default") -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"limits": [{"type": "Container", **each} for each in items]},
    }


def quota(hard: Manifest, name: str = "q", namespace: str = "default", **spec: Any) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"hard": hard, **spec},
    }


@pytest.fixture
def one(cluster: Make, node: Make) -> Any:
    """A cluster of one large node."""
    return cluster(node("a", cpu="64", memory="64Gi"))


def failures(made: Any) -> list[str]:
    """Why pods were not created, without the pods' names."""
    return sorted({re.sub(r'"web-[^"]*"', '"…"', text) for text in made.told("FailedCreate")})


def forbidden(reason: str) -> list[str]:
    return [f'Error creating: pods "…" is forbidden: {reason}']


def taken(made: Any) -> list[tuple[int, int]]:
    return [(pod.template.cpu_m, pod.template.memory_bytes) for pod in made.pods()]


# --- LimitRange -----------------------------------------------------------------------------------------------------


def test_containers_that_ask_for_nothing_get_the_default_requests(one: Any, manifest: Make) -> None:
    item = {"default": {"cpu": "2", "memory": "256Mi"}, "defaultRequest": {"cpu": "500m"}}
    one.apply(limits(item), manifest(cpu=None, replicas=2))
    assert taken(one) == [(500, 256 * MIB)] * 2


@pytest.mark.parametrize(
    ("item", "cpu_m"),
    [({"default": {"cpu": "2"}}, 2000), ({"max": {"cpu": "3"}}, 3000), ({"min": {"cpu": "250m"}}, 250)],
)
def test_a_limit_range_fills_in_its_own_defaults(item: Manifest, cpu_m: int, one: Any, manifest: Make) -> None:
    one.apply(limits(item), manifest(cpu=None, replicas=1))
    assert taken(one) == [(cpu_m, 0)]


def test_what_a_container_asks_for_stays(one: Any, manifest: Make) -> None:
    one.apply(limits({"default": {"cpu": "4"}, "defaultRequest": {"cpu": "3"}}), manifest(cpu="1", replicas=1))
    assert taken(one) == [(1000, 0)]


def test_init_containers_get_defaults_too(one: Any, manifest: Make) -> None:
    init = [{"name": "i", "image": "i:1"}]
    one.apply(limits({"defaultRequest": {"cpu": "2"}}), manifest(cpu="1", replicas=1, initContainers=init))
    assert taken(one) == [(2000, 0)]


def test_a_limit_range_changes_pods_that_come_after_it_only(one: Any, manifest: Make) -> None:
    one.apply(manifest(cpu=None, replicas=1), limits({"defaultRequest": {"cpu": "2"}}))
    assert taken(one) == [(0, 0)]
    one.apply(manifest(cpu=None, replicas=2))
    assert taken(one) == [(0, 0), (2000, 0)]


def test_defaults_are_no_new_revision(one: Any, manifest: Make) -> None:
    one.apply(limits({"defaultRequest": {"cpu": "2"}}), manifest(cpu=None, replicas=3))
    one.apply(manifest(cpu=None, replicas=3))
    assert len(one.workload().sets) == 1
    assert one.state() == (3, 0, 3)


def test_another_namespace_has_its_own_limits(one: Any, manifest: Make) -> None:
    one.apply(limits({"max": {"cpu": "1"}}, namespace="elsewhere"), manifest(cpu="2", replicas=1))
    assert one.state() == (1, 0, 1)


@pytest.mark.parametrize(
    ("item", "own", "reason"),
    [
        ({"min": {"cpu": "2"}}, "1", "minimum cpu usage per Container is 2, but request is 1"),
        ({"max": {"cpu": "500m"}}, "1", None),
        (
            {"max": {"memory": "1Gi"}, "default": {"memory": "2Gi"}},
            "1",
            "maximum memory usage per Container is 1Gi, but limit is 2Gi",
        ),
        ({"type": "Pod", "max": {"cpu": "2"}}, "1", "maximum cpu usage per Pod is 2.  No limit is specified"),
        (
            {"type": "Pod", "min": {"memory": "1Gi"}},
            "1",
            "minimum memory usage per Pod is 1Gi.  No request is specified",
        ),
        (
            {"default": {"cpu": "4"}, "maxLimitRequestRatio": {"cpu": "2"}},
            "1",
            "cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000",
        ),
    ],
)
def test_pods_outside_the_bounds_are_refused_in_the_real_words(
    item: Manifest, own: str, reason: str | None, one: Any, manifest: Make
) -> None:
    one.apply(limits(item), manifest(cpu=own, replicas=2))
    assert one.state() == (0, 0, 0)
    assert reason is None or failures(one) == forbidden(reason)


def test_a_default_limit_below_a_request_makes_the_pod_invalid(one: Any, manifest: Make) -> None:
    one.apply(limits({"default": {"cpu": "1"}}), manifest(cpu="2", replicas=1))
    assert one.state() == (0, 0, 0)
    assert failures(one) == [
        'Error creating: Pod "…" is invalid: spec.containers[0].resources.requests: Invalid value: "2": '
        "must be less than or equal to cpu limit of 1"
    ]


def test_pods_are_made_once_the_limit_range_is_gone(one: Any, manifest: Make) -> None:
    one.apply(limits({"min": {"cpu": "2"}}), manifest(cpu="1", replicas=2))
    assert one.state() == (0, 0, 0)
    assert one.delete("LimitRange", "l").state() == (2, 0, 2)


# --- ResourceQuota --------------------------------------------------------------------------------------------------


def test_a_quota_of_pods_refuses_those_above_it(one: Any, manifest: Make) -> None:
    one.apply(quota({"pods": "2"}), manifest(replicas=5))
    assert one.state() == (2, 0, 2)
    assert failures(one) == forbidden("exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2")


def test_a_quota_of_requests_counts_what_pods_ask_for(one: Any, manifest: Make) -> None:
    hard = {"requests.cpu": "2500m", "requests.memory": "1Gi"}
    one.apply(quota(hard), manifest(cpu="500m", memory="400Mi", replicas=5))
    assert one.state() == (2, 0, 2)
    assert failures(one) == forbidden(
        "exceeded quota: q, requested: requests.memory=400Mi, used: requests.memory=800Mi, limited: requests.memory=1Gi"
    )


def test_several_resources_that_are_exceeded_are_listed(one: Any, manifest: Make) -> None:
    one.apply(quota({"pods": "1", "requests.cpu": "1"}), manifest(cpu="1", replicas=2))
    assert failures(one) == forbidden(
        "exceeded quota: q, requested: pods=1,requests.cpu=1, used: pods=1,requests.cpu=1, "
        "limited: pods=1,requests.cpu=1"
    )


def test_containers_must_ask_for_what_a_quota_is_about(one: Any, manifest: Make) -> None:
    one.apply(quota({"limits.memory": "8Gi", "requests.cpu": "8"}), manifest(cpu=None, replicas=2))
    assert one.state() == (0, 0, 0)
    assert failures(one) == forbidden("failed quota: q: must specify limits.memory for: c; requests.cpu for: c")


def test_a_limit_range_helps_pods_through_a_quota(one: Any, manifest: Make) -> None:
    item = {"default": {"memory": "1Gi"}, "defaultRequest": {"cpu": "1"}}
    one.apply(limits(item), quota({"limits.memory": "8Gi", "requests.cpu": "8"}), manifest(cpu=None, replicas=2))
    assert one.state() == (2, 0, 2)


def test_extended_resources_are_counted_as_requests(cluster: Make, node: Make, manifest: Make) -> None:
    made = cluster(node("a", **{"nvidia.com/gpu": "8"}))
    made.apply(
        quota({"requests.nvidia.com/gpu": "2"}),
        manifest(extra={"nvidia.com/gpu": "1"}, limits={"nvidia.com/gpu": "1"}, replicas=3),
    )
    assert made.state() == (2, 0, 2)


def test_pods_that_were_there_before_a_quota_count(one: Any, manifest: Make) -> None:
    one.apply(manifest(name="api", replicas=2), quota({"pods": "3"}), manifest(replicas=2))
    assert (one.state("api"), one.state()) == ((2, 0, 2), (1, 0, 1))


def test_refused_pods_are_made_when_others_go(one: Any, manifest: Make) -> None:
    one.apply(quota({"pods": "3"}), manifest(name="api", replicas=2), manifest(replicas=2))
    assert one.state() == (1, 0, 1)
    assert one.apply(manifest(name="api", replicas=1)).state() == (2, 0, 2)


def test_a_quota_that_grows_lets_more_in(one: Any, manifest: Make) -> None:
    one.apply(quota({"pods": "1"}), manifest(replicas=3))
    assert one.apply(quota({"pods": "2"})).state() == (2, 0, 2)
    assert one.delete("ResourceQuota", "q").state() == (3, 0, 3)


def test_pods_that_wait_for_a_node_count(one: Any, manifest: Make) -> None:
    one.apply(quota({"pods": "2"}), manifest(name="big", cpu="99", replicas=1), manifest(replicas=3))
    assert (one.state("big"), one.state()) == ((0, 1, 1), (1, 0, 1))


@pytest.mark.parametrize(
    ("spec", "is_counted"),
    [
        ({"scopes": ["BestEffort"]}, False),
        ({"scopes": ["NotBestEffort"]}, True),
        ({"scopes": ["Terminating"]}, False),
        ({"scopes": ["NotTerminating", "NotBestEffort"]}, True),
        ({"scopes": ["PriorityClass"]}, False),
        ({"scopes": ["CrossNamespacePodAffinity"]}, False),
        (
            {
                "scopeSelector": {
                    "matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["x"]}]
                }
            },
            False,
        ),
        (
            {"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "DoesNotExist"}]}},
            True,
        ),
    ],
)
def test_a_quota_counts_the_pods_of_its_scopes(spec: Manifest, is_counted: bool, one: Any, manifest: Make) -> None:
    one.apply(quota({"pods": "1"}, **spec), manifest(cpu="1", replicas=2))
    assert one.state() == ((1, 0, 1) if is_counted else (2, 0, 2))


def test_count_pods_counts_those_that_have_ended(one: Any, manifest: Make) -> None:
    job = manifest(kind="Job", spec={"completions": 4, "parallelism": 1})
    one.apply(quota({"count/pods": "2"}), job).wait(60)
    assert one.phases() == {"Succeeded": 2}


def test_pods_does_not_count_those_that_have_ended(one: Any, manifest: Make) -> None:
    one.apply(quota({"pods": "1"}), manifest(kind="Job", spec={"completions": 4, "parallelism": 2})).wait(60)
    assert one.phases() == {"Succeeded": 4}


@pytest.mark.parametrize("kind", ["ReplicaSet", "StatefulSet"])
def test_every_controller_gets_as_far_as_the_quota_lets_it(kind: str, one: Any, manifest: Make) -> None:
    one.apply(quota({"pods": "2"}), manifest(kind=kind, replicas=4))
    assert one.state() == (2, 0, 2)


def test_a_stateful_set_says_it_in_its_own_words(one: Any, manifest: Make) -> None:
    one.apply(quota({"pods": "0"}), manifest(kind="StatefulSet", replicas=1))
    assert one.told("FailedCreate") == [
        'Create Pod web-0 in StatefulSet web failed error: pods "web-0" is forbidden: '
        "exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0"
    ]


def test_a_daemon_set_gets_as_far_as_the_quota_lets_it(cluster: Make, node: Make, manifest: Make) -> None:
    made = cluster(node("a"), node("b"), node("c"))
    made.apply(quota({"pods": "2"}), manifest(kind="DaemonSet"))
    assert made.state() == (2, 0, 2)
    assert made.apply(manifest(kind="DaemonSet", image="web:2")).state() == (2, 0, 2)


def test_a_bare_pod_that_is_refused_does_not_exist(one: Any, manifest: Make) -> None:
    assert one.apply(quota({"pods": "0"}), manifest(kind="Pod")).pods() == []


def test_a_rollout_within_a_full_quota_is_stuck(one: Any, manifest: Make) -> None:
    one.apply(quota({"pods": "3"}), manifest(replicas=3)).apply(manifest(replicas=3, image="web:2"))
    assert one.state() == (3, 0, 3)
    assert {pod.template.revision for pod in one.pods()} == {one.workload().sets[0].template.revision}


def test_names_that_are_not_about_pods_are_not_modelled() -> None:
    found = read_object(quota({"pods": "1", "services": "2", "count/deployments.apps": "1"}), {})
    assert found is not None
    assert found.not_modelled == ("count/deployments.apps", "services")
