"""The commands of this project as child processes: started, watched, replaced, stopped; only ever our own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from env.errors import SimArenaError, UsageError

STOP_S = 20.0  # how long a process may take to save and leave before it is killed

# Linux kills the child with its parent, however that ends (PR_SET_PDEATHSIG = 1); the setting survives the exec. The
# parent may have gone before it was made, hence the question. Slower than a preexec_fn, but safe beside threads.
_TIED = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
os.getppid() == int(sys.argv[1]) and os.execv(sys.argv[2], sys.argv[2:])
"""


def command(name: str, *arguments: str) -> list[str]:
    """A console script's command line, of this very installation and interpreter."""
    return [sys.executable, "-c", f"from infra.scripts import start; start({name!r})", *arguments]


def clean_environment(added: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with `added`, and none of the user's own AWS settings or proxies for this machine."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**own, "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost", **added}


def new_folder(to: Path | None, prefix: str) -> Path:
    """The folder that a user named, or a new one below /tmp.

    Raises:
        UsageError: it is not empty, or cannot be made.
    """
    if to is None:
        return Path(tempfile.mkdtemp(prefix=prefix))
    try:
        to.mkdir(parents=True, exist_ok=True)
        empty = not any(to.iterdir())
    except OSError as error:
        raise UsageError(f"--to {to}: cannot be made ({error.strerror})") from error
    if not empty:
        raise UsageError(f"--to {to}: is not empty; choose a new folder")
    return to.resolve()


def tied(arguments: Sequence[str]) -> list[str]:
    """A command line that does not outlive the thread that starts it, not even where that is killed (Linux only)."""
    if sys.platform != "linux":
        return list(arguments)
    return [sys.executable, "-I", "-S", "-c", _TIED, str(os.getpid()), *arguments]


@dataclass
class Processes:
    """Children that share an environment. Each writes its stderr to `folder`/NAME.log, and none outlives this process.

    Attributes:
        folder: where the logs go.
        environment: added to `clean_environment`.
    """

    folder: Path
    environment: Mapping[str, str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(
        self, name: str, arguments: Sequence[str], *, piped: bool = False, added: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a child under a name, from a thread that lives as long as it should.

        Args:
            piped: its stdout can be read here.
            added: what its environment has beside that of all.
        """
        with self.log(name).open("ab") as log:
            child = subprocess.Popen(  # noqa: S603 (our own interpreter, no shell)
                tied(arguments),
                env=clean_environment({**self.environment, **(added or {})}),
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
            SimArenaError: it failed, UsageError for wrong usage; the message is its last line of stderr.
        """
        done = subprocess.run(  # noqa: S603
            list(arguments), env=clean_environment(self.environment), capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or ["no message"]
            error = UsageError if done.returncode == UsageError.exit_code else SimArenaError
            raise error(lines[-1].removeprefix("error: "))
        return done.stdout

    def start_s3(self, bucket: str, *options: str) -> dict[str, str]:
        """Start `sim-arena s3` on a free port; the environment with which boto3 finds it and its bucket.

        Raises:
            SimArenaError: it did not start; the message has the end of its log.
        """
        child = self.start(
            "s3", command("sim-arena", "s3", "--port", "0", "--bucket", bucket, *options, "--json"), piped=True
        )
        assert child.stdout is not None  # noqa: S101 (piped)
        with child.stdout as said:
            line = said.readline()
        if not line:
            raise SimArenaError(f"the embedded S3 did not start: {self.log_tail('s3')}")
        environment: dict[str, str] = json.loads(line)["environment"]
        return environment

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
            child.send_signal(signal.SIGCONT)  # one that is stopped would never know
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

    def kill_all(self) -> None:
        """End every child at once, stopped or not."""
        for child in self.running.values():
            child.kill()
        for child in self.running.values():
            child.wait()
        self.running.clear()

    def log(self, name: str) -> Path:
        """Where the children of that name leave their stderr."""
        return self.folder / f"{name}.log"

    def log_tail(self, name: str, lines: int = 5) -> str:
        path = self.log(name)
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""
