"""Which workload a pod is of."""

import pytest

from env.usage.owners import Owner, Owners
from env.usage.usage import ContainerKey


def owners(*workloads: str, known: dict[tuple[str, str], Owner] | None = None) -> Owners:
    return Owners((ContainerKey(kind, "shop", name, "c") for kind, name in map(str.split, workloads)), known or {})  # type: ignore[misc]


@pytest.mark.parametrize(
    ("workload", "pod"),
    [
        ("Deployment web", "web-6d4b9c7f5-x7k2p"),
        ("Deployment web", "web-7f9d4c5b8b-zzzzz"),
        ("ReplicaSet web", "web-x7k2p"),
        ("DaemonSet agent", "agent-x7k2p"),
        ("StatefulSet db", "db-0"),
        ("StatefulSet db", "db-12"),
        ("Job load", "load-x7k2p"),
        ("Job load", "load-3-x7k2p"),
        ("Job load-3", "load-3-x7k2p"),
        ("CronJob night", "night-28473600-x7k2p"),
        ("CronJob night", "night-1634567890-x7k2p"),
        ("Pod one", "one"),
        ("Deployment " + "w" * 60, "w" * 58 + "x7k2p"),
        ("Deployment " + "w" * 50, "w" * 50 + "-6d4b9c7" + "x7k2p"),
        ("DaemonSet " + "w" * 60, "w" * 58 + "x7k2p"),
    ],
)
def test_a_pods_name_tells_its_workload(workload: str, pod: str) -> None:
    kind, name = workload.split()
    assert owners(workload).of("shop", pod) == Owner(kind, "shop", name)


@pytest.mark.parametrize(
    "pod",
    [
        "web-migrate-x7k2p",
        "web-0",
        "web",
        "web-6d4b9c7f5",
        "website-6d4b9c7f5-x7k2p",
        "web-db-6d4b9c7f5-x7k2p",
        "web-db-0",
    ],
)
def test_a_job_or_set_of_the_same_prefix_is_not_the_deployment(pod: str) -> None:
    assert owners("Deployment web").of("shop", pod) is None


def test_the_same_name_in_another_namespace_is_another_workload() -> None:
    assert owners("Deployment web").of("test", "web-6d4b9c7f5-x7k2p") is None


def test_the_longest_name_wins() -> None:
    both = owners("Deployment web", "Job web-6d4b9c7f5", "DaemonSet web-bcdfgh")
    assert both.of("shop", "web-6d4b9c7f5-x7k2p") == Owner("Job", "shop", "web-6d4b9c7f5")
    assert both.of("shop", "web-bcdfgh-x7k2p") == Owner("DaemonSet", "shop", "web-bcdfgh")


def test_a_name_that_two_workloads_could_have_is_of_none() -> None:
    assert owners("DaemonSet web", "Job web").of("shop", "web-x7k2p") is None


def test_the_owner_is_believed_before_the_name() -> None:
    pod = ("shop", "web-6d4b9c7f5-x7k2p")
    replica_set = {pod: Owner("ReplicaSet", "shop", "web-6d4b9c7f5")}
    assert owners("Deployment web", known=replica_set).of(*pod) == Owner("Deployment", "shop", "web")
    assert owners("Deployment web", known={pod: Owner("Job", "shop", "web-6d4b9c7f5")}).of(*pod) is None
    assert owners("Deployment web", known={pod: Owner("Node", "", "worker-1")}).of(*pod) is None
    short = {("shop", "odd"): Owner("ReplicaSet", "shop", "web-abc")}
    assert owners("Deployment web", known=short).of("shop", "odd") == Owner("Deployment", "shop", "web")
    job = {("shop", "odd"): Owner("Job", "shop", "night-28473600")}
    assert owners("CronJob night", known=job).of("shop", "odd") == Owner("CronJob", "shop", "night")
