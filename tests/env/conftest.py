"""Builders of small manifests and traces, and the real traces where SIM_ARENA_DATA says where they are."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st

from env.problems.nodes import equal_nodes
from env.problems.scenario import Scenario
from env.quantity import GIB
from env.trace.document import Trace
from env.workload import WorkloadRef

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
        nodes = settings.pop("nodes", equal_nodes())
        workload = WorkloadRef("default", name)
        return Scenario(trace, workload, target, nodes, settings.get("duration_s"), "test", None)

    return make


def _containers(draw: st.DrawFn, names: list[str]) -> list[Manifest]:
    cpu = st.sampled_from(["0", "50m", "300m", "1", "2500m", "17"])
    memory = st.sampled_from(["0", "100Mi", "600Mi", "3Gi", "20Gi", "33Gi"])
    amounts = st.fixed_dictionaries({}, optional={"cpu": cpu, "memory": memory})
    resources = st.fixed_dictionaries({}, optional={"requests": amounts, "limits": amounts})
    return [{"name": name, "image": name, "resources": draw(resources)} for name in names]


@st.composite
def _plain_scenarios(draw: st.DrawFn) -> Scenario:
    containers = _containers(draw, ["web", "log"][: draw(st.integers(1, 2))])
    inits = _containers(draw, ["init"] * draw(st.integers(0, 1)) + ["sidecar"] * draw(st.integers(0, 1)))
    for each in inits:
        each |= {"restartPolicy": "Always"} if each["name"] == "sidecar" else {}
    pod: Manifest = {"containers": containers, "initContainers": inits}
    pod |= draw(st.sampled_from([{}, {"overhead": {"cpu": "100m", "memory": "64Mi"}}]))
    uses = st.fixed_dictionaries(
        {}, optional={"cpu": st.sampled_from(["400m", "3"]), "memory": st.sampled_from(["500Mi", "5Gi"])}
    )
    demand = {name: draw(uses) for name in draw(st.sampled_from([[], ["web"]]))}
    labels: Manifest = {"labels": {"app": "web"}}
    labels |= {"annotations": {"sim-arena.io/demand": json.dumps(demand)}} if demand else {}
    spec = {
        "replicas": draw(st.integers(0, 8) | st.integers(0, 300)),
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": labels, "spec": pod},
    }
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"}}
    document = {
        "version": 2,
        "config": {"trackedObjects": {"apps/v1.Deployment": {"podSpecTemplatePaths": ["/spec/template"]}}},
        "events": [{"ts": 1000, "applied_objs": [{**manifest, "spec": spec}], "deleted_objs": []}],
        "index": {},
        "pod_lifecycles": {},
    }
    nodes = equal_nodes(
        draw(st.integers(1, 6)),
        draw(st.sampled_from([100, 2_000, 16_000])),
        draw(st.sampled_from([1, 4, 32])) * GIB,
        draw(st.sampled_from([1, 3, 110])),
    )
    trace = Trace(document, "plain")
    return Scenario(trace, WorkloadRef("default", "web"), draw(st.integers(1, 6)), nodes, None, "plain", None)


@pytest.fixture(scope="session")
def plain_scenarios() -> st.SearchStrategy[Scenario]:
    """Scenarios with one Deployment on identical nodes; most of them are plain."""
    return _plain_scenarios()
