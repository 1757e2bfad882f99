"""The commands on a real training over a real S3 server: what a user types and sees.

A command that only looks or writes runs in this process; the workers and sync-servers of federations, and what the
operating system has a part in, are processes of their own.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import msgpack
import pytest

from agents.saved import checkpoint, pt_file
from env.problems.generate import generate_scenario
from infra.local.processes import command
from infra.scripts import MODULES, start
from protocol.commands.buckets import open_bucket
from protocol.commands.status import require_federation
from protocol.wire import keys
from protocol.wire.bucket import Bucket


class Done(NamedTuple):
    """What a command printed."""

    stdout: str
    stderr: str


def run(name: str, *arguments: str, code: int = 0) -> Done:
    """Run a command to its end in this process and check its exit code; no command ever shows a traceback."""
    out, err = StringIO(), StringIO()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with patch.object(sys, "argv", [name, *arguments]), redirect_stdout(out), redirect_stderr(err):
        try:
            with pytest.raises(SystemExit) as left:
                start(name)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    done = Done(out.getvalue(), err.getvalue())
    assert left.value.code == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def run_json(name: str, *arguments: str) -> Any:
    return json.loads(run(name, *arguments, "--json").stdout)


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of eight generated problems."""
    folder = tmp_path_factory.mktemp("traces")
    for seed in range(8):
        (folder / f"{seed}.msgpack").write_bytes(generate_scenario(None, seed).trace.to_bytes())
    return folder


FAST = ("--episodes", "3", "--steps", "20", "--set", "learning_starts=10", "--set", "batch_size=8")


def submit(bucket: str, traces: Path, *more: str) -> Any:
    return run_json("dispatch", "submit", "--bucket", bucket, "--trace", str(traces), *FAST, *more)


def train(bucket: str, members: int) -> None:
    """Run every member with one worker process each, and a sync-server."""
    server = subprocess.Popen(command("sync-server", "--bucket", bucket, "--exit-when-idle"), stderr=subprocess.DEVNULL)
    workers = [
        subprocess.Popen(command("worker", "--bucket", bucket, "--run-once"), stderr=subprocess.DEVNULL)
        for _ in range(members)
    ]
    assert [worker.wait(120) for worker in workers] == [0] * members
    assert server.wait(120) == 0


def objects(bucket: str) -> Bucket:
    return open_bucket(bucket)


def test_a_federation_from_submit_to_weights(s3: str, traces: Path, tmp_path: Path) -> None:
    submitted = submit(s3, traces, "--federation-size", "2", "--group", "web")
    assert submitted["job_ids"] == ["web-m0000", "web-m0001"]
    assert submitted["created"] == 2
    assert submit(s3, traces, "--federation-size", "2", "--group", "web")["created"] == 0
    train(s3, 2)

    status = run_json("dispatch", "status", "web", "--bucket", s3)
    assert (status["outcome"], status["closed"]) == ("finished", 3)
    assert [member["state"] for member in status["members"]] == ["success", "success"]

    run("dispatch", "download", "web", "--bucket", s3, "--to", str(tmp_path / "out"))
    weights = checkpoint.write(pt_file.loads((tmp_path / "out" / "global_weights.pt").read_bytes(), "weights"))
    assert hashlib.sha256(weights).hexdigest() == status["weights_sha256"]
    result = json.loads((tmp_path / "out" / "member-0001" / "result.json").read_text())
    assert result["episodes_completed"] == 3
    assert set(result["artifacts"]) == {
        "checkpoint_final.safetensors",
        "train.log",
        "steps.jsonl",
        "learning_curve.png",
    }
    steps = [json.loads(line) for line in (tmp_path / "out" / "member-0001" / "steps.jsonl").read_text().splitlines()]
    assert len(steps) == result["env_steps"]

    assert "success" in run("dispatch", "list", "--bucket", s3).stdout
    assert run("dispatch", "inspect", "web-m0000", "--bucket", s3, "--log").stdout.count("episode") == 3
    assert run("dispatch", "inspect", "web-m0000", "--bucket", s3, "--steps").stdout.count("\n") > 3
    assert "q_net" in run("dispatch", "inspect", "web-m0000", "--bucket", s3, "--ckpt").stdout
    assert submit(s3, traces, "--federation-size", "2", "--group", "web")["created"] == 0
    assert run("sync-server", "--bucket", s3, "--exit-when-idle", code=3)
    assert run("worker", "--bucket", s3, "--run-once", code=3)

    run("dispatch", "purge", "web", "--bucket", s3, "--yes")
    run("dispatch", "purge", "web", "--bucket", s3, "--yes", code=3)
    left = [entry.key for entry in objects(s3).list("").entries]
    assert [key for key in left if not key.startswith("traces/")] == [keys.federation("web"), keys.outcome("web")]
    assert submit(s3, traces, "--federation-size", "2", "--group", "web")["created"] == 0


