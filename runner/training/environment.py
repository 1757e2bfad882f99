"""What a run was made with: versions, processor, source revision."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = ("sim-arena", "numpy", "numba", "torch", "gymnasium", "matplotlib")
_SOURCE = Path(__file__).resolve().parents[2]


def environment() -> dict[str, Any]:
    """What results and their speed may depend on besides the settings, as JSON holds it."""
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "git": git_revision(_SOURCE),
    }


def fingerprint() -> dict[str, str]:
    """What the bits of a training may depend on besides its seed."""
    return {
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "numba": version("numba"),
        "cpu": cpu_model(),
        "platform": platform.platform(terse=True),
    }


def git_revision(folder: Path) -> dict[str, Any] | None:
    """The commit of a working tree, and whether tracked files differ from it; None if it is no top of one."""
    top = _git(folder, "rev-parse", "--show-toplevel")
    if top is None or Path(top) != folder:
        return None  # installed somewhere inside of another project's tree, perhaps
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"commit": _git(folder, "rev-parse", "HEAD"), "dirty": None if changes is None else bool(changes)}


def cpu_model() -> str:
    """The processor's name as Linux has it, else what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603  (fixed words)
            ["git", "-C", str(folder), *arguments],  # noqa: S607  (the user's own git)
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
