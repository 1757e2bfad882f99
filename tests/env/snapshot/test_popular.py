"""Manifests in the shape of popular projects, as their authors, Helm and kubectl write them: read, replayed, judged.

They are written anew and short; what is odd in them is as it is in the field.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from env.embedded.cluster import EmbeddedCluster
from env.embedded.left_out import left_out
from env.problems.node_text import parse_nodes
from env.problems.nodes import NodePools
from env.problems.scenario import Scenario, assumed_nodes, nodes_of
from env.snapshot import read_manifests, trace_of
from env.trace.document import Trace, read_trace
from env.trace.scopes import GROUPS, group_of, is_cluster_scoped

FOLDER = Path(__file__).parent / "popular"
ANSWERS: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER.parent / "popular_answers.yaml").read_text())


def _trace(name: str) -> Trace:
    """As it would be read from its file."""
    return read_trace(trace_of(read_manifests([str(FOLDER / name)])).to_bytes(), name)


def _not_simulated(trace: Trace, nodes: NodePools) -> Iterator[str]:
    for workload in trace.workloads():
        for each in left_out(Scenario(trace, workload, 1, nodes, None, trace.name, None)):
            yield f"{each.kind} {each.name}"


def test_there_are_fifty_of_them_and_each_has_an_answer() -> None:
    assert sorted(ANSWERS) == sorted(path.name for path in FOLDER.iterdir())
    assert len(ANSWERS) >= 50


@pytest.mark.parametrize("name", ANSWERS)
def test_the_answer_is_right_or_says_what_it_does_not_know(name: str) -> None:
    answer, trace = ANSWERS[name], _trace(name)
    nodes = nodes_of(trace) or (parse_nodes(answer["nodes"]) if "nodes" in answer else assumed_nodes(trace))
    found = {
        f"{state.kind} {state.namespace}/{state.name}": f"{state.ready} of {state.wanted}"
        + (f", {state.reason}" if state.reason else "")
        for state in EmbeddedCluster().survey(trace, nodes, None)
    }
    skipped = [f"{each.kind} {each.name}" for each in read_manifests([str(FOLDER / name)]).skipped if each.matters]
    assert found == answer["ready"]
    assert skipped == answer.get("skipped", [])
    assert sorted(set(_not_simulated(trace, nodes))) == sorted(answer.get("not simulated", []))


@pytest.mark.parametrize("name", ANSWERS)
def test_a_trace_of_it_holds_only_what_simkube_applies_and_no_secret(name: str) -> None:
    trace = _trace(name)
    (event,) = trace.events
    assert all(group_of(each) in GROUPS and not is_cluster_scoped(each) for each in event["applied_objs"])
    assert all(entry["podSpecTemplatePaths"] for entry in trace.config["trackedObjects"].values())
    assert not [word for word in (b"hunter2", b"aHVudGVyMg", b"last-applied") if word in trace.to_bytes()]