def test_rounds_of_several_episodes_on_generated_problems(bucket_name: str, tmp_path: Path) -> None:
    how = ("--episodes", "5", "--episodes-per-round", "2", "--steps", "20", "--strategy", "fedadam")
    members = ("--federation-size", "2", "--heterogeneous", "--group", "fresh")
    run("dispatch", "submit", "--bucket", bucket_name, *how, *members)
    train(bucket_name, 2)
    status = run_json("dispatch", "status", "fresh", "--bucket", bucket_name)
    assert (status["outcome"], status["closed"]) == ("finished", 3)
    assert [row["episodes"] for row in status["recent"]] == [4, 4, 2]

    run("dispatch", "download", "fresh", "--bucket", bucket_name, "--to", str(tmp_path))
    for member, kind in enumerate(("cpu", "memory")):
        folder = tmp_path / f"member-{member:04d}"
        lines = (folder / "train.log").read_text().splitlines()
        assert len(lines) == 5
        assert all(f" {kind}-" in line for line in lines)
        assert (
            len((folder / "steps.jsonl").read_text().splitlines())
            == json.loads((folder / "result.json").read_text())["env_steps"]
        )
    names = {entry.key.rpartition("/")[2] for entry in objects(bucket_name).list("results/fresh-m0000/state/").entries}
    assert names == {"ep_000002.safetensors", "ep_000004.safetensors", "ep_000005.safetensors"}


def test_the_model_of_a_federation_of_fleets_is_fetched_and_played_by_the_command_that_is_named(
    bucket_name: str, tmp_path: Path
) -> None:
    fleets = ("--env", "fleet", "--variant", "large")
    short = ("--epochs", "1", "--epoch-steps", "64", "--environments", "4", "--set", "hidden=[8]")
    group = ("--federation-size", "1", "--barrier", "workers", "--group", "fleets")
    run("dispatch", "submit", "--bucket", bucket_name, *fleets, *short, *group)
    run("worker", "--bucket", bucket_name, "--run-once")
    fetched = run("dispatch", "download", "fleets", "--bucket", bucket_name, "--to", str(tmp_path))
    model = str(tmp_path / "global_weights.pt")
    assert f"next: sim-arena evaluate --agent {model} --env fleet --variant large" in fetched.stderr.splitlines()
    played = run_json("sim-arena", "episode", *fleets, "--agent", model, "--steps", "3")
    assert [record["replay"] for record in played["records"]] == [1, 2, 3]


def test_members_of_a_federation_share_its_traces_out_or_train_on_all_of_them(bucket_name: str, traces: Path) -> None:
    submit(bucket_name, traces, "--federation-size", "3", "--heterogeneous", "--group", "shares")
    manifests = (objects(bucket_name).get(keys.pending_manifest(keys.member_job("shares", m))) for m in range(3))
    found = [json.loads(body)["training"]["traces"] for body in manifests if body]
    assert [len(part) for part in found] == [3, 3, 2]
    assert len({sha256 for part in found for sha256 in part}) == 8


