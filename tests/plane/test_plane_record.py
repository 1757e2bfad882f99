"""A cluster as it is recorded, beside the manifests that were applied to it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from planes import PATIENCE_S, ROOT

from env.embedded.cluster import EmbeddedCluster
from env.kube.client import KubeApi, KubeError, wait
from env.kube.connect import connect
from env.kube.paths import path_of
from env.snapshot.live import read_cluster
from env.snapshot.manifests import read_manifests
from env.snapshot.snapshot import Snapshot, trace_of
from infra.proof.control_plane import samples
from infra.proof.control_plane.plane import Plane


@pytest.fixture
def shop(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubeApi]:
    """The plane with a place for samples; its own nodes stay, as their taint keeps the shop off."""
    monkeypatch.chdir(ROOT)
    api = connect(kubeconfig=str(plane.kubeconfig))
    samples.prepare(api)
    yield api
    api.patch(path_of(samples.NODES.collection, "worker-1"), {"spec": {"taints": None}})
    api.close()


def _patches(plane: Plane, *arguments: str) -> dict[str, object]:
    """What `suggest` proposes, by workload; the context is read where no trace and no manifests are given."""
    command = [sys.executable, "-c", "from infra.scripts import sim_arena; sim_arena()", "suggest", "--json"]
    done = subprocess.run([*command, *arguments], env=plane.environment, capture_output=True, text=True, check=True)
    return {each["name"]: each["patch"] for each in json.loads(done.stdout)["workloads"] if each["patch"]}


def _states(snapshot: Snapshot) -> dict[tuple[str, str], tuple[int, int]]:
    """Pods that are Ready and wanted at the end of a replay."""
    assert snapshot.nodes is not None
    states = EmbeddedCluster().survey(trace_of(snapshot), snapshot.nodes, None)
    return {(each.kind, each.name): (each.ready, each.wanted) for each in states}


@pytest.mark.parametrize("sample", samples.SAMPLES[:3], ids=lambda sample: sample.name)
def test_a_replay_of_what_runs_comes_to_the_clusters_own_word(shop: KubeApi, sample: samples.Sample) -> None:
    with samples.running(shop, sample):
        wait(shop, sample.name, PATIENCE_S, lambda _: samples.seen(shop, sample))
        live = read_cluster(shop, "plane", ("shop",))
    own = {(each.key.kind, each.key.name): (each.ready, each.wanted) for each in live.now if each.key.kind != "CronJob"}
    replayed = _states(live)
    assert {key: replayed[key] for key in own} == own
    if sample.name == "healthy":
        given = read_manifests([str(ROOT / "docs/samples/shop.yaml"), str(ROOT / "docs/samples/nodes.yaml")])
        assert _states(given) == replayed


def test_suggest_says_the_same_of_the_cluster_and_of_the_manifests_on_its_nodes(plane: Plane, shop: KubeApi) -> None:
    (sample,) = (each for each in samples.SAMPLES if each.name == "small-pool")
    with samples.running(shop, sample):
        wait(shop, sample.name, PATIENCE_S, lambda _: samples.seen(shop, sample))
        of_cluster = _patches(plane, "--namespace", "shop")
        of_manifests = _patches(plane, "--namespace", "shop", "-f", "docs/samples/shop.yaml", "--nodes", "cluster")
    assert "recommendations" in of_cluster
    assert of_manifests == of_cluster


def test_the_role_in_the_docs_is_enough_and_may_write_nothing(reader: Path) -> None:
    api = connect(kubeconfig=str(reader))
    try:
        assert [each for each in read_cluster(api, "plane").skipped if each.name == "*"] == []
        with pytest.raises(KubeError, match="403 Forbidden"):
            api.delete(path_of(samples.NODES.collection, "worker-1"))
    finally:
        api.close()
