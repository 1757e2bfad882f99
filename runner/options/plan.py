"""Which nodes a plan may use, and what may be lost."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from env.errors import ConfigError
from runner.options import completion


class Survive(StrEnum):
    """As `env.plan.trial.Survive`, which needs a compiler."""

    NODE = "node"
    ZONE = "zone"
    RESTART = "restart"


if TYPE_CHECKING:
    from runner.plan.question import Allowed

_MOST_ZONES = 20


@dataclass(frozen=True, kw_only=True)
class PlanChoice:
    """What may be had.

    Raises:
        ConfigError: Too many zones, or one twice.
    """

    panel: ClassVar[str] = "Plan"

    node_type: Annotated[
        tuple[str, ...],
        typer.Option(
            metavar="TYPE",
            help="Nodes that may be had: m6i.xlarge, or a size, 16:32Gi; may be given again. any: all types of the "
            "price list for amd64, but burstable ones and those with GPUs. Default: those of --prices, else those that "
            "there are.",
            autocompletion=completion.nodes,
        ),
    ] = ()
    prices: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What nodes cost, as CSV or JSON: type, usd_per_hour, and for types of your own cpu, memory, pods. "
            "Default: AWS on demand, us-east-1.",
            autocompletion=completion.files,
        ),
    ] = None
    zone: Annotated[
        tuple[str, ...],
        typer.Option(metavar="NAME", help="A zone for nodes; may be given again. Default: those that there are."),
    ] = ()

    survive: Annotated[
        tuple[Survive, ...],
        typer.Option(
            help="What may happen with everything Ready afterwards: a node or a zone is lost; all nodes restart, and "
            "pods come in any order. May be given again.",
        ),
    ] = ()

    def __post_init__(self) -> None:
        if len(self.zone) > _MOST_ZONES:
            raise ConfigError(f"--zone: {len(self.zone)} zones; must be {_MOST_ZONES} at most")
        for zone in self.zone:
            if self.zone.count(zone) > 1:
                raise ConfigError(f"--zone {zone:.80}: given twice")

    def allowed(self) -> Allowed:
        """The same, with the price list read.

        Raises:
            ConfigError: A zone that is no label, or a price list that cannot be read.
        """
        from env.errors import ScenarioError
        from env.plan.offers import ZONE
        from env.plan.prices import read_prices, shipped_prices
        from env.problems.node_manifests import check_label
        from runner.plan.question import Allowed

        try:
            for zone in self.zone:
                check_label(ZONE, zone)
        except ScenarioError as error:
            raise ConfigError(f"--zone: {error}") from error
        prices = shipped_prices() if self.prices is None else read_prices(self.prices)
        return Allowed(self.node_type, self.zone, prices, own_prices=self.prices is not None)
