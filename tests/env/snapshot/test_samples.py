"""The recordings in docs/samples: a replay comes to what the cluster was like, and a shared one stays the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from env.embedded.cluster import EmbeddedCluster
from env.problems.node_metadata import pools_of_metadata
from env.snapshot.anonymous import anonymous
from env.snapshot.manifests import read_manifests
from env.snapshot.snapshot import trace_of
from env.trace.document import Trace, load_trace

SAMPLES = Path(__file__).parents[3] / "docs/samples"
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
