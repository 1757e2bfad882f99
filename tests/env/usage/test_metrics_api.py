"""What containers use now, by the metrics API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_api import FakeApi

from env.kube.client import KubeApi, Timer
from env.kube.connect import connect
from env.quantity import MIB
from env.usage.containers import Amounts
from env.usage.enough import Verdict, sizing
from env.usage.metrics_api import POD_METRICS, read_metrics_api, uses_of_metrics
from env.usage.owners import Owner
from env.usage.usage import ContainerKey

WEB = ContainerKey("Deployment", "shop", "web", "web")


def metrics(pod: str, *containers: tuple[str, Any, Any], namespace: str = "shop") -> dict[str, Any]:
    """A PodMetrics as metrics-server 0.9 gives it."""
    each = [{"name": name, "usage": {"cpu": cpu, "memory": memory}} for name, cpu, memory in containers]
    return {"metadata": {"namespace": namespace, "name": pod}, "window": "15.3s", "containers": each}


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    with FakeApi() as api:
        yield api


@pytest.fixture
def api(fake: FakeApi, tmp_path: Path) -> Iterator[KubeApi]:
    timer = Timer(sleep=lambda seconds: None)
    found = connect(kubeconfig=str(fake.write_kubeconfig(tmp_path / "kubeconfig")), timer=timer)
    yield replace(found, request_timeout_s=5.0)
    found.close()


def test_of_several_pods_the_largest_of_each_resource_counts() -> None:
    pods = [
        metrics("web-6d4b9c7f5-x7k2p", ("web", "250123456n", "102400Ki"), ("helper", "1", "1Gi")),
        metrics("web-6d4b9c7f5-zzzzz", ("web", "1u", "204800Ki")),
        metrics("web-6d4b9c7f5-x7k2p", ("web", "9", "9Gi"), namespace="test"),
        metrics("web-migrate-x7k2p", ("web", "9", "9Gi")),
    ]
    found = uses_of_metrics(pods, [WEB])
    assert list(found) == [WEB]
    assert (found[WEB].cpu_m, found[WEB].memory_bytes, found[WEB].pods) == (251, 200 * MIB, 2)


def test_one_look_says_what_is_too_little_and_never_what_is_too_much() -> None:
    use = uses_of_metrics([metrics("web-6d4b9c7f5-x7k2p", ("web", "500m", "100Mi"))], [WEB])[WEB]
    found = sizing(use, Amounts(100, 4096 * MIB), Amounts())
    assert (found.cpu.verdict, found.memory.verdict) == (Verdict.TOO_LITTLE, Verdict.ENOUGH)


@pytest.mark.parametrize("odd", [None, "", "12 cores", -1, [], "NaN", {}])
def test_what_is_no_quantity_is_unknown(odd: Any) -> None:
    found = uses_of_metrics([metrics("web-6d4b9c7f5-x7k2p", ("web", odd, "1Mi"))], [WEB])
    assert (found[WEB].cpu_m, found[WEB].memory_bytes) == (None, MIB)
    assert not uses_of_metrics([metrics("web-6d4b9c7f5-x7k2p", ("web", odd, odd))], [WEB])


def test_memory_of_zero_is_unknown_and_cpu_of_zero_is_idle() -> None:
    found = uses_of_metrics([metrics("web-6d4b9c7f5-x7k2p", ("web", "0", "0"))], [WEB])[WEB]
    assert (found.cpu_m, found.memory_bytes) == (0, None)


def test_a_cluster_without_a_metrics_api_is_a_note_and_all_is_missing(api: KubeApi) -> None:
    found = read_metrics_api(api, [WEB])
    assert (found.uses, found.missing) == ({}, (WEB,))
    assert found.notes == ("metrics API: there is none in this cluster; install metrics-server, or give --prometheus",)


def test_a_killed_container_is_known_without_a_metrics_api(api: KubeApi) -> None:
    found = read_metrics_api(api, [WEB], killed={WEB: 256 * MIB}).of(WEB)
    assert (found.memory_bytes, found.is_floor, found.cpu_m) == (256 * MIB, True, None)


def test_owners_are_believed_before_names() -> None:
    pods = [metrics("odd", ("web", "1", "1Gi"))]
    assert uses_of_metrics(pods, [WEB], {("shop", "odd"): Owner("ReplicaSet", "shop", "web-6d4b9c7f5")})
    assert not uses_of_metrics(pods, [WEB])


def test_a_metrics_api_that_has_measured_nothing_yet_is_told(fake: FakeApi, api: KubeApi) -> None:
    fake.answers[POD_METRICS] = {"kind": "PodMetricsList", "metadata": {}, "items": []}
    found = read_metrics_api(api, [WEB])
    assert found.missing == (WEB,)
    assert "it has no measurements of these containers, or none yet" in found.notes[0]


@pytest.mark.parametrize(("status", "said"), [(403, "may not list pods.metrics.k8s.io"), (503, "does not answer")])
def test_a_metrics_api_that_refuses_is_told(fake: FakeApi, api: KubeApi, status: int, said: str) -> None:
    fake.fail(status, path="/apis/metrics.k8s.io")
    found = read_metrics_api(api, [WEB])
    assert (found.missing, said in found.notes[0]) == ((WEB,), True)
