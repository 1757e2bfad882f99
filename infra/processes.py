"""The commands of this project as child processes: started, watched, replaced, stopped; only ever our own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from env.errors import ConfigError

STOP_S = 20.0  # how long a process may take to save and leave before it is killed

_MODULES = {
    "dispatch": "protocol.dispatch",
    "worker": "protocol.worker",
    "sync-server": "protocol.sync_server",
    "sim-arena": "infra.main",
}


def command(name: str, *arguments: str) -> list[str]:
    """A console script's command line, of this very installation and interpreter."""
    return [sys.executable, "-c", f"from {_MODULES[name]} import main; main()", *arguments]


def clean_environment(added: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with `added`, and none of the user's own AWS settings or proxies for this machine."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**own, "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost", **added}


@dataclass
class Processes:
    """Children that share an environment. Each writes its stderr to `folder`/NAME.log.

    Attributes:
        folder: where the logs go.
        environment: added to `clean_environment`.
    """

    folder: Path
    environment: Mapping[str, str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, arguments: Sequence[str], *, piped: bool = False) -> subprocess.Popen[bytes]:
        """Start a child under a name; with `piped` its stdout can be read here."""
        with (self.folder / f"{name}.log").open("ab") as log:
            child = subprocess.Popen(  # noqa: S603 (our own interpreter, no shell)
                list(arguments),
                env=clean_environment(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if piped else log,
                stderr=log,
                # Ctrl-C reaches this process only, which then stops the children in order.
                start_new_session=True,
            )
        self.running[name] = child
        return child

    def run(self, arguments: Sequence[str]) -> str:
        """Run a child to its end; its stdout.

        Raises:
            ConfigError: it failed; the message is its last line of stderr.
        """
        done = subprocess.run(  # noqa: S603
            list(arguments), env=clean_environment(self.environment), capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or ["no message"]
            raise ConfigError(lines[-1].removeprefix("error: "))
        return done.stdout

    def ended(self) -> list[tuple[str, int]]:
        """Children that ended since the last call, with their exit codes (negative: the signal that killed it)."""
        found = [(name, code) for name, child in self.running.items() if (code := child.poll()) is not None]
        for name, _ in found:
            del self.running[name]
        return found

    def stop(self, names: Sequence[str]) -> None:
        """Ask children to save and leave; kill those that do not."""
        children = [child for name in names if (child := self.running.pop(name, None))]
        for child in children:
            child.terminate()
        for child in children:
            try:
                child.wait(STOP_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def stop_all(self) -> None:
        """Stop every child, the one started first last: the S3 endpoint must outlive its clients."""
        names = list(self.running)
        self.stop(names[1:])
        self.stop(names[:1])

    def log_tail(self, name: str, lines: int = 5) -> str:
        path = self.folder / f"{name}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""
