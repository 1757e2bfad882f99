"""Recordings of real clusters: what a file may say, and the simulated clusters that episodes start from."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from env.doctor.actions import DoctorAction as A
from env.doctor.cluster import CLUSTER, is_healthy, record, settle
from env.doctor.doctor_env import DoctorEnv
from env.doctor.faults import Fault
from env.doctor.features import FEATURES, features
from env.doctor.recording import STATES, FaultName, Nodes, Recording, parse_recording, simulated, starts_of
from env.errors import ConfigError

AT = "2026-11-29T01:30:00Z"
FAULTS: list[FaultName] = [
    "crash-loop", "out-of-memory", "bad-image", "claim-unbound", "no-room", "too-few-replicas", "too-many-replicas",
    "quota-used-up", "dns", "network-policy",
]  # fmt: skip

recordings = st.builds(
    Recording,
    at=st.just(AT),
    nodes=st.lists(
        st.builds(Nodes, state=st.sampled_from(sorted(STATES)), pods=st.integers(0, 60), number=st.integers(1, 30)),
        min_size=1,
        max_size=6,
    ).map(tuple),
    deployments=st.integers(0, 80),
    faults=st.dictionaries(st.sampled_from(FAULTS), st.integers(1, 40), max_size=4),
    requested=st.none() | st.floats(0, 1),
    cpu_used=st.none() | st.floats(0, 1),
    memory_used=st.none() | st.floats(0, 1),
)


def seen(**changed: Any) -> Recording:
    given_ = {"nodes": (Nodes(state="ready", pods=6, number=4),), "deployments": 6, "cpu_used": 0.3, "memory_used": 0.5}
    return Recording(at=AT, **{**given_, **changed})


def state_of(recording: Recording) -> dict[str, float]:
    state = np.zeros(len(FEATURES), np.float32)
    features(record(simulated(recording), 0), state)
    return dict(zip(FEATURES, state.tolist(), strict=True))


@settings(max_examples=300, deadline=None)
@given(recordings)
def test_the_simulated_cluster_is_at_rest_in_the_box_and_has_the_nodes_that_were_seen(recording: Recording) -> None:
    clusters = simulated(recording)
    before = clusters.copy()
    settle(record(clusters, 0))
    assert clusters.tobytes() == before.tobytes()
    found, nodes = state_of(recording), sum(row.number for row in recording.nodes)
    assert all(0 <= value <= 1 for value in found.values())
    for name, state in (("nodes_ready", "ready"), ("nodes_not_ready", "not-ready")):
        number = sum(row.number for row in recording.nodes if row.state.removesuffix("-cordoned") == state)
        assert found[name] == pytest.approx(number / nodes)


@settings(max_examples=200, deadline=None)
@given(recordings)
def test_what_was_wrong_is_wrong_and_what_was_well_is_well(recording: Recording) -> None:
    cluster = record(simulated(recording), 0)
    here = {Fault[name.upper().replace("-", "_")] for name in recording.faults}
    on_nodes = {Fault.CRASH_LOOP, Fault.OUT_OF_MEMORY, Fault.BAD_IMAGE, Fault.DNS, Fault.TOO_FEW_REPLICAS}
    for fault in Fault:
        if fault in (Fault.NODE_NOT_READY, Fault.NODE_CORDONED):
            continue
        if fault in here - {Fault.TOO_MANY_REPLICAS} and (fault not in on_nodes or cluster.placed):
            assert cluster.amount[fault] > 0, fault
        if fault not in here:
            assert cluster.amount[fault] == 0, fault
    if recording.is_healthy:
        assert is_healthy(cluster)


def test_what_nodes_use_is_what_was_seen() -> None:
    found = state_of(seen())
    assert found["cpu_usage_percent"] == pytest.approx(0.3, abs=0.01)
    assert found["memory_usage_percent"] == pytest.approx(0.5, abs=0.001)
    assert (found["num_nodes"], found["num_pods"], found["num_deployments"]) == pytest.approx((0.04, 0.024, 0.06))


def test_without_a_metrics_api_use_is_unknown_and_nothing_is_scaled() -> None:
    recording = seen(cpu_used=None, memory_used=None)
    found = state_of(recording)
    assert (found["cpu_usage_percent"], found["memory_usage_percent"]) == (0, 0)
    env = DoctorEnv(recorded=simulated(recording))
    _, info = env.reset(seed=1)
    assert not info["action_mask"][[A.SCALE_UP_DEPLOYMENT, A.SCALE_DOWN_DEPLOYMENT]].any()
    assert not {"too-few-replicas", "too-many-replicas"} & info["faults"].keys()
    state, *_ = env.step(np.int64(A.TOP_PODS))
    assert state[17] in (0.5, 1.0)


def test_episodes_start_with_the_states_that_were_seen_half_of_them_with_more_faults() -> None:
    broken = seen(
        faults={"crash-loop": 3},
        nodes=(Nodes(state="ready", pods=6, number=4), Nodes(state="cordoned", pods=2, number=1)),
    )
    env = DoctorEnv(recorded=starts_of([broken]))
    starts = [env.reset(seed=seed)[1]["faults"] for seed in range(60)]
    assert all(start["node-cordoned"] >= 1 and start["crash-loop"] >= 3 for start in starts)
    as_seen = sum(start == {"node-cordoned": 1, "crash-loop": 3} for start in starts)
    assert 15 < as_seen < 45


def test_episodes_of_a_healthy_cluster_start_with_drawn_faults() -> None:
    env = DoctorEnv(recorded=starts_of([seen()]))
    assert all(env.reset(seed=seed)[1]["faults"] for seed in range(60))


def test_several_recordings_are_all_started_from() -> None:
    sizes = [seen(nodes=(Nodes(state="ready", pods=5, number=number),)) for number in (3, 7, 20)]
    env = DoctorEnv(recorded=starts_of(sizes))
    assert {round(100 * float(env.reset(seed=seed)[0][0])) for seed in range(60)} == {3, 7, 20}


def test_a_file_reads_back_as_what_was_written() -> None:
    recording = seen(faults={"dns": 2}, requested=0.25)
    assert parse_recording(recording.model_dump_json().encode(), "x") == recording


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"version": 2}, "x: version: "),
        ({"nodes": []}, "x: nodes: "),
        ({"nodes": [{"state": "ready", "pods": -1, "number": 1}]}, "x: nodes.0.pods: "),
        ({"nodes": [{"state": "ready", "pods": 1, "number": 10**9}]}, "x: nodes.0.number: "),
        ({"nodes": [{"state": "ready", "pods": 1, "number": 1, "name": "n"}]}, "x: nodes.0.name: "),
        ({"faults": {"rain": 1}}, "x: faults.rain"),
        ({"faults": {"dns": 0}}, "x: faults.dns: "),
        ({"cpu_used": 2}, "x: cpu_used: "),
        ({"at": "yesterday"}, "x: at: "),
        ({"secret": 1}, "x: secret: "),
    ],
)
def test_a_field_that_does_not_fit_is_named(changed: dict[str, Any], said: str) -> None:
    document = json.loads(seen().model_dump_json()) | changed
    with pytest.raises(ConfigError) as raised:
        parse_recording(json.dumps(document).encode(), "x")
    assert str(raised.value).startswith(said)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b" " * (1 << 21)])
def test_a_file_that_is_no_recording_is_refused(data: bytes) -> None:
    with pytest.raises(ConfigError, match="it is no recording"):
        parse_recording(data, "x")


def test_clusters_of_another_kind_are_refused() -> None:
    for wrong in (np.zeros(0, CLUSTER), np.zeros((1, 1), CLUSTER), np.zeros(3)):
        with pytest.raises(ConfigError, match="recorded"):
            DoctorEnv(recorded=wrong)
