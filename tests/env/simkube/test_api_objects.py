"""What an API server holds, read from a live one, and kept of a simulation before it is deleted."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_api import FakeApi

from env.api_objects import LONGEST_LOG, NoSuchObject, ReadRefused
from env.demand import DEMAND_ANNOTATION
from env.embedded.cluster import EmbeddedCluster
from env.errors import ClusterError
from env.kube.api_objects import LiveObjects
from env.kube.client import KubeApi
from env.problems.scenario import Scenario
from env.simkube.cluster import SimKubeCluster

Manifest = dict[str, Any]


@pytest.fixture
def live(fake: FakeApi, kube: KubeApi, deployment: Callable[..., Manifest]) -> LiveObjects:
    """A Deployment and a pod of it."""
    fake.put(deployment(1))
    spec = {"containers": [{"name": "web"}], "nodeName": "n1"}
    fake.put({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-1"}, "spec": spec})
    fake.logs["default", "web-1", "web"] = "one\ntwo\nthree\n"
    return LiveObjects(kube)


def test_only_gets_within_the_namespace_are_sent(fake: FakeApi, live: LiveObjects) -> None:
    assert [pod["metadata"]["name"] for pod in live.pods("default")] == ["web-1"]
    assert live.deployment("default", "web") is not None
    assert live.deployment("default", "other") is None
    live.events("default")
    live.nodes()
    live.log("default", "web-1", "web", 2)
    assert {method for method, _ in fake.requests} == {"GET"}
    assert [path.partition("?")[0] for _, path in fake.requests] == [
        "/api/v1/namespaces/default/pods",
        "/apis/apps/v1/namespaces/default/deployments/web",
        "/apis/apps/v1/namespaces/default/deployments/other",
        "/api/v1/namespaces/default/events",
        "/api/v1/namespaces/default",  # whether there is a namespace at all, as there are no events in it
        "/api/v1/nodes",
        "/api/v1/namespaces/default/pods/web-1/log",
    ]


def right(path: str) -> tuple[str, str]:
    """(resource, verb) that RBAC asks for with a GET of a path."""
    kind, *rest = path.removeprefix("/api/v1/").removeprefix("/apis/apps/v1/").split("/")
    if kind == "namespaces" and len(rest) > 1:
        kind, *rest = rest[1:]
    name, *subresource = rest or [""]
    return "/".join([kind, *subresource]), "get" if name else "list"


def test_the_role_in_the_docs_allows_all_that_is_asked_for_and_no_more(fake: FakeApi, live: LiveObjects) -> None:
    live.pods("default")
    live.deployment("default", "web")
    live.events("default")
    live.nodes()
    live.log("default", "web-1", "web", 2)
    page = (Path(__file__).parents[3] / "docs" / "mcp.md").read_text()
    role = yaml.safe_load(re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)[0])
    allowed = {(kind, verb) for rule in role["rules"] for kind in rule["resources"] for verb in rule["verbs"]}
    assert {right(path.partition("?")[0]) for _, path in fake.requests} == allowed


def test_the_end_of_a_log_is_asked_for(fake: FakeApi, live: LiveObjects) -> None:
    assert live.log("default", "web-1", "web", 2) == "two\nthree\n"
    assert fake.requests[-1][1].endswith(f"log?container=web&tailLines=2&limitBytes={LONGEST_LOG}")


def test_a_log_is_bounded_and_need_not_be_text(fake: FakeApi, live: LiveObjects) -> None:
    fake.logs["default", "web-1", "web"] = "x" * (2 * LONGEST_LOG)
    assert len(live.log("default", "web-1", "web", 10)) == LONGEST_LOG


def test_what_is_not_there_is_told_from_what_is_refused_and_from_a_cluster_that_is_away(
    fake: FakeApi, live: LiveObjects
) -> None:
    with pytest.raises(NoSuchObject, match="namespace defualt"):
        live.pods("defualt")
    with pytest.raises(NoSuchObject, match='pods "web-2" not found'):
        live.log("default", "web-2", "web", 1)
    with pytest.raises(NoSuchObject, match="is waiting to start: ContainerCreating"):
        live.log("default", "web-1", "init", 1)
    for status in (401, 403):
        fake.fail(status)
        with pytest.raises(ReadRefused, match=f"GET /api/v1/nodes: {status} "):
            live.nodes()
    for fault in ({"status": 503}, {"cut": True, "times": 2}, {"status": 429}):
        fake.fail(**fault)  # type: ignore[arg-type]
        with pytest.raises(ClusterError) as raised:
            live.nodes()
        assert not isinstance(raised.value, NoSuchObject | ReadRefused)


def test_a_connection_that_was_closed_meanwhile_is_opened_again(fake: FakeApi, live: LiveObjects) -> None:
    fake.fail(cut=True)
    assert live.nodes() == []


def test_a_role_that_may_not_see_namespaces_sees_an_empty_one(fake: FakeApi, live: LiveObjects) -> None:
    fake.fail(403, path="/namespaces/defualt$")
    assert live.pods("defualt") == []


@pytest.fixture
def short(scenario: Callable[..., Scenario], deployment: Callable[..., Manifest]) -> Scenario:
    """Three pods that are OOM-killed."""
    return scenario([deployment(3, annotations={DEMAND_ANNOTATION: '{"web": {"memory": "1Gi"}}'})], [])


def test_a_simulation_is_remembered_as_its_trace_names_it(
    fake: FakeApi, cluster: Callable[..., SimKubeCluster], short: Scenario
) -> None:
    simkube = cluster()
    assert simkube.observe(short, None).oom_killed == 3
    assert fake.all("pods") == [] or fake.all("simulations") == []
    held = simkube.objects(short, None)
    pods = held.pods("default")
    assert len(pods) == 3
    assert {pod["metadata"]["namespace"] for pod in pods} == {"default"}
    found = held.deployment("default", "web")
    assert found is not None
    assert found["spec"]["replicas"] == 3
    assert held.deployment("default", "other") is None
    assert len(held.nodes()) == 3
    expected = EmbeddedCluster().objects(short, None)
    embedded = expected.pods("default")[0]["metadata"]["name"]
    log = held.log("default", pods[0]["metadata"]["name"], "web", 10)
    assert log == expected.log("default", embedded, "web", 10)
    assert "out of memory: 512Mi allowed" in log
    simkube.close()


def test_what_was_not_kept_is_an_error(cluster: Callable[..., SimKubeCluster], short: Scenario) -> None:
    simkube = cluster()
    with pytest.raises(ClusterError, match="nothing was observed yet"):
        simkube.objects(short, None)
    simkube.observe(short, None)
    held = simkube.objects(short, None)
    with pytest.raises(NoSuchObject, match="only default was kept"):
        held.pods("other")
    with pytest.raises(NoSuchObject, match="pod default/web-0"):
        held.log("default", "web-0", "web", 1)
    simkube.close()


def test_an_observation_does_not_need_what_is_only_to_be_looked_at(
    fake: FakeApi, cluster: Callable[..., SimKubeCluster], short: Scenario
) -> None:
    simkube = cluster()
    fake.fail(403, path="/virtual-default/events", times=99)
    assert simkube.observe(short, None).oom_killed == 3
    with pytest.raises(ClusterError, match=r"what the cluster held is not known: GET .*/events: 403 Forbidden"):
        simkube.objects(short, None)
    simkube.close()
