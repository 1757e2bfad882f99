"""The boot of an instance, from the rendered user-data, in a folder; see `rig`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import zipfile
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest
from imds import INSTANCE_ID
from rig import AWS, BUCKET, NOTHING, OFF, QUICK_AWS, SHIM, Rig, eventually

from infra.ec2.watch.reports import ReportedState, read_reports
from protocol.jobs.submit import submit_job
from protocol.wire import keys
from protocol.wire.bucket import Bucket
from protocol.wire.job_documents import TrainingSpec
from protocol.wire.keys import Mark


@AWS
def test_a_machine_boots_and_tells_the_bucket(working: Rig, bucket: Bucket) -> None:
    report = read_reports(bucket, [INSTANCE_ID])[INSTANCE_ID]
    assert report.status is not None
    assert (report.status.state, report.status.step, report.status.steps) == (ReportedState.WORKING, 6, 6)
    assert abs(report.status.since - time.time()) < 600
    log = (bucket.get(keys.machine_file(INSTANCE_ID, "boot.log")) or b"").decode()
    for step in ("instance id", "packages", "code", "torch", "sim arena", "worker"):
        assert f": {step}\n" in log


@AWS
def test_what_the_boot_does_to_the_machine_is_little(working: Rig) -> None:
    state = working.root / "var/lib/sim-arena"
    assert [call for call in working.calls if not call.startswith("journalctl")] == [
        "rpm -q python3.11 python3.11-pip",
        "dnf install -y python3.11 python3.11-pip",
        f"useradd --system --home-dir {state} --no-create-home --shell /sbin/nologin sim-arena",
        "systemctl enable --now sim-arena-spot.service sim-arena-worker.service",
    ]


@AWS
def test_what_runs_is_the_wheel_from_the_bucket(working: Rig) -> None:
    python = working.root / "opt/sim-arena/venv/bin/python"
    where = "import env, protocol, infra; print(*env.__path__, *protocol.__path__, *infra.__path__)"
    done = subprocess.run([python, "-c", where], env=working.environment, capture_output=True, text=True, cwd="/")
    paths = done.stdout.split()
    assert [path.startswith(str(working.root)) for path in paths] == [True] * 3, done


@AWS
def test_the_worker_of_the_unit_does_a_job_and_gives_another_back_when_stopped(working: Rig, bucket: Bucket) -> None:
    training = TrainingSpec(agent="heuristic", reward="shaped", episodes=1, steps=3, seed=1)
    (first,) = submit_job(bucket, training).job_ids
    busy = working.root / "var/lib/sim-arena/busy"
    os.utime(busy, (1, 1))
    log = working.root / "worker.log"
    with (
        log.open("wb") as stderr,
        subprocess.Popen(
            working.exec_start("sim-arena-worker.service"), env=working.environment, stderr=stderr, cwd="/"
        ) as worker,
    ):
        try:
            eventually(lambda: bucket.exists(keys.result(first)), worker, log)
            assert busy.stat().st_mtime > 1
            (long,) = submit_job(bucket, training.model_copy(update={"episodes": 100_000})).job_ids
            eventually(lambda: bucket.exists(keys.attempt_mark(long, Mark.CLAIM, 1)), worker, log)
            claim = json.loads(bucket.get(keys.attempt_mark(long, Mark.CLAIM, 1)) or b"{}")
            assert claim["worker"] == INSTANCE_ID
        finally:
            worker.send_signal(signal.SIGTERM)
            worker.wait(60)
    assert worker.returncode == 0, log.read_text()
    assert bucket.exists(keys.attempt_mark(long, Mark.RELEASED, 1)), log.read_text()


@AWS
def test_a_second_boot_of_the_same_machine_installs_nothing_again(working: Rig) -> None:
    before = working.log
    working.shim("aws", QUICK_AWS)
    assert working.boot().returncode == 0
    added = working.log.removeprefix(before)
    assert "Requirement already satisfied: torch" in added
    assert "Successfully installed" not in added


def test_the_worker_of_a_machine_with_a_cluster_gets_its_settings_as_they_are(rig: Rig) -> None:
    settings = ("any_nodes=true", 'before_episode=[["echo", "$HOME `id` \'x\' %n"]]')
    rig.born(replace(NOTHING, cluster="simkube", simkube=settings, lease_ttl=7))
    worker = rig.root / "opt/sim-arena/venv/bin/worker"
    worker.parent.mkdir(parents=True)
    worker.write_text('#!/bin/sh\nprintf "%s\\n" "$SIM_ARENA_BUCKET" "$SIM_ARENA_LEASE_TTL" "$KUBECONFIG" "$@"\n')
    worker.chmod(0o755)
    state = rig.root / "var/lib/sim-arena"
    assert rig.run("work.sh").stdout.splitlines() == [
        *(BUCKET, "7", f"{state}/kubeconfig"),
        *("--cluster", "simkube", "--trace-dir", f"{state}/traces:/data"),
        *("--simkube", settings[0], "--simkube", settings[1]),
    ]


def test_where_a_package_cannot_be_installed_the_bucket_knows_and_the_machine_is_off(rig: Rig) -> None:
    rig.born(NOTHING).boot(SHIM_FAILS="dnf")
    assert rig.is_off()
    assert rig.status().state is ReportedState.FAILED
    assert rig.status().doing == "packages: dnf: out of order (exit code 7)"
    assert (rig.status().step, rig.status().steps) == (2, 6)
    assert "dnf: out of order" in rig.said("boot.log")


def test_code_that_is_not_what_its_name_says_is_not_installed(rig: Rig) -> None:
    wheel, lock = rig.put("sim_arena-0.1.0-py3-none-any.whl", b"a wheel"), rig.put("requirements.lock", b"")
    (rig.shims / "bucket" / wheel.key).write_bytes(b"another")
    rig.born(replace(NOTHING, wheel=wheel, lock=lock)).boot()
    assert rig.is_off()
    assert rig.status().state is ReportedState.FAILED
    assert rig.status().doing.startswith("code: ")
    assert f"/{wheel.key.rpartition('/')[2]}: not what has the SHA-256 {wheel.sha256}" in rig.status().doing
    assert not (rig.root / "opt/sim-arena/venv").exists()


@pytest.mark.parametrize(("package", "step"), [("torch==9.0", "torch"), ("other==1.0", "sim arena")])
def test_a_package_that_is_not_what_the_lock_says_ends_the_boot_and_is_named(
    rig: Rig, packages: Path, tmp_path: Path, package: str, step: str
) -> None:
    name, _, version = package.partition("==")
    with zipfile.ZipFile(tmp_path / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(
            f"{name}-{version}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        wheel.writestr(f"{name}-{version}.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
    installed = f"torch=={metadata.version('torch').partition('+')[0]}"
    lines = [package] if name == "torch" else [installed, package]
    lock = rig.put("requirements.lock", "".join(f"{line} --hash=sha256:{'0' * 64}\n" for line in lines).encode())
    orders = replace(NOTHING, wheel=rig.put("sim_arena-0.1.0-py3-none-any.whl", b"a wheel"), lock=lock)
    rig.born(orders).boot(PYTHONPATH=str(packages), PIP_FIND_LINKS=str(tmp_path))
    assert rig.is_off()
    assert rig.status().state is ReportedState.FAILED
    assert rig.status().doing == f"{step}: {package}: not the wheel whose hash is in the lock (exit code 1)"


def test_a_user_s_wheel_that_is_not_what_its_hash_says_is_not_installed(rig: Rig) -> None:
    code = [rig.put(name, name.encode()) for name in ("sim_arena-0.1.0-py3-none-any.whl", "requirements.lock")]
    own = rig.put("my_arena-1.0-py3-none-any.whl", b"a wheel")
    (rig.shims / "bucket" / own.key).write_bytes(b"another")
    rig.born(replace(NOTHING, wheel=code[0], lock=code[1], own_wheels=(own,))).boot()
    assert rig.is_off()
    assert rig.status().doing.startswith("code: ")
    assert f"/my_arena-1.0-py3-none-any.whl: not what has the SHA-256 {own.sha256}" in rig.status().doing


def test_without_the_metadata_service_nothing_is_reported_but_the_machine_is_off(rig: Rig) -> None:
    rig.born(NOTHING).boot(AWS_EC2_METADATA_SERVICE_ENDPOINT="http://127.0.0.1:9")
    assert rig.is_off()
    assert not (rig.shims / "bucket").exists()


def test_without_s3_the_machine_is_off_all_the_same(rig: Rig) -> None:
    rig.shim("aws", SHIM)
    rig.born(NOTHING).boot(SHIM_FAILS="aws")
    assert rig.is_off()
    assert "aws: out of order" in rig.log
    assert "sim-arena: status.json could not be written to the bucket" in rig.log


def test_a_machine_without_its_orders_is_off(rig: Rig) -> None:
    rig.born(NOTHING)
    (rig.root / "etc/sim-arena/orders").unlink()
    rig.boot()
    assert rig.is_off()


def test_where_systemd_does_not_power_off_the_kernel_does(rig: Rig) -> None:
    rig.born(NOTHING).works().run("end.sh", "ending", "why", SHIM_FAILS="systemctl journalctl")
    assert rig.calls[-2:] == [OFF, "poweroff --force --force"]
