from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from env.errors import SimArenaError, UsageError
from infra.ec2.launch import code
from protocol.wire.bucket import Bucket
from protocol.wire.clock import system_clock
from protocol.wire.store import S3Store


@pytest.fixture
def bucket(bucket_name: str) -> Bucket:
    return Bucket(S3Store(bucket_name), system_clock(), patience_s=5)


def a_wheel(folder: Path, content: bytes = b"wheel") -> Path:
    (folder / "requirements.lock").write_text("torch==2.13.0\n")
    wheel = folder / "sim_arena-0.1.0-py3-none-any.whl"
    wheel.write_bytes(content)
    return wheel


def test_code_is_kept_under_its_hash_and_uploading_it_again_changes_nothing(bucket: Bucket, tmp_path: Path) -> None:
    first = code.upload(bucket, a_wheel(tmp_path))
    assert first.wheel.key == f"code/{hashlib.sha256(b'wheel').hexdigest()}/sim_arena-0.1.0-py3-none-any.whl"
    assert bucket.get(first.wheel.key) == b"wheel"
    assert bucket.get(first.lock.key) == b"torch==2.13.0\n"
    assert code.upload(bucket, a_wheel(tmp_path)) == first
    assert code.upload(bucket, a_wheel(tmp_path, b"another")).wheel != first.wheel


def test_a_folder_that_is_no_checkout_and_a_wheel_without_versions_are_refused(bucket: Bucket, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no checkout of Sim-Arena \(no env\)"):
        code.upload(bucket, tmp_path)
    a_wheel(tmp_path)
    (tmp_path / "requirements.lock").unlink()
    with pytest.raises(UsageError, match=r"needs a requirements\.lock beside it"):
        code.upload(bucket, tmp_path / "sim_arena-0.1.0-py3-none-any.whl")


def test_the_wheel_of_a_checkout_holds_what_it_runs_on_and_nothing_that_is_no_longer_there(tmp_path: Path) -> None:
    wheel = zipfile.ZipFile(code.build(code.HERE, tmp_path))
    names = set(wheel.namelist())
    assert {"protocol/commands/worker.py", "env/simkube/stages.yaml", "agents/models/default.pt"} <= names
    assert any(name.startswith("infra/ec2/boot/") for name in names)
    assert not any(name.startswith(("tests/", "docs/")) or "__pycache__" in name for name in names)
    assert {info.date_time[:3] for info in wheel.infolist()} == {(1980, 1, 1)}, "the same files make the same wheel"


def test_a_checkout_that_cannot_be_built_is_told_in_one_line(tmp_path: Path) -> None:
    for name in ("env", "agents", "runner", "protocol", "infra", "out"):
        (tmp_path / name).mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "requirements.lock"):
        (tmp_path / name).write_text("[nonsense")
    with pytest.raises(SimArenaError, match="the wheel cannot be built") as caught:
        code.build(tmp_path, tmp_path / "out")
    assert "\n" not in str(caught.value)


def test_wheels_of_a_user_are_wheels_of_different_names(tmp_path: Path) -> None:
    good = tmp_path / "my_arena-1.0-py3-none-any.whl"
    with zipfile.ZipFile(good, "w") as wheel:
        wheel.writestr("my_arena.py", "")
    code.check_wheels([good])
    (no_wheel := tmp_path / "notes.whl").write_text("notes")
    for paths, message in (([no_wheel], "--with .*notes.whl: no wheel"), ([good, good], "two wheels are called")):
        with pytest.raises(UsageError, match=message):
            code.check_wheels(paths)
