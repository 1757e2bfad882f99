"""vm.py FOLDER [SCENARIO...]: boots machines with our user-data under a real systemd and cloud-init, and watches them.

FOLDER is what vm_image.sh made. The first machine becomes an image, as `ec2-workers bake` makes it; all others start
from that. They are containers (systemd-nspawn, so as root) on this machine's network: the endpoints are on loopback.
One at a time: they may share a control group.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from imds import Imds
from imds import serving as serving_imds

from infra.ec2.launch import code
from infra.ec2.launch.user_data import Artifact, Orders, render
from infra.ec2.watch.reports import ReportedState, ReportedStatus, read_reports
from infra.local import s3
from protocol.commands.buckets import open_bucket
from protocol.jobs.submit import submit_job
from protocol.wire import keys
from protocol.wire.bucket import Bucket
from protocol.wire.job_documents import TrainingSpec
from protocol.wire.keys import Mark


class Machine:
    """A machine that started with these orders: its disk is a layer on others."""

    def __init__(
        self, scene: Scene, name: str, orders: Orders, *layers: Path, boot: str = "", endpoint: str = ""
    ) -> None:
        self.scene, self.name, self.disk = scene, name, scene.folder / name
        self.id = f"i-{sum(name.encode()):017x}"
        shutil.rmtree(self.disk, ignore_errors=True)
        for part in ("upper", "work", "root"):
            (self.disk / part).mkdir(parents=True)
        lower = ":".join(map(str, layers))
        options = f"lowerdir={lower},upperdir={self.disk}/upper,workdir={self.disk}/work"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, self.disk / "root"], check=True)
        seed = self.disk / "root/var/lib/cloud/seed/nocloud"
        seed.mkdir(parents=True, exist_ok=True)
        (seed / "user-data").write_text(render(orders))
        (seed / "meta-data").write_text(json.dumps({"instance-id": self.id}))
        (seed / "vendor-data").write_text("#cloud-config\n" + json.dumps({"bootcmd": [boot or "true"]}))
        environment = {
            **s3.environment(endpoint or scene.endpoint),
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": scene.imds.endpoint,
        }
        environment |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels"}
        words = " ".join(f"{name}={value}" for name, value in environment.items())
        (self.disk / "root/etc/systemd/system.conf.d/vm.conf").write_text(f"[Manager]\nDefaultEnvironment={words}\n")
        scene.imds.be(self.id)
        own = [] if Path("/run/systemd/system").exists() else ["--keep-unit"]
        command = ["systemd-nspawn", "--quiet", "--boot", "--register=no", *own, "--link-journal=no", "--console=pipe"]
        command += ["--resolv-conf=off", "--timezone=off", f"--clock={name}", f"--directory={self.disk}/root"]
        with (self.disk / "console").open("wb") as console:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console)

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        subprocess.run(["umount", "--lazy", self.disk / "root"], check=True)

    @property
    def status(self) -> ReportedStatus | None:
        report = read_reports(self.scene.bucket, [self.id]).of.get(self.id)
        return report.status if report else None

    def run(self, command: str) -> None:
        (first,) = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[:1]
        subprocess.run(["nsenter", "--target", first, "--all", "/bin/sh", "-c", command], check=True)

    def until(self, happened: Callable[[], bool], minutes: float = 10) -> None:
        """Shows what the machine says of itself while it waits."""
        shown, end = "", time.monotonic() + minutes * 60
        while not happened():
            assert time.monotonic() < end, f"{self.name}: took too long; see {self.disk}/console"
            assert self.process.poll() is None or happened(), f"{self.name}: has ended; {self.status}"
            if (status := self.status) and shown != (shown := f"{status.state}: {status.doing}"):
                print(f"{time.strftime('%H:%M:%S')} {self.name}: {shown}", flush=True)
            time.sleep(1)

    def ends(self, state: ReportedState, doing: str) -> None:
        self.until(lambda: self.process.poll() is not None)
        status = self.status
        print(f"{time.strftime('%H:%M:%S')} {self.name}: off; {status}", flush=True)
        assert status is not None
        assert (status.state, doing in status.doing) == (state, True)

    def said(self, name: str) -> str:
        return (self.scene.bucket.get(keys.machine_file(self.id, name)) or b"").decode()


class Scene:
    """What is around machines: a bucket, an instance metadata service; jobs."""

    def __init__(self, bucket: str, folder: Path, endpoint: str, imds: Imds) -> None:
        self.folder, self.endpoint, self.imds = folder, endpoint, imds
        os.environ |= s3.environment(endpoint)
        s3.create_bucket(endpoint, bucket)
        self.bucket: Bucket = open_bucket(bucket)
        uploaded = code.upload(self.bucket, code.HERE)
        self.orders = Orders(bucket, "us-east-1", "fleet", *uploaded, "embedded", idle_minutes=2)

    def machine(self, name: str, boot: str = "", endpoint: str = "", **more: Any) -> Machine:
        """From the image. `boot` is done before anything else; `endpoint` is where it believes S3 to be."""
        layers = (self.folder / "image/upper", self.folder / "root")
        return Machine(self, name, replace(self.orders, **more), *layers, boot=boot, endpoint=endpoint)

    def job(self, episodes: int = 1) -> str:
        training = TrainingSpec(agent="heuristic", reward="shaped", episodes=episodes, steps=3, seed=1)
        return submit_job(self.bucket, training).job_ids[0]

    def marked(self, job: str, mark: Mark, attempt: int = 1) -> Callable[[], bool]:
        return lambda: self.bucket.exists(keys.attempt_mark(job, mark, attempt))


def image(scene: Scene) -> None:
    """A machine becomes an image that knows nothing of it."""
    with Machine(scene, "image", replace(scene.orders, bake=True, idle_minutes=30), scene.folder / "root") as machine:
        machine.until(lambda: machine.status is not None and machine.status.doing == "baked", 30)
        machine.run("systemctl poweroff")
        machine.process.wait(120)
        assert not (machine.disk / "root/etc/machine-id").read_text()
        assert not (machine.disk / "root/var/lib/dbus/machine-id").exists()
        assert not (machine.disk / "root/etc/sim-arena").exists()


def works(scene: Scene) -> None:
    """It does a job, its log arrives, and without another job it ends itself."""
    job = scene.job()
    with scene.machine("works") as machine:
        machine.until(lambda: scene.bucket.exists(keys.result(job)))
        machine.ends(ReportedState.ENDING, "no sign of work")
        assert f"{job}: success" in machine.said("worker.log")


def deadline(scene: Scene) -> None:
    job = scene.job(keys.MAX_ROUNDS)
    with scene.machine("deadline", max_hours=2 / 60) as machine:
        machine.ends(ReportedState.ENDING, "has run for its time")
    assert scene.marked(job, Mark.RELEASED)()


def spot(scene: Scene) -> None:
    job = scene.job(keys.MAX_ROUNDS)
    with scene.machine("spot") as machine:
        machine.until(scene.marked(job, Mark.CLAIM))
        scene.imds.interrupt()
        machine.ends(ReportedState.ENDING, "spot interruption")
    assert scene.marked(job, Mark.RELEASED)()


def broken(scene: Scene) -> None:
    bad = Artifact(keys.code("a" * 64, "requirements.lock"), "a" * 64)
    scene.bucket.put_without_retry(bad.key, b"something else")
    with scene.machine("broken", lock=bad) as machine:
        machine.ends(ReportedState.FAILED, "not what has the SHA-256")


def hangs(scene: Scene) -> None:
    with scene.machine("hangs", boot="printf '#!/bin/sh\\nsleep infinity' >/usr/local/bin/rpm") as machine:
        machine.ends(ReportedState.FAILED, "packages: not done after 2 minutes")


def alone(scene: Scene) -> None:
    """Without S3 nothing can be reported, but it ends."""
    with scene.machine("alone", endpoint="http://127.0.0.1:9") as machine:
        machine.process.wait(300)


def killed(scene: Scene) -> None:
    """A killed worker starts again and takes the job again; one that cannot start is no sign of work."""
    job = scene.job(keys.MAX_ROUNDS)
    with scene.machine("killed", lease_ttl=10) as machine:
        machine.until(scene.marked(job, Mark.CLAIM))
        machine.run("kill -9 $(systemctl show --property MainPID --value sim-arena-worker)")
        machine.until(scene.marked(job, Mark.CLAIM, 2))
        machine.run("echo garbage >/opt/sim-arena/venv/bin/worker; systemctl restart sim-arena-worker")
        machine.ends(ReportedState.ENDING, "no sign of work")


SCENARIOS = {each.__name__: each for each in (image, works, deadline, spot, broken, hangs, alone, killed)}

if __name__ == "__main__":
    for name in sys.argv[2:] or list(SCENARIOS):
        with s3.serving() as endpoint, serving_imds() as imds:
            SCENARIOS[name](Scene(f"bucket-of-{name}", Path(sys.argv[1]).resolve(), endpoint, imds))
            print(f"{time.strftime('%H:%M:%S')} {name}: passed", flush=True)
