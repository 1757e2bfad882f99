"""The API server of these tests behaves as a real one; both run the same checks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from server import MADE, SERVICE_ACCOUNTS, Surroundings, end_namespace, ensure, until

from env.kube.client import KubeApi, KubeError
from env.kube.paths import path_of, within
from env.simkube import paths
from env.simkube.simulation import simulation as simulation_of

CONTAINER = {"name": "c", "image": "i"}


@pytest.fixture
def simulation(kube: KubeApi) -> Iterator[str]:
    """The path of a Simulation."""
    manifest = simulation_of("mine", "file:///data/x", driver_image="i", duration_s=60)
    manifest["metadata"]["labels"]["a"] = "b"
    kube.create(paths.SIMULATIONS, manifest)
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
    status = {"state": "Running", "observedGeneration": 1}
    kube.patch(simulation, {"status": status, "spec": {"speed": 2}})
    changed = kube.get(simulation)
    assert changed is not None
    assert (changed["spec"]["speed"], changed.get("status") or {}, changed["metadata"]["generation"]) == (2, {}, 2)
    kube.patch(f"{simulation}/status", {"status": status, "spec": {"speed": 3}})
    changed = kube.get(simulation)
    assert changed is not None
    assert (changed["spec"]["speed"], changed["status"], changed["metadata"]["generation"]) == (2, status, 2)


def test_a_stale_resource_version_is_a_conflict(kube: KubeApi, simulation: str) -> None:
    with pytest.raises(KubeError, match="409 Conflict") as error:
        kube.patch(simulation, {"metadata": {"resourceVersion": "1"}, "spec": {"speed": 9}})
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


@pytest.fixture
def namespace(kube: KubeApi, around: Surroundings) -> Iterator[str]:
    """A new namespace without anything in it."""
    name = "virtual-default"
    kube.create(paths.NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": MADE}})
    try:
        yield name
    finally:
        end_namespace(kube, name, finalize=around.bare)
        until("the end of the namespace", lambda: kube.get(path_of(paths.NAMESPACES, name)) is None)


def test_a_pod_needs_a_service_account(kube: KubeApi, around: Surroundings, namespace: str) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [CONTAINER]}}
    if not around.controllers:
        with pytest.raises(KubeError, match=r"403 Forbidden: .*service account"):
            kube.create(within(paths.PODS, namespace), pod)
    ensure(kube, within(SERVICE_ACCOUNTS, namespace), {"metadata": {"name": "default"}})
    assert kube.create(within(paths.PODS, namespace), pod)["metadata"]["name"] == "p"


def test_a_new_node_is_tainted_and_gets_its_status_through_the_subresource_only(kube: KubeApi) -> None:
    path = path_of(paths.NODES, "virtual-9")
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "virtual-9", "labels": MADE}}
    try:
        made = kube.create(paths.NODES, node)
        assert [taint["key"] for taint in made["spec"]["taints"]] == ["node.kubernetes.io/not-ready"]
        status = {"allocatable": {"cpu": "4"}}
        assert "allocatable" not in (kube.patch(path, {"status": status}).get("status") or {})
        assert kube.patch(f"{path}/status", {"status": status})["status"]["allocatable"] == {"cpu": "4"}
    finally:
        kube.delete(path)


def test_the_start_of_a_job_is_written_once(kube: KubeApi, around: Surroundings, namespace: str) -> None:
    if around.controllers:
        pytest.skip("the Job controller writes it")
    template = {"spec": {"containers": [CONTAINER], "restartPolicy": "Never"}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {"template": template}}
    kube.create(within("/apis/batch/v1/jobs", namespace), job)
    path = path_of("/apis/batch/v1/jobs", "j", namespace) + "/status"
    kube.patch(path, {"status": {"startTime": "2026-01-01T00:00:00Z"}})
    with pytest.raises(KubeError, match=r"422 Invalid: .*startTime"):
        kube.patch(path, {"status": {"startTime": "2026-01-01T00:00:01Z"}})