def test_all_members_on_one_worker_end_with_the_same_weights(bucket_name: str, traces: Path) -> None:
    submit(bucket_name, traces, "--federation-size", "3", "--group", "many")
    train(bucket_name, 3)
    submit(bucket_name, traces, "--federation-size", "3", "--group", "few")
    server = subprocess.Popen(
        command("sync-server", "--bucket", bucket_name, "--exit-when-idle"), stderr=subprocess.DEVNULL
    )
    alone = subprocess.Popen(command("worker", "--bucket", bucket_name), stderr=subprocess.DEVNULL)
    assert server.wait(120) == 0
    alone.send_signal(signal.SIGTERM)
    assert alone.wait(30) == 0
    many, few = (run_json("dispatch", "status", group, "--bucket", bucket_name) for group in ("many", "few"))
    assert many["weights_sha256"] == few["weights_sha256"]


def test_a_single_job_a_collection_and_starting_weights(bucket_name: str, traces: Path, tmp_path: Path) -> None:
    trained = submit(bucket_name, traces)["job_ids"][0]
    run("worker", "--bucket", bucket_name, "--run-once")
    assert run_json("dispatch", "inspect", trained, "--bucket", bucket_name)["status"] == "success"

    run("dispatch", "download", trained, "--bucket", bucket_name, "--to", str(tmp_path))
    federated = submit(bucket_name, traces, "--per-episode-sync", "--group", "alone", "--episodes", "1")
    assert federated["job_ids"] == ["alone-m0000"]
    run("worker", "--bucket", bucket_name, "--run-once")
    run("sync-server", "--bucket", bucket_name, "--once")
    weights = f"s3://{bucket_name}/{keys.global_weights('alone', 1)}"

    job = submit(bucket_name, traces, "--job-type", "experience_collection", "--weights", weights)["job_ids"][0]
    run("worker", "--bucket", bucket_name, "--run-once")
    result = run_json("dispatch", "inspect", job, "--bucket", bucket_name)
    assert result["transitions"] == f"results/{job}/transitions.msgpack"
    content = msgpack.unpackb(objects(bucket_name).get(result["transitions"], 1 << 30) or b"")
    columns = ("episode", "state", "action", "reward", "next_state", "terminated", "truncated")
    assert {len(content[name]) for name in columns} == {result["env_steps"]}

    again = submit(bucket_name, traces, "--weights", weights, "--federation-size", "1", "--group", "again")
    assert again["created"] == 1


def test_cancel_and_retry(bucket_name: str, traces: Path) -> None:
    job = submit(bucket_name, traces)["job_ids"][0]
    run("dispatch", "retry", job, "--bucket", bucket_name, code=3)
    assert "cancelled" in run("dispatch", "cancel", job, "--bucket", bucket_name).stdout
    run("dispatch", "cancel", job, "--bucket", bucket_name, code=3)
    run("worker", "--bucket", bucket_name, "--run-once", code=3)
    assert "goes on where" in run("dispatch", "retry", job, "--bucket", bucket_name).stdout
    run("worker", "--bucket", bucket_name, "--run-once")

    submit(bucket_name, traces, "--federation-size", "2", "--group", "doomed")
    run("dispatch", "purge", "doomed", "--bucket", bucket_name, "--yes", code=1)
    assert run("dispatch", "cancel", "doomed", "--bucket", bucket_name).stdout.count("cancelled") == 3
    assert "cancelled" in run("dispatch", "status", "doomed", "--watch", "--bucket", bucket_name, code=1).stderr


def test_a_single_pass_of_the_sync_server_closes_what_can_be_closed(bucket_name: str, traces: Path) -> None:
    submit(bucket_name, traces, "--federation-size", "1", "--group", "once", "--episodes", "1")
    run("worker", "--bucket", bucket_name, "--run-once")
    run("sync-server", "--bucket", bucket_name, "--once")
    run("sync-server", "--bucket", bucket_name, "--once", code=3)
    assert run_json("dispatch", "status", "once", "--bucket", bucket_name)["outcome"] == "finished"


