"""Installs Sim-Arena below ROOT, from the bucket and PyPI, all by hashes. A pod's init container runs this text.

It runs by itself on a bare Python 3.11: nothing of Sim-Arena is there yet. Its settings come as variables, and as in
`infra/ec2/boot/boot.sh` the packages are those of requirements.lock, torch from an index of its own.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

WANTED = ((3, 11), "x86_64")
"""What the wheels of the lock are for."""
MOST_BYTES = 1 << 28
"""Of a wheel or lock: who may write the bucket could else fill the pod's memory before its hash is checked."""


def check_machine(version: tuple[int, int], machine: str) -> None:
    """Raises SystemExit where the lock's wheels do not fit."""
    if (version, machine) != WANTED:
        sys.exit(f"image: has Python {version[0]}.{version[1]} on {machine}; the wheels need Python 3.11 on x86_64")


def checked(body: bytes, sha256: str, name: str) -> bytes:
    """The body itself; raises SystemExit if it has another hash."""
    if hashlib.sha256(body).hexdigest() != sha256:
        sys.exit(f"{name}: not what has the SHA-256 {sha256}")
    return body


def install(environment: Mapping[str, str], root: Path) -> None:
    """Make the virtual environment `root`/venv."""
    venv.create(root / "venv", with_pip=True)
    python = str(root / "venv" / "bin" / "python")

    def pip(*arguments: str) -> None:
        line = [python, "-m", "pip", "install", "--no-cache-dir", "--disable-pip-version-check", "--no-deps"]
        if code := subprocess.run([*line, *arguments], check=False).returncode:  # noqa: S603 (no shell)
            sys.exit(f"pip install {' '.join(arguments)}: exit code {code}")

    def by_hashes(name: str, lines: str, *arguments: str) -> None:
        (root / name).write_text(lines)
        pip("--only-binary", ":all:", "--require-hashes", *arguments, "-r", str(root / name))

    by_hashes("boto3.txt", environment["BOTO3_LOCK"])
    sys.path.append(str(root / "venv" / "lib" / "python3.11" / "site-packages"))
    import boto3  # only now is it there

    client = boto3.session.Session().client("s3")
    owner = environment.get("SIM_ARENA_BUCKET_OWNER")
    whose: dict[str, Any] = {"ExpectedBucketOwner": owner} if owner else {}

    def fetch(name: str) -> Path:
        key = environment[name]
        body = client.get_object(Bucket=environment["SIM_ARENA_BUCKET"], Key=key, **whose)["Body"].read(MOST_BYTES + 1)
        if len(body) > MOST_BYTES:
            sys.exit(f"{key}: larger than {MOST_BYTES >> 20} MiB")
        path = root / key.rpartition("/")[2]
        path.write_bytes(checked(body, environment[f"{name}_SHA256"], key))
        return path

    lock = fetch("LOCK")
    torch = "".join(line for line in lock.read_text().splitlines(keepends=True) if line.startswith("torch=="))
    by_hashes("torch.txt", torch, "--index-url", environment["TORCH_INDEX"])
    by_hashes("packages.txt", lock.read_text())
    pip("--no-index", str(fetch("WHEEL")))


if __name__ == "__main__":
    check_machine(sys.version_info[:2], platform.machine())
    install(os.environ, Path(os.environ["ROOT"]))
