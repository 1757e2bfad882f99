"""The plane whose name SIM_ARENA_PLANE has, as `make test-cluster` sets it; without it, all tests here skip."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from planes import NAME, PATIENCE_S, ROOT, SETTINGS, node

from env.kube.client import KubeApi, Waiting, wait
from env.kube.connect import connect
from env.kube.paths import path_of
from env.problems.nodes import NodePool
from env.simkube import gates, paths
from env.simkube.cluster import SimKubeCluster
from env.simkube.settings import SimKubeSettings
from env.simkube.traces import NodeFolder
from infra.proof.control_plane.build import programs_folder
from infra.proof.control_plane.plane import Plane

PLAIN = NodePool()


@pytest.fixture(scope="session")
def plane() -> Plane:
    if NAME is None:
        pytest.skip("needs a control plane: make test-cluster")
    return Plane(NAME, programs_folder())


@pytest.fixture(scope="session")
def api(plane: Plane) -> KubeApi:
    return connect(kubeconfig=str(plane.kubeconfig))


@pytest.fixture
def reader(plane: Plane, tmp_path: Path) -> Iterator[Path]:
    """The kubeconfig of an account that has the role of docs/record.md and no other: it may get and list."""
    page = (ROOT / "docs/record.md").read_text()
    (role,) = (block for block in re.findall(r"```yaml\n(.*?)```", page, re.S) if "kind: ClusterRole\n" in block)
    assert {verb for rule in yaml.safe_load(role)["rules"] for verb in rule["verbs"]} <= {"get", "list"}
    plane.kubectl("apply", "-f", "-", given=role)
    plane.kubectl("create", "serviceaccount", "reader")
    plane.kubectl("create", "clusterrolebinding", "reader", "--clusterrole=sim-arena-read",
                  "--serviceaccount=default:reader")  # fmt: skip
    config = yaml.safe_load(plane.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": plane.kubectl("create", "token", "reader").strip()}
    path = tmp_path / "reader"
    path.write_text(yaml.safe_dump(config))
    yield path
    plane.kubectl("delete", "clusterrolebinding/reader", "clusterrole/sim-arena-read", "serviceaccount/reader")


@pytest.fixture
def free(plane: Plane, api: KubeApi) -> Iterator[None]:
    """A plane without a simulation and without a trace, now and after the test."""
    clear(plane, api)
    yield
    clear(plane, api)


@pytest.fixture
def cluster(plane: Plane, api: KubeApi, free: None) -> Iterator[Callable[..., SimKubeCluster]]:
    """Makes clusters; `say` gets the lines of their steps, other keywords are settings."""
    made = []

    def make(say: Callable[[str], None] = print, **settings: Any) -> SimKubeCluster:
        own = connect(kubeconfig=str(plane.kubeconfig))
        read = SimKubeSettings.read({**SETTINGS, **settings})
        made.append(SimKubeCluster(own, NodeFolder(plane.data, str(plane.data)), read, say=say))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def nodes(api: KubeApi, free: None) -> Iterator[Callable[[NodePool], None]]:
    """Makes the virtual nodes those of a pool, until the end of the test."""

    def make(pool: NodePool) -> None:
        # A node that is deleted and made again under its name may become NotReady once more, and its pods with it.
        wanted = {each["metadata"]["name"]: each for each in (node(i, pool) for i in range(1, pool.count + 1))}
        there = {each["metadata"]["name"] for each in api.list(paths.NODES, labels=paths.VIRTUAL_NODES)}
        for name in there - wanted.keys():
            api.delete(path_of(paths.NODES, name))
        for name, manifest in wanted.items():
            if name in there:
                api.patch(f"{path_of(paths.NODES, name)}/status", {"status": manifest["status"]})
            else:
                api.create(paths.NODES, manifest)
        wait(api, "virtual nodes", PATIENCE_S, gates.nodes_fit)

    yield make
    make(PLAIN)


@pytest.fixture
def no_other_node(plane: Plane) -> Iterator[None]:
    """The node of the drivers takes no pods of recordings."""
    plane.kubectl("cordon", "worker-1")
    yield
    plane.kubectl("uncordon", "worker-1")


def clear(plane: Plane, api: KubeApi) -> None:
    """Delete all simulations and traces, and wait until nothing of them is left."""
    for trace in plane.data.iterdir():
        trace.unlink()
    for simulation in api.list(paths.SIMULATIONS):
        api.delete(path_of(paths.SIMULATIONS, simulation["metadata"]["name"]))
    wait(api, "a free cluster", PATIENCE_S, lambda api: gates.cluster_free(api, None, ()))
    wait(api, "no simulation", PATIENCE_S, lambda api: Waiting("some") if api.list(paths.SIMULATIONS) else None)
