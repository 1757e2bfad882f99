"""Builds the programs of a control plane, once, with Go and cargo."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from env.errors import SimArenaError
from infra.proof.control_plane.recipe import CRATES, MODULES, Crates, GoModule, fingerprint, programs

GO = "1.26"
CACHE = Path.home() / ".cache" / "sim-arena"


class BuildFailed(SimArenaError):
    """A program could not be built; the message has the end of what the compiler said."""


def programs_folder() -> Path:
    """Where the programs are, or will be: below the home, one folder for each recipe."""
    return CACHE / f"control-plane-{fingerprint()}"


def missing(folder: Path) -> list[str]:
    """Programs and files that are not built yet."""
    wanted = [f"bin/{name}" for name in programs()]
    wanted += [f"files/{Path(file).name}" for module in MODULES for file in module.files]
    return [name for name in wanted if not (folder / name).is_file()]


def build(folder: Path, say: Callable[[str], None]) -> None:
    """Build what is missing; a process that builds the same waits for the other.

    Args:
        folder: Gets `bin/` and `files/`.
        say: Gets a line before each part, which takes minutes.

    Raises:
        BuildFailed: Go or cargo is missing, or failed.
    """
    for name in ("bin", "files", "work"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for module in MODULES:
            _build_module(module, folder, say)
        _build_crates(CRATES, folder, say)
        shutil.rmtree(folder / "work", ignore_errors=True)


def _build_module(module: GoModule, folder: Path, say: Callable[[str], None]) -> None:
    work = folder / "work" / module.name.replace("/", "-")
    work.mkdir(parents=True, exist_ok=True)
    lines = [f"module build\n\ngo {GO}.0\n", *module.directives, f"require {module.name} {module.version}"]
    (work / "go.mod").write_text("\n".join(lines) + "\n", encoding="utf-8")
    environment = {"GOFLAGS": "-mod=mod", "CGO_ENABLED": "0"}
    for name, package in module.programs.items():
        if not (folder / "bin" / name).is_file():
            say(f"building {name} {module.version} with Go")
            _run(["go", "build", "-buildvcs=false", "-ldflags", module.linker, "-o", name, package], work, environment)
            (work / name).replace(folder / "bin" / name)
    if module.files:
        source = Path(_run(["go", "list", "-m", "-f", "{{.Dir}}", module.name], work, environment).strip())
        for file in module.files:
            shutil.copyfile(source / file, folder / "files" / Path(file).name)


def _build_crates(crates: Crates, folder: Path, say: Callable[[str], None]) -> None:
    work = folder / "work" / "cargo"
    work.mkdir(parents=True, exist_ok=True)
    environment = {**crates.environment, "CARGO_TARGET_DIR": str(work / "target")}
    for name in crates.names:
        if not (folder / "bin" / name).is_file():
            say(f"building {name} {crates.version} with cargo")
            crate = f"{name}@{crates.version}"
            _run(["cargo", "install", "--locked", "--root", str(work), crate], work, environment)
            (work / "bin" / name).replace(folder / "bin" / name)


def _run(arguments: list[str], work: Path, environment: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603 (a fixed command line, no shell)
            arguments, cwd=work, env={**os.environ, **environment}, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise BuildFailed(f"{arguments[0]} is not installed; it builds the control plane") from error
    if done.returncode != 0:
        raise BuildFailed(f"{' '.join(arguments[:2])} failed in {work}:\n{done.stderr[-2000:].strip()}")
    return done.stdout
