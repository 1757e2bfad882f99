"""The API server of these tests behaves as a real one; both run the same checks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from env.simkube import paths
from env.simkube.api import KubeApi, KubeError, path_of, within

CONTAINER = {"name": "c", "image": "i"}


@pytest.fixture
def simulation(kube: KubeApi) -> Iterator[str]:
    """The path of a Simulation."""
    kube.create(paths.SIMULATIONS, {"apiVersion": "simkube.io/v1", "kind": "Simulation",
                                    "metadata": {"name": "mine", "labels": {"a": "b"}}, "spec": {"x": 1}})  # fmt: skip
    path = path_of(paths.SIMULATIONS, "mine")
    try:
        yield path
    finally:
        kube.delete(path)


def test_an_object_is_created_once(kube: KubeApi, simulation: str) -> None:
    again = {"apiVersion": "simkube.io/v1", "kind": "Simulation", "metadata": {"name": "mine"}}
    with pytest.raises(KubeError, match="409 AlreadyExists") as error:
        kube.create(paths.SIMULATIONS, again)
    assert not error.value.passing


def test_status_changes_through_its_subresource_only(kube: KubeApi, simulation: str) -> None:
    kube.patch(simulation, {"status": {"state": "Running"}, "spec": {"x": 2}})
    changed = kube.get(simulation)
    assert changed is not None
    assert (changed["spec"], changed.get("status") or {}, changed["metadata"]["generation"]) == ({"x": 2}, {}, 2)
    kube.patch(f"{simulation}/status", {"status": {"state": "Running"}, "spec": {"x": 3}})
    changed = kube.get(simulation)
    assert changed is not None
    assert (changed["spec"], changed["status"], changed["metadata"]["generation"]) == (
        {"x": 2},
        {"state": "Running"},
        2,
    )


def test_a_stale_resource_version_is_a_conflict(kube: KubeApi, simulation: str) -> None:
    with pytest.raises(KubeError, match="409 Conflict") as error:
        kube.patch(simulation, {"metadata": {"resourceVersion": "1"}, "spec": {"x": 9}})
    assert error.value.passing


@pytest.mark.parametrize(("labels", "found"), [("a=b", 1), ("a!=b", 0), ("a in (b,c)", 1), ("!a", 0), ("a,z", 0)])
def test_labels_select(kube: KubeApi, simulation: str, labels: str, found: int) -> None:
    assert len(kube.list(paths.SIMULATIONS, labels=labels)) == found


def test_fields_select(kube: KubeApi, simulation: str) -> None:
    assert len(kube.list(paths.SIMULATIONS, fields="metadata.name=mine")) == 1
    assert kube.list(paths.SIMULATIONS, fields="metadata.name=theirs") == []


def test_what_does_not_exist_is_none_and_deleting_it_is_false(kube: KubeApi) -> None:
    path = path_of(paths.SIMULATIONS, "none")
    assert kube.get(path) is None
    assert kube.delete(path) is False


def test_a_kind_that_is_not_served_is_told_apart(kube: KubeApi) -> None:
    with pytest.raises(KubeError, match="404") as error:
        kube.list("/apis/simkube.io/v1/trains")
    assert error.value.status == 404


def test_a_bad_name_is_invalid(kube: KubeApi) -> None:
    bad = {"apiVersion": "simkube.io/v1", "kind": "Simulation", "metadata": {"name": "Not_A_Name"}}
    with pytest.raises(KubeError, match="422 Invalid"):
        kube.create(paths.SIMULATIONS, bad)


def test_nothing_is_created_in_a_namespace_that_does_not_exist(kube: KubeApi) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [CONTAINER]}}
    with pytest.raises(KubeError, match=r"40[34]"):
        kube.create(within(paths.PODS, "sim-arena-no-such-namespace"), pod)
