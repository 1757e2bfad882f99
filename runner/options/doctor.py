"""How a doctor is trained: what only `--env doctor` has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import typer


@dataclass(frozen=True, kw_only=True)
class DoctorChoice:
    """How long, on how many clusters at a time, and the exam at the end."""

    panel: ClassVar[str] = "--env doctor"

    epochs: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=100_000, help="Epochs of 65,536 environment steps in all. Default: 100."),
    ] = None
    environments: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=2**20, help="Clusters that are stepped together. Default: 256."),
    ] = None
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
