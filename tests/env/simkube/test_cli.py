"""The commands with `--cluster simkube`, as processes of a user would run them: real HTTP, real time."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fake_api import FakeApi
from world import World

from env.problems.generate import draw_problem, generate_scenario
from env.problems.nodes import NodePool
from env.season.replay import NODES as SEASON_NODES
from env.trace.document import read_trace
from protocol.learners.trace_bucket import open_trace_bucket
from runner.benchmark.scenarios import registry
from runner.commands.console import run
from runner.commands.program import program
from runner.commands.table import COMMANDS

SEED = 3
QUICK = ["poll_s=0.01", "settle_s=0.05", "start_timeout_s=20", "settle_timeout_s=20", "reset_timeout_s=20"]
SIMKUBE = ["--cluster", "simkube", *[word for setting in QUICK for word in ("--simkube", setting)]]


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def pool(request: pytest.FixtureRequest) -> NodePool:
    """The nodes that the generated problem was made for, or those that a test gives."""
    return getattr(request, "param", draw_problem("cpu", SEED).nodes)


@pytest.fixture
def cli(
    fake: FakeApi,
    kubeconfig: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Callable[..., Result]:
    """Runs a command as `sim-arena` does."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("KUBECONFIG", kubeconfig)
    app = program("test", COMMANDS, open_trace_bucket)

    def call(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["sim-arena", *arguments])
        with pytest.raises(SystemExit) as exit_:
            run(app)
        captured = capfd.readouterr()
        code = exit_.value.code
        assert isinstance(code, int)
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture
def turning(world: World) -> Iterator[World]:
    """The world goes on by itself until the end of the test."""
    stop = threading.Event()

    def turn() -> None:
        while not stop.wait(0.005):
            world.at += 1
            world.turn()

    thread = threading.Thread(target=turn)
    thread.start()
    yield world
    stop.set()
    thread.join()


def test_an_episode_on_simkube_is_the_one_on_the_embedded_cluster(
    cli: Callable[..., Result], turning: World, fake: FakeApi, tmp_path: Path
) -> None:
    words = ["episode", "--problem", "cpu", "--seed", str(SEED), "--steps", "2", "--json"]
    folder = ["--trace-dir", f"{tmp_path / 'node'}:/data"]
    on_simkube = cli(*words, *SIMKUBE, *folder)
    assert on_simkube.code == 0, on_simkube.err
    assert json.loads(on_simkube.out) == json.loads(cli(*words).out)
    assert "replaying, 60 s" in on_simkube.err
    assert fake.all("simulations") == []


@pytest.mark.parametrize("pool", [SEASON_NODES], indirect=True)
def test_windows_of_a_season_end_on_simkube_as_in_the_season(
    cli: Callable[..., Result], turning: World, tmp_path: Path
) -> None:
    words = [
        "episode",
        "--env",
        "season",
        "--agent",
        "noop",
        "--kind",
        "bursty",
        "--seed",
        "31",
        "--steps",
        "2",
        "--json",
    ]
    on_simkube = cli(*words, *SIMKUBE, "--trace-dir", f"{tmp_path / 'node'}:/data")
    assert on_simkube.code == 0, on_simkube.err
    found, expected = json.loads(on_simkube.out), json.loads(cli(*words).out)
    assert found["cluster_agrees"] == 2
    assert {record.pop("cluster_exceeded") for record in found["records"]} == {False, True}
    assert found["records"] == expected["records"]


_MEMORY_3 = next(row.scenario.nodes for row in registry() if row.name == "memory-3")


@pytest.mark.parametrize("pool", _MEMORY_3.pools, indirect=True)
def test_a_benchmark_on_simkube_is_the_one_on_the_embedded_cluster(
    cli: Callable[..., Result], turning: World, tmp_path: Path
) -> None:
    """Tools show other names of pods there, so what was read is left out; the other agents stay in this process."""
    words = ["benchmark", "--provider", "scripted", "--model", "looks", "--scenario", "memory-3", "--attempts", "1"]
    on_simkube = cli(*words, *SIMKUBE, "--trace-dir", f"{tmp_path / 'node'}:/data", "--json")
    assert on_simkube.code == 0, on_simkube.err
    agents, here = (json.loads(text)["agents"] for text in (on_simkube.out, cli(*words, "--json").out))
    for each in (agents, here):
        for part in ("totals", "metrics"):
            each["llm"][part].pop("tokens_in")
    assert agents == here
    assert agents["llm"]["totals"]["solved"] == 1
    assert agents["llm"]["metrics"]["tool_calls"]["value"] == 3 * 5


