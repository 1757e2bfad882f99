"""PufferLib in a virtual environment of its own, beside the packages of the Python that runs.

`pufferlib` has no wheel and its build reaches hosts outside the registries; `pufferlib-core` has one, for CPython 3.11
and 3.12 on Linux x86-64, but pins a torch that is older than ours. So it is installed without its dependencies, those
that it imports are pinned here, and all else, torch among it, is found where this Python finds it, by a .pth file.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from env.errors import ConfigError, SimArenaError
from runner.rl.config import PufferConfig, environment_folder

PACKAGES = (
    "pufferlib-core==3.0.23",
    "psutil==7.2.2",
    "nvidia-ml-py==13.615.71",
    "rich-argparse==1.8.0",
    "pyro-ppl==1.9.2",
    "pyro-api==0.1.2",
    "opt-einsum==3.4.0",
    "tqdm==4.70.1",
)
"""What is installed, without dependencies."""
CUDA_PACKAGES = ("torch==2.9.0",)
"""The torch that its extension was built for, with that torch's own CUDA 12 libraries, which it pins: some 7 GB."""
PYTHONS = ((3, 11), (3, 12))

_OURS = "sim-arena.pth"
_PROBE_S = 300.0


def environment_python(folder: Path) -> Path:
    """The Python of a virtual environment."""
    return folder / "bin" / "python"


def is_ours(folder: Path) -> bool:
    """Whether `set_up` has made this folder; no other is ever deleted."""
    return not folder.is_symlink() and (folder / "pyvenv.cfg").is_file() and _pth(folder) is not None


def set_up(config: PufferConfig, say: Callable[[str], None], *, cuda: bool) -> dict[str, Any]:
    """Make the environment; what is left of a try that fails is deleted.

    Args:
        config: The user's, which says where and with which Python.
        say: Told what is being done.
        cuda: Whether to install CUDA_PACKAGES too.

    Returns:
        What the environment's own Python says of itself, see `runner.rl.probe`.

    Raises:
        ConfigError: No Python or machine that there is a wheel for, or a folder that is there already.
        SimArenaError: It could not be made.
    """
    folder, python = environment_folder(config), config.pythonPath or sys.executable
    _check(python)
    if folder.exists():
        raise ConfigError(f"{folder}: is there already")
    try:
        say(f"making {folder}")
        _run([python, "-m", "venv", str(folder)], f"{python} -m venv")
        site = next((folder / "lib").glob("python*/site-packages"))
        (site / _OURS).write_text("".join(f"{path}\n" for path in _shared()))
        pip = [str(environment_python(folder)), "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
        if cuda:
            say(f"installing {' '.join(CUDA_PACKAGES)} and the CUDA libraries that it pins")
            _run([*pip, *CUDA_PACKAGES], "pip install")
        say(f"installing {' '.join(PACKAGES)}")
        _run([*pip, "--no-deps", *PACKAGES], "pip install")
        say("trying it")
        found = examine(environment_python(folder))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return found


def take_away(folder: Path) -> bool:
    """Delete the environment; False where there is none.

    Raises:
        ConfigError: The folder is none of `set_up`.
    """
    if not folder.exists():
        return False
    if not is_ours(folder):
        raise ConfigError(f"{folder}: was not made by sim-arena rl setup; delete it yourself, or change envPath")
    shutil.rmtree(folder)
    return True


def examine(python: Path) -> dict[str, Any]:
    """What a Python has, see `runner.rl.probe`.

    Raises:
        SimArenaError: It does not say.
    """
    answer = _run([str(python), "-I", "-m", "runner.rl.probe"], f"{python} -m runner.rl.probe", _PROBE_S)
    try:
        found = json.loads(answer)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise SimArenaError(f"{python}: says nothing about itself")
    return found


def clean_environment() -> dict[str, str]:
    """Our environment variables without those that lead another Python to our packages."""
    return {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}


def _check(python: str) -> None:
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise ConfigError(
            f"PufferLib has no wheel for {sys.platform} on {platform.machine()}; only for Linux on x86-64"
        )
    said = _run([python, "-c", "import sys; print(*sys.version_info[:2])"], python, 60.0).split()
    version = tuple(int(each) for each in said if each.isdigit())
    if version not in PYTHONS:
        raise ConfigError(f"{python}: is Python {'.'.join(said)}; PufferLib has wheels for 3.11 and 3.12")
    if version != sys.version_info[:2]:
        raise ConfigError(
            f"{python}: is Python {'.'.join(said)}; it must be that of sim-arena, whose packages it shares"
        )


def _shared() -> list[str]:
    """Where this Python finds packages and, if it is a checkout, Sim-Arena."""
    root = Path(__file__).resolve().parents[2]
    found = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    return list(dict.fromkeys([*found, str(root)]))


def _pth(folder: Path) -> Path | None:
    return next((folder / "lib").glob(f"python*/site-packages/{_OURS}"), None)


def _run(arguments: Sequence[str], what: str, limit_s: float | None = None) -> str:
    """Run a program without a shell; what it prints."""
    try:
        done = subprocess.run(  # noqa: S603  (a list of arguments, and no shell)
            arguments,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit_s,
            env=clean_environment(),
            check=False,
        )
    except OSError as error:
        raise ConfigError(f"{what}: cannot be run ({error.strerror})") from error
    except subprocess.TimeoutExpired as error:
        raise SimArenaError(f"{what}: not done within {limit_s:.0f} s") from error
    if done.returncode != 0:
        last = [line for line in (done.stderr or done.stdout).strip().splitlines() if line.strip()][-3:]
        raise SimArenaError(f"{what}: failed ({done.returncode}): {' | '.join(last)[:800]}")
    return done.stdout
