"""A job's workload of another kind than Deployment: as its manifest says it, and which version that takes."""

from __future__ import annotations

import json

import pytest

from infra.proof.standin import training
from protocol.commands.submission import draft
from protocol.commands.submit_options import FederationChoice, JobChoice
from protocol.wire import documents
from protocol.wire.job_documents import Manifest
from runner.options.agents import EpisodeChoice
from runner.options.workload import ReplayChoice, WorkloadChoice


def drafted(workload: str) -> Manifest:
    choice = WorkloadChoice(trace=("shop.sktrace",), replay=ReplayChoice(workload=workload))
    spec = draft(JobChoice(), EpisodeChoice(), choice, FederationChoice()).training
    return Manifest(version=spec.version, job_id="job", created_at="", training=spec)


def test_a_workload_of_another_kind_comes_back_as_it_was_submitted() -> None:
    read = documents.parse(Manifest, drafted("StatefulSet/shop/db").to_bytes(), "m")
    assert (read.version, read.training.workload_kind, read.training.namespace, read.training.deploy) == (
        5, "StatefulSet", "shop", "db",
    )  # fmt: skip


def test_a_deployment_is_written_as_releases_before_kinds_read_it() -> None:
    written = json.loads(drafted("Deployment/shop/web").to_bytes())
    assert written["version"] == 2
    assert "workload_kind" not in written["training"]
    assert (written["training"]["namespace"], written["training"]["deploy"]) == ("shop", "web")


def test_a_document_of_an_older_version_knows_no_kinds() -> None:
    spec = training().model_copy(update={"workload_kind": "DaemonSet"})
    with pytest.raises(ValueError, match="version 4: knows no kinds of workloads; must be 5"):
        Manifest(version=4, job_id="job", created_at="", training=spec)
