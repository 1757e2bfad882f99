"""`ec2-workers status` on a small AWS: what a person sees of a fleet, with any contents of the bucket."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from double import Double
from fleets import BUCKET, launch, launch_all, new_bucket, says, writes
from typer.testing import CliRunner, Result

from env.errors import SimArenaError
from infra.ec2.aws import Aws, AwsError
from infra.ec2.commands.main import app
from infra.ec2.fleet import Tag, read
from infra.ec2.watch.states import InstanceState
from infra.ec2.watch.status import FleetStatus, InstanceFilter, follow, instance_row
from infra.ec2.watch.status import fleet_status as status_of
from infra.local.processes import command
from infra.proof.standin import training
from protocol.jobs.submit import submit_job
from protocol.wire import documents, keys
from protocol.wire.bucket import Bucket
from protocol.wire.job_documents import Claim, Heartbeat
from protocol.wire.keys import Mark

OTHER = "other-bucket"


@pytest.fixture
def place(double: Double) -> Bucket:
    """The bucket of most machines here."""
    return new_bucket()


def works(place: Bucket, machine: str, phase: str = "round 1, episode 3", episode: int = 3) -> str:
    """The machine has a new job now; the job's id."""
    job = submit_job(place, training()).job_ids[0]
    claim = Claim(worker=machine, failures=0, progress=0, claimed_at=documents.timestamp())
    place.create(keys.attempt_mark(job, Mark.CLAIM, 1), claim.to_bytes())
    beat = Heartbeat(worker=machine, seq=1, episode=episode, phase=phase)
    place.put_without_retry(keys.attempt_mark(job, Mark.HEARTBEAT, 1), beat.to_bytes())
    return job


def status(*arguments: str) -> Result:
    done = CliRunner().invoke(app, ["status", *arguments])
    if done.exception is not None and not isinstance(done.exception, (SystemExit, SimArenaError)):
        raise done.exception
    return done


def look(*arguments: str) -> Any:
    done = status("--json", *arguments)
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def only(*arguments: str) -> Any:
    (row,) = look(*arguments)["machines"]
    return row


def test_a_machine_at_work_is_shown_with_all_that_is_known_of_it(double: Double, place: Bucket) -> None:
    machine = launch(spot=True, usd=0.125)
    double.age(machine, 2 * 3600)
    says(place, machine, "working")
    writes(place, machine, "boot.log", b"ready\n")
    writes(place, machine, "worker.log", b"12:00:01 claimed\n12:00:07 episode 3: solved\n\n")
    job = works(place, machine)
    row = only()
    assert row["id"] == machine
    assert (row["type"], row["market"], row["zone"], row["region"]) == ("m6i.large", "spot", row["zone"], "us-east-1")
    assert (row["group"], row["bucket"], row["owner"]) == ("shop", BUCKET, "me")
    assert (row["state"], row["job"], row["doing"], row["episode"]) == ("working", job, "round 1, episode 3", 3)
    assert row["log_line"] == "12:00:07 episode 3: solved"
    assert 7200 <= row["age_s"] < 7260
    assert 0.25 <= row["usd_so_far"] < 0.26
    assert 0 <= row["heartbeat_age_s"] < 60
    shown = status().stdout
    assert machine in shown
    assert f"{job}: round 1, episode 3 (" in shown
    assert "1 machine, about $0.12 an hour and $0.25 so far; jobs: 1 running, 0 pending" in shown


def test_the_steps_of_a_boot_and_the_reasons_of_an_end_are_shown(place: Bucket) -> None:
    booting, idle, ending, failed = launch_all(4)
    says(place, booting, "booting", doing="install kind", step=3, steps=9, since=1.5)
    writes(place, booting, "boot.log", b"downloading\n")
    says(place, idle, "working")
    says(place, ending, "ending", doing="idle for 30 min")
    says(place, failed, "failed", doing="doctor: no KWOK")
    rows = {row["id"]: (row["state"], row["detail"], row["log_line"]) for row in look()["machines"]}
    assert rows == {
        booting: ("booting", "step 3 of 9: install kind", "downloading"),
        idle: ("idle", "", ""),
        ending: ("ending", "idle for 30 min", ""),
        failed: ("failed", "doctor: no KWOK", ""),
    }


