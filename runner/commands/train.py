"""`sim-arena train`."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from env.errors import AgentError, ConfigError
from env.words import count
from runner.commands import tables
from runner.commands.console import Exit, err, fail, next_steps, note, print_json, progress_bars
from runner.commands.environments import environment_kind
from runner.commands.interrupt import interruptible
from runner.commands.run_config import RunConfig
from runner.options import completion
from runner.options.flatten import flattened, typed
from runner.options.output import OutputChoice
from runner.options.workload import CLUSTER

if TYPE_CHECKING:
    from runner.clusters.simkube import OpenBucket
    from runner.training.run_folder import RunFolder
    from runner.training.trainee import Summary, Trainee

_MAY_CHANGE = ("episodes", "epochs", "stop_solved", "patience")
"""Options that do not change what a run has done so far."""
SAY_EVERY_S = 60.0
"""Seconds after which a training that is not watched at a terminal says how far it is, at the latest."""


@dataclass(frozen=True, kw_only=True)
class RunChoice:
    """The run's folder, and what it starts from."""

    panel: ClassVar[str] = "Run"

    to: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The run's own folder, new or empty. Default: runs/AGENT-TIME."),
    ] = None
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Options from a .toml or .json file; those on the command line go over them."
        ),
    ] = None
    load: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Go on with a run: its folder or a checkpoint in it.",
            autocompletion=completion.files,
        ),
    ] = None


@flattened
def train(
    ctx: typer.Context,
    chosen: RunConfig,
    run: RunChoice,
    output: OutputChoice,
) -> None:
    """Train an agent; everything about it ends up in one folder. Ctrl-C stops it so that --load can go on."""
    names = typed(ctx)  # a default must not go over what a file says
    given = {name: value for name, value in chosen.dump().items() if name in names}
    if run.load is not None:
        _refuse_changes([*given, *(name for name in ("config", "to") if getattr(run, name) is not None)])
        wanted = loaded(run.load).over(given)
    else:
        wanted = (RunConfig.read(run.config) if run.config is not None else RunConfig()).over(given)
    summary, _ = train_in_folder(wanted, run.to, run.load, open_bucket=ctx.obj, command="sim-arena train")
    if output.as_json:
        print_json(summary)
    else:
        tables.show_facts({name: value for name, value in summary.items() if name != "evaluation"})
        next_steps(*_next(wanted.workload.env, summary))


def _next(env: str, summary: Mapping[str, Any]) -> list[str]:
    """What to try with the model that a training has made."""
    model = shlex.quote(summary["best_checkpoint"] or summary["checkpoint"])
    if env == CLUSTER:
        return [f"sim-arena evaluate --agent {model} --baselines", f"sim-arena episode --agent {model} --problem cpu"]
    if env == "doctor":
        return [f"sim-arena rl diagnose -m {model}"]
    return [f"sim-arena evaluate --env {env} --agent {model}"]


def loaded(path: Path) -> RunConfig:
    """The settings of the run that a folder, or a checkpoint in it, belongs to; ConfigError if there is none."""
    from runner.training.run_folder import RunFolder

    return RunConfig.of_run(RunFolder.open(path).config)


def train_in_folder(
    wanted: RunConfig,
    to: Path | None,
    load: Path | None,
    *,
    command: str,
    open_bucket: OpenBucket | None = None,
    on_unit: Callable[[str], None] = lambda line: None,
) -> tuple[dict[str, Any], Path]:
    """Train in a new folder, or go on in one; the summary, and the folder.

    Args:
        wanted: The settings.
        to: The folder of a new run; None: one with a name of its own.
        load: What to go on with: a run's folder or a checkpoint in it.
        command: What goes on with the run by `--load`, as a user types it.
        open_bucket: See `ClusterChoice.opened`.
        on_unit: Gets a line about every episode or epoch.

    Raises:
        SimArenaError: As `sim-arena train` shows it.
    """
    from runner.training.run_folder import RunFolder

    wanted = wanted.filled()
    with wanted.cluster.opened(open_bucket) as place:
        opened = environment_kind(wanted.workload.env).open(wanted, place)
        run = _begin(opened.training, wanted, to) if load is None else RunFolder.open(load)
        with run.locked():
            if load is not None:
                _restore(opened.training, run, run.latest if load.is_dir() else load, wanted)
            note(f"run folder {run.path}")
            hint = f"go on with: {command} --load {run.path}"
            with _progress(opened.training, on_unit) as advance, interruptible(hint) as should_stop:
                from runner.training.loop import train as run_loop

                summary = run_loop(
                    opened.training,
                    run,
                    wanted.plan(),
                    opened.evaluator,
                    opened.exam,
                    should_stop=should_stop,
                    on_unit=advance,
                )
    return summary, run.path


