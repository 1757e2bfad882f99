"""Chaos: real processes under fire end with the same bits, and every deviation is reported."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from infra.local.processes import Processes, command
from infra.proof.chaos.check import Pair, findings
from infra.proof.chaos.faults import Exchange, NetworkFault
from infra.proof.chaos.journal import Journal
from infra.proof.chaos.run import recovery_s
from infra.proof.chaos.schedule import SUBMIT, PlannedSignal, fault_schedule, names, signal_schedule
from infra.proof.chaos.supervisor import Slot, Supervisor
from protocol.rounds.updates import update_facts
from protocol.wire import keys
from protocol.wire.bucket import Bucket
from protocol.wire.clock import system_clock
from protocol.wire.federation_documents import Decision, Outcome, OutcomeStatus, Participant
from protocol.wire.job_documents import Result, ResultStatus
from protocol.wire.memory import MemoryS3

KILLS = 6
SMALL = ("--members", "2", "--workers", "2", "--rounds", "8", "--seed", "1")


# -- the whole of it ---------------------------------------------------------------------------------


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_they_change_no_bit_on_minio_either(bucket_on: Callable[[str], str], tmp_path: Path) -> None:
    bucket = bucket_on("minio")
    few = ("--kills", "2", "--rounds", "4", "--seed", "1", "--to", str(tmp_path / "out"), "--json")
    done = subprocess.run(
        command("sim-arena", "chaos", "--bucket", bucket, *few), capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["findings"] == []
    assert report["weights_sha256"] == report["undisturbed_sha256"] is not None


def test_signals_and_a_bad_network_change_no_bit(tmp_path: Path) -> None:
    pytest.importorskip("moto")
    arguments = command("sim-arena", "chaos", "--kills", str(KILLS), *SMALL, "--to", str(tmp_path / "out"), "--json")
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["findings"] == []
    assert report["weights_sha256"] == report["undisturbed_sha256"] is not None
    rows = read_lines(tmp_path / "out" / "journal.jsonl")
    assert sum(row["what"] in ("SIGKILL", "SIGSTOP", "SIGTERM") for row in rows) == KILLS
    assert sum(count for roles in report["signals"].values() for count in roles.values()) == KILLS
    assert sum(report["network_faults"].values()) == sum(row["what"] in list(NetworkFault) for row in rows) > 0
    started, ended = ({row["pid"] for row in rows if row["what"] == what} for what in ("start", "end"))
    assert started == ended
    for pid in started:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], list[int]]]:
    """A chaos run of which all processes have been started, and descriptors that become readable when each has gone."""
    pytest.importorskip("moto")
    out = tmp_path / "out"
    arguments = command("sim-arena", "chaos", *SMALL, "--rounds", "500", "--to", str(out))
    with ExitStack() as stack:
        # Not ignored, as a shell's background jobs would inherit it.
        chaos = subprocess.Popen(arguments, stderr=subprocess.PIPE, preexec_fn=_default_interrupt)
        stack.callback(chaos.wait)
        stack.callback(chaos.kill)
        assert chaos.stderr is not None
        stack.enter_context(chaos.stderr)
        assert b"round 10/" in chaos.stderr.readline()
        pids = [row["pid"] for row in read_lines(out / "journal.jsonl") if row["what"] == "start"]
        ended = {row["pid"] for row in read_lines(out / "journal.jsonl") if row["what"] == "end"}
        descriptors = [os.pidfd_open(pid) for pid in pids if pid not in ended]
        for descriptor in descriptors:
            stack.callback(os.close, descriptor)
        os.kill(next(pid for pid in pids if pid not in ended), signal.SIGSTOP)  # one that cannot even hear
        yield chaos, descriptors


def _default_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def all_gone(descriptors: list[int], within_s: float) -> bool:
    return all(select.select([descriptor], [], [], within_s)[0] for descriptor in descriptors)


def test_ctrl_c_ends_every_process_even_a_stopped_one(running: tuple[subprocess.Popen[bytes], list[int]]) -> None:
    chaos, descriptors = running
    assert len(descriptors) == 4  # two workers, two sync-servers
    chaos.send_signal(signal.SIGINT)
    assert chaos.wait(60) == 130
    assert all_gone(descriptors, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_no_process_outlives_a_killed_chaos(running: tuple[subprocess.Popen[bytes], list[int]]) -> None:
    chaos, descriptors = running
    chaos.kill()
    assert all_gone(descriptors, 30)


# -- what is planned ---------------------------------------------------------------------------------


VICTIMS = [*names(3, 2), SUBMIT]


def test_the_seed_decides_every_signal() -> None:
    one, two, other = (signal_schedule(seed, 100, 100, VICTIMS, 6.0) for seed in (1, 1, 2))
    assert one == two != other
    assert len(one) == 100


def test_signals_of_all_kinds_hit_all_processes_over_the_whole_run() -> None:
    planned = signal_schedule(0, 100, 100, VICTIMS, 6.0)
    assert {one.victim for one in planned} == set(VICTIMS)
    assert {one.signal for one in planned} == {signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM}
    assert all(sum(low <= one.round < low + 30 for one in planned) > 10 for low in (0, 30, 60))
    assert any(one.pause_s > 6.0 for one in planned if one.signal is signal.SIGSTOP)  # zombies
    assert any(one.victim == SUBMIT and one.round == 0 for one in planned)


def test_the_seed_decides_the_network_faults_of_each_process() -> None:
    def some(name: str) -> list[Any]:
        phases = fault_schedule(1, name, 6.0)
        return [next(phases) for _ in range(50)]

    assert some("worker-1") == some("worker-1") != some("worker-2")
    assert {fault for phase in some("worker-1") for fault in phase.rates} == set(NetworkFault)
    assert any(phase.cut and phase.seconds > 6.0 for phase in some("worker-1"))


def test_recovery_is_the_time_from_a_signal_to_the_next_closed_round() -> None:
    assert recovery_s([1.0, 2.5, 9.0], [2.0, 4.0]) == [1.0, 1.5]


# -- the supervisor ---------------------------------------------------------------------------------------


WAITS = [sys.executable, "-c", "import sys; sys.stdin.read(); import signal; signal.pause()"]


def fleet_of(folder: Path, arguments: list[str], *, name: str = "worker-1") -> tuple[Supervisor, Slot]:
    journal = Journal(folder)
    slot = Slot(name, arguments, None, daemon=name != SUBMIT)
    return Supervisor(Processes(folder, {}), {}, "http://127.0.0.1:9", journal, [slot]), slot


def planned_signal(number: signal.Signals, victim: str = "worker-1", pause_s: float = 0.0) -> PlannedSignal:
    return PlannedSignal(0, 0.0, victim, number, pause_s, None, 0)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path


def end(supervisor: Supervisor) -> None:
    supervisor.processes.kill_all()
    supervisor.journal.close()


def test_a_killed_process_is_replaced_and_nothing_is_wrong(place: Path) -> None:
    supervisor, slot = fleet_of(place, WAITS)
    victim = slot.child
    supervisor.deliver([planned_signal(signal.SIGKILL)])
    supervisor.step()
    assert victim is not None
    assert victim.wait(30) == -signal.SIGKILL
    supervisor.step()
    assert slot.child not in (None, victim)
    assert (supervisor.findings, supervisor.restarts, len(supervisor.landed)) == ([], 1, 1)
    assert supervisor.journal.signals == {("SIGKILL", "worker"): 1}
    end(supervisor)


def test_a_stopped_process_is_woken_before_the_next_signal(place: Path) -> None:
    supervisor, slot = fleet_of(place, WAITS)
    supervisor.deliver([planned_signal(signal.SIGSTOP, pause_s=0.5), planned_signal(signal.SIGKILL)])
    supervisor.step()
    supervisor.step()
    assert slot.child is not None
    os.waitid(os.P_PID, slot.child.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    while not supervisor.journal.signals["SIGKILL", "worker"]:
        supervisor.step()
    end(supervisor)
    what = [row["what"] for row in read_lines(place / "journal.jsonl")]
    assert what[:4] == ["start", "SIGSTOP", "SIGCONT", "SIGKILL"]


@pytest.mark.parametrize(
    ("code", "finding"),
    [
        ("import sys; sys.exit(3)", "ended with exit code 3"),
        ("import sys; print('watching s3://b', file=sys.stderr); sys.exit(1)", "ended with exit code 1"),
        ("import sys; sys.exit(0)", "ended with exit code 0"),
        ("raise ValueError('a defect')", "Traceback"),
        ("import os; os.kill(os.getpid(), 9)", "ended with exit code -9"),  # not by us
    ],
)
def test_a_daemon_that_ends_without_cause_is_a_finding(place: Path, code: str, finding: str) -> None:
    supervisor, slot = fleet_of(place, [sys.executable, "-c", code])
    assert slot.child is not None
    slot.child.wait(30)
    supervisor.step()
    assert finding in supervisor.findings[0]
    end(supervisor)


def test_a_submit_is_repeated_until_it_has_succeeded_once(place: Path) -> None:
    first = f"import os, pathlib, time; seen = pathlib.Path({str(place / 'seen')!r}); "
    again = "seen.exists() and os._exit(0); seen.touch(); time.sleep(1000)"
    supervisor, _ = fleet_of(place, [sys.executable, "-c", first + again], name=SUBMIT)
    while not (place / "seen").exists():
        supervisor.step()
    supervisor.deliver([planned_signal(signal.SIGKILL, SUBMIT)])
    while not supervisor.submitted:
        supervisor.step()
    assert (supervisor.findings, supervisor.restarts) == ([], 1)
    end(supervisor)


# -- what may not be done to a bucket ----------------------------------------------------------------


def put(key: str, *, create_only: bool = True, status: int = 200) -> Exchange:
    return Exchange("worker-1", "PUT", f"/bucket/{key}", create_only, status, None)


def violations(folder: Path, *exchanges: Exchange) -> list[str]:
    journal = Journal(folder)
    for exchange in exchanges:
        journal.exchange(exchange)
    journal.close()
    assert len(read_lines(folder / "requests.jsonl")) == len(exchanges)
    return journal.violations


def test_what_every_run_does_is_no_sin(place: Path) -> None:
    claim = "jobs/in_progress/g-m0000/claim-0001.json"
    heartbeat = "jobs/in_progress/g-m0000/heartbeat-0001.json"
    delete = Exchange("worker-1", "DELETE", f"/bucket/{claim}", False, 204, None)
    again = put("results/g-m0000/result.json", status=412)
    beat = put(heartbeat, create_only=False)
    assert (
        violations(place, put(claim), delete, put(claim), beat, beat, put("results/g-m0000/result.json"), again) == []
    )


@pytest.mark.parametrize(
    ("exchange", "violation"),
    [
        (put("results/g-m0000/result.json"), "created results/g-m0000/result.json a second time"),
        (put("results/g-m0000/result.json", create_only=False), "without a condition"),
        (
            Exchange("x", "DELETE", "/bucket/results/g-m0000/state/ep_000001.safetensors", False, 204, None),
            "deleted results/",
        ),
    ],
)
def test_what_no_process_may_do_is_told(place: Path, exchange: Exchange, violation: str) -> None:
    [told] = violations(place, put("results/g-m0000/result.json"), exchange)
    assert violation in told


# -- what must be the same ---------------------------------------------------------------------------


def federation(bucket: Bucket, group: str) -> None:
    """What a federation of one member and one round leaves."""
    bucket.ensure_created(keys.update(group, 1, 0), b"weights", update_facts(10, 1.0, 1))
    decision = Decision(round=1, reason="full", participants=(Participant(member=0, weight=10, reward=1.0, solved=1),))
    bucket.ensure_created(keys.decision(group, 1), decision.to_bytes())
    bucket.ensure_created(keys.global_weights(group, 1), b"weights")
    bucket.ensure_created(
        keys.outcome(group),
        Outcome(status=OutcomeStatus.FINISHED, rounds=1, reason="", finished_at="", weights_sha256="0" * 64).to_bytes(),
    )
    job_id = keys.member_job(group, 0)
    bucket.ensure_created(keys.artifact(job_id, "steps.jsonl"), b"{}")
    artifacts = {"steps.jsonl": keys.artifact(job_id, "steps.jsonl")}
    result = Result(job_id=job_id, status=ResultStatus.SUCCESS, finished_at="", env_steps=10, artifacts=artifacts)
    bucket.ensure_created(keys.result(job_id), result.to_bytes())
    bucket.ensure_created(keys.finished_manifest(job_id), b"{}")


@pytest.fixture
def pair() -> Pair:
    bucket = Bucket(MemoryS3().store("test"), system_clock())
    for group in ("calm", "struck"):
        federation(bucket, group)
    return Pair(bucket, "calm", "struck", size=1, rounds=1)


def test_two_federations_that_ended_alike_differ_in_nothing(pair: Pair) -> None:
    assert findings(pair) == []


JOB = keys.member_job("struck", 0)


@pytest.mark.parametrize(
    "key",
    [
        keys.outcome("struck"),
        keys.decision("struck", 1),
        keys.global_weights("struck", 1),
        keys.result(JOB),
        keys.artifact(JOB, "steps.jsonl"),
        keys.finished_manifest(JOB),
    ],
)
def test_every_missing_object_is_found(pair: Pair, key: str) -> None:
    pair.bucket.delete(key)
    [found] = findings(pair)
    assert "struck" in found


@pytest.mark.parametrize(
    ("key", "old", "new"),
    [
        (keys.outcome("struck"), "0" * 64, "1" * 64),
        (keys.outcome("struck"), "finished", "failed"),
        (keys.decision("struck", 1), '"weight": 10', '"weight": 11'),
        (keys.global_weights("struck", 1), "weights", "others"),
        (keys.result(JOB), "success", "failed"),
        (keys.result(JOB), '"env_steps": 10', '"env_steps": 11'),
        (keys.artifact(JOB, "steps.jsonl"), "{}", "{ }"),
    ],
)
def test_every_difference_is_found(pair: Pair, key: str, old: str, new: str) -> None:
    body = pair.bucket.get(key)
    assert body is not None
    assert old.encode() in body
    pair.bucket.put_without_retry(key, body.replace(old.encode(), new.encode()))
    assert findings(pair) != []


@pytest.mark.parametrize("key", [keys.pending_manifest(JOB), keys.cancel(JOB), keys.active("struck")])
def test_every_leftover_object_is_found(pair: Pair, key: str) -> None:
    pair.bucket.ensure_created(key, b"{}")
    assert findings(pair) == [f"{key}: is left over"]
