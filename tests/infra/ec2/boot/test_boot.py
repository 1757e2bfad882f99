"""A machine's life, from the rendered user-data, in a folder: its scripts, pip, the AWS CLI, S3 and the worker are
real. Only what would change this machine, or is not here, is a shim that writes down how it was called."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_api import FakeApi
from imds import INSTANCE_ID, Imds
from imds import serving as serving_imds

from env.simkube.doctor import shipped_stages
from infra.ec2.launch import code
from infra.ec2.launch.pins import PINS, Download, Pins
from infra.ec2.launch.user_data import Artifact, Orders, render
from infra.ec2.watch.reports import ReportedState, ReportedStatus, read_reports
from infra.local import s3
from protocol.commands.console import open_bucket
from protocol.jobs.submit import submit_job
from protocol.wire import keys
from protocol.wire.bucket import Bucket
from protocol.wire.job_documents import Training
from protocol.wire.keys import Mark

pytest.importorskip("moto")
AWS = pytest.mark.skipif(not shutil.which("aws"), reason="the AWS CLI is not installed")

BUCKET = "the-bucket"
NOTHING = Orders(
    BUCKET,
    "us-east-1",
    "fleet",
    Artifact(f"code/{'a' * 64}/sim_arena-0.1.0-py3-none-any.whl", "a" * 64),
    Artifact(f"code/{'b' * 64}/constraints.txt", "b" * 64),
    "embedded",
)
OFF = "systemctl poweroff --force"

# All of them write a line; some have an answer, and end as SHIM_FAILS says.
SHIM = """#!/usr/bin/env bash
name=${0##*/}
printf '%s\\n' "$name $*" >>"$SHIMS/calls"
case "$name $*" in
    rpm*) exit 1 ;;
    journalctl*-u*) cat "$SHIMS/journal" ;;
    *"apply -f -") cat >"$SHIMS/applied-$(ls "$SHIMS" | grep -c applied)" ;;
    *"get crd"*) echo lifecycleParams ;;
    "docker image"*) exit 1 ;;
    "kind create"*)
        cat >"$SHIMS/kind"
        while [[ $1 != --kubeconfig ]]; do shift; done
        cp "$SHIMS/kubeconfig" "$2" ;;
esac
[[ " $SHIM_FAILS " != *" $name "* ]] || { echo "$name: out of order" >&2; exit 7; }
"""
SHIMMED = ("cloud-init", "dnf", "docker", "journalctl", "poweroff", "rpm", "systemctl", "truncate", "useradd")

# Without a pip of its own, which takes long to unpack: here it comes with the other packages.
PYTHON = f"""#!/bin/sh
exec {sys.executable} "$@" --without-pip
"""

# A bucket that is a folder, for tests in which S3 does not matter: the CLI takes a second for every call.
QUICK_AWS = """#!/usr/bin/env bash
while (($#)); do
    case $1 in
        get-object) get=1 ;;
        --key) key=$2 ;;
        --body) body=$2 ;;
    esac
    file=$1
    shift
done
if [[ ${get:-} ]]; then cp "$SHIMS/bucket/$key" "$file"; else
    mkdir -p "$SHIMS/bucket/${key%/*}"
    cp "$body" "$SHIMS/bucket/$key"