def test_a_damaged_manifest_is_rejected_and_the_worker_goes_on(bucket_name: str, traces: Path) -> None:
    place = objects(bucket_name)
    place.create(keys.pending_manifest("aaa-damaged"), b'{"version": 2}')
    good = submit(bucket_name, traces)["job_ids"][0]
    run("worker", "--bucket", bucket_name, "--run-once")
    run("worker", "--bucket", bucket_name, "--run-once", code=3)
    assert run_json("dispatch", "inspect", good, "--bucket", bucket_name)["status"] == "success"
    result = run_json("dispatch", "inspect", "aaa-damaged", "--bucket", bucket_name)
    assert result["status"] == "rejected"
    assert "job_id" in result["error"]


def test_a_newer_release_s_job_and_federation_are_nothing_to_do_here(bucket_name: str) -> None:
    place = objects(bucket_name)
    place.create(keys.pending_manifest("newer"), b'{"version": 9}')
    place.create(keys.federation("later"), b'{"version": 9}')
    place.create(keys.active("later"), b"")
    done = run("worker", "--bucket", bucket_name, "--job", "newer", code=3)
    assert "jobs/pending/newer/manifest.json: version 9 is of a newer release" in done.stderr
    done = run("sync-server", "--bucket", bucket_name, "--once", code=3)
    assert "federations/later/federation.json: version 9 is of a newer release" in done.stderr
    for arguments in (("status", "later"), ("cancel", "newer"), ("inspect", "newer")):
        assert "newer release" in run("dispatch", *arguments, "--bucket", bucket_name, code=1).stderr
    assert run_json("dispatch", "list", "--bucket", bucket_name)[0]["state"] == "newer release"


def test_a_trace_that_is_not_what_its_name_says_is_refused(bucket_name: str, traces: Path, tmp_path: Path) -> None:
    job = submit(bucket_name, traces)["job_ids"][0]
    place = objects(bucket_name)
    first = place.list("traces/").entries[0].key
    place.put_without_retry(first, generate_scenario("cpu", 999).trace.to_bytes())
    run("worker", "--bucket", bucket_name, "--run-once", code=1)
    assert "not what its name says" in run_json("dispatch", "inspect", job, "--bucket", bucket_name)["error"]


