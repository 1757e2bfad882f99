"""`sim-arena workers job`: pure YAML on stdout, this code in the bucket."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
import yaml

from infra.ec2.launch.code import HERE
from infra.kubernetes.commands import job
from infra.local.processes import command
from protocol.wire.bucket import Bucket
from protocol.wire.clock import system_clock
from protocol.wire.store import S3Store
from runner.commands.program import Entry, program

pytest.importorskip("moto")


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    app = program("test", {"job": Entry(f"{job.__module__}:job", "x")})
    with pytest.raises(SystemExit) as ended:
        app(["job", *words])
    assert ended.value.code == 0
    return capsys.readouterr()


def test_the_wheel_is_put_into_the_bucket_by_its_hash_and_named_in_the_job(
    bucket_name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = tmp_path / "sim_arena-9.9.9-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    (tmp_path / "requirements.lock").write_bytes((HERE / "requirements.lock").read_bytes())
    words = ("--bucket", bucket_name, "--count", "2", "--secret", "s3", "--source", str(wheel))
    out, err = run(capsys, *words)
    (first,) = list(yaml.safe_load_all(out))[1]["spec"]["template"]["spec"]["initContainers"]
    told = {each["name"]: each["value"] for each in first["env"]}
    assert told["WHEEL_SHA256"] == hashlib.sha256(b"a wheel").hexdigest()
    assert Bucket(S3Store(bucket_name), system_clock()).get(told["WHEEL"]) == b"a wheel"
    assert "sim-arena policy machine" in err
    assert run(capsys, *words)[0] == out  # and what is there stays


def test_what_is_piped_is_yaml_alone(tmp_path: Path) -> None:
    line = ("workers", "job", "--bucket", "b-1", "--count", "1", "--secret", "s3", "--image", "sim-arena:1")
    done = subprocess.run(command("sim-arena", *line), capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [each["kind"] for each in yaml.safe_load_all(done.stdout)] == ["ServiceAccount", "Job"]
