"""What all commands share: where output goes, how errors look, what exit codes mean.

stdout carries data only (tables, `--json`); progress, logs and errors go to stderr.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from env.errors import SimArenaError, UsageError

T = TypeVar("T")


class Exit(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOTHING_TO_DO = 3
    INTERRUPTED = 130


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """The reader (`| head`) is gone: let Python flush what is left to nowhere.

        Nobody wants the data any more, so leave as `run` does. Work goes on although nobody reads about it.
        """
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())
        if not self.stderr:
            raise SystemExit(int(Exit.DONE))


# No emoji: the range `a:b:` of an error must not become a picture.
out = _Console(soft_wrap=True, emoji=False)
err = _Console(stderr=True, soft_wrap=True, emoji=False)


def new_app(help_text: str, *, no_args_is_help: bool = True) -> typer.Typer:
    """A Typer app that never prints the values of local variables (they may hold credentials)."""
    return typer.Typer(
        help=help_text,
        no_args_is_help=no_args_is_help,
        pretty_exceptions_show_locals=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def fail(message: str, code: Exit = Exit.FAILED) -> NoReturn:
    """Print one line on stderr and leave with `code`."""
    err.print(f"[bold red]error[/]: {escape(message)}")
    raise typer.Exit(int(code))


def progress(items: Sequence[T], what: str) -> Iterable[T]:
    """The items, with a progress bar on stderr while they are worked through; none where that is no terminal."""
    from rich.progress import track

    return track(items, what, console=err, transient=True, disable=not err.is_terminal)


def count(number: int, noun: str) -> str:
    """A number and what it counts, `1 job` or `2 jobs`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def print_json(value: Any) -> None:
    """One JSON document on stdout; stable key order, no colour."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def check_place(path: Path | None, flag: str) -> None:
    """Raise UsageError if no file can be at `path`, before work is done whose results it is to hold."""
    if path is not None and (path.is_dir() or not path.parent.is_dir()):
        raise UsageError(f"{flag} {path}: no file can be there; make its folder first")


def run(app: Callable[[], None]) -> NoReturn:
    """Run a Typer app: a user's mistake is one line and an exit code, never a traceback."""
    try:
        app()
    except SimArenaError as error:
        err.print(f"[bold red]error[/]: {escape(str(error))}")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader (`| head`) is gone; nothing more can be said to it.
        sys.stderr.close()
        sys.exit(int(Exit.DONE))
    except KeyboardInterrupt:
        err.print("interrupted")
        sys.exit(int(Exit.INTERRUPTED))
    sys.exit(int(Exit.DONE))
