from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from env.errors import TraceError
from env.trace.document import Manifest, Trace, load_trace, read_trace
from env.trace.msgpack_document import MAX_BYTES, MAX_CONTAINERS, MAX_DEPTH
from env.trace.schema import TRACE_KEYS
from env.workload import WorkloadRef

WEB = WorkloadRef("default", "web")

scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=5)
documents = st.recursive(
    scalars | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3) | st.integers(0, 9), inner, max_size=4)
    ),
    max_leaves=20,
)


def empty() -> dict[Any, Any]:
    return {"version": 2, "config": {"trackedObjects": {}}, "events": [], "index": {}, "pod_lifecycles": {}}


def replay(data: bytes, name: str = "x") -> bytes:
    return read_trace(data, name).to_bytes()


def refusal(document: Any, name: str = "x") -> str:
    with pytest.raises(TraceError) as caught:
        read_trace(msgpack.packb(document), name)
    return str(caught.value)


def test_every_real_trace_is_written_back_byte_for_byte(data: Path) -> None:
    recorded = sorted((data / "traces").glob("**/*.sktrace"))
    made = sorted(path for path in (data / "traces").glob("**/*.msgpack") if not path.name.startswith("version1"))
    assert recorded
    assert made
    for path in recorded + made:
        assert load_trace(path).to_bytes() == path.read_bytes(), path


def test_hash_keys_array_keys_nil_and_key_order_survive() -> None:
    document = {
        "metadata": {"note": None, "ratio": 0.5},
        **empty(),
        "pod_lifecycles": {("v1.Pod", "a/b"): {2**64 - 1: ["Empty", {"Running": 5}, {"Finished": [5, 2**33]}]}},
    }
    data = msgpack.packb(document)
    trace = read_trace(data, "x")
    assert trace.to_bytes() == data
    assert list(trace.pod_lifecycles) == [("v1.Pod", "a/b")]
    assert trace.extra == {"metadata": {"note": None, "ratio": 0.5}}


def test_version_1_is_refused_with_the_way_out() -> None:
    message = refusal({"version": 1, "metadata": {}, "events": []}, "./web.msgpack")
    assert message == (
        "trace ./web.msgpack: version 1, SimKube 2.x reads 2; run: sim-arena trace upgrade ./web.msgpack"
    )


def test_a_later_version_is_refused() -> None:
    assert refusal({**empty(), "version": 3}) == "trace x: version 3, SimKube 2.x reads 2"


def test_the_format_of_simkube_1_is_refused_with_the_way_out() -> None:
    assert "run: sim-arena trace upgrade x" in refusal([{}, [], {}, {}])


@pytest.mark.parametrize("key", [key for key in TRACE_KEYS if key != "version"])
def test_each_required_key_is_required(key: str) -> None:
    assert key in refusal({k: v for k, v in empty().items() if k != key})


@pytest.mark.parametrize(
    ("place", "change"),
    [
        ("version", {"version": True}),
        ("version", {"version": 2.0}),
        ("config", {"config": []}),
        ("config.trackedObjects", {"config": {}}),
        ("config.trackedObjects[v1.Pod].podSpec", {"config": {"trackedObjects": {"v1.Pod": {"podSpec": []}}}}),
        ("events", {"events": {}}),
        ("events[0].ts", {"events": [{"ts": 1.5, "applied_objs": [], "deleted_objs": []}]}),
        ("events[0].deleted_objs", {"events": [{"ts": 1, "applied_objs": []}]}),
        ("events[0].applied_objs[0]", {"events": [{"ts": 1, "applied_objs": [7], "deleted_objs": []}]}),
        ("index[v1.Pod][a/b]", {"index": {"v1.Pod": {"a/b": -1}}}),
        ("pod_lifecycles[a/b]", {"pod_lifecycles": {"a/b": {}}}),
        ("pod_lifecycles[('v1.Pod', 'a/b')][5]", {"pod_lifecycles": {("v1.Pod", "a/b"): {5: [{"Done": 1}]}}}),
    ],
)
def test_what_does_not_fit_is_named_by_its_place(place: str, change: dict[str, Any]) -> None:
    assert f"{place}: must be" in refusal({**empty(), **change})


@pytest.mark.parametrize("missing", ["apiVersion", "kind", "metadata", "name", "namespace"])
def test_objects_without_identity_are_refused(missing: str, deployment: Callable[..., Manifest]) -> None:
    manifest = deployment()
    manifest.pop(missing, None)
    manifest.get("metadata", {}).pop(missing, None)
    event = {"ts": 1, "applied_objs": [manifest], "deleted_objs": []}
    assert f"{missing}: must be" in refusal({**empty(), "events": [event]})


def test_an_object_that_is_not_like_json_is_refused(deployment: Callable[..., Manifest]) -> None:
    event = {"ts": 1, "applied_objs": [{**deployment(), "data": {"a": [{7: "x"}]}}], "deleted_objs": []}
    assert "map keys are strings" in refusal({**empty(), "events": [event]})


