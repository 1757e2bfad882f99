"""The recordings in docs/samples: a replay comes to what the cluster was like, and a shared one stays the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from env.embedded.cluster import EmbeddedCluster
from env.fidelity.engine_outcomes import simulated_outcomes
from env.fidelity.truth import RecordedNode
from env.problems.node_metadata import pools_of_metadata
from env.snapshot.anonymous import anonymous
from env.snapshot.manifests import read_manifests
from env.snapshot.snapshot import trace_of
from env.trace.document import Trace, load_trace

SAMPLES = Path(__file__).parents[3] / "docs/samples"
WORKLOADS = ("DaemonSet", "StatefulSet", "Deployment")
NOT_WHOLE = {
    "healthy": {},
    "oom-loop": {"cart": (0, 2, "2 OOM-killed")},
    "small-pool": {"recommendations": (0, 2, "2 pending")},
    "bad-rollout": {"checkout": (2, 2, "rollout not done")},
}


def _not_whole(trace: Trace) -> dict[str, tuple[int, int, str]]:
    nodes = pools_of_metadata(trace.extra["metadata"]["scenario"]["nodes"])
    states = EmbeddedCluster().survey(trace, nodes, None)
    return {each.name: (each.ready, each.wanted, each.reason.partition(":")[0]) for each in states if each.lacking}


@pytest.mark.parametrize("name", NOT_WHOLE)
def test_a_replay_comes_to_what_the_cluster_was_like(name: str) -> None:
    assert _not_whole(load_trace(SAMPLES / f"{name}.sktrace")) == NOT_WHOLE[name]


@pytest.mark.parametrize("name", NOT_WHOLE)
def test_other_names_change_nothing(name: str) -> None:
    trace = load_trace(SAMPLES / f"{name}.sktrace")
    other = anonymous(trace)
    assert list(_not_whole(other).values()) == list(NOT_WHOLE[name].values())
    assert b"shop" not in other.to_bytes()


def test_the_manifests_say_the_same_as_the_cluster_that_they_were_applied_to() -> None:
    given = trace_of(read_manifests([str(SAMPLES / "shop.yaml"), str(SAMPLES / "nodes.yaml")]))
    recorded = load_trace(SAMPLES / "healthy.sktrace")
    assert _not_whole(given) == {}
    assert sorted(map(str, given.workloads())) == sorted(map(str, recorded.workloads()))


@pytest.mark.parametrize("draw", range(10))
def test_in_small_pool_only_the_last_workload_waits_wherever_the_scheduler_places_the_others(draw: int) -> None:
    shop = [each for each in yaml.safe_load_all((SAMPLES / "shop.yaml").read_text()) if each["kind"] in WORKLOADS]
    for each in shop:
        each["spec"]["template"]["spec"].pop("priorityClassName", None)
    zones = {f"shop-{zone}": {"topology.kubernetes.io/zone": zone, "kubernetes.io/hostname": zone} for zone in "abc"}
    nodes = [RecordedNode(name=name, cpu="1700m", memory="7000Mi", labels=labels) for name, labels in zones.items()]
    dumped = [node.model_dump(exclude_none=True) for node in nodes]
    last = simulated_outcomes(dumped, [[each] for each in shop], draw)[-1]["workloads"]
    assert {name: each["pending"] for name, each in last.items() if each["pending"]} == {"recommendations": 2}
