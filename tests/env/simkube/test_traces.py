"""The trace that is handed to SimKube: verdicts, the end marker, and where it is put."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from env.demand import DEMAND_ANNOTATION, VERDICT_ANNOTATION
from env.errors import ClusterError, QuantityError, ScenarioError, TraceError
from env.problems.generate import generate_scenario
from env.problems.scenario import Scenario
from env.simkube.traces import END_MARKER, NodeFolder, namespaces_of, replayed_s, replayed_trace, with_verdicts
from env.trace.document import Trace, read_trace
from env.workload import Resources

Manifest = dict[str, Any]


def container(name: str = "web", requests: Manifest | None = None, limits: Manifest | None = None) -> Manifest:
    return {"name": name, "resources": {"requests": requests or {}, "limits": limits or {}}}


def template(demand: Manifest | None, *containers: Manifest, **annotations: str) -> Manifest:
    noted = {DEMAND_ANNOTATION: json.dumps(demand), **annotations} if demand is not None else annotations
    return {"metadata": {"annotations": noted}, "spec": {"containers": list(containers)}}


def trace_of(*manifests: Manifest) -> Trace:
    event = {"ts": 0, "applied_objs": list(manifests), "deleted_objs": []}
    return Trace({"version": 2, "config": {}, "events": [event], "index": {}, "pod_lifecycles": {}}, "test")


def manifest(pod: Manifest, kind: str = "Deployment", version: str = "apps/v1") -> Manifest:
    head = {"apiVersion": version, "kind": kind, "metadata": {"name": "web", "namespace": "default"}}
    match kind:
        case "CronJob":
            return {**head, "spec": {"jobTemplate": {"spec": {"template": pod}}}}
        case "Pod":
            return {**head, "metadata": {**head["metadata"], **pod["metadata"]}, "spec": pod["spec"]}  # type: ignore[dict-item]
    return {**head, "spec": {"template": pod}}


def verdict(trace: Trace, *path: str) -> str | None:
    found: Any = trace.events[0]["applied_objs"][0]
    for key in path or ("spec", "template"):
        found = found[key]
    return found["metadata"]["annotations"].get(VERDICT_ANNOTATION)  # type: ignore[no-any-return]


USE = {"web": {"cpu": "400m", "memory": "300Mi"}}


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        pytest.param([container()], None, id="neither request nor limit: may use what it likes"),
        pytest.param([container(requests={"cpu": "400m", "memory": "300Mi"})], None, id="just enough"),
        pytest.param([container(requests={"memory": "299Mi"})], "oom-killed", id="too little memory requested"),
        pytest.param([container(requests={"cpu": "399m"})], "cpu-starved", id="too little CPU requested"),
        pytest.param([container(requests={"memory": "1Mi"}, limits={"memory": "1Gi"})], None, id="the limit counts"),
        pytest.param([container(requests={"cpu": "1", "memory": "1Gi"}, limits={"cpu": "100m"})], "cpu-starved",
                     id="a limit below the use"),
        pytest.param([container(requests={"cpu": "1m", "memory": "1Mi"})], "oom-killed", id="memory beats CPU"),
        pytest.param([container("web", {"cpu": "1m"}), container("side", {"memory": "1Mi"})], "oom-killed",
                     id="any container's memory beats any container's CPU"),
        pytest.param([container("other", {"cpu": "1m", "memory": "1"})], None, id="no demand is known"),
    ],
)  # fmt: skip
def test_a_verdict_follows_from_demand_and_grant(containers: list[Manifest], expected: str | None) -> None:
    demand = {**USE, "side": {"memory": "2Mi"}}
    assert verdict(with_verdicts(trace_of(manifest(template(demand, *containers))))) == expected


@pytest.mark.parametrize(
    ("kind", "version", "path"),
    [
        ("Deployment", "apps/v1", ("spec", "template")),
        ("ReplicaSet", "apps/v1", ("spec", "template")),
        ("StatefulSet", "apps/v1", ("spec", "template")),
        ("DaemonSet", "apps/v1", ("spec", "template")),
        ("Job", "batch/v1", ("spec", "template")),
        ("CronJob", "batch/v1", ("spec", "jobTemplate", "spec", "template")),
        ("Pod", "v1", ()),
    ],
)
def test_every_kind_with_pods_gets_its_verdict(kind: str, version: str, path: tuple[str, ...]) -> None:
    judged = with_verdicts(trace_of(manifest(template(USE, container(requests={"cpu": "1m"})), kind, version)))
    found = judged.events[0]["applied_objs"][0]
    for key in path:
        found = found[key]
    assert found["metadata"]["annotations"][VERDICT_ANNOTATION] == "cpu-starved"


def test_a_stale_verdict_goes() -> None:
    stale = {VERDICT_ANNOTATION: "oom-killed"}
    assert verdict(with_verdicts(trace_of(manifest(template(USE, container(), **stale))))) is None
    assert verdict(with_verdicts(trace_of(manifest(template(None, container(), **stale))))) is None


def test_the_trace_in_memory_is_never_touched() -> None:
    trace = trace_of(manifest(template(USE, container(requests={"cpu": "1m"}))))
    before = copy.deepcopy(trace.document)
    with_verdicts(trace)
    assert trace.document == before


def test_a_trace_without_demand_stays_what_it_is() -> None:
    trace = trace_of(manifest(template(None, container())), manifest(template(USE, container())))
    assert with_verdicts(trace) is trace


@pytest.mark.parametrize(
    ("annotation", "error", "message"),
    [
        ("[]", TraceError, "trace test: Deployment default/web: annotation sim-arena.io/demand '\\[\\]': must be JSON"),
        ('{"web": {"cpu": "lots"}}', QuantityError, "trace test: Deployment default/web: quantity 'lots'"),
    ],
)
def test_a_demand_that_cannot_be_read_names_the_object(annotation: str, error: type[Exception], message: str) -> None:
    pod = {"metadata": {"annotations": {DEMAND_ANNOTATION: annotation}}, "spec": {"containers": [container()]}}
    with pytest.raises(error, match=message):
        with_verdicts(trace_of(manifest(pod)))


def test_what_is_replayed_is_a_trace_that_simkube_reads_and_ends_with_the_marker() -> None:
    scenario = generate_scenario("cpu", 3)
    trace = replayed_trace(scenario, Resources(1_000, 2**30, 2))
    again = read_trace(trace.to_bytes(), "again")
    assert again.events[-1] == {
        "ts": scenario.trace.events[-1]["ts"],
        "applied_objs": [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": END_MARKER, "namespace": "default"}}
        ],
        "deleted_objs": [],
    }
    assert again.events[0]["applied_objs"][0]["spec"]["replicas"] == 2
    assert namespaces_of(again) == {"default"}


def test_a_replay_of_nothing_is_refused(scenario: Callable[..., Scenario]) -> None:
    with pytest.raises(ScenarioError, match="scenario test: no events to replay"):
        replayed_trace(scenario(), None)


def test_the_time_before_the_first_object_is_not_replayed(
    scenario: Callable[..., Scenario], deployment: Callable[..., Manifest]
) -> None:
    """As `skctl export` writes it: an empty event at the start of what was asked for."""
    exported = scenario([], [], [deployment(2)], [deployment(5)], [deployment(7)])
    whole = replayed_trace(exported, None)
    assert [event["ts"] for event in whole.events] == [1020, 1030, 1040, 1040]
    assert replayed_s(whole) == 20
    cut = replayed_trace(replace(exported, duration_s=35), None)
    assert [event["ts"] for event in cut.events] == [1020, 1030, 1030]


def test_a_node_folder_holds_whole_files_that_the_driver_may_read(tmp_path: Path) -> None:
    store = NodeFolder(tmp_path, "/data/")
    assert store.put("a.sktrace", b"1") == "file:///data/a.sktrace"
    assert store.put("a.sktrace", b"22") == "file:///data/a.sktrace"
    assert [(path.name, path.read_bytes(), path.stat().st_mode & 0o777) for path in tmp_path.iterdir()] == [
        ("a.sktrace", b"22", 0o644)
    ]
    store.remove("a.sktrace")
    store.remove("a.sktrace")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_node_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        ClusterError, match=r"trace folder .*: No such file or directory; it must be mounted in the nod"
    ):
        NodeFolder(tmp_path / "none").put("a", b"")


def test_a_trace_that_cannot_be_put_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(ClusterError, match="trace folder"):
        NodeFolder(tmp_path).put("a", b"1")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
