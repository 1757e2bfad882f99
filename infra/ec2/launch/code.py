"""The code that a fleet runs: this checkout as a wheel, put into the bucket for the machines to install."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zipfile import is_zipfile

from env.errors import SimArenaError, UsageError
from infra.ec2.launch.user_data import Artifact
from protocol.wire import keys

if TYPE_CHECKING:
    from protocol.wire.bucket import Bucket

HERE = Path(__file__).resolve().parents[3]  # the checkout, where this is run from one

_LOCK = "requirements.lock"
_FOLDERS = ("env", "agents", "runner", "protocol", "infra")
_FILES = ("pyproject.toml", "README.md", "LICENSE")
_BUILD_S = 300.0
_SETUPTOOLS = 77  # as pyproject.toml asks
_EPOCH = "315532800"  # zip's first day: the same files make the same wheel, and so the same key


class Code(NamedTuple):
    """What a machine installs."""

    wheel: Artifact
    lock: Artifact


UNBUILT = Artifact(keys.code("0" * 64, "sim_arena-0.0.0-py3-none-any.whl"), "0" * 64)
"""Stands in orders for what `upload` has not put into the bucket yet."""


def upload(bucket: Bucket, source: Path) -> Code:
    """Put code into the bucket, under its hash; what is there already stays.

    Args:
        source: a checkout, or a wheel that has its requirements.lock beside it.

    Raises:
        UsageError: it is neither.
        ConfigError: the wheel cannot be built.
        StoreError: the bucket cannot be written.
    """
    check(source)
    if source.is_file():
        return Code(_upload(bucket, source), _upload(bucket, source.parent / _LOCK))
    with tempfile.TemporaryDirectory(prefix="sim-arena-wheel-") as folder:
        wheel = build(source, Path(folder))
        return Code(_upload(bucket, wheel), _upload(bucket, source / _LOCK))


def check(source: Path) -> None:
    """Raises UsageError if `source` is neither a checkout nor a wheel with its requirements.lock beside it."""
    if source.is_file() and source.suffix == ".whl":
        if not (source.parent / _LOCK).is_file():
            raise UsageError(f"--source {source}: needs a {_LOCK} beside it, the packages to install and their hashes")
        return
    if not source.is_dir():
        raise UsageError(f"--source {source}: there is no such checkout or wheel")
    missing = [name for name in (*_FOLDERS, *_FILES, _LOCK) if not (source / name).exists()]
    if missing:
        raise UsageError(f"--source {source}: no checkout of Sim-Arena (no {missing[0]}); give one, or a wheel")


def check_wheels(paths: Sequence[Path]) -> None:
    """Raises UsageError unless these are wheels, no two of one file name."""
    for number, path in enumerate(paths):
        if path.suffix != ".whl" or not is_zipfile(path):
            raise UsageError(f"--with {path}: no wheel; make one with: pip wheel --no-deps --wheel-dir dist FOLDER")
        keys.code("0" * 64, path.name)  # refused here: a name that cannot be a key
        if path.name in (other.name for other in paths[:number]):
            raise UsageError(f"--with {path}: two wheels are called {path.name}; give one of them")


def upload_wheels(bucket: Bucket, paths: Sequence[Path]) -> tuple[Artifact, ...]:
    """Put a user's wheels into the bucket, each under its hash; StoreError if it cannot be written."""
    return tuple(_upload(bucket, path) for path in paths)


def build(source: Path, folder: Path) -> Path:
    """The wheel of a checkout as it is now, uncommitted changes included, made in `folder`.

    It is built from a copy: what an earlier build left in the checkout would get into the wheel.

    Raises:
        ConfigError: pip is missing or fails; the message is its last line.
    """
    copy = folder / "source"
    copy.mkdir()
    for name in _FOLDERS:
        shutil.copytree(source / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in _FILES:
        shutil.copy(source / name, copy)
    wanted = ("--quiet", "--disable-pip-version-check", "--no-deps", "--wheel-dir", str(folder), str(copy))
    command = [sys.executable, "-m", "pip", "wheel", *wanted, *_own_setuptools()]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": _EPOCH}
    try:
        done = subprocess.run(  # noqa: S603 (our own interpreter, no shell)
            command, env=environment, capture_output=True, text=True, check=False, timeout=_BUILD_S
        )
    except subprocess.TimeoutExpired as error:
        raise SimArenaError(f"{source}: the wheel was not built within {_BUILD_S:.0f} s") from error
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        lines = done.stderr.strip().splitlines() or ["pip said nothing"]
        raise SimArenaError(f"{source}: the wheel cannot be built: {lines[-1]}")
    return wheels[0]


def _own_setuptools() -> tuple[str, ...]:
    """Lets pip build with the setuptools that is here, if it can: three times as fast, and without the network."""
    try:
        here = int(version("setuptools").partition(".")[0])
    except (PackageNotFoundError, ValueError):
        return ()
    return ("--no-build-isolation",) if here >= _SETUPTOOLS else ()


def _upload(bucket: Bucket, path: Path) -> Artifact:
    key_of = partial(keys.code, name=path.name)
    sha256 = bucket.upload(key_of, path.read_bytes())
    return Artifact(key_of(sha256), sha256)
