"""`suggest` where a workload's room is its neighbours': what breaks none of them, and otherwise who breaks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agents.kinds import make_agent
from env.gym.rooms import make_scenario
from env.problems.nodes import NodePool, NodePools
from env.problems.scenario import Scenario, scenario_from_trace
from env.trace.document import Trace, read_trace
from env.trace.msgpack_document import pack
from runner.suggest.suggestion import SuggestionEnd, suggest

NODES = NodePools((NodePool(2, 4000),))


def deployment(name: str, replicas: int, cpu: str, uses: str | None = None) -> Any:
    requests = {"cpu": cpu, "memory": "1Gi"}
    metadata: Any = {"labels": {"app": name}}
    if uses:
        metadata["annotations"] = {"sim-arena.io/demand": json.dumps({"c": {"cpu": uses}})}
    template = {"metadata": metadata, "spec": {"containers": [{"name": "c", "resources": {"requests": requests}}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": spec,
    }


def trace(*applied: Any) -> Trace:
    document = {
        "version": 2,
        "config": {"trackedObjects": {"apps/v1.Deployment": {"podSpecTemplatePaths": ["/spec/template"]}}},
        "events": [{"ts": ts, "applied_objs": [each], "deleted_objs": []} for ts, each in enumerate(applied)],
        "index": {},
        "pod_lifecycles": {},
    }
    return read_trace(pack(document), "shop")


def crowded(cart: str) -> Scenario:
    """Two nodes of 4 CPU; web is short of CPU, and shares each node with a pod of cart."""
    applied = (deployment("web", 2, "1", uses="1200m"), deployment("cart", 2, cart))
    return scenario_from_trace(trace(*applied), name="shop", deploy="web", nodes=NODES)


def test_what_fits_beside_the_neighbours_is_suggested() -> None:
    found = suggest(crowded("2500m"), make_agent("bump_cpu", seed=0), 5)
    assert (found.ending, found.after.broken, found.breaks) == (SuggestionEnd.SOLVED, 0, ())


@pytest.mark.parametrize("agent", ["bump_cpu", "heuristic"])
def test_what_takes_a_neighbour_s_room_is_shown_as_that_with_who_breaks(agent: str) -> None:
    found = suggest(crowded("3"), make_agent(agent, seed=0), 5)
    assert (found.ending, found.after.ready, found.after.resources.cpu_m) == (SuggestionEnd.HARMFUL, 2, 1500)
    assert len(found.breaks) == 1
    assert found.breaks[0].startswith("Deployment shop/cart lacks 2 pods: 0/2 nodes are available: 2 Insufficient cpu")
    assert found.patch is not None


def test_what_spares_the_neighbours_is_searched_for_where_the_agent_finds_only_what_does_not() -> None:
    shared = make_scenario("outranks", 2)
    found = suggest(shared, make_agent("autoscaler", seed=0), 20)
    assert (found.ending, found.after.ready, found.after.broken) == (SuggestionEnd.SOLVED, shared.target, 0)
    assert (found.searched, len(found.outcomes), found.breaks) == (9, 3, ())
    few = suggest(shared, make_agent("autoscaler", seed=0), 2)
    assert (few.ending, few.searched, few.after.broken) == (SuggestionEnd.HARMFUL, 2, 4)


def test_a_harmful_patch_is_marked_and_not_written(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "shop.sktrace").write_bytes(crowded("3").trace.to_bytes())
    options = ("suggest", "--trace", "shop.sktrace", "--deploy", "web", "--nodes", "2x4:32Gi", "--agent", "heuristic")
    told = cli(*options, "--to", "patch.json")
    assert told.code == 1
    assert "breaks    Deployment shop/cart lacks 2 pods: 0/2 nodes are available" in told.out
    assert "# this breaks neighbours, see above\nkubectl patch deployment web" in told.out
    assert "they would lack 2 pods; no way of up to 9 actions spares them; the exact search may know more" in told.err
    assert "sim-arena trace solve shop.sktrace" in told.err
    assert not (tmp_path / "patch.json").exists()
    document = json.loads(cli(*options, "--json").out)
    assert (document["ending"], document["after"]["broken"]) == ("harmful", 2)
    assert document["breaks"][0].startswith("Deployment shop/cart lacks 2 pods")


def test_an_episode_shows_what_neighbours_lack_and_why(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "shop.sktrace").write_bytes(crowded("3").trace.to_bytes())
    options = ("--trace", "shop.sktrace", "--deploy", "web", "--nodes", "2x4:32Gi", "--agent", "bump_cpu")
    told = cli("episode", *options, "--steps", "1")
    assert "2 of 2 ready, 2 of others" in told.out
    assert "Deployment shop/cart lacks 2 pods: 0/2 nodes" in told.out
