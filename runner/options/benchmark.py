"""What `sim-arena benchmark` plays, which model, how often, and what that may cost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from agents.llm.providers.table import PROVIDERS
from env.fleet.variants import VARIANTS
from env.problems.draw import PROBLEMS
from runner.options import completion
from runner.options.language_model import ModelChoice
from runner.options.workload import CLUSTER

TYPES = (*PROBLEMS, "rooms", "no-fault", "hostile-text")
FLEET_TYPES = (*VARIANTS,)
ENVIRONMENTS = (CLUSTER, "fleet")
"""Those that have scenarios."""


@dataclass(frozen=True, kw_only=True)
class ScenariosChoice:
    """Which of the scenarios are played."""

    panel: ClassVar[str] = "Scenarios"

    env: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help=f"Environment whose scenarios are played: {', '.join(ENVIRONMENTS)}.",
            autocompletion=completion.of(ENVIRONMENTS),
        ),
    ] = CLUSTER
    list_scenarios: Annotated[bool, typer.Option("--list-scenarios", help="List the scenarios and leave.")] = False
    scenario: Annotated[
        tuple[str, ...], typer.Option(metavar="NAME", help="Only this scenario. May be given again.")
    ] = ()
    filter_type: Annotated[
        str | None,
        typer.Option(
            metavar="TYPE",
            help=f"Only one type of problem: {', '.join(TYPES)}; of fleets {', '.join(FLEET_TYPES)}.",
            autocompletion=completion.of((*TYPES, *FLEET_TYPES)),
        ),
    ] = None
    stream: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            max=2**53,
            help="Draw scenarios of the same kinds from a stream of your own instead of the published one.",
        ),
    ] = None


class ContestantChoice(ModelChoice):
    """The model that is measured."""

    panel: ClassVar[str] = "Model"

    provider: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"Whose it is: {', '.join(PROVIDERS)}. Keys come from the environment.",
            autocompletion=completion.of(PROVIDERS),
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class BesideChoice:
    """Who is played beside the model, of those that are not played anyway."""

    panel: ClassVar[str] = "Beside the model"

    agent: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="With --env fleet: a model that was trained there.", autocompletion=completion.files
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class AttemptsChoice:
    """How often and how long the scenarios are played."""

    panel: ClassVar[str] = "Attempts"

    attempts: Annotated[int, typer.Option(metavar="K", min=1, max=1000, help="Attempts at each scenario.")] = 5
    steps: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=1000,
            help="At most so many steps an attempt; of fleets replays. Default: 10; fleets: 8.",
        ),
    ] = None
    seed: Annotated[int, typer.Option(metavar="N", min=0, max=2**53 - 1, help="Of what happens by chance.")] = 0


@dataclass(frozen=True, kw_only=True)
class RunChoice:
    """How a run goes on, and what it may cost."""

    panel: ClassVar[str] = "Run"

    jobs: Annotated[int, typer.Option(metavar="N", min=1, max=256, help="Attempts at the same time.")] = 1
    max_cost_usd: Annotated[
        float | None, typer.Option(metavar="USD", min=0, help="Stop before more than this is spent, in all.")
    ] = None
    max_tokens: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Stop before more tokens are used, in all.")
    ] = None
    resume: Annotated[Path | None, typer.Option(metavar="DIR", help="Go on with these results.")] = None


DECIDED = (
    *("env", "scenario", "filter_type", "stream", "attempts", "steps", "seed"),
    *("provider", "model", "agent", "max_tool_rounds", "max_output_tokens"),
)
"""What results depend on, so that a run that is resumed has it already."""
