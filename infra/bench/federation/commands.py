"""`sim-arena bench federation`: what more members are worth, and what a strategy makes of bad ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from env.errors import ConfigError
from env.words import count
from runner.bench import commands as b
from runner.commands.console import check_place, note
from runner.options.agents import SettingsOption
from runner.options.flatten import flattened
from runner.options.output import OutputChoice

if TYPE_CHECKING:
    from infra.bench.federation.members import Attack
    from runner.bench.exam import ExamResult


@dataclass(frozen=True, kw_only=True)
class FederationsChoice:
    """Which federations are compared."""

    panel: ClassVar[str] = "Federations"

    members: Annotated[str, typer.Option(metavar="N,N,...", help="Sizes of the federations.")] = "1,2,4,8"
    strategy: Annotated[
        tuple[str, ...],
        typer.Option(metavar="NAME", help="How networks become one; may be given again."),
    ] = ("fedavg",)
    episodes_per_round: Annotated[
        int, typer.Option(metavar="N", min=1, help="Of each member, between two averages.")
    ] = 10
    heterogeneous: Annotated[
        bool, typer.Option("--heterogeneous", help="Each member meets one kind of problem only.")
    ] = False
    attack: Annotated[
        str | None,
        typer.Option(metavar="KIND", help="Member 0 sends its weights times -1 (sign-flip) or times 1000 (scale)."),
    ] = None
    settings: SettingsOption = field(default_factory=dict)


@flattened
def federation(
    trainings: b.TrainingsChoice,
    choice: FederationsChoice,
    output: OutputChoice,
    env_steps_per_member: b.EnvStepsOption = 50_000,
    evaluate_every: b.EvaluateEveryOption = 2_000,
    to: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the learning curves.", rich_help_panel=OutputChoice.panel),
    ] = None,
) -> None:
    """Measure what more members are worth, and what bad ones cost.

    The global model of federations of several sizes beside members trained alone, after equally many environment steps
    of each member. All in this process, without S3: the weights are those that workers would get.
    """
    from infra.bench.federation import members as federation_bench
    from runner.bench.runs import run_groups

    check_place(to, "--to")
    groups = federation_bench.federation_runs(
        members=b.sizes_of(choice.members, 1000),
        strategies=choice.strategy,
        seeds=trainings.seeds,
        env_steps=env_steps_per_member,
        episodes_per_round=choice.episodes_per_round,
        evaluate_every=evaluate_every,
        heterogeneous=choice.heterogeneous,
        attack=None if choice.attack is None else _attack(choice.attack),
        settings=choice.settings,
    )
    outcomes = run_groups(federation_bench.train, groups, trainings.jobs, trainings.results)
    b.report("federation", groups, outcomes, output.as_json)
    if to is not None:
        draw(outcomes, to)
        note(f"wrote {to}")


def draw(outcomes: Mapping[str, Sequence[ExamResult]], path: Path) -> None:
    """Draw how many of the validation problems are solved over each member's environment steps, a line a group.

    Lines are medians over seeds, shades their range, both as far as all seeds of the group came.

    Raises:
        AgentError: the file cannot be written.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import StrMethodFormatter

    from runner.bench.exam import ENOUGH
    from runner.training.curves import save
    from runner.training.validation import PROBLEMS

    figure = Figure(figsize=(10, 5.5), dpi=120, layout="constrained")
    axes = figure.subplots()
    seeds = max(len(group) for group in outcomes.values())
    axes.set_title(f"Federations and members alone: median and range of {count(seeds, 'seed')}")
    for number, (name, group) in enumerate(outcomes.items()):
        env_steps, low, median, high = band(group)
        style, width = ("--", 1.0) if "alone" in name else ("-", 2.0)
        axes.plot(env_steps, median, style, color=f"C{number % 10}", linewidth=width, label=name)
        axes.fill_between(env_steps, low, high, color=f"C{number % 10}", alpha=0.1, linewidth=0)
    axes.axhline(100 * ENOUGH, color="grey", linewidth=0.8, linestyle=":", label=f"{100 * ENOUGH:.0f} %")
    axes.set_xlabel("environment steps of each member")
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_ylabel(f"solved (% of {PROBLEMS} validation problems)")
    axes.set_ylim(-3, 103)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize="small")
    save(figure, path)


def band(outcomes: Sequence[ExamResult]) -> tuple[Any, Any, Any, Any]:
    """A group's curves on common environment steps: those, and the least, median and greatest percentage solved."""
    import numpy as np

    steps = [np.array([point.env_steps for point in outcome.curve]) for outcome in outcomes]
    solved = [np.array([100 * point.solved for point in outcome.curve]) for outcome in outcomes]
    last = min((int(each[-1]) if len(each) else 0) for each in steps)
    grid = np.unique(np.concatenate(steps))
    grid = grid[grid <= last]
    if not len(grid):
        return grid, grid, grid, grid
    rows = np.array([np.interp(grid, x, y) for x, y in zip(steps, solved, strict=True)])
    return grid, rows.min(axis=0), np.median(rows, axis=0), rows.max(axis=0)


def _attack(name: str) -> Attack:
    from infra.bench.federation.members import Attack

    if name not in [attack.value for attack in Attack]:
        raise ConfigError(f"--attack {name}: unknown; choose from {', '.join(Attack)}")
    return Attack(name)