def test_a_boot_that_failed_is_seen_after_the_machine_is_gone_and_one_that_ended_as_planned_is_not(
    double: Double, place: Bucket
) -> None:
    failed, interrupted, done = launch(), launch(spot=True), launch()
    says(place, failed, "failed", doing="doctor: no KWOK")
    writes(place, failed, "boot.log", b"doctor: KWOK does not answer\n")
    says(place, interrupted, "working")
    says(place, done, "ending", doing="idle for 30 min")
    double.end(failed, "Client.InstanceInitiatedShutdown")
    double.end(interrupted, "Server.SpotInstanceTermination")
    double.end(done, "Client.InstanceInitiatedShutdown")
    rows = {row["id"]: (row["state"], row["living"], row["log_line"]) for row in look()["machines"]}
    assert rows == {
        failed: ("failed", False, "doctor: KWOK does not answer"),
        interrupted: ("interrupted", False, ""),
    }
    assert {row["id"] for row in look("--all")["machines"]} == {failed, interrupted, done}
    totals = look("--all")["totals"]
    assert (totals["machines"], totals["usd_per_hour"]) == (0, 0)


def test_what_is_past_its_time_is_shouted_about(place: Bucket) -> None:
    machine = launch(expires=1_700_000_000)
    says(place, machine, "working")
    works(place, machine)
    done = status()
    assert "past its time" in done.stdout
    assert f"run: ec2-workers terminate {machine}" in done.stdout


def test_without_machines_the_exit_code_is_3(double: Double) -> None:
    done = status("--json")
    assert (done.exit_code, done.stdout) == (3, "")
    assert "no machines in us-east-1" in done.stderr


def test_a_name_that_no_machine_has_is_told(double: Double) -> None:
    launch()
    done = status("--group", "sh\u00f6p", "--bucket", "")
    assert done.exit_code == 3
    assert "no machines of group 'sh\u00f6p' and bucket '' in us-east-1" in done.stderr


def test_a_bucket_that_cannot_be_read_hides_no_machine(place: Bucket) -> None:
    seen, unseen = launch(), launch(bucket=OTHER)
    says(place, seen, "working")
    fleet = look()
    assert {row["id"]: row["state"] for row in fleet["machines"]} == {seen: "idle", unseen: "running"}
    (warning,) = fleet["warnings"]
    assert "s3://other-bucket" in warning
    assert "NoSuchBucket" in warning
    shown = status().stdout
    assert unseen in shown
    assert shown.count("warning") == 1


def test_jobs_are_not_counted_where_no_bucket_can_be_read(double: Double) -> None:
    launch(bucket=OTHER)
    totals = look()["totals"]
    assert (totals["jobs_pending"], totals["jobs_running"]) == (None, None)
    assert "jobs: not known" in status().stdout


def test_machines_of_several_regions_and_buckets_are_one_picture(double: Double, place: Bucket) -> None:
    other = new_bucket(OTHER)
    here, there = launch(), launch(group="else", bucket=OTHER, region="eu-central-1")
    says(place, here, "working")
    says(other, there, "booting")
    submit_job(place, training())
    works(other, "some-other-worker")
    regions = ("--region", "us-east-1", "--region", "eu-central-1", "--region", "us-east-1")
    fleet = look(*regions)
    assert {row["id"]: row["state"] for row in fleet["machines"]} == {here: "idle", there: "booting"}
    assert (fleet["totals"]["jobs_running"], fleet["totals"]["jobs_pending"]) == (1, 1)
    assert only(*regions, "--group", "else")["id"] == there
    assert only(*regions, "--bucket", BUCKET)["id"] == here