fi
"""

# The real one, but for what a machine says on the way.
LACONIC_AWS = f"""#!/usr/bin/env bash
if grep -qs '"booting"' "${{@: -1}}"; then exit; fi
exec {shutil.which("aws")} "$@"
"""


@dataclass
class Rig:
    """A machine in a folder."""

    root: Path
    shims: Path
    environment: dict[str, str]
    user_data: Any = field(default=None)

    @classmethod
    def made(cls, folder: Path, imds: str, **environment: str) -> Rig:
        root, shims = folder / "root", folder / "shims"
        for path in (root / "proc", shims / "bin", root / "etc/ssh", root / "etc/systemd/system"):
            path.mkdir(parents=True)
        (root / "proc/uptime").write_text("7200.50 1.00\n")
        (shims / "calls").touch()
        (shims / "journal").write_text("10:00:00 working\n")
        rig = cls(root, shims, {})
        for name in SHIMMED:
            rig.shim(name, SHIM)
        rig.shim("python3.11", PYTHON)
        own = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SIM_ARENA_"))}
        rig.environment = {
            **own,
            "PATH": f"{shims / 'bin'}:{own['PATH']}",
            "SHIMS": str(shims),
            "SHIM_FAILS": "",
            "SIM_ARENA_ROOT": str(root),
            "SIM_ARENA_POLL_S": "0.1",
            "SIM_ARENA_PATIENCE_S": "0",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": imds,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_MAX_ATTEMPTS": "1",
            "NUMBA_DISABLE_JIT": "1",  # to compile takes longer than the job
            "PIP_NO_COMPILE": "1",  # nor this
            "PIP_NO_DEPS": "1",
            "PIP_NO_INDEX": "1",
            **environment,
        }
        return rig

    def shim(self, name: str, script: str) -> None:
        path = self.shims / "bin" / name
        path.write_text(script)
        path.chmod(0o755)

    def born(self, orders: Orders, pins: Pins = PINS) -> Rig:
        """What cloud-init does with the user-data, but for running it."""
        self.user_data = yaml.safe_load(render(orders, pins))
        for file in self.user_data["write_files"]:
            path = self.root / file["path"][1:]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file["content"])
            path.chmod(int(file["permissions"], 8))
        return self

    def script(self, name: str) -> str:
        return str(self.root / "opt/sim-arena/bin" / name)

    def run(self, name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [self.script(name), *arguments]
        return subprocess.run(
            command, env={**self.environment, **environment}, capture_output=True, text=True, timeout=120
        )

    def started(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        quiet = subprocess.DEVNULL
        return subprocess.Popen([self.script(name), *arguments], env=self.environment, stdout=quiet, stderr=quiet)

    def boot(self, **environment: str) -> subprocess.CompletedProcess[str]:
        assert self.user_data["runcmd"][-1] == ["/opt/sim-arena/bin/boot.sh"]
        return self.run("boot.sh", **environment)

    def exec_start(self, unit: str) -> list[str]:
        """A unit's command line and nothing else of it."""
        lines = (self.root / "etc/systemd/system" / unit).read_text().splitlines()
        (command,) = [line.removeprefix("ExecStart=") for line in lines if line.startswith("ExecStart=")]
        path, *arguments = command.split()
        return [str(self.root) + path, *arguments]

    @property
    def calls(self) -> list[str]:
        return (self.shims / "calls").read_text().splitlines()

    @property
    def log(self) -> str:
        return (self.root / "var/log/sim-arena-boot.log").read_text()

    def is_off(self) -> bool:
        return self.calls[-1] == OFF

    def put(self, name: str, body: bytes) -> Artifact:
        """A file in the folder that QUICK_AWS serves."""
        sha256 = hashlib.sha256(body).hexdigest()
        path = self.shims / "bucket" / keys.code(sha256, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        return Artifact(keys.code(sha256, name), sha256)

    def status(self) -> ReportedStatus:
        """What QUICK_AWS was given."""
        return ReportedStatus.model_validate_json(self.said("status.json"))

    def said(self, name: str) -> str:
        return (self.shims / "bucket" / keys.machine_file(INSTANCE_ID, name)).read_text()

    def works(self, *, for_s: float = 0) -> Rig:
        """A machine whose worker was last seen at work so long ago."""
        for name in ("run/sim-arena", "var/lib/sim-arena", "var/log"):
            (self.root / name).mkdir(parents=True)
        (self.root / "run/sim-arena/id").write_text(INSTANCE_ID)
        (self.root / "run/sim-arena/status.json").write_text(
            '{"state": "working", "doing": "the worker runs", "step": 6, "steps": 6, "since": 1}\n'
        )
        (self.root / "var/log/sim-arena-boot.log").write_text("step 6 of 6\n")
        busy = self.root / "var/lib/sim-arena/busy"
        busy.touch()
        os.utime(busy, (time.time() - for_s,) * 2)
        return self


@pytest.fixture(scope="module")
def service() -> Iterator[Imds]:
    with serving_imds() as imds:
        yield imds


@pytest.fixture
def rig(tmp_path: Path, service: Imds) -> Rig:
    """A machine that has nothing yet, and a folder for a bucket."""
    rig = Rig.made(tmp_path, service.endpoint)
    rig.shim("aws", QUICK_AWS)
    return rig


# -- a machine that works ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What this environment has installed, but for Sim-Arena: what PyPI is to a machine."""
    folder = tmp_path_factory.mktemp("packages")
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.startswith(("__editable__", "sim_arena", "__pycache__")):
            (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture(scope="module")
def s3_of_machines(embedded_s3: dict[str, str]) -> dict[str, str]:
    s3.create_bucket(embedded_s3["AWS_ENDPOINT_URL"], BUCKET)
    return {**embedded_s3, "AWS_REGION": "us-east-1"}


@pytest.fixture
def bucket(s3_of_machines: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Bucket:
    for name, value in s3_of_machines.items():
        monkeypatch.setenv(name, value)
    return open_bucket(BUCKET)


@pytest.fixture(scope="module")
def working(
    tmp_path_factory: pytest.TempPathFactory, s3_of_machines: dict[str, str], service: Imds, packages: Path
) -> Rig:
    """A machine that has booted from a bucket into which this checkout was uploaded."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3_of_machines.items():
            patch.setenv(name, value)
        if int(version("setuptools").partition(".")[0]) >= 77:
            patch.setenv("PIP_NO_BUILD_ISOLATION", "0")  # pip's way to say yes; a third of the time
        uploaded = code.upload(open_bucket(BUCKET), code.HERE)
    orders = replace(NOTHING, wheel=uploaded.wheel, constraints=uploaded.constraints, lease_ttl=3)
    rig = Rig.made(
        tmp_path_factory.mktemp("working"), service.endpoint, **s3_of_machines, PYTHONPATH=str(packages)
    ).born(orders)
    rig.shim("aws", LACONIC_AWS)
    done = rig.boot()
    assert done.returncode == 0, rig.log
    return rig


@AWS
def test_a_machine_boots_and_tells_the_bucket(working: Rig, bucket: Bucket) -> None:
    report = read_reports(bucket, [INSTANCE_ID]).of[INSTANCE_ID]
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
    training = Training(agent="heuristic", reward="shaped", episodes=1, steps=3, seed=1)
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


def eventually(happened: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 90
    while not happened():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        threading.Event().wait(0.1)


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


# -- a boot that fails -------------------------------------------------------------------------------------


def test_where_a_package_cannot_be_installed_the_bucket_knows_and_the_machine_is_off(rig: Rig) -> None:
    rig.born(NOTHING).boot(SHIM_FAILS="dnf")
    assert rig.is_off()
    assert rig.status().state is ReportedState.FAILED
    assert rig.status().doing == "packages: dnf: out of order (exit code 7)"
    assert (rig.status().step, rig.status().steps) == (2, 6)
    assert "dnf: out of order" in rig.said("boot.log")


def test_code_that_is_not_what_its_name_says_is_not_installed(rig: Rig) -> None:
    wheel, constraints = rig.put("sim_arena-0.1.0-py3-none-any.whl", b"a wheel"), rig.put("constraints.txt", b"")
    (rig.shims / "bucket" / wheel.key).write_bytes(b"another")
    rig.born(replace(NOTHING, wheel=wheel, constraints=constraints)).boot()
    assert rig.is_off()
    assert rig.status().state is ReportedState.FAILED
    assert rig.status().doing.startswith("code: ")
    assert f"/{wheel.key.rpartition('/')[2]}: not what has the SHA-256 {wheel.sha256}" in rig.status().doing
    assert not (rig.root / "opt/sim-arena/venv").exists()


def test_without_the_metadata_service_nobody_can_be_told_but_the_machine_is_off(rig: Rig) -> None:
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


# -- a machine's end ---------------------------------------------------------------------------------------


def test_a_machine_without_a_sign_of_work_ends_itself_and_leaves_its_logs(rig: Rig) -> None:
    rig.born(NOTHING).works(for_s=31 * 60)
    rig.run("keep.sh")
    assert rig.calls[0] == "systemctl stop sim-arena-worker.service"
    assert rig.is_off()
    assert (rig.status().state, rig.status().step) == (ReportedState.ENDING, 6)
    assert rig.status().doing == "no sign of work for 31 minutes"
    assert rig.said("worker.log") == "10:00:00 working\n"
    assert rig.said("boot.log") == "step 6 of 6\n"


def test_a_machine_at_work_goes_on_and_is_seen_each_minute(rig: Rig) -> None:
    rig.born(NOTHING).works(for_s=29 * 60)
    assert rig.run("keep.sh").returncode == 0
    assert not any("poweroff" in call or "stop" in call for call in rig.calls)
    assert rig.status().state is ReportedState.WORKING
    assert rig.said("worker.log") == "10:00:00 working\n"


def test_a_log_is_written_again_only_when_it_has_changed_and_never_more_than_64_kib_of_it(rig: Rig) -> None:
    rig.born(NOTHING).works().run("keep.sh")
    (rig.shims / "bucket" / keys.machine_file(INSTANCE_ID, "worker.log")).unlink()
    rig.run("keep.sh")
    assert not (rig.shims / "bucket" / keys.machine_file(INSTANCE_ID, "worker.log")).exists()
    (rig.shims / "journal").write_text("x" * 100_000 + "the end")
    rig.run("keep.sh")
    assert len(rig.said("worker.log")) == 65_536
    assert rig.said("worker.log").endswith("the end")


def test_a_machine_that_has_just_started_has_time_though_its_last_work_is_long_ago(rig: Rig) -> None:
    rig.born(NOTHING).works(for_s=86_400)
    (rig.root / "proc/uptime").write_text("70.00 1.00\n")
    rig.run("keep.sh")
    assert OFF not in rig.calls


def test_a_machine_that_has_never_shown_a_sign_of_work_ends_itself(rig: Rig) -> None:
    rig.born(NOTHING).works()
    (rig.root / "var/lib/sim-arena/busy").unlink()
    rig.run("keep.sh")
    assert rig.is_off()


def test_a_boot_that_hangs_is_ended_as_a_failure_that_names_the_step(rig: Rig) -> None:
    rig.born(NOTHING).works(for_s=31 * 60)
    (rig.root / "run/sim-arena/status.json").write_text(
        '{"state": "booting", "doing": "torch", "step": 4, "steps": 6, "since": 1}\n'
    )
    rig.run("keep.sh")
    assert rig.is_off()
    assert (rig.status().state, rig.status().step) == (ReportedState.FAILED, 4)
    assert rig.status().doing == "torch: not done after 31 minutes"


def test_a_machine_past_its_time_ends_itself_though_it_was_restarted(rig: Rig) -> None:
    rig.born(NOTHING).works()
    born = rig.root / "var/lib/sim-arena/born"
    born.touch()
    os.utime(born, (time.time() - 12 * 3600 - 60,) * 2)
    rig.run("keep.sh")
    assert rig.is_off()
    assert rig.status().doing == "has run for its time"


def test_the_deadline_ends_a_machine_at_work(rig: Rig) -> None:
    rig.born(NOTHING).works()
    script, *arguments = rig.exec_start("sim-arena-deadline.service")
    assert script == rig.script("end.sh")
    rig.run("end.sh", arguments[0], " ".join(arguments[1:]).strip('"'))
    assert rig.calls[0] == "systemctl stop sim-arena-worker.service"
    assert rig.is_off()
    assert rig.status().doing == "has run for its time"


def test_who_ends_a_machine_first_says_why_and_who_comes_later_only_powers_off(rig: Rig) -> None:
    rig.born(NOTHING).works().run("end.sh", "ending", "first")
    once = rig.calls
    rig.run("end.sh", "failed", "second")
    assert (rig.status().state, rig.status().doing) == (ReportedState.ENDING, "first")
    assert rig.calls == [*once, OFF]


def test_who_comes_later_waits_until_the_worker_has_saved(rig: Rig) -> None:
    rig.born(NOTHING).works()
    calls, saved = rig.shims / "calls", rig.shims / "saved"
    os.mkfifo(saved)
    rig.shim("systemctl", f"{SHIM}\n[[ $1 != stop ]] || {{ read -r <{saved}; echo saved >>{calls}; }}\n")
    with rig.started("end.sh", "ending", "first") as first:
        eventually(lambda: "systemctl stop sim-arena-worker.service" in rig.calls, first, calls)
        with rig.started("end.sh", "ending", "second") as second:
            children = Path(f"/proc/{second.pid}/task/{second.pid}/children")
            eventually(lambda: any(_name(child) == "flock" for child in children.read_text().split()), second, calls)
            saved.write_text("now\n")
    assert [call for call in rig.calls if "journalctl" not in call] == [
        "systemctl stop sim-arena-worker.service",
        "saved",
        OFF,
        OFF,
    ]
    assert rig.status().doing == "first"


def _name(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""  # it has ended


def test_a_spot_instance_that_is_taken_back_stops_its_worker_first(rig: Rig, imds: Imds) -> None:
    rig.born(NOTHING).works()
    rig.environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = imds.endpoint
    with rig.started("spot.sh") as spot:
        log = rig.shims / "calls"
        eventually(lambda: imds.log.count("GET /latest/meta-data/spot/instance-action") >= 2, spot, log)
        assert rig.calls == []
        imds.interrupt()
        spot.wait(60)
    assert rig.calls[0] == "systemctl stop sim-arena-worker.service"
    assert rig.is_off()
    assert rig.status().doing.startswith("spot interruption: { action : terminate ,")


# -- a machine with a cluster ------------------------------------------------------------------------------

STAGE = {
    "apiVersion": "kwok.x-k8s.io/v1alpha1",
    "kind": "Stage",
    "metadata": {"name": "pod-ready"},
    "spec": {"resourceRef": {"apiGroup": "v1", "kind": "Pod"}, "next": {"statusTemplate": "phase: Running"}},
}


@pytest.fixture
def healthy() -> Iterator[FakeApi]:
    """A cluster in which the doctor finds nothing that fails."""
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}

    def manifest(version: str, kind: str, name: str, namespace: str = "", **rest: Any) -> dict[str, Any]:
        place = {"namespace": namespace} if namespace else {}
        metadata = {"name": name, **place, **rest.pop("metadata", {})}
        return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}

    def deployment(name: str, namespace: str, image: str, **labels: str) -> dict[str, Any]:
        spec = {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}
        metadata = {"labels": labels}
        return manifest(
            "apps/v1", "Deployment", name, namespace, spec=spec, status={"readyReplicas": 1}, metadata=metadata
        )

    virtual = {"labels": {"type": "virtual"}, "annotations": {"kwok.x-k8s.io/node": "fake"}}
    taints = {"taints": [{"key": "kwok-provider", "value": "true", "effect": "NoSchedule"}]}
    controller = deployment("sk-ctrl-depl", "simkube", "q/sk-ctrl:v2.7.0", **{"app.kubernetes.io/name": "sk-ctrl"})
    with FakeApi() as api:
        for one in (
            manifest("v1", "Namespace", "simkube"),
            manifest("v1", "Namespace", "monitoring"),
            controller,
            manifest("v1", "ServiceAccount", "sk-ctrl-sa", "simkube"),
            manifest("cert-manager.io/v1", "ClusterIssuer", "selfsigned", spec={}, status=ready),
            deployment("kwok-controller", "kube-system", "k/kwok:v0.8.0"),
            STAGE,
            *shipped_stages(),
            manifest("v1", "Node", "virtual-1", metadata=virtual, spec=taints, status=ready),
            manifest("v1", "Node", "worker", spec={}, status=ready),
        ):
            api.put(one)
        yield api


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Pins]:
    """What the web has, on this machine: three manifests, a `kind` that is a shim, and SimKube's repository."""
    folder = tmp_path / "web"
    repository = folder / "simkube"
    for name in ("kustomize/sim/kustomization.yml", "raw/simkube.io_simulations.yml"):
        path = repository / "k8s" / name
        path.parent.mkdir(parents=True)
        path.write_text("{}")
    git = ["git", "-C", str(repository), "-c", "user.name=x", "-c", "user.email=x@x"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *arguments], check=True, timeout=20)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True, timeout=20)
    for name, text in (
        ("kind", SHIM),
        ("kwok.yaml", "kind: Kwok"),
        ("stage-fast.yaml", "kind: Stage"),
        ("cert-manager.yaml", "kind: CertManager"),
    ):
        (folder / name).write_text(text)
    handler = partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()

    def download(name: str) -> Download:
        sha256 = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        return Download(f"http://127.0.0.1:{server.server_port}/{name}", sha256)

    yield replace(
        PINS,
        kind=download("kind"),
        kwok=download("kwok.yaml"),
        kwok_stages=download("stage-fast.yaml"),
        cert_manager=download("cert-manager.yaml"),
        simkube_repository=f"file://{repository}",
        simkube_commit=commit.stdout.strip(),
    )
    server.shutdown()
    server.server_close()
    thread.join()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None: ...


@pytest.fixture
def simkube(rig: Rig, working: Rig, healthy: FakeApi) -> Callable[..., Rig]:
    """Makes a machine that has Sim-Arena installed, but no cluster."""

    def make(pins: Pins, **changes: Any) -> Rig:
        installed = dict(
            line.split("=", 1) for line in working.user_data["write_files"][0]["content"].splitlines() if "=" in line
        )
        for name in ("WHEEL", "CONSTRAINTS"):
            path = working.root / "opt/sim-arena/code" / installed[name].rpartition("/")[2]
            rig.put(path.name, path.read_bytes())
        orders = replace(
            NOTHING,
            wheel=Artifact(installed["WHEEL"], installed["WHEEL_SHA256"]),
            constraints=Artifact(installed["CONSTRAINTS"], installed["CONSTRAINTS_SHA256"]),
            cluster="simkube",
            **changes,
        )
        (rig.root / "opt/sim-arena").mkdir(parents=True)
        (rig.root / "opt/sim-arena/venv").symlink_to(working.root / "opt/sim-arena/venv")
        rig.environment["PYTHONPATH"] = working.environment["PYTHONPATH"]
        healthy.write_kubeconfig(rig.shims / "kubeconfig")
        return rig.born(orders, pins)

    return make


@AWS
def test_a_cluster_is_made_in_order_and_the_doctor_has_the_last_word(
    simkube: Callable[..., Rig], elsewhere: Pins, healthy: FakeApi
) -> None:
    rig = simkube(elsewhere, nodes=2, node_cpu="8", node_memory="64Gi")
    done = rig.boot()
    assert done.returncode == 0, rig.log
    assert rig.status().state is ReportedState.WORKING
    kubectl = "docker exec -i sim-control-plane kubectl --kubeconfig /etc/kubernetes/admin.conf"
    own = ("journalctl", "rpm", "useradd")
    assert [call.removeprefix(f"{kubectl} ") for call in rig.calls if not call.startswith(own)] == [
        "dnf install -y python3.11 python3.11-pip docker git",
        "systemctl enable --now docker",
        f"docker image inspect {PINS.node_image}",
        f"docker pull --quiet {PINS.node_image}",
        "kind get clusters",
        f"kind create cluster --name sim --image {PINS.node_image} "
        f"--kubeconfig {rig.root}/var/lib/sim-arena/kubeconfig --wait 5m --config -",
        "apply -f -",
        f"-n kube-system set image deployment/kwok-controller *=registry.k8s.io/kwok/kwok@{PINS.kwok_digest}",
        "wait --for=condition=Established --timeout=60s crd/stages.kwok.x-k8s.io",
        "apply -f -",
        "-n kube-system rollout status deployment/kwok-controller --timeout=5m",
        "apply -f -",
        "-n cert-manager wait deployment --all --for=condition=Available --timeout=5m",
        "apply -f -",
        "apply -f -",
        f"docker cp {rig.root}/opt/sim-arena/code/simkube/k8s/. sim-control-plane:/simkube",
        "apply -k /simkube/kustomize/sim",
        "apply -f /simkube/raw/simkube.io_simulations.yml",
        "get crd simulations.simkube.io -o yaml",
        "-n simkube set image deployment/sk-ctrl-depl *=quay.io/appliedcomputing/sk-ctrl:v2.7.0",
        "-n simkube rollout status deployment/sk-ctrl-depl --timeout=5m",
        "apply -f -",
        "apply -f -",
        "wait node -l type=virtual --for=condition=Ready --timeout=2m",
        "systemctl enable --now sim-arena-spot.service sim-arena-worker.service",
    ]
    applied = [list(yaml.safe_load_all((rig.shims / f"applied-{i}").read_text())) for i in range(7)]
    kinds = [[document["kind"] for document in documents if document] for documents in applied]
    stages = ["Stage"] * len(shipped_stages())
    assert kinds == [
        ["Kwok"],
        ["Stage"],
        ["CertManager"],
        ["ClusterIssuer"],
        ["Namespace"],
        stages,
        ["Node", "Node"],
    ]
    size = {"cpu": "8", "memory": "64Gi", "pods": "110"}
    assert applied[6][1] == {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": "virtual-2",
            "labels": {"type": "virtual"},
            "annotations": {"kwok.x-k8s.io/node": "fake"},
        },
        "spec": {"taints": [{"key": "kwok-provider", "value": "true", "effect": "NoSchedule"}]},
        "status": {"allocatable": size, "capacity": size},
    }
    control_plane, worker = yaml.safe_load((rig.shims / "kind").read_text())["nodes"]
    assert control_plane == {"role": "control-plane"}
    assert worker["labels"] == {"type": "kind-worker"}
    assert worker["extraMounts"] == [{"hostPath": f"{rig.root}/var/lib/sim-arena/traces", "containerPath": "/data"}]
    assert any("/simulations" in path for _, path in healthy.requests)


