"""What there is for `sim-arena rl` on this machine."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agents.saved.about import about
from env.errors import SimArenaError
from runner.rl.config import config_path, environment_folder, load_config, models_folder
from runner.rl.install import environment_python, examine, is_ours

MOST_MODELS = 100
MOST_BYTES = 64 << 20
"""Of a model that is looked into."""


def status() -> dict[str, Any]:
    """Python, trainer, PufferLib, CUDA, models and configuration.

    Raises:
        ConfigError: The configuration has an error.
    """
    config = load_config()
    folder = environment_folder(config)
    own = examine(Path(sys.executable))
    return {
        "python": {"version": own["python"], "executable": sys.executable},
        "trainer": {"agent": "ppo", "torch": own["torch"]},
        "cuda": {"available": own["cuda"], "device": own["device"]},
        "pufferlib": {"environment": str(folder), **_environment(folder)},
        "models": {"folder": str(models_folder()), "files": _models(models_folder())},
        "configuration": {
            "file": str(config_path()),
            "is_there": config_path().is_file(),
            **config.model_dump(exclude_defaults=True),
        },
    }


def pufferlib_works(found: dict[str, Any]) -> dict[str, str]:
    """In words what works of PufferLib, by what a probe has found."""
    return {name: (found[name] and f"does not work: {found[name]}") or "works" for name in ("vectorisation", "trainer")}


def _environment(folder: Path) -> dict[str, Any]:
    if not is_ours(folder):
        return {"version": None, "hint": "run: sim-arena rl setup"}
    try:
        found = examine(environment_python(folder))
    except SimArenaError as error:
        return {"version": None, "error": str(error), "hint": "run: sim-arena rl setup --force"}
    return {"version": found["pufferlib"], "torch": found["torch"], "cuda": found["cuda"], **pufferlib_works(found)}


def _models(folder: Path) -> list[dict[str, Any]]:
    files = sorted(each for each in folder.glob("*") if each.is_file()) if folder.is_dir() else []
    return [_model(each) for each in files[:MOST_MODELS]]


def _model(path: Path) -> dict[str, Any]:
    """What a model's file says about itself, or why it says nothing."""
    named: dict[str, Any] = {"name": path.name, "bytes": path.stat().st_size}
    if named["bytes"] > MOST_BYTES:
        return {**named, "error": f"larger than {MOST_BYTES >> 20} MiB, and not looked into"}
    try:
        found = about(path)
        return {**named, "line": found.line, **asdict(found)}
    except SimArenaError as error:
        return {**named, "error": str(error)}