# -- mistakes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("arguments", "least"), [((), 3), (("--min-participants", "1"), 1)])
def test_a_robust_round_needs_three_updates_unless_told_otherwise(
    bucket_name: str, arguments: tuple[str, ...], least: int
) -> None:
    group = f"robust-{least}"
    how = ("--federation-size", "4", "--strategy", "median", "--group", group)
    run("dispatch", "submit", "--bucket", bucket_name, *how, *arguments)
    assert require_federation(objects(bucket_name), group).min_participants == least


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--trace", "absent.msgpack"], 2, "absent.msgpack: cannot be read"),
        (["--trace", "{traces}", "--agent", "dqm"], 2, "did you mean 'dqn'?"),
        (["--trace", "{traces}", "--agent", "llm"], 2, "agent 'llm': learns nothing"),
        (["--trace", "{traces}", "--set", "learning_rat=1"], 2, "did you mean 'learning_rate'?"),
        (["--trace", "{traces}", "--reward", "shapd"], 2, "reward 'shapd' is unknown; did you mean 'shaped'?"),
        (["--trace", "{traces}", "--deploy", "nope"], 2, "nope"),
        (["--trace", "{traces}", "--group", "../x", "--federation-size", "2"], 2, "group '../x'"),
        (["--trace", "{traces}", "--agent", "greedy", "--federation-size", "2"], 2, "only the training of dqn"),
        (["--trace", "{traces}", "--federation-size", "2", "--min-participants", "3"], 2, "has 2 members"),
        (["--trace", "{traces}", "--episodes", "0"], 2, "--episodes"),
        (["--trace", "{traces}", "--episodes", "2000000"], 2, "--episodes: Input should be less"),
        (
            ["--trace", "{traces}", "--nodes", "3", "--node-cpu", "0"],
            2,
            "--nodes 3: node cpu (millicores) 0: must be a whole number",
        ),
        (["--trace", "{traces}", "--round-timeout", "inf", "--federation-size", "2"], 2, "--round-timeout: "),
        (["--trace", "s3://nowhere-at-all/x"], 1, "create the bucket"),
        (["--deploy", "web"], 2, "--deploy: needs --trace"),
        (["--nodes", "3"], 2, "--nodes: needs --trace"),
        (["--episodes-per-round", "2"], 2, "needs --federation-size"),
        (["--strategy", "median"], 2, "needs --federation-size"),
        (["--federation-size", "2", "--strategy", "median"], 2, "strategy median needs at least 3 members"),
        (["--per-episode-sync", "--episodes-per-round", "2"], 2, "--per-episode-sync is a federation of one"),
        (["--sample", "2"], 2, "--sample: needs --federation-size"),
        (["--federation-size", "4", "--sample", "5"], 2, "--sample 5: the federation has 4 members"),
        (["--federation-size", "4", "--sample", "2", "--min-participants", "3"], 2, "3: --sample draws 2"),
        (["--federation-size", "4", "--sample", "2", "--strategy", "median"], 2, "needs at least 3 members, not 2"),
        (["--trace", "{traces}", "--federation-size", "9", "--heterogeneous"], 2, "8 different traces for 9 members"),
    ],
)
def test_a_users_mistake_is_one_line_with_the_right_exit_code(
    bucket_name: str, traces: Path, arguments: list[str], code: int, message: str
) -> None:
    given = [part.format(traces=traces) for part in arguments]
    done = run("dispatch", "submit", "--bucket", bucket_name, *given, code=code)
    assert message in done.stderr.replace("\n", " ")


def test_without_a_network_a_command_says_so_and_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """As processes, side by side: each tries again for some seconds."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    lines = [command(*words, "--bucket", "bucket") for words in (("dispatch", "list"), ("worker",), ("sync-server",))]
    for process in [subprocess.Popen(line, stderr=subprocess.PIPE, text=True) for line in lines]:
        _, log = process.communicate(timeout=120)
        assert process.returncode == 1, log
        assert "no answer from http://127.0.0.1:9" in log
        assert "Traceback" not in log


def test_help_and_dispatch_need_no_torch() -> None:
    for name in ("dispatch", "worker", "sync-server", "ec2-workers", "sim-arena"):
        check = f"import {MODULES[name]}, sys\nsys.exit('torch' in sys.modules or 'boto3' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", check], env=os.environ).returncode == 0, name


def test_ctrl_c_releases_the_job_and_another_worker_goes_on(bucket_name: str, traces: Path, tmp_path: Path) -> None:
    job = submit(bucket_name, traces, "--episodes", "100000")["job_ids"][0]
    busy = tmp_path / "busy"
    arguments = command("worker", "--bucket", bucket_name, "--run-once", "--busy-file", str(busy))
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as worker:
        assert worker.stderr is not None
        assert any("episode " in line for line in iter(worker.stderr.readline, ""))
        worker.send_signal(signal.SIGINT)
        _, log = worker.communicate(timeout=60)
    assert worker.returncode == 130, log
    assert "Traceback" not in log
    rows = run_json("dispatch", "list", "--bucket", bucket_name)
    assert [(row["job_id"], row["state"]) for row in rows] == [(job, "free")]
    assert any("/state/" in entry.key for entry in objects(bucket_name).list("results/").entries)
    assert busy.exists()


def test_a_worker_without_work_does_not_look_busy(bucket_name: str, tmp_path: Path) -> None:
    busy = tmp_path / "busy"
    run("worker", "--bucket", bucket_name, "--run-once", "--busy-file", str(busy), code=3)
    assert not busy.exists()
    refused = run("worker", "--bucket", bucket_name, "--busy-file", str(tmp_path / "absent" / "busy"), code=2)
    assert "make its folder first" in refused.stderr
