"""Commands of the user's, run before and after an episode."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from env.errors import ClusterError
from env.kube.client import plain

_SHOWN = 400


def run_hooks(when: str, commands: Sequence[Sequence[str]], timeout_s: float) -> None:
    """Run commands one after another; each is a list of arguments, there is no shell.

    Raises:
        ClusterError: One that cannot be started, fails, or takes more than `timeout_s`; with the end of its output.
    """
    for command in commands:
        what = f"{when} hook {' '.join(command)!r:.200}"
        try:
            done = subprocess.run(  # noqa: S603  (the user's own command)
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ClusterError(f"{what}: not done within {timeout_s:.0f} s{_end(error.stdout)}") from error
        except OSError as error:
            raise ClusterError(f"{what}: cannot be started: {error.strerror}") from error
        except ValueError as error:  # a NUL in an argument
            raise ClusterError(f"{what}: cannot be started: {error}") from error
        if done.returncode != 0:
            raise ClusterError(f"{what}: exit code {done.returncode}{_end(done.stdout)}")


def _end(output: bytes | None) -> str:
    text = plain((output or b"")[-_SHOWN:].decode(errors="replace"))
    return f": {text}" if text else ""