@given(st.binary(max_size=200))
def test_garbage_is_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(TraceError) as caught:
        replay(data)
    assert "\n" not in str(caught.value)


@given(documents)
def test_any_other_document_is_refused(document: Any) -> None:
    refusal(document)


@given(st.fixed_dictionaries({key: documents for key in TRACE_KEYS}), st.sets(st.sampled_from(TRACE_KEYS)))
def test_any_document_is_either_refused_or_written_back(values: dict[str, Any], broken: set[str]) -> None:
    data = msgpack.packb({**empty(), **{key: values[key] for key in broken}})
    with contextlib.suppress(TraceError):
        assert replay(data) == data


def test_every_truncation_is_refused(trace: Callable[..., Trace], deployment: Callable[..., Manifest]) -> None:
    data = trace([deployment()]).to_bytes()
    for end in range(len(data)):
        with pytest.raises(TraceError):
            replay(data[:end])
    with pytest.raises(TraceError):
        replay(data + b"\x00")


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 600, 100_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    with pytest.raises(TraceError, match="deeper than 100 levels"):
        replay(b"\x91" * depth + b"\xc0")


def test_nesting_up_to_the_bound_can_be_edited(
    trace: Callable[..., Trace], deployment: Callable[..., Manifest]
) -> None:
    nested: Any = None
    for _ in range(MAX_DEPTH - 10):
        nested = [nested]
    original = read_trace(trace([deployment(note=nested)]).to_bytes(), "x")
    assert read_trace(original.edited(WEB, lambda manifest: manifest).to_bytes(), "y").document == original.document


def test_more_than_64_mib_are_refused() -> None:
    with pytest.raises(TraceError, match="more than the 67108864 allowed"):
        replay(b"\xc0" * (MAX_BYTES + 1))


def test_a_small_file_cannot_ask_for_millions_of_objects() -> None:
    count = MAX_CONTAINERS + 1
    with pytest.raises(TraceError, match="more than 2000000 maps and lists"):
        replay(b"\xdd" + count.to_bytes(4, "big") + b"\x80" * count)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xdd\xff\xff\xff\xff", "exceeds"),
        (b"\xc1", "not MessagePack"),
        (b"\xa1\xff", "utf-8"),
        (b"\xc4\x01a", "bytes data"),
        (b"\xd6\xff\x00\x00\x00\x00", "Timestamp data"),
        (b"\xd4\x05a", "extension type 5"),
        (b"\x82\x01\x01\x01\x01", "same key twice"),
    ],
)
def test_bytes_that_simkube_never_writes_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(TraceError, match=reason):
        replay(data)


@pytest.mark.parametrize("path", ["missing.msgpack", ".", "a\0b"])
def test_a_file_that_cannot_be_read_is_one_clear_error(tmp_path: Path, path: str) -> None:
    with pytest.raises(TraceError, match="cannot be read"):
        load_trace(tmp_path / path)


def test_deployments_are_listed_in_order_of_first_appearance(
    trace: Callable[..., Trace], deployment: Callable[..., Manifest]
) -> None:
    other = {**deployment("job"), "kind": "StatefulSet"}
    made = trace([deployment("web"), other, deployment("db")], [deployment("api"), deployment("web")])
    assert [ref.name for ref in made.deployments()] == ["web", "db", "api"]


def test_an_edit_reaches_every_event_and_leaves_the_original_alone(
    trace: Callable[..., Trace], deployment: Callable[..., Manifest]
) -> None:
    original = trace([deployment("web"), deployment("db")], [deployment("db")], [deployment("web", replicas=9)])
    before = copy.deepcopy(original.document)

    def scaled(manifest: Manifest) -> Manifest:
        manifest["spec"]["replicas"] = 5
        return manifest

    edited = original.edited(WEB, scaled)
    replicas = [[m["spec"]["replicas"] for m in event["applied_objs"]] for event in edited.events]
    assert replicas == [[5, 3], [3], [5]]
    assert original.document == before
    assert edited.events[1] is original.events[1]
    assert edited.events[0]["applied_objs"][1] is original.events[0]["applied_objs"][1]


def test_only_what_is_in_the_trace_can_be_edited(
    trace: Callable[..., Trace], deployment: Callable[..., Manifest]
) -> None:
    with pytest.raises(TraceError, match="no Deployment default/web"):
        trace([deployment("db")]).edited(WEB, lambda manifest: manifest)


@pytest.mark.parametrize(("duration_s", "events"), [(None, 3), (100, 3), (20.5, 3), (20, 2), (10, 1), (0.1, 1)])
def test_a_duration_cuts_events_at_and_after_it(
    trace: Callable[..., Trace], duration_s: float | None, events: int
) -> None:
    assert len(trace([], [], []).events_within(duration_s)) == events