def test_a_region_that_cannot_be_asked_is_named_and_the_exit_code_is_1(double: Double, place: Bucket) -> None:
    here = launch()
    double.fail("DescribeInstances", "AuthFailure", when=lambda request: request.region == "eu-central-1")
    done = status("--json", "--region", "us-east-1", "--region", "eu-central-1")
    assert done.exit_code == 1
    fleet = json.loads(done.stdout)
    assert [row["id"] for row in fleet["machines"]] == [here]
    assert fleet["unasked"] == ["eu-central-1"]
    assert "not asked: eu-central-1; there may be more machines" in done.stderr
    done = status("--region", "eu-central-1")
    assert isinstance(done.exception, AwsError)
    assert "AuthFailure" in str(done.exception)


ROW = [
    *("id", "region", "zone", "group", "bucket", "owner", "type", "market", "living", "state", "detail", "age_s"),
    *("ends_within_s", "usd_per_hour", "usd_so_far", "job", "doing", "episode", "heartbeat_age_s", "log_line"),
]


def test_the_keys_of_the_json_document_are_the_same_for_every_machine(double: Double, place: Bucket) -> None:
    machines = [launch(), launch(usd=None, bucket=OTHER), launch()]
    works(place, machines[0])
    double.end(machines[2], "Server.InternalError")
    fleet = look()
    assert list(fleet) == ["machines", "totals", "warnings", "unasked"]
    assert list(fleet["totals"]) == ["machines", "usd_per_hour", "usd_so_far", "jobs_pending", "jobs_running"]
    assert [list(row) for row in fleet["machines"]] == [ROW, ROW, ROW]
    assert {row["id"]: row["usd_so_far"] is None for row in fleet["machines"]} == {
        machines[0]: False,
        machines[1]: True,
        machines[2]: False,
    }


HOSTILE = "\x1b[2J\x1b]0;owned\x07\x00\x07\u202e[bold red]\r\n"


STATUSES = [
    b"",
    b"no JSON",
    b"[" * 10_000,
    b'{"state": "rich"}',
    b'{"state": "working", "step": 1e99}',
    b'{"state": "working", "doing": {"a": 1}}',
    b'{"state": "booting", "doing": "\\ud800"}',
    json.dumps({"state": "working", "doing": "x" * 100_000}).encode(),
    json.dumps({"state": "booting", "doing": HOSTILE * 20, "step": 1, "steps": 2}).encode(),
]


def test_hostile_machines_spoil_neither_their_rows_nor_the_terminal(place: Bucket) -> None:
    machines = launch_all(len(STATUSES), group="\u202e[bold red]")
    for machine, body in zip(machines, STATUSES, strict=True):
        writes(place, machine, "status.json", body)
        writes(place, machine, "worker.log", HOSTILE.encode() + b"\xff\xfe" + HOSTILE.encode() * 9)
    works(place, machines[0], phase=HOSTILE)
    fleet = look()
    rows = fleet["machines"]
    assert {row["id"] for row in rows} == set(machines)
    assert {row["state"] for row in rows} == {"starting", "booting", "working"}
    assert fleet["warnings"] == [], "what one of them writes hides nothing of the others"
    for text in (row[name] for row in rows for name in ("detail", "doing", "log_line", "group")):
        assert text.isprintable()
        assert len(text) <= 300
    shown = status().stdout
    assert all(machine in shown for machine in machines)
    assert all(line.isprintable() for line in shown.split("\n"))


def test_a_log_larger_than_any_machine_of_ours_writes_is_not_read(place: Bucket) -> None:
    machine = launch()
    says(place, machine, "working")
    writes(place, machine, "worker.log", b"x" * 300_000)
    row = only()
    assert row["state"] == "idle"
    assert "at most 262144 are read" in row["log_line"]


