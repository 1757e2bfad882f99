"""Packages of others that have the names of ours, and what our wheel holds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from infra.scripts import ROOMS, other_package

ROOT = Path(__file__).parents[2]


def python(program: str, *path: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env=environment, cwd=path[0], capture_output=True, text=True, check=False)


@pytest.fixture
def installed_over(tmp_path: Path) -> Path:
    """A folder with our packages, over one of which another's was installed, as pip does without a word."""
    for room in ROOMS:
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "agents/__init__.py").write_text("from dataclasses import dataclass\n")
    return tmp_path


@pytest.mark.parametrize("room", ROOMS)
def test_our_own_packages_are_known(room: str) -> None:
    assert other_package(room) is None


@pytest.mark.parametrize("other", ["agents/__init__.py", "env.py", "agents/readme.txt"])
def test_commands_name_another_package_that_lies_before_ours(other: str, tmp_path: Path) -> None:
    (tmp_path / other).parent.mkdir(exist_ok=True)
    (tmp_path / other).touch()
    done = python("import infra.scripts; infra.scripts.sim_arena()", tmp_path, ROOT)
    if other == "agents/readme.txt":  # a folder that is no package hides nothing
        assert done.returncode == 2  # no command was given
        return
    assert (done.returncode, done.stdout) == (1, "")
    room = other[:-3].partition("/")[0]
    assert done.stderr.startswith(f"error: package {room}: Python finds {tmp_path.resolve()}/{other} instead of {ROOT}")
    assert done.stderr.count("\n") == 1


def test_commands_name_another_package_that_was_installed_over_ours(installed_over: Path) -> None:
    done = python("import infra.scripts; infra.scripts.sim_arena()", installed_over)
    assert done.returncode == 1
    assert done.stderr.startswith("error: package agents: another one was installed over")
    assert done.stderr.count("\n") == 1


def test_environments_work_beside_such_a_package_and_warn(installed_over: Path) -> None:
    program = "import gymnasium; print(gymnasium.make('env:SimArena/Cluster-v0').reset(seed=0)[0].shape)"
    done = python(program, installed_over)
    assert (done.returncode, done.stdout) == (0, "(27,)\n"), done.stderr
    assert "agents/__init__.py is another package's, probably openai-agents'" in done.stderr


def test_who_looks_for_openai_agents_in_ours_is_told() -> None:
    with pytest.raises(ImportError, match="openai-agents installs a package of the same name"):
        from agents import Runner  # noqa: F401
    import agents

    assert not hasattr(agents, "anything_else")


def test_the_wheel_holds_every_file_that_is_not_python() -> None:
    globs = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    held = {path for package, names in globs.items() for name in names for path in _of(package, name)}
    tracked = subprocess.run(["git", "ls-files", *ROOMS], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("needs git and a checkout")
    assert {name for name in tracked.stdout.split() if not name.endswith(".py")} <= held


def _of(package: str, name: str) -> set[str]:
    folders = ROOMS if package == "*" else [package.replace(".", "/")]
    return {str(path.relative_to(ROOT)) for folder in folders for path in (ROOT / folder).glob(name)}