@AWS
def test_a_cluster_that_the_doctor_does_not_pass_is_a_failed_boot(
    simkube: Callable[..., Rig], elsewhere: Pins, healthy: FakeApi
) -> None:
    healthy.remove("serviceaccounts", "sk-ctrl-sa", "simkube")
    rig = simkube(elsewhere)
    rig.boot()
    assert rig.is_off()
    assert rig.status().state is ReportedState.FAILED
    assert rig.status().doing == "doctor: error: 1 of 14 checks failed: service account (exit code 1)"
    assert not any("sim-arena-worker.service" in call and "enable" in call for call in rig.calls)


@AWS
@pytest.mark.parametrize("what", ["kind", "simkube"])
def test_nothing_from_the_web_is_used_that_is_not_what_was_pinned(
    what: str, simkube: Callable[..., Rig], elsewhere: Pins
) -> None:
    if what == "simkube":
        tampered = replace(elsewhere, simkube_commit="0" * 40)
    else:
        tampered = replace(elsewhere, **{what: replace(getattr(elsewhere, what), sha256="0" * 64)})
    rig = simkube(tampered)
    rig.boot()
    assert rig.is_off()
    assert rig.status().doing.startswith("kind: " if what == "kind" else "manifests: ")
    assert not any(call.startswith("kind create") for call in rig.calls)