def test_a_price_tag_that_is_nonsense_counts_as_none(double: Double) -> None:
    machines = launch_all(5)
    for machine, price in zip(machines, ("nan", "inf", "-1", "1e9", "cheap"), strict=True):
        double.instance(machine).add_tags({Tag.USD_PER_HOUR: price})
    fleet = look()
    assert [row["usd_so_far"] for row in fleet["machines"]] == [None] * 5
    assert fleet["totals"]["usd_so_far"] == 0


def test_keys_below_workers_that_are_not_ours_are_passed_over(place: Bucket) -> None:
    machine = launch()
    for key in ("workers/UPPER/status.json", f"workers/{machine}/other", f"workers/{machine}/a/status.json"):
        place.put_without_retry(key, b"?")
    assert only()["detail"] == "no word from it yet"


def test_finished_jobs_and_machines_of_others_cost_no_requests(double: Double, place: Bucket) -> None:
    machine = launch()
    says(place, machine, "working")
    writes(place, machine, "worker.log", b"a line\n")

    def requests() -> int:
        before = len(double.log)
        look()
        return len(double.log) - before

    alone = requests()
    submit_job(place, training())  # pending: no worker has it, so there is nothing to ask
    for number in range(5):
        place.put_without_retry(keys.finished_manifest(f"job-{number}"), b"{}")
        place.put_without_retry(keys.result(f"job-{number}"), b"{}")
        says(place, f"i-{number:017x}", "ending")
    assert requests() == alone == 6  # instances, workers/, its two files, pending, in_progress
    works(place, machine)
    assert requests() == alone + 1


def test_a_machine_costs_until_the_end_that_ec2_tells_of() -> None:
    row = {
        "InstanceId": "i-0123456789abcdef0",
        "Placement": {"AvailabilityZone": "us-east-1a"},
        "InstanceType": "m6i.large",
        "State": {"Name": "terminated"},
        "LaunchTime": datetime(2026, 3, 1, 10, 0, tzinfo=UTC),
        "StateTransitionReason": "User initiated (2026-03-01 12:00:00 GMT)",
        "StateReason": {"Code": "Client.UserInitiatedShutdown", "Message": "Client.UserInitiatedShutdown: by a user"},
    }
    ended = read(row, "us-east-1")
    assert ended.ended == 1772366400
    assert ended.why == "Client.UserInitiatedShutdown: by a user"
    assert instance_row(replace(ended, usd_per_hour=0.5), None, clock=2e9).usd_so_far == 1.0


def test_who_watches_a_fleet_to_its_end_sees_what_all_of_it_has_cost(double: Double, place: Bucket) -> None:
    machine = launch()
    double.end(machine, "User initiated")
    see = partial(status_of, [Aws()], InstanceFilter(), lambda name: place, time.time, 60)
    assert not see().machines
    assert [row.id for row in see({machine}).machines] == [machine]


def watching(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command("ec2-workers", "status", "--watch", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        env={**os.environ},
    )


def test_a_watch_as_json_is_a_line_a_look_and_ends_with_ctrl_c(double: Double, place: Bucket) -> None:
    machine = launch()
    with watching("--json") as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert [row["id"] for row in first["machines"]] == [machine]
    assert process.returncode == 130
    assert "Traceback" not in said


def test_a_watch_goes_on_without_a_network_and_ends_when_no_machine_is_left(double: Double, place: Bucket) -> None:
    machine = launch()
    says(place, machine, "working")
    aws, said = Aws(), list[str]()

    def see() -> FleetStatus:
        return status_of([aws], InstanceFilter(), lambda name: place, time.time, 60)

    def wait(problem: str) -> None:
        said.append(problem)
        if len(said) == 1:
            double.refuse("DescribeInstances", times=6)
        else:
            double.end(machine, "Server.SpotInstanceTermination")

    seen = [row.state for fleet in follow(see(), see, wait) for row in fleet.machines]
    assert seen == [InstanceState.IDLE, InstanceState.INTERRUPTED]
    assert said[0] == ""
    assert "no answer from http://127.0.0.1" in said[1]
