"""lock.py: writes requirements.lock, what machines on EC2 install: every package, its version and its wheel's SHA-256.

`make lock` runs it, after a change of constraints.txt or of the dependencies in pyproject.toml. Versions are those of
constraints.txt, hashes are what PyPI's index says; pip must be 23.1 or newer. The hash of torch is in pins.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from infra.ec2.launch.pins import TORCH_SHA256, TORCH_VERSION

ROOT = Path(__file__).resolve().parents[3]
LOCK = ROOT / "requirements.lock"

# Amazon Linux 2023: CPython 3.11, x86_64, glibc 2.34.
_PYTHON = "3.11"
_MARKERS = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.11.0",
    "python_version": _PYTHON,
    "sys_platform": "linux",
}
# The embedded S3 of demos and tests, which no machine serves.
_LEFT_OUT = {"flask", "flask-cors", "moto", "werkzeug"}
_PLATFORMS = [*(f"manylinux_2_{minor}_x86_64" for minor in range(34, 4, -1)), "manylinux2014_x86_64", "linux_x86_64"]


def versions() -> dict[str, str]:
    """The pins of constraints.txt, by canonical name."""
    lines = (line.strip().partition("==") for line in (ROOT / "constraints.txt").read_text().splitlines())
    return {canonicalize_name(name): version for name, _, version in lines}


def closure(pins: Mapping[str, str]) -> set[str]:
    """Canonical names of what Sim-Arena needs on a machine, as the installed packages declare it.

    Raises:
        SystemExit: one of them has no version in constraints.txt.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    todo = [("sim-arena", Requirement(line)) for line in project["dependencies"]]
    found: dict[str, set[str]] = {}
    while todo:
        by, requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        if name in _LEFT_OUT:
            continue
        if name not in pins:
            if by == "torch":
                continue  # CUDA's, which the torch of machines does not need
            raise SystemExit(f"{name}, which {by} needs: not in constraints.txt; add its version")
        extras = {"", *requirement.extras}
        if extras <= found.get(name, set()):
            continue
        found[name] = found.get(name, set()) | extras
        for needed in map(Requirement, requires(name) or ()):
            if needed.marker is None or any(needed.marker.evaluate({**_MARKERS, "extra": extra}) for extra in extras):
                todo.append((name, needed))
    return set(found)


def _hashes(pinned: list[str]) -> dict[str, str]:
    """The SHA-256 of the wheel that pip takes on a machine, by canonical name."""
    target = [word for platform in _PLATFORMS for word in ("--platform", platform)]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps"]
    command += ["--only-binary", ":all:", "--python-version", _PYTHON, *target, "--report", "-"]
    command += ["--target", "unused", *pinned]  # pip wants one with --platform; a dry run makes none
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise SystemExit("pip did not find a wheel of every package; it said above which")
    return {
        canonicalize_name(one["metadata"]["name"]): one["download_info"]["archive_info"]["hashes"]["sha256"]
        for one in json.loads(done.stdout)["install"]
    }


def main() -> None:
    pins = versions()
    if pins["torch"] != TORCH_VERSION:
        raise SystemExit(f"torch {pins['torch']}: pins.py has the hash of {TORCH_VERSION}; put the new one there")
    names = closure(pins)
    hashes = _hashes([f"{name}=={pins[name]}" for name in sorted(names - {"torch"})]) | {"torch": TORCH_SHA256}
    LOCK.write_text("".join(f"{name}=={pins[name]} --hash=sha256:{hashes[name]}\n" for name in sorted(names)))


if __name__ == "__main__":
    main()
