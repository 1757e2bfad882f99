"""The console scripts. Nothing else is imported before Ctrl-C is caught: the commands' own imports take a while."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

MODULES = {
    "sim-arena": "infra.commands",
    "dispatch": "protocol.commands.dispatch",
    "worker": "protocol.commands.worker",
    "sync-server": "protocol.commands.sync_server",
    "ec2-workers": "infra.ec2.commands.main",
}
"""The module of each script, which has its `app`."""
ROOMS = ("env", "agents", "runner", "protocol", "infra")
"""Our packages. Others have the same names, such as openai-agents' `agents`, or a file `env.py` on PYTHONPATH."""


def start(name: str) -> None:
    """Run a script; Ctrl-C during its imports is one line and exit code 130, as it is later."""
    try:
        for room in ROOMS:
            if other := other_package(room):
                sys.stderr.write(f"error: {other}\n")
                sys.exit(1)
        from runner.commands.console import run

        run(import_module(MODULES[name]).app)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)


def other_package(room: str) -> str | None:
    """What to say where Python finds another package by this name than Sim-Arena's; None where it is ours.

    Ours stands beside this file, and its `__init__.py` names Sim-Arena: another one may lie before it on the path, or
    may have been installed over it.
    """
    spec, ours = find_spec(room), Path(__file__).resolve().parent.parent / room / "__init__.py"
    found = Path(spec.origin).resolve() if spec and spec.origin and spec.has_location else None
    if found == ours and b"Sim-Arena" in ours.read_bytes():
        return None
    apart = "install Sim-Arena in an environment of its own, as pipx does"
    if found == ours:
        return f"package {room}: another one was installed over {ours} (openai-agents has one named agents); {apart}"
    return f"package {room}: Python finds {found or 'none'} instead of {ours}; take that off PYTHONPATH, or {apart}"


def sim_arena() -> None:
    start("sim-arena")


def dispatch() -> None:
    start("dispatch")


def worker() -> None:
    start("worker")


def sync_server() -> None:
    start("sync-server")


def ec2_workers() -> None:
    start("ec2-workers")
