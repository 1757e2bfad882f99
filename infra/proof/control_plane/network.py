"""The network namespace of a plane: its ports are its own, so that two planes need no other ports.

The API server calls SimKube's webhook at the IP of the driver's pod, and an EndpointSlice takes no loopback address.
So the loopback device of the namespace has one more address, which all pods of the node worker-1 have.
"""

from __future__ import annotations

import subprocess

from env.errors import SimArenaError

ADDRESS = "10.255.0.1"


def create(name: str) -> None:
    """Make the namespace, with its loopback device up.

    Raises:
        SimArenaError: There is one of that name, or this user may not.
    """
    _ip("netns", "add", name)
    _ip("-n", name, "link", "set", "lo", "up")
    _ip("-n", name, "address", "add", f"{ADDRESS}/32", "dev", "lo")


def exists(name: str) -> bool:
    """Whether there is a namespace of that name."""
    return any(line.split()[0] == name for line in _ip("netns", "list").splitlines() if line)


def remove(name: str) -> None:
    """Remove the namespace."""
    _ip("netns", "delete", name)


def processes(name: str) -> set[int]:
    """The ids of the processes in it."""
    return {int(line) for line in _ip("netns", "pids", name).split()}


def inside(name: str, *arguments: str) -> list[str]:
    """A command line, run in the namespace."""
    return ["ip", "netns", "exec", name, *arguments]


def _ip(*arguments: str) -> str:
    try:
        done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607
    except FileNotFoundError as error:
        raise SimArenaError("ip is not installed (Debian: iproute2); a control plane needs it") from error
    if done.returncode != 0:
        raise SimArenaError(f"ip {' '.join(arguments)}: {done.stderr.strip()}; a network namespace needs root")
    return done.stdout
