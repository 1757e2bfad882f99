"""What is imported is declared, and what is pinned is not older than what is declared."""

from __future__ import annotations

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
ROOMS = ("env", "agents", "runner", "protocol", "infra")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# What an extra, `sim-arena rl setup` or a user brings, where it is used at all.
OPTIONAL = {"flwr", "mypy_boto3_s3", "pufferlib"}


def declared() -> list[Requirement]:
    extras = [line for extra in PROJECT["optional-dependencies"].values() for line in extra]
    return [Requirement(line) for line in [*PROJECT["dependencies"], *extras] if not line.startswith("sim-arena")]


def imported(path: Path) -> set[str]:
    """The packages that a module imports, without their submodules and without its own room's."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
    return found - sys.stdlib_module_names - set(ROOMS) - OPTIONAL


def test_every_package_that_is_imported_is_declared() -> None:
    names = {canonicalize_name(requirement.name) for requirement in declared()}
    known = packages_distributions()
    missing = {
        (str(path.relative_to(ROOT)), package)
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        for package in imported(path)
        if not names & {canonicalize_name(name) for name in known.get(package, [package])}
    }
    assert missing == set()


@pytest.mark.parametrize("requirement", declared(), ids=lambda requirement: requirement.name)
def test_what_is_pinned_is_what_is_declared(requirement: Requirement) -> None:
    lines = (line.partition("#")[0].strip() for line in (ROOT / "constraints.txt").read_text().splitlines())
    pins = {
        canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines) if version
    }
    pinned = pins[canonicalize_name(requirement.name)].partition(";")[0].strip()
    assert requirement.specifier.contains(pinned, prereleases=True)
