"""How long a training by epochs is: what `--env doctor`, `season` and `fleet` have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import typer


@dataclass(frozen=True, kw_only=True)
class EpochsChoice:
    """How long, and in how many environments at a time."""

    panel: ClassVar[str] = "--env doctor, season and fleet"

    epochs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=100_000,
            help="Epochs of 65,536 environment steps in all. Default: 100 of a doctor, 60 of a season, 30 of a fleet.",
        ),
    ] = None
    environments: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=2**20, help="Environments that are stepped together. Default: 256."),
    ] = None
