"""`sim-arena rl train --no-simulation`: it reads a real cluster, writes nothing to it, and trains on what it saw."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_api import FakeApi
from live_objects import Ward, crashing, running, unschedulable

from env.doctor.features import FEATURES
from env.doctor.recording import parse_recording, starts_of
from env.doctor.vector_env import DoctorVectorEnv
from env.live.cluster import LiveCluster
from env.live.reading import Reader
from env.live.record import recorded
from runner.options.live import LiveChoice

Cli = Callable[..., Any]
SHORT = ("-e", "1", "-s", "10", "--exam", "1", "--json")
NAMES = ("node-1", "secret-shop", "web", "payments", "127.0.0.1", "default")


@pytest.fixture
def broken(ward: Ward, monkeypatch: pytest.MonkeyPatch, home: Path) -> Ward:
    """A cordoned node, pods that crash, and one without room; and a configuration for a short training."""
    ward.node("node-3", cordoned=True)
    ward.deployment("web", *[running()] * 3, *[crashing("node-2")] * 2)
    ward.deployment("payments", running("node-2"), unschedulable(), namespace="secret-shop")
    monkeypatch.chdir(home)
    (home / ".sim-arena").mkdir()
    training = {"numEnvs": 512, "numSteps": 64, "batchSize": 8192, "numEpochs": 1}
    (home / ".sim-arena" / "config.json").write_text(json.dumps({"pufferlib": {"trainingConfig": training}}))
    return ward


def files(home: Path) -> list[Path]:
    return sorted((home / ".sim-arena" / "recordings").glob("*.json"))


def test_it_reads_records_and_trains_and_writes_nothing_to_the_cluster(
    fake: FakeApi, broken: Ward, cli: Cli, home: Path
) -> None:
    done = cli("rl", "train", "--no-simulation", *SHORT)
    assert done.code == 0, done.err
    assert {method for method, _ in fake.requests} == {"GET"}
    assert done.err.splitlines()[0] == f"context fake ({fake.url}), all namespaces, read only"
    assert "1 recording, which shows little" in done.err
    assert "1 of 1 recording without a metrics API" in done.err
    (path,) = files(home)
    assert path.stat().st_mode & 0o077 == 0
    text = path.read_text()
    assert not [name for name in NAMES if name in text]
    recording = parse_recording(text.encode(), "x")
    assert recording.faults == {"crash-loop": 2, "no-room": 1}
    assert {(row.state, row.pods, row.number) for row in recording.nodes} == {
        ("ready", 3, 2), ("cordoned", 0, 1)
    }  # fmt: skip
    rows = {(row["problems"], row["agent"]) for row in json.loads(done.out)["evaluation"]}
    assert rows >= {("recorded", "ppo"), ("recorded", "scripted"), ("no-metrics", "ppo"), ("held-out", "optimum")}
    again = cli("train", "--load", str(json.loads(done.out)["folder"]), "--epochs", "2", "--json")
    assert (again.code, json.loads(again.out)["epochs"]) == (0, 2), again.err
    assert fake.requests.count(("GET", "/api/v1/nodes?limit=500")) <= 3  # it is not looked at again


def test_a_state_that_diagnose_sees_is_where_episodes_start(broken: Ward) -> None:
    with LiveChoice().opened() as (api, _):
        live = LiveCluster(Reader(api))
    recording = recorded(live.seen)
    assert recording is not None
    states, _ = DoctorVectorEnv(40, recorded=starts_of([recording])).reset(seed=0)
    seen = dict(zip(FEATURES, live.state.tolist(), strict=True))
    as_seen = [
        dict(zip(FEATURES, state.tolist(), strict=True))
        for state in states
        if np.isclose(state[6], seen["pods_failed"], atol=0.05)
    ]
    assert as_seen
    for name in FEATURES[:8]:
        assert as_seen[0][name] == pytest.approx(seen[name]), name


@pytest.mark.parametrize("status", [403, 500])
def test_a_cluster_that_does_not_answer_is_an_error_and_nothing_is_recorded_or_trained(
    fake: FakeApi, broken: Ward, cli: Cli, home: Path, status: int
) -> None:
    fake.fail(status, path=r"/nodes\?", times=99)
    done = cli("rl", "train", "--no-simulation", *SHORT)
    assert (done.code, f": {status}" in done.err) == (1, True), done.err
    assert (files(home), (home / "runs").exists()) == ([], False)


def test_no_server_is_an_error(fake: FakeApi, broken: Ward, cli: Cli, home: Path, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(path.read_text().replace(fake.url, "http://127.0.0.1:9"))
    done = cli("rl", "train", "--no-simulation", *SHORT)
    assert (done.code, "no answer from http://127.0.0.1:9" in done.err) == (1, True)
    assert files(home) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--namespace", "web"], "--namespace: needs --no-simulation"),
        (["--kube-context", "x"], "--kube-context: needs --no-simulation"),
        (["--recording", "nowhere.json"], "recording nowhere.json: cannot be read"),
        (["--recording", "config.json"], "it is no recording of version 1"),
        (["--no-simulation", "--kube-context", "none"], "context none"),
        (["--no-simulation", "--namespace", "nowhere"], "--namespace nowhere: the cluster has none of that name"),
    ],
)
def test_wrong_usage_is_one_line(fake: FakeApi, broken: Ward, cli: Cli, arguments: list[str], said: str) -> None:
    Path("config.json").write_text("{}")
    done = cli("rl", "train", *SHORT, *arguments)
    assert (done.code, said in done.err) == (2, True), done.err
    assert not Path("runs").exists()
