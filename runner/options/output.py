"""What is printed, and where things are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import typer


@dataclass(frozen=True, kw_only=True)
class OutputChoice:
    """How a command prints what it found."""

    panel: ClassVar[str] = "Output"

    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False


def show_version(wanted: bool) -> None:
    """Print the version and leave, if it is asked for."""
    if wanted:
        from importlib.metadata import version

        typer.echo(f"sim-arena {version('sim-arena')}")
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", is_eager=True, callback=show_version, help="Show the version and leave.")
]
