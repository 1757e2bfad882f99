"""A cluster to test against: the fake API server, or a real one where the environment gives one and allows it.

    SIM_ARENA_KUBECONFIG=path               tests run on that API server, too real for faults, which skip
    KUBECONFIG=path SIM_ARENA_REAL=1        the same

Objects are made in the namespaces `simkube` and `virtual-*`, nodes are called `virtual-<n>`; all is taken away again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fake_api import RESOURCES, SPARED, FakeApi, Resource, definition
from world import World, WorldTime

from env.scenario import NodePool, Scenario
from env.simkube.api import KubeApi, Timer, Waiting, connect, path_of, wait
from env.simkube.cluster import SimKubeCluster
from env.simkube.settings import SimKubeSettings
from env.simkube.traces import NodeFolder
from env.trace import Trace, WorkloadRef

Manifest = dict[str, Any]

# Read here, because every test runs without the developer's own SIM_ARENA_* variables.
REAL = os.environ.get("SIM_ARENA_KUBECONFIG") or (
    os.environ.get("KUBECONFIG") if os.environ.get("SIM_ARENA_REAL") == "1" else None
)
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    """The fake API server itself, for faults; a test that asks for it runs on no real one."""
    with FakeApi() as api:
        yield api


@pytest.fixture
def kubeconfig(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of the API server: the fake, or a real one."""
    if REAL is not None and "fake" not in request.fixturenames:
        return REAL
    return str(request.getfixturevalue("fake").write_kubeconfig(tmp_path / "kubeconfig"))


@pytest.fixture
def kube(request: pytest.FixtureRequest, kubeconfig: str) -> Iterator[KubeApi]:
    """A client of the API server."""
    if kubeconfig == REAL:
        request.getfixturevalue("kinds")
    api = connect(kubeconfig=kubeconfig)
    yield api
    api.close()


@pytest.fixture(scope="session")
def kinds() -> Iterator[None]:
    """SimKube's kinds on a real API server, with next to no schema, for as long as they are not there without us."""
    api = connect(kubeconfig=REAL)
    made = []
    for resource in (r for r in RESOURCES if r.group == "simkube.io"):
        manifest = definition(resource)
        del manifest["status"]
        path = path_of(CRDS, manifest["metadata"]["name"])
        if api.get(path) is None:
            api.create(CRDS, manifest)
            made.append(path)
        wait(api, f"the kind {resource.kind}", 60, partial(served, resource=resource))
    yield
    for path in made:
        api.delete(path)
    api.close()


def served(api: KubeApi, resource: Resource) -> bool | Waiting:
    """Whether the API server takes requests for the kind by now."""
    return api.get(f"/apis/{resource.group}/{resource.version}/{resource.plural}") is not None or Waiting("not yet")


@pytest.fixture
def pool() -> NodePool:
    return NodePool(count=3, cpu_m=4_000, memory_bytes=8 * 1024**3, pods=110)


@pytest.fixture
def world(kube: KubeApi, kubeconfig: str, pool: NodePool, tmp_path: Path) -> Iterator[World]:
    """SimKube, controllers, scheduler and KWOK around the API server."""
    folder = tmp_path / "node"
    folder.mkdir()
    api = connect(kubeconfig=kubeconfig)
    api.client.user_agent = SPARED
    world = World(api, lambda url: (folder / Path(urlsplit(url).path).name).read_bytes(), pool,
                  real=kubeconfig == REAL)  # fmt: skip
    world.set_up()
    yield world
    if world.real:
        world.tear_down()
    api.close()


@pytest.fixture
def cluster(kube: KubeApi, world: World, tmp_path: Path) -> Callable[..., SimKubeCluster]:
    """Makes the cluster under test; keywords are settings. Its sleep lets the world act."""
    time = WorldTime(world)

    def make(**settings: Any) -> SimKubeCluster:
        api = KubeApi(kube.client, Timer(time.now, time.sleep))
        return SimKubeCluster(api, NodeFolder(tmp_path / "node"), SimKubeSettings.read(settings))

    return make


@pytest.fixture
def deployment() -> Callable[..., Manifest]:
    """Makes a Deployment's manifest."""

    def make(
        replicas: int = 3,
        cpu: str = "500m",
        memory: str = "512Mi",
        *,
        annotations: dict[str, str] | None = None,
        **metadata: str,
    ) -> Manifest:
        name = metadata.get("name", "web")
        labels = {"app": name}
        container = {"name": "web", "image": "web:1", "resources": {"requests": {"cpu": cpu, "memory": memory}}}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
        if annotations:
            template["metadata"]["annotations"] = annotations  # type: ignore[assignment]
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": metadata.get("namespace", "default")},
            "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
        }

    return make


@pytest.fixture
def scenario(pool: NodePool) -> Callable[..., Scenario]:
    """Makes a scenario about default/web of a trace in which these events are 10 s apart."""

    def make(*events: list[Manifest], **settings: Any) -> Scenario:
        document = {
            "version": 2,
            "config": {"trackedObjects": {"apps/v1.Deployment": {"podSpecTemplatePaths": ["/spec/template"]}}},
            "events": [
                {"ts": 1000 + 10 * i, "applied_objs": applied, "deleted_objs": []} for i, applied in enumerate(events)
            ],
            "index": {},
            "pod_lifecycles": {},
        }
        wanted = {"target": 3, "nodes": pool, "duration_s": None, "name": "test", "problem": None, **settings}
        return Scenario(trace=Trace(document, "test"), workload=WorkloadRef("default", "web"), **wanted)

    return make
