"""An API server that refuses, fails, hangs or stops in the middle is a named error, never a healthy cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fake_api import FakeApi
from live_objects import Ward, running

from env.doctor.actions import DoctorAction as A
from env.errors import ClusterError, ConfigError
from env.kube.client import KubeApi
from env.kube.connect import connect
from env.live.cluster import LiveCluster
from env.live.reading import Reader

Open = Callable[..., LiveCluster]
KINDS = ("nodes", "pods", "deployments", "persistentvolumeclaims", "events")


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_that_is_refused_is_named(fake: FakeApi, ward: Ward, examined: Open, kind: str) -> None:
    fake.fail(403, path=rf"v1/{kind}\?")
    with pytest.raises(ClusterError, match=rf"{kind}: 403 Forbidden.*must be allowed to list {kind}"):
        examined()


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_that_fails_is_named(fake: FakeApi, ward: Ward, examined: Open, kind: str) -> None:
    fake.fail(500, path=rf"v1/{kind}\?")
    with pytest.raises(ClusterError, match=rf"{kind}: 500"):
        examined()


def test_half_an_answer_is_none(fake: FakeApi, ward: Ward, examined: Open) -> None:
    fake.fail(path=r"/pods\?", cut=True)
    with pytest.raises(ClusterError, match="v1/pods: no answer"):
        examined()


def test_a_server_that_hangs_is_cut_by_the_clock(fake: FakeApi, ward: Ward, api: KubeApi) -> None:
    fake.fail(path=r"/nodes\?", hang=True, times=9)
    with pytest.raises(ClusterError, match="v1/nodes: no answer"):
        LiveCluster(Reader(replace(api, request_timeout_s=0.2)))


def test_no_server_is_an_error(fake: FakeApi, tmp_path: Path) -> None:
    path = fake.write_kubeconfig(tmp_path / "kubeconfig")
    path.write_text(path.read_text().replace(fake.url, "http://127.0.0.1:9"))
    with pytest.raises(ClusterError, match=r"no answer from http://127\.0\.0\.1:9"):
        LiveCluster(Reader(connect(kubeconfig=str(path))))


def test_a_kind_that_is_refused_later_is_an_error_as_well(fake: FakeApi, ward: Ward, examined: Open) -> None:
    ward.node("node-2", cordoned=True)
    cluster = examined()
    fake.fail(403, path=r"/pods\?")
    with pytest.raises(ClusterError, match="pods: 403"):
        cluster.step(A.GET_PODS)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("resourcequotas", "quotas"),
        ("networkpolicies", "network policies"),
        ("horizontalpod", "autoscalers"),
        ("/log", "logs"),
    ],
)
def test_what_only_an_action_reads_is_kept_as_unread_and_the_cluster_is_not_well(
    fake: FakeApi, ward: Ward, examined: Open, path: str, name: str
) -> None:
    ward.deployment("web", running())
    fake.fail(403, path=path)
    cluster = examined()
    assert set(cluster.seen.unread) == {name}
    assert not cluster.is_well


def test_a_missing_metrics_api_is_no_error_but_one_that_does_not_answer_is_unread(
    fake: FakeApi, ward: Ward, examined: Open
) -> None:
    ward.deployment("web", running())
    assert examined().is_well
    for kind in ("nodes", "pods"):
        fake.fail(503, path=rf"metrics.k8s.io/v1beta1/{kind}")
        cluster = examined()
        assert set(cluster.seen.unread) == {f"metrics of {kind}"}
        assert not cluster.is_well


def test_a_reading_action_says_what_it_could_not_read(fake: FakeApi, ward: Ward, examined: Open) -> None:
    ward.node("node-2", cordoned=True)
    cluster = examined()
    fake.fail(403, path="resourcequotas")
    lines = cluster.step(A.GET_RESOURCE_QUOTAS).lines
    assert any("not read: GET /api/v1/resourcequotas: 403" in line for line in lines)


def test_a_namespace_that_does_not_exist_is_a_wrong_argument(ward: Ward, examined: Open) -> None:
    with pytest.raises(ConfigError, match="--namespace nowhere"):
        examined("nowhere")


def test_only_the_named_namespaces_are_read(fake: FakeApi, ward: Ward, examined: Open) -> None:
    ward.deployment("web", running())
    ward.deployment("other", running(), namespace="elsewhere")
    cluster = examined("default")
    assert len(cluster.seen.pods) == 1
    assert not any(path.startswith("/api/v1/pods?") for _, path in fake.requests)


def test_a_large_cluster_is_read_in_pages(fake: FakeApi, ward: Ward, examined: Open) -> None:
    ward.deployment("web", *[running()] * 1200)
    assert len(examined().seen.pods) == 1200
    assert sum("/api/v1/pods?" in path for _, path in fake.requests) == 3


def test_reading_makes_get_requests_only(fake: FakeApi, ward: Ward, examined: Open) -> None:
    ward.node("node-2", cordoned=True)
    cluster = examined()
    for action in A:
        cluster.step(action)
    assert {method for method, _ in fake.requests} == {"GET"}
