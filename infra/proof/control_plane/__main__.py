"""`python -m infra.proof.control_plane`: build, start, stop a control plane, or run a command in a new one."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys

from env.errors import SimArenaError
from infra.proof.control_plane import network
from infra.proof.control_plane.build import build, missing, programs_folder
from infra.proof.control_plane.plane import Plane


def main(arguments: list[str]) -> int:
    """The exit code: 0, that of the command, or 1 and 2 after an error of one line."""
    given = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that a plane is stopped then, too
    try:
        return _do(given)
    except SimArenaError as error:
        _say(f"error: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        _say("interrupted")
        return 130


def _do(given: argparse.Namespace) -> int:
    folder = programs_folder()
    if given.what != "stop" and missing(folder):
        build(folder, _say)
    plane = Plane(given.name, folder)
    match given.what:
        case "start":
            plane.start(bare=given.bare, say=_say)
            _say(f"plane {plane.name} runs; a shell in it: {' '.join(network.inside(plane.name, 'bash'))}")
            sys.stdout.write(_exports(plane))
        case "stop":
            plane.stop()
        case "run":
            return _run(plane, given.command, bare=given.bare)
    return 0


def _run(plane: Plane, command: list[str], *, bare: bool) -> int:
    plane.start(bare=bare, say=_say)
    try:
        line = network.inside(plane.name, *command)
        return subprocess.run(line, env=plane.environment, check=False).returncode  # noqa: S603 (the user's own)
    finally:
        plane.stop()


def _exports(plane: Plane) -> str:
    """What a shell must know, for `eval`."""
    names = {
        "KUBECONFIG": plane.kubeconfig,
        "SIM_ARENA_PLANE": plane.name,
        "TRACE_DIR": f"{plane.data}:{plane.data}",
        "PATH": f"{plane.programs / 'bin'}:$PATH",
    }
    return "".join(f'export {name}="{value}"\n' for name, value in names.items())


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.proof.control_plane", description=__doc__)
    parser.set_defaults(bare=False, command=[], name="arena")
    commands = parser.add_subparsers(dest="what", required=True)
    commands.add_parser("build", help="build the programs, if they are not built yet")
    for name, text in (
        ("start", "start a plane and leave it running"),
        ("stop", "stop a plane that was started"),
        ("run", "start a plane, run COMMAND in its network namespace, and stop it"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--name", default=f"run-{os.getpid()}" if name == "run" else "arena")
        if name != "stop":
            command.add_argument("--bare", action="store_true", help="without SimKube, KWOK, stand-ins and nodes")
        if name == "run":
            command.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
