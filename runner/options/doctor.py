"""How a doctor is trained: what only `--env doctor` has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import typer


@dataclass(frozen=True, kw_only=True)
class DoctorChoice:
    """What episodes start with, and the exam at the end."""

    panel: ClassVar[str] = "--env doctor"

    recording: Annotated[
        tuple[str, ...],
        typer.Option(
            metavar="FILE", help="Start episodes from this recording of rl train --no-simulation; may be given again."
        ),
    ] = ()
    exam: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, max=100_000, help="Episodes of the exam at the end, for each kind of problems."
        ),
    ] = 1000
