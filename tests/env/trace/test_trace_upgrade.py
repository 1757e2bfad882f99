from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from env.errors import TraceError
from env.problems.scenario import scenario_from_trace
from env.trace.document import Manifest, read_trace, upgrade_trace
from env.trace.spec_hash import spec_hash


def event(*manifests: Manifest) -> Manifest:
    return {"ts": 7, "applied_objs": list(manifests), "deleted_objs": []}


def upgrade(document: Any) -> Any:
    return upgrade_trace(msgpack.packb(document), "old").document


def test_a_real_version_1_trace_becomes_a_valid_one(data: Path) -> None:
    path = data / "traces/sim-arena/version1-trace-0001.msgpack"
    upgraded = upgrade_trace(path.read_bytes(), path.name)
    trace = read_trace(upgraded.to_bytes(), "new")
    assert trace.index["apps/v1.Deployment"] == {"default/web": spec_hash(trace.events[0]["applied_objs"][0]["spec"])}
    assert trace.extra["metadata"]["description"].startswith("Synthetic trace #0001")
    assert scenario_from_trace(trace, name="old").target == 4


def test_the_events_stay_as_they_are(deployment: Callable[..., Manifest]) -> None:
    events = [event(deployment()), event(deployment(replicas=9))]
    upgraded = upgrade({"version": 1, "metadata": {"note": None}, "events": events})
    assert upgraded["events"] == events
    assert list(upgraded) == ["version", "config", "events", "index", "pod_lifecycles", "metadata"]
    assert upgraded["index"] == {"apps/v1.Deployment": {"default/web": spec_hash(deployment(replicas=9)["spec"])}}


def test_version_2_without_config_and_index_is_completed(deployment: Callable[..., Manifest]) -> None:
    upgraded = upgrade({"version": 2, "events": [event(deployment())]})
    assert upgraded["config"] == {
        "trackedObjects": {"apps/v1.Deployment": {"podSpecTemplatePaths": ["/spec/template"]}}
    }


def test_kinds_that_simkube_does_not_know_are_kept_but_not_tracked(deployment: Callable[..., Manifest]) -> None:
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b"}}
    upgraded = upgrade({"version": 1, "events": [event(config_map, deployment())]})
    assert list(upgraded["config"]["trackedObjects"]) == ["apps/v1.Deployment"]
    assert list(upgraded["index"]) == ["apps/v1.Deployment"]


def test_a_complete_trace_is_returned_as_it_is(data: Path) -> None:
    path = data / "traces/dsb-scaling.sktrace"
    assert upgrade_trace(path.read_bytes(), "x").to_bytes() == path.read_bytes()


def test_the_array_of_simkube_1_gets_the_kinds_of_its_events(deployment: Callable[..., Manifest]) -> None:
    config = {"trackedObjects": {"apps/v1.Deployment": {"podSpecTemplatePath": "/spec/template"}}}
    lifecycles = {"default/web": {2**64 - 1: [{"Running": 5}]}}
    upgraded = upgrade([config, [event(deployment())], {"default/web": 77}, lifecycles])
    assert upgraded["config"] == config
    assert upgraded["index"] == {"apps/v1.Deployment": {"default/web": 77}}
    assert upgraded["pod_lifecycles"] == {("apps/v1.Deployment", "default/web"): {2**64 - 1: [{"Running": 5}]}}


@pytest.mark.parametrize(
    ("other", "reason"),
    [({"kind": "StatefulSet"}, "2 kinds"), ({"metadata": {"name": "db", "namespace": "default"}}, "")],
)
def test_an_index_entry_of_uncertain_kind_stops_the_upgrade(
    other: Manifest, reason: str, deployment: Callable[..., Manifest]
) -> None:
    index = {"default/web": 77} if reason else {"default/gone": 77}
    with pytest.raises(TraceError, match=reason or "no kind in the events"):
        upgrade([{"trackedObjects": {}}, [event(deployment(), {**deployment(), **other})], index, {}])


@pytest.mark.parametrize(
    "document",
    [
        None,
        7,
        [],
        {},
        {"version": 3, "events": []},
        {"version": 1},
        {"version": True, "events": []},
        {"version": 1, "events": [7]},
        {"version": 1, "events": [{"ts": 1, "applied_objs": [{"spec": {}}], "deleted_objs": []}]},
        [{}, {}, {}, {}],
    ],
)
def test_what_is_no_trace_cannot_be_upgraded(document: Any) -> None:
    with pytest.raises(TraceError, match=r"^trace old: "):
        upgrade(document)


@given(
    st.recursive(st.none() | st.integers(0, 9) | st.text(max_size=3), lambda s: st.lists(s, max_size=4), max_leaves=9)
)
def test_a_broken_version_1_trace_is_an_error_or_valid(events: Any) -> None:
    try:
        upgraded = upgrade({"version": 1, "events": events})
    except TraceError:
        return
    assert read_trace(msgpack.packb(upgraded), "new").events == events