def _refuse_changes(given: Sequence[str]) -> None:
    """A run that goes on with other settings would be another run."""
    other = [name for name in given if name not in _MAY_CHANGE]
    if other:
        flag = "--set" if other[0] == "settings" else f"--{other[0].replace('_', '-')}"
        may = ", ".join(f"--{name.replace('_', '-')}" for name in _MAY_CHANGE)
        fail(f"{flag}: a run that is loaded keeps its settings, except for {may}", Exit.USAGE)


def _begin(training: Trainee, wanted: RunConfig, to: Path | None) -> RunFolder:
    """The folder of a new run; everything is checked before it is made."""
    from agents.saved.formats import read_state
    from runner.training.environment import environment
    from runner.training.run_folder import RunFolder
    from runner.training.training import load_agent_weights

    if (weights := wanted.training.weights) is not None:
        load_agent_weights(training.agent, read_state(Path(weights)))
    run = RunFolder.create(to, training.kind, ["sim-arena", *sys.argv[1:]], wanted.portable().dump())
    run.write_json("environment.json", environment())
    return run


def _restore(training: Trainee, run: RunFolder, state: Path, wanted: RunConfig) -> None:
    """Bring the training to a state of the run."""
    from agents.saved.formats import read_state
    from runner.training.metrics import read_metrics

    found = read_state(state)
    try:
        training.load_state_dict(found)
    except AgentError as error:
        raise ConfigError(
            f"{state}: {error}; --load takes a run's folder or a checkpoint_latest or _ep file"
        ) from error
    if run.has_ended:
        if training.done >= training.total:
            done = count(training.done, training.unit)
            fail(f"{run.path}: {done} done already; ask for more with --{training.unit}s", Exit.NOTHING_TO_DO)
        reason = wanted.plan().stop.reason(read_metrics(run.metrics, training.done).evaluations)
        if reason is not None:
            change = "ask for more with --stop-solved or --patience"
            fail(
                f"{run.path}: ended after {count(training.done, training.unit)}, {reason}; {change}", Exit.NOTHING_TO_DO
            )
    run.write_json(run.config.name, wanted.dump())  # the next --load knows of what has changed


@contextmanager
def _progress(training: Trainee, on_unit: Callable[[str], None]) -> Iterator[Callable[[Summary], None]]:
    """A bar on stderr; where that is no terminal, a line after each tenth, and at least every `SAY_EVERY_S`."""
    total, said_at, tenths = training.total, time.monotonic(), 10 * training.done // training.total
    with progress_bars() as tell:
        tell(training.unit, training.done, total)

        def advance(summary: Summary) -> None:
            nonlocal said_at, tenths
            on_unit(training.about([summary]))
            if err.is_terminal:
                if training.done % max(1, total // 1000) == 0:
                    tell(training.unit, training.done, total, _lately(training))
            elif 10 * training.done // total > tenths or time.monotonic() - said_at >= SAY_EVERY_S:
                said_at, tenths = time.monotonic(), 10 * training.done // total
                said = _lately(training) or training.about([summary]).removeprefix(f"{training.unit} {training.done}: ")
                note(f"{training.unit} {training.done:,} of {total:,}: {said}")

        yield advance


def _lately(training: Trainee) -> str:
    """How many of the last units were solved; empty where that is not known."""
    last = [each["solved"] for each in training.history[-100:] if each.get("solved") is not None]
    return f"{100 * sum(last) / len(last):.0f} % of the last {len(last)} solved" if last else ""
