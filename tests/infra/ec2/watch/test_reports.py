"""What machines say of themselves, by S3's clock."""

from __future__ import annotations

import json

import pytest

from infra.ec2.watch.reports import InstanceReport, ReportedState, ReportedStatus, read_reports
from protocol.wire import keys
from protocol.wire.bucket import Bucket
from protocol.wire.clock import system_clock
from protocol.wire.memory import MemoryS3

ONE, TWO, SILENT = "i-00000000000000001", "i-00000000000000002", "i-00000000000000003"


@pytest.fixture
def s3() -> MemoryS3:
    return MemoryS3()


@pytest.fixture
def place(s3: MemoryS3) -> Bucket:
    return Bucket(s3.store("laptop"), system_clock())


def at(s3: MemoryS3, place: Bucket, time: float, machine: str, name: str, text: str) -> None:
    s3.time = time
    place.put_without_retry(keys.machine_file(machine, name), text.encode())


def test_the_last_line_is_that_of_the_log_that_was_written_last(s3: MemoryS3, place: Bucket) -> None:
    at(s3, place, 100, ONE, "boot.log", "booted\n")
    at(s3, place, 200, ONE, "worker.log", "at work\n")
    assert read_reports(place, [ONE])[ONE] == InstanceReport(heard=200, log_line="at work")
    at(s3, place, 300, ONE, "boot.log", "booted\nending\n")
    assert read_reports(place, [ONE])[ONE] == InstanceReport(heard=300, log_line="ending")


def test_a_machine_is_heard_when_it_last_wrote_anything(s3: MemoryS3, place: Bucket) -> None:
    at(s3, place, 100, ONE, "worker.log", "at work\n")
    at(s3, place, 150, ONE, "status.json", '{"state": "working"}')
    s3.time = 500
    assert read_reports(place, [ONE, SILENT]) == {
        ONE: InstanceReport(ReportedStatus(state=ReportedState.WORKING), 150, "at work")
    }


def test_one_listing_is_enough_and_files_of_others_are_not_read(s3: MemoryS3, place: Bucket) -> None:
    for machine in (ONE, TWO):
        at(s3, place, 100, machine, "status.json", '{"state": "booting"}')
        at(s3, place, 100, machine, "boot.log", "+ dnf\n")
    s3.log.clear()
    read_reports(place, [ONE])
    asked = [(request.verb, request.key) for request in s3.log]
    assert asked == [("LIST", "workers/"), ("GET", f"workers/{ONE}/status.json"), ("GET", f"workers/{ONE}/boot.log")]


def test_what_a_newer_machine_says_beside_is_passed_over(s3: MemoryS3, place: Bucket) -> None:
    said = {"state": "booting", "doing": "kind", "step": 3, "steps": 9, "since": 1.5, "mood": ["good"]}
    at(s3, place, 100, ONE, "status.json", json.dumps(said))
    status = read_reports(place, [ONE])[ONE].status
    assert status == ReportedStatus(state=ReportedState.BOOTING, doing="kind", step=3, steps=9, since=1.5)
