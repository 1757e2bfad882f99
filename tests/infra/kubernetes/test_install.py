"""What a pod installs before its worker: nothing whose hash is another, and by the steps of the image, too."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest

from infra.ec2.launch.code import HERE
from infra.ec2.launch.pins import TORCH_INDEX
from infra.kubernetes.install import check_machine, checked

CONTAINERFILE = HERE / "infra" / "kubernetes" / "Containerfile"


def test_a_body_with_another_hash_is_refused_by_name() -> None:
    sha256 = hashlib.sha256(b"wheel").hexdigest()
    assert checked(b"wheel", sha256, "code/x.whl") == b"wheel"
    with pytest.raises(SystemExit, match=r"code/x\.whl: not what has the SHA-256"):
        checked(b"other", sha256, "code/x.whl")


@pytest.mark.parametrize(("version", "machine"), [((3, 12), "x86_64"), ((3, 11), "aarch64")])
def test_an_image_that_the_wheels_do_not_fit_is_named(version: tuple[int, int], machine: str) -> None:
    check_machine((3, 11), "x86_64")
    with pytest.raises(SystemExit, match=machine):
        check_machine(version, machine)


def instructions() -> list[tuple[str, str]]:
    lines = (line for line in CONTAINERFILE.read_text().splitlines() if line and not line.startswith("#"))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def test_the_image_copies_what_is_in_a_checkout_and_runs_the_worker_without_rights() -> None:
    found = instructions()
    for word, rest in found:
        if word == "COPY" and not rest.startswith("--from"):
            assert all((HERE / name).exists() for name in rest.split()[:-1])
    last = dict(found)
    assert (json.loads(last["ENTRYPOINT"]), last["USER"]) == (["worker"], "65532:65532")


@pytest.fixture
def steps(tmp_path: Path) -> list[list[str]]:
    """What the image's RUN steps run in a checkout, where Python only writes down what it was to do."""
    (tmp_path / "python").write_text(
        '#!/bin/sh\nfor each in "$@"; do printf "%s\\n" "$each"; done >>calls; echo >>calls\n'
    )
    (tmp_path / "python").chmod(0o755)
    (tmp_path / "requirements.lock").write_text((HERE / "requirements.lock").read_text())
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "sim_arena-1-py3-none-any.whl").touch()
    for word, line in instructions():
        if word == "RUN":
            here = line.replace("/opt/sim-arena/venv/bin/python", "python").replace("/dist", str(tmp_path / "dist"))
            path = f"{tmp_path}:{os.environ['PATH']}"
            subprocess.run(["sh", "-ec", here], cwd=tmp_path, check=True, env={"PATH": path})
    return [call.split("\n") for call in (tmp_path / "calls").read_text().strip().split("\n\n")]


def test_the_image_installs_packages_by_their_hashes_and_torch_alone_from_its_index(
    steps: list[list[str]], tmp_path: Path
) -> None:
    torch, packages, own = (step for step in steps if step[2:3] == ["install"])
    assert {"--require-hashes", "--no-deps"} < set(torch) & set(packages)
    assert torch[torch.index("--index-url") + 1] == TORCH_INDEX
    assert "--index-url" not in packages
    assert [line.split("==")[0] for line in (tmp_path / "torch.txt").read_text().splitlines()] == ["torch"]
    assert {"--no-deps", "--no-index"} < set(own)
    assert own[-1].endswith(".whl")
