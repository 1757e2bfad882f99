"""A cluster to test against: the fake API server, or a real one where the environment gives one and allows it.

    SIM_ARENA_KUBECONFIG=path               tests run on that API server; those about faults stay with the fake
    KUBECONFIG=path SIM_ARENA_REAL=1        the same

etcd and kube-apiserver will do; a controller-manager and a scheduler take part if they run. Tests make the namespaces
`simkube`, `virtual-*` and `truth-test`, nodes `virtual-<n>` and `n<n>`, and SimKube's kinds if they are missing. All of
it is taken away again; what an interrupted session left, by the next one.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fake_api import FakeApi
from fake_http import SPARED
from fake_objects import RESOURCES, definition
from server import (
    CRDS,
    MADE,
    SERVICE_ACCOUNTS,
    Surroundings,
    end_namespace,
    ensure,
    is_recorded,
    surroundings,
    until,
)
from world import World, WorldTime

from env.kube.client import KubeApi, KubeError, Timer
from env.kube.connect import connect
from env.kube.paths import path_of, within
from env.problems.nodes import NodePool, NodePools
from env.problems.scenario import Scenario
from env.simkube import paths
from env.simkube.cluster import SimKubeCluster
from env.simkube.settings import SimKubeSettings
from env.simkube.traces import NodeFolder
from env.trace.document import Trace
from env.workload import WorkloadRef

Manifest = dict[str, Any]

# Read here, because every test runs without the developer's own SIM_ARENA_* variables.
REAL = os.environ.get("SIM_ARENA_KUBECONFIG") or (
    os.environ.get("KUBECONFIG") if os.environ.get("SIM_ARENA_REAL") == "1" else None
)


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
        request.getfixturevalue("ground")
    api = connect(kubeconfig=kubeconfig)
    yield api
    api.close()


@pytest.fixture
def around(request: pytest.FixtureRequest, kubeconfig: str) -> Surroundings:
    """What acts on the API server besides the tests; nothing on the fake."""
    found: Surroundings = request.getfixturevalue("ground") if kubeconfig == REAL else Surroundings()
    return found


@pytest.fixture(scope="session")
def ground() -> Iterator[Surroundings]:
    """A real API server with SimKube's kinds and namespace, for as long as they are not there without us.

    One session at a time: of several processes of pytest-xdist the others wait.
    """
    api = connect(kubeconfig=REAL)
    server = hashlib.sha256(api.host.encode()).hexdigest()[:16]
    with (Path(tempfile.gettempdir()) / f"sim-arena-tests-{server}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refuse_to_disturb(api)
        found = surroundings(api)
        take_away(api, found)
        try:
            lay(api)
            yield found
        finally:
            take_away(api, found)
            api.close()


def refuse_to_disturb(api: KubeApi) -> None:
    """Fail where tests would meet objects that are not theirs."""
    for collection, labels in ((paths.NAMESPACES, ""), (paths.NODES, paths.VIRTUAL_NODES)):
        for o in api.list(collection, labels=labels):
            name = o["metadata"]["name"]
            known = collection == paths.NODES or name == paths.CONTROLLER_NAMESPACE
            if known and not is_made(o):
                pytest.fail(f"{api.host}: {name} is there, so SimKube is in use; take a server that is not used")


def is_made(o: Manifest) -> bool:
    return MADE.items() <= (o["metadata"].get("labels") or {}).items()


def lay(api: KubeApi) -> None:
    """SimKube's kinds, with next to no schema, and its namespace."""
    for resource in (r for r in RESOURCES if r.group == "simkube.io"):
        manifest = definition(resource)
        del manifest["status"]
        manifest["metadata"]["labels"] = MADE
        ensure(api, CRDS, manifest)
        path = f"/apis/{resource.group}/{resource.version}/{resource.plural}"
        until(f"the kind {resource.kind}", lambda path=path: answers(api, path))  # type: ignore[misc]
    ensure(api, paths.NAMESPACES, {"metadata": {"name": paths.CONTROLLER_NAMESPACE, "labels": MADE}})
    ensure(api, within(SERVICE_ACCOUNTS, paths.CONTROLLER_NAMESPACE), {"metadata": {"name": "default"}})


def take_away(api: KubeApi, found: Surroundings) -> None:
    """All that tests have made; after an interrupted session it is more than the kinds and the namespace."""
    kinds = [o["metadata"]["name"] for o in api.list(CRDS) if is_made(o)]
    simulations = api.list(paths.SIMULATIONS) if answers(api, paths.SIMULATIONS) else ()
    for o in simulations:
        if (o["metadata"].get("labels") or {}).get(paths.MANAGED_BY) == paths.SIM_ARENA:
            api.delete(path_of(paths.SIMULATIONS, o["metadata"]["name"]))
    for name in kinds:
        api.delete(path_of(CRDS, name))
    nodes = [o for o in api.list(paths.NODES) if is_made(o) or is_recorded(o)]
    for o in nodes:
        api.delete(path_of(paths.NODES, o["metadata"]["name"]))
    namespaces = [
        o["metadata"]["name"]
        for o in api.list(paths.NAMESPACES)
        if is_made(o) or (is_recorded(o) and o["metadata"]["name"] == "truth-test")
        or (o["metadata"]["name"] == "virtual-default" and paths.VIRTUAL_LABEL in o["metadata"]["labels"])
    ]  # fmt: skip
    for name in namespaces:
        end_namespace(api, name, finalize=found.bare)
    until("an empty server", lambda: not [path for path in
          [path_of(CRDS, name) for name in kinds] + [path_of(paths.NAMESPACES, name) for name in namespaces]
          if api.get(path)])  # fmt: skip


def answers(api: KubeApi, path: str) -> bool:
    """Whether the API server takes requests for a collection by now."""
    try:
        return api.get(path) is not None
    except KubeError as error:
        if not error.passing:
            raise
        return False


@pytest.fixture
def pool() -> NodePool:
    return NodePool(count=3, cpu_m=4_000, memory_bytes=8 * 1024**3, pods=110)


@pytest.fixture
def world(
    request: pytest.FixtureRequest,
    kube: KubeApi,
    kubeconfig: str,
    around: Surroundings,
    pool: NodePool,
    tmp_path: Path,
) -> Iterator[World]:
    """SimKube, controllers, scheduler and KWOK around the API server."""

    def print_(pod: str, log: str) -> None:
        if not around.real:
            request.getfixturevalue("fake").logs[paths.CONTROLLER_NAMESPACE, pod, "driver"] = log

    folder = tmp_path / "node"
    folder.mkdir()
    api = connect(kubeconfig=kubeconfig)
    api.client.user_agent = SPARED
    world = World(api, lambda url: (folder / Path(urlsplit(url).path).name).read_bytes(), pool, around, print_)
    try:
        world.set_up()
        yield world
    finally:
        if around.real:
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
        wanted = {
            "target": 3,
            "nodes": NodePools((pool,)),
            "duration_s": None,
            "name": "test",
            "problem": None,
            **settings,
        }
        return Scenario(trace=Trace(document, "test"), workload=WorkloadRef("default", "web"), **wanted)

    return make
