"""A job's nodes: as its manifest says them, and which version of a document that takes."""

from __future__ import annotations

import json

import pytest

from env.engine.manifests.terms import Taint
from env.errors import UsageError
from env.problems.node_text import parse_nodes
from env.problems.nodes import NodePool, NodePools, equal_nodes
from infra.proof.standin import federation, training
from protocol.learners.nodes import read_nodes, write_nodes
from protocol.wire import documents
from protocol.wire.errors import BadDocument
from protocol.wire.federation_documents import Federation
from protocol.wire.job_documents import Manifest, Nodes, TrainingSpec

ODD = NodePools(
    (
        NodePool(2, 500, 1 << 30, 5, (("nvidia.com/gpu", 1),), (("a", "b"),), (Taint("t", "v", "NoExecute"),), True),
        NodePool(1, names=("ip-10-0-0-1",)),
    )
)


def on(nodes: NodePools | None) -> TrainingSpec:
    return training().model_copy(update={"nodes": write_nodes(nodes)})


def manifest(nodes: NodePools | None) -> Manifest:
    spec = on(nodes)
    return Manifest(version=spec.version, job_id="job", created_at="", training=spec)


@pytest.mark.parametrize("nodes", [None, equal_nodes(3, 8_000), parse_nodes("3xm6i.xlarge,2xg5.xlarge"), ODD])
def test_nodes_come_back_as_they_were_submitted(nodes: NodePools | None) -> None:
    read = documents.parse(Manifest, manifest(nodes).to_bytes(), "m")
    assert read_nodes(read.training.nodes) == nodes


def test_plain_nodes_are_written_as_0_2_0_reads_them() -> None:
    written = json.loads(manifest(equal_nodes(3, 8_000)).to_bytes())
    assert written["version"] == 2
    assert written["training"]["nodes"] == {"count": 3, "cpu_m": 8_000, "memory_bytes": 32 << 30, "pods": 110}


def test_what_0_2_0_wrote_is_worked_on() -> None:
    sizes = {"count": 3, "cpu_m": 8_000, "memory_bytes": 1 << 30, "pods": 5}
    body = json.loads(manifest(None).to_bytes())
    body["training"]["nodes"] = sizes
    read = documents.parse(Manifest, json.dumps(body).encode(), "m")
    assert read.training.nodes == Nodes(**sizes)
    read.require_current("m")


def test_other_nodes_are_of_a_version_that_0_2_0_leaves_alone() -> None:
    assert json.loads(manifest(ODD).to_bytes())["version"] == 3
    assert manifest(ODD).version > 2
    with pytest.raises(ValueError, match="version 2: knows no pools of nodes; must be 3"):
        Manifest(version=2, job_id="job", created_at="", training=on(ODD))
    with pytest.raises(ValueError, match="must be 3"):
        Federation.model_validate({**dict(federation(2)), "training": on(ODD)})


def test_a_manifest_cannot_hold_pools_out_of_range() -> None:
    body = json.loads(manifest(ODD).to_bytes())
    body["training"]["nodes"][0]["taints"][0]["effect"] = "Never"
    with pytest.raises(BadDocument, match=r"training\.nodes"):
        documents.parse(Manifest, json.dumps(body).encode(), "m")


def test_nodes_with_too_much_to_say_are_refused_at_submit() -> None:
    labels = tuple((f"example.com/label-{number}", "x" * 60) for number in range(900))
    pools = NodePools(tuple(NodePool(1, labels=labels, names=(f"n{number}",)) for number in range(50)))
    with pytest.raises(UsageError, match="KiB for each job, more than 2,048"):
        write_nodes(pools)
