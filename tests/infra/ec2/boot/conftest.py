"""Instances in folders: one that has nothing yet, and one that has booted from a bucket."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
from imds import Imds
from imds import serving as serving_imds
from rig import BUCKET, LACONIC_AWS, NOTHING, QUICK_AWS, Rig

from infra.ec2.launch import code
from infra.local import s3
from protocol.commands.buckets import open_bucket
from protocol.wire.bucket import Bucket


@pytest.fixture(scope="session")
def service() -> Iterator[Imds]:
    with serving_imds() as imds:
        yield imds


@pytest.fixture
def rig(tmp_path: Path, service: Imds) -> Rig:
    """A machine that has nothing yet, and a folder for a bucket."""
    rig = Rig.made(tmp_path, service.endpoint)
    rig.shim("aws", QUICK_AWS)
    return rig


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What this environment has installed, but for Sim-Arena: what PyPI is to a machine."""
    folder = tmp_path_factory.mktemp("packages")
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.startswith(("__editable__", "sim_arena", "__pycache__")):
            (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture(scope="session")
def s3_of_machines(embedded_s3: dict[str, str]) -> dict[str, str]:
    s3.create_bucket(embedded_s3["AWS_ENDPOINT_URL"], BUCKET)
    return {**embedded_s3, "AWS_REGION": "us-east-1"}


@pytest.fixture
def bucket(s3_of_machines: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Bucket:
    for name, value in s3_of_machines.items():
        monkeypatch.setenv(name, value)
    return open_bucket(BUCKET)


@pytest.fixture(scope="session")
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
    orders = replace(NOTHING, wheel=uploaded.wheel, lock=uploaded.lock, lease_ttl=3)
    rig = Rig.made(
        tmp_path_factory.mktemp("working"), service.endpoint, **s3_of_machines, PYTHONPATH=str(packages)
    ).born(orders)
    rig.shim("aws", LACONIC_AWS)
    done = rig.boot()
    assert done.returncode == 0, rig.log
    return rig
