"""An instance in a folder: scripts, pip, AWS CLI and worker are real; what would change this host is a shim."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from imds import INSTANCE_ID

from infra.ec2.launch.pins import CLUSTER_PINS
from infra.ec2.launch.user_data import Artifact, Orders, render
from infra.ec2.watch.reports import ReportedStatus
from protocol.wire import keys

AWS = pytest.mark.skipif(not shutil.which("aws"), reason="the AWS CLI is not installed")


BUCKET = "the-bucket"


NOTHING = Orders(
    BUCKET,
    "us-east-1",
    "fleet",
    Artifact(f"code/{'a' * 64}/sim_arena-0.1.0-py3-none-any.whl", "a" * 64),
    Artifact(f"code/{'b' * 64}/requirements.lock", "b" * 64),
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

    def born(self, orders: Orders, pins: Mapping[str, str] = CLUSTER_PINS) -> Rig:
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


def eventually(happened: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 90
    while not happened():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        threading.Event().wait(0.1)