def test_a_training_on_simkube_goes_on_there_when_it_is_loaded(
    cli: Callable[..., Result], turning: World, tmp_path: Path
) -> None:
    trace = tmp_path / "cpu.msgpack"
    trace.write_bytes(generate_scenario("cpu", SEED).trace.to_bytes())
    words = ["train", "--agent", "greedy", "--episodes", "1", "--steps", "1", "--trace", str(trace)]
    first = cli(*words, *SIMKUBE, "--trace-dir", f"{tmp_path / 'node'}:/data")
    assert first.code == 0, first.err
    (run_folder,) = (tmp_path / "runs").iterdir()
    second = cli("train", "--load", str(run_folder), "--episodes", "2")
    assert second.code == 0, second.err
    assert "replaying, 60 s" in second.err


def test_traces_can_travel_through_s3(
    cli: Callable[..., Result], turning: World, fake: FakeApi, bucket_name: str
) -> None:
    read = []

    def from_s3(url: str) -> bytes:
        store = open_trace_bucket(f"s3://{bucket_name}")
        body = store.bucket.get(url.removeprefix(f"s3://{bucket_name}/"), 1 << 20)
        assert body is not None
        read.append(read_trace(body, url).name)
        return body

    turning.read = from_s3
    words = ["step", "--problem", "cpu", "--seed", str(SEED), *SIMKUBE, "--trace-bucket", f"s3://{bucket_name}/traces"]
    done = cli(*words)
    assert done.code == 0, done.err
    assert [url.startswith(f"s3://{bucket_name}/traces/arena-") for url in read] == [True, True]
    assert open_trace_bucket(f"s3://{bucket_name}").bucket.list("").entries == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cluster", "docker"], "--cluster docker: unknown; choose from embedded, simkube"),
        (["--kube-context", "prod"], "--kube-context: needs --cluster simkube"),
        ([*SIMKUBE, "--trace-dir", "/tmp"], "--trace-dir /tmp: must be HERE:NODE, for example /tmp/kind-node-data:"),
        ([*SIMKUBE, "--trace-dir", "/no/such:/data"], "trace folder /no/such: No such file or directory"),
        ([*SIMKUBE, "--trace-bucket", "http://x"], "--trace-bucket http://x: must be s3://BUCKET or s3://BUCKET/PREF"),
        ([*SIMKUBE, "--simkube", "patience=3"], "simkube setting patience: unknown; there are driver_image, "),
        ([*SIMKUBE, "--simkube", "speed=0"], "simkube setting speed=0: Input should be greater than 0"),
        ([*SIMKUBE, "--trace-bucket", "s3://[x"], "--trace-bucket s3://[x: must be s3://BUCKET or s3://BUCKET/PREFIX"),
        ([*SIMKUBE, "--trace-dir", "/tmp:/data", "--kube-context", "prod"], "/kubeconfig, context prod: "),
    ],
)
def test_a_wrong_option_is_one_line(
    cli: Callable[..., Result], turning: World, options: list[str], message: str
) -> None:
    done = cli("step", "--problem", "cpu", "--seed", str(SEED), *options)
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith("error: ")
    assert message in done.err
    assert "Traceback" not in done.err


def test_the_example_in_python_runs_as_it_is_written(
    fake: FakeApi, kubeconfig: str, turning: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """But for the folder of the traces, and for haste."""
    monkeypatch.setenv("KUBECONFIG", kubeconfig)
    page = (Path(__file__).parents[3] / "docs/simkube.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    example = example.replace("/tmp/kind-node-data", str(tmp_path / "node"))
    example = example.replace("any_nodes=True", "any_nodes=True, poll_s=0.01, settle_s=0.05")
    names: dict[str, Any] = {}
    exec(example, names)
    assert -1 <= names["reward"] <= 1
    assert fake.all("simulations") == []


def test_a_server_that_is_not_there_is_told_at_once(
    cli: Callable[..., Result], fake: FakeApi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with FakeApi() as gone:
        monkeypatch.setenv("KUBECONFIG", str(gone.write_kubeconfig(tmp_path / "gone")))
    done = cli("step", "--problem", "cpu", "--seed", str(SEED), "--cluster", "simkube")
    assert done.code == 1
    assert "error: GET /version: no answer from http://127.0.0.1:" in done.err
