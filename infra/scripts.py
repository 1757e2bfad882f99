"""The console scripts. Nothing else is imported before Ctrl-C is caught: the commands' own imports take a while."""

from __future__ import annotations

import sys
from importlib import import_module

MODULES = {
    "sim-arena": "infra.commands",
    "dispatch": "protocol.commands.dispatch",
    "worker": "protocol.commands.worker",
    "sync-server": "protocol.commands.sync_server",
    "ec2-workers": "infra.ec2.commands.main",
}
"""The module of each script, which has its `app`."""


def start(name: str) -> None:
    """Run a script; Ctrl-C during its imports is one line and exit code 130, as it is later."""
    try:
        from runner.commands.console import run

        run(import_module(MODULES[name]).app)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)


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
