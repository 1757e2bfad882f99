"""What is asked for in a season: what only `--env season` has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import typer

from runner.options import completion

VARIANTS = ("memory", "cpu", "replicas")
KINDS = ("flat", "daily", "weekly", "leak", "bursty", "shifts", "deploys", "mixture")
"""Names as `env.season` has them, without its compiler."""
SETTINGS = ("variant", "kappa")
"""Options that a job has as settings of its environment, where that has them."""


@dataclass(frozen=True, kw_only=True)
class SeasonChoice:
    """What is requested, of which workloads, and the price of too little."""

    panel: ClassVar[str] = "--env season"

    variant: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"What is requested: {', '.join(VARIANTS)}. Default: memory. Of a fleet: small (default) or large.",
            autocompletion=completion.of(VARIANTS),
        ),
    ] = None
    kind: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help=f"Workloads of this kind only: {', '.join(KINDS)}. Default: any.",
            autocompletion=completion.of(KINDS),
        ),
    ] = None
    kappa: Annotated[
        float | None,
        typer.Option(
            metavar="PRICE",
            min=0,
            max=1000,
            help="Price of a window with use above the request, in windows of the typical request. Default: 4.",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class SeriesChoice:
    """What a training in a season plays beside generated workloads."""

    panel: ClassVar[str] = "--env season"

    series: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Measured use that an eighth of the environments play, as of evaluate --series. Default: none.",
            autocompletion=completion.files,
        ),
    ] = None
