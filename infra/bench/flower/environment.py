"""Flower in a virtual environment of its own, beside the packages of the Python that runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import env
from env.errors import SimArenaError

FLOWER = "flwr[simulation]==1.42.0"
_DONE = "sim-arena.pth"
_INSTALL_S = 1800.0


def default_folder() -> Path:
    """Where the environment is kept between runs."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "sim-arena" / FLOWER.replace("[simulation]==", "-")


def program(folder: Path, name: str) -> str:
    """A program of the environment."""
    return str(folder / "bin" / name)


def set_up(folder: Path, say: Callable[[str], None]) -> None:
    """Make the environment, unless it is there; what an interrupted try left is gone on from.

    All but Flower and what it needs, torch and this code among it, is found where this Python finds it.

    Raises:
        SimArenaError: It could not be made; pip's last line.
    """
    found = list((folder / "lib").glob(f"python*/site-packages/{_DONE}"))
    if found:
        return
    say(f"installing {FLOWER} in {folder}")
    _run([sys.executable, "-m", "venv", str(folder)])
    pip = [program(folder, "python"), "-m", "pip", "install", "--disable-pip-version-check", "--quiet", FLOWER]
    _run(pip)
    site = next((folder / "lib").glob("python*/site-packages"))
    code = str(Path(env.__file__).parents[1])
    ours = dict.fromkeys((code, *(path for path in sys.path if path.endswith("site-packages"))))
    (site / _DONE).write_text("".join(f"{path}\n" for path in ours), encoding="utf-8")


def _run(command: list[str]) -> None:
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    try:
        done = subprocess.run(  # noqa: S603 (our own interpreter, no shell)
            command, env=own, capture_output=True, text=True, check=False, timeout=_INSTALL_S
        )
    except subprocess.TimeoutExpired as error:
        raise SimArenaError(f"{' '.join(command[:4])}: took longer than {_INSTALL_S:.0f} s") from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise SimArenaError(f"{FLOWER}: cannot be installed: {lines[-1]}")
