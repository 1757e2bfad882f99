"""What all commands share: where output goes, how errors look, what exit codes mean.

stdout carries data only (tables, `--json`); progress, logs and errors go to stderr. All of it passes `env.printable`
here, so that a caller need not ask where a text came from.
"""

from __future__ import annotations

import errno
import io
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import IO, Any, NoReturn, Protocol, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.segment import Segment

from env.errors import SimArenaError, UsageError
from env.printable import LineFormatter, json_text, lines, one_line, printable, traceback_lines

T = TypeVar("T")


class Exit(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOTHING_TO_DO = 3
    INTERRUPTED = 130


class _Console(Console):
    def print(self, *objects: Any, **options: Any) -> None:
        """As Rich's, with lines too long for a terminal wrapped at spaces; a text is one printable line.

        A pipe gets whole lines, and so does a terminal with `soft_wrap=True`: for commands to paste.
        """
        options.setdefault("soft_wrap", not self.is_terminal)
        super().print(*(_line(each) if isinstance(each, str) else each for each in objects), **options)

    def render(self, renderable: Any, options: Any = None) -> Iterator[Segment]:
        """As Rich's; only its own control codes reach the terminal."""
        for segment in super().render(renderable, options):
            text = segment.text
            if segment.control or text.isprintable() or text == "\n":
                yield segment
            else:
                yield Segment("\n".join(map(printable, text.split("\n"))), segment.style)

    def on_broken_pipe(self) -> None:
        """Leave where the reader of stdout is gone (`| head`). Work goes on without a reader of stderr."""
        _discard(self.file)
        if not self.stderr:
            raise SystemExit(int(Exit.DONE))


def _line(text: str) -> str:
    """A text as one line; an empty line before it stays."""
    rest = text.lstrip("\n")
    return "\n" * (len(text) - len(rest)) + one_line(rest)


def _discard(stream: IO[str]) -> None:
    """Let what is still written to a stream without a reader go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


# No emoji: the range `a:b:` of an error must not become a picture.
out = _Console(soft_wrap=True, emoji=False)
err = _Console(stderr=True, soft_wrap=True, emoji=False)


def fail(message: str, code: Exit = Exit.FAILED) -> NoReturn:
    """Print one line on stderr and leave with `code`."""
    err.print(f"[bold red]error[/]: {escape(message)}")
    raise typer.Exit(int(code))


def note(line: str, *, whole: bool = False) -> None:
    """A line on stderr, as it is; `whole` also on a narrow terminal, for a command to paste."""
    err.print(line, markup=False, highlight=False, soft_wrap=whole or not err.is_terminal)


def next_steps(*commands: str) -> None:
    """What to try after a work is done, a command a line on stderr, each to be pasted as it is."""
    for command in commands:
        note(f"next: {command}", whole=True)


def nothing_to_do(line: str) -> NoReturn:
    """Say on stderr why there is nothing to do, and leave."""
    note(line)
    raise typer.Exit(int(Exit.NOTHING_TO_DO))


def say(line: str) -> None:
    """A log line on stderr with the local time."""
    note(f"{local_time()} {line}")


def local_time() -> str:
    """The time of day here, as log lines begin with it."""
    return f"{datetime.now().astimezone():%H:%M:%S}"


def confirm(question: str) -> None:
    """Ask before something is lost for good; leave if the answer is not yes.

    Raises:
        UsageError: there is no terminal to ask at.
    """
    if not can_ask():
        raise UsageError(f"no terminal to ask at: {question} Confirm with --yes")
    if not ask(question):
        fail("not confirmed; nothing was done")


def can_ask() -> bool:
    """Whether there is a terminal to ask at."""
    return sys.stdin is not None and sys.stdin.isatty()


def ask(question: str) -> bool:
    """Ask at the terminal; leave if the answer is Ctrl-C."""
    try:
        return typer.confirm(question, err=True)
    except typer.Abort:
        err.print()
        fail("interrupted; nothing more was done", Exit.INTERRUPTED)


class Tell(Protocol):
    """Shows how far a work is: `done` of `total`, and a remark beside it."""

    def __call__(self, what: str, done: int, total: int, remark: str = "") -> None: ...


@contextmanager
def progress_bars() -> Iterator[Tell]:
    """A progress bar on stderr for each `what` that is told; none where stderr is no terminal."""
    if not err.is_terminal:
        yield lambda what, done, total, remark="": None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[remark]}"), console=err, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def tell(what: str, done: int, total: int, remark: str = "") -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total, remark=remark)
            bars.update(tasks[what], completed=done, remark=remark)

        yield tell


def progress(items: Sequence[T], what: str) -> Iterator[T]:
    """The items, with a progress bar on stderr while they are worked through; none where that is no terminal."""
    with progress_bars() as tell:
        for done, item in enumerate(items):
            tell(what, done, len(items))
            yield item


def print_json(value: Any) -> None:
    """One JSON document on stdout; stable key order, no colour."""
    sys.stdout.write(json_text(value) + "\n")


def print_lines(text: str) -> None:
    """A text of many lines, such as a log, on stdout."""
    for line in io.StringIO(text, newline="\n"):
        sys.stdout.write(lines(line))


def check_place(path: Path | None, flag: str) -> None:
    """Raise UsageError if no file can be at `path`, before work is done whose results it is to hold."""
    if path is not None and (path.is_dir() or not path.parent.is_dir()):
        raise UsageError(f"{flag} {path}: no file can be there; make its folder first")


def run(app: Callable[[], None]) -> NoReturn:
    """Run a Typer app: a user's mistake is one line and an exit code, never a traceback.

    A reader of stdout that is gone (`| head`) has what it wanted: that is no failure.
    """
    _open_stdout()
    if logging.lastResort:  # where libraries' warnings go
        logging.lastResort.setFormatter(LineFormatter())
    try:
        app()
    except SystemExit as left:
        # Typer and Rich leave with 1 where the reader is gone; an error that they were about to print keeps its code.
        if not isinstance(left.__context__, BrokenPipeError):
            raise
        sys.exit(getattr(left.__context__.__context__, "exit_code", int(Exit.DONE)))
    except SimArenaError as error:
        err.print(f"[bold red]error[/]: {escape(str(error))}")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.exit(int(Exit.DONE))
    except KeyboardInterrupt:
        err.print("interrupted")
        sys.exit(int(Exit.INTERRUPTED))
    except Exception as error:
        sys.exit(_unforeseen(error))
    finally:
        _flush_stdout()
    sys.exit(int(Exit.DONE))


def _open_stdout() -> None:
    """Where whoever started the process has closed stdout: what is printed fails by name, all other work goes on."""
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")


def _unforeseen(error: Exception) -> int:
    """Show an error that no command expects, and say the exit code: a stdout that is full or closed, or a defect."""
    if isinstance(error, OSError) and error.errno in _NO_STDOUT and error.filename is None:
        _discard(sys.stdout)
        err.print(f"[bold red]error[/]: stdout: cannot be written ({error.strerror})")
    else:
        for line in traceback_lines(error):
            note(line, whole=True)
    return int(Exit.FAILED)


def _flush_stdout() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _discard(sys.stdout)
    except OSError as error:
        sys.exit(_unforeseen(error))


_NO_STDOUT = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})
