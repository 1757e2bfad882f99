"""Builders of small manifests and traces, and the real traces where SIM_ARENA_DATA says where they are."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from env.scenario import NodePool, Scenario
from env.trace import Trace, WorkloadRef

Manifest = dict[str, Any]

settings.register_profile("env", deadline=None, derandomize=True)
settings.load_profile("env")


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder with real data."""
    if "SIM_ARENA_DATA" not in os.environ:
        pytest.skip("SIM_ARENA_DATA is not set")
    return Path(os.environ["SIM_ARENA_DATA"])


@pytest.fixture
def deployment() -> Callable[..., Manifest]:
    """Makes a Deployment's manifest; further keywords go into the pod's spec."""

    def make(
        name: str = "web",
        replicas: int | None = 3,
        cpu: str | None = "500m",
        memory: str | None = "512Mi",
        *,
        image: str = "web:1",
        strategy: Manifest | None = None,
        **pod: Any,
    ) -> Manifest:
        requests = {key: value for key, value in (("cpu", cpu), ("memory", memory)) if value is not None}
        container = {"name": name, "image": image, "resources": {"requests": requests}}
        template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container], **pod}}
        spec: Manifest = {"selector": {"matchLabels": {"app": name}}, "template": template}
        spec |= {} if replicas is None else {"replicas": replicas}
        spec |= {} if strategy is None else {"strategy": strategy}
        metadata = {"name": name, "namespace": "default"}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}

    return make


@pytest.fixture
def trace() -> Callable[..., Trace]:
    """Makes a trace of events 10 s apart, each a list of applied manifests or (applied, deleted)."""

    def make(*events: list[Manifest] | tuple[list[Manifest], list[Manifest]]) -> Trace:
        pairs = [event if isinstance(event, tuple) else (event, []) for event in events]
        document = {
            "version": 2,
            "config": {"trackedObjects": {"apps/v1.Deployment": {"podSpecTemplatePaths": ["/spec/template"]}}},
            "events": [
                {"ts": 1000 + 10 * i, "applied_objs": applied, "deleted_objs": deleted}
                for i, (applied, deleted) in enumerate(pairs)
            ],
            "index": {},
            "pod_lifecycles": {},
        }
        return Trace(document, "test")

    return make


@pytest.fixture
def scenario() -> Callable[..., Scenario]:
    """Makes a scenario about default/web."""

    def make(trace: Trace, *, name: str = "web", target: int = 3, **settings: Any) -> Scenario:
        nodes = settings.pop("nodes", NodePool())
        workload = WorkloadRef("default", name)
        return Scenario(trace, workload, target, nodes, settings.get("duration_s"), "test", None)

    return make