@AWS
def test_a_machine_that_becomes_an_image_keeps_what_is_installed_and_forgets_who_it_was(
    simkube: Callable[..., Rig], elsewhere: Pins
) -> None:
    rig = simkube(elsewhere, bake=True)
    theirs = ("etc/ssh/ssh_host_ed25519_key", "var/lib/amazon/ssm/registration", "root/.cache/pip/x")
    for name in (*theirs, "var/lib/dbus/machine-id"):
        (rig.root / name).parent.mkdir(parents=True, exist_ok=True)
        (rig.root / name).touch()
    assert rig.boot().returncode == 0, rig.log
    assert (rig.status().state, rig.status().doing) == (ReportedState.ENDING, "baked")
    assert f"docker pull --quiet {PINS.node_image}" in rig.calls
    for call in ("cloud-init clean --logs", "journalctl --rotate --vacuum-time 1s"):
        assert call in rig.calls
    assert f"truncate --size 0 {rig.root}/etc/machine-id" in rig.calls
    assert not any("sim-arena" in call for call in rig.calls if call.startswith("systemctl"))
    # What an image of the disk has: neither /run nor /proc.
    left = {str(path.relative_to(rig.root)) for path in rig.root.rglob("*") if path.is_file()}
    left = {path for path in left if not path.startswith(("run/", "proc/"))}
    installed = ("opt/sim-arena/", "etc/systemd/system/", "var/lib/sim-arena/busy")
    assert {path for path in left if not path.startswith(installed)} == set()
    assert not any(INSTANCE_ID in (rig.root / path).read_text(errors="replace") for path in left)

    # If nobody ends it, it does so itself.
    os.utime(rig.root / "var/lib/sim-arena/busy", (1, 1))
    rig.run("keep.sh")
    assert rig.is_off()
