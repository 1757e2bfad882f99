"""`sim-arena train`."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from env.errors import AgentError, ConfigError
from env.words import count
from runner.commands import tables
from runner.commands.console import Exit, fail, note, print_json, progress_bars
from runner.commands.interrupt import interruptible
from runner.commands.run_config import RunConfig
from runner.options import completion
from runner.options.flatten import flattened, typed
from runner.options.output import OutputChoice

if TYPE_CHECKING:
    from env.cluster import Cluster
    from runner.training.run_folder import RunFolder
    from runner.training.training import Summary, Training
    from runner.training.validation import Validation

_MAY_CHANGE = ("episodes", "stop_solved", "patience")
"""Options that do not change what a run has done so far."""


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
    from runner.training.run_folder import RunFolder

    names = typed(ctx)  # a default must not go over what a file says
    given = {name: value for name, value in chosen.dump().items() if name in names}
    if run.load is not None:
        _refuse_changes([*given, *(name for name in ("config", "to") if getattr(run, name) is not None)])
        folder = RunFolder.open(run.load)
        wanted = RunConfig.of_run(folder.config).over(given)
    else:
        wanted = (RunConfig.read(run.config) if run.config is not None else RunConfig()).over(given)
    wanted = wanted.filled()
    with wanted.cluster.opened(ctx.obj) as place:
        trained, exam = _made(wanted, place)
        if run.load is None:
            folder = _begin(trained, wanted, run.to)
        with folder.locked():
            if run.load is not None:
                _restore(trained, folder, folder.latest if run.load.is_dir() else run.load, wanted)
            summary = _train(trained, folder, wanted, exam)
    if output.as_json:
        print_json(summary)
    else:
        tables.show_facts(summary)


def _refuse_changes(given: Sequence[str]) -> None:
    """A run that goes on with other settings would be another run."""
    other = [name for name in given if name not in _MAY_CHANGE]
    if other:
        flag = "--set" if other[0] == "settings" else f"--{other[0].replace('_', '-')}"
        may = ", ".join(f"--{name.replace('_', '-')}" for name in _MAY_CHANGE)
        fail(f"{flag}: a run that is loaded keeps its settings, except for {may}", Exit.USAGE)


def _made(wanted: RunConfig, cluster: Cluster | None) -> tuple[Training, Validation | None]:
    """An untrained training and what it is evaluated on."""
    from runner.training.training import Training
    from runner.training.validation import Validation, validation_problems

    workload, episode = wanted.workload, wanted.episode
    scenarios = workload.scenarios()
    training = Training(wanted.training_config(), scenarios or None, cluster)
    if not wanted.validation.evaluate_every:
        return training, None
    problems = scenarios or validation_problems(workload.problem)
    return training, Validation(problems, episode.steps, episode.reward, cluster)


def _begin(training: Training, wanted: RunConfig, to: Path | None) -> RunFolder:
    """The folder of a new run; everything is checked before it is made."""
    from agents.saved.formats import read_state
    from runner.training.environment import environment
    from runner.training.run_folder import RunFolder
    from runner.training.training import load_agent_weights

    chosen = wanted.training
    if chosen.weights is not None:
        load_agent_weights(training.agent, read_state(Path(chosen.weights)))
    run = RunFolder.create(to, chosen.agent, ["sim-arena", *sys.argv[1:]], wanted.portable().dump())
    run.write_json("environment.json", environment())
    return run


def _restore(training: Training, run: RunFolder, state: Path, wanted: RunConfig) -> None:
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
    if training.done >= training.config.episodes:
        done = count(training.done, "episode")
        fail(f"{run.path}: {done} done already; ask for more with --episodes", Exit.NOTHING_TO_DO)
    reason = wanted.plan().stop.reason(read_metrics(run.metrics, training.done).evaluations)
    if reason is not None:
        change = "ask for more with --stop-solved or --patience"
        fail(f"{run.path}: ended after {count(training.done, 'episode')}, {reason}; {change}", Exit.NOTHING_TO_DO)
    run.write_json(run.config.name, wanted.dump())  # the next --load knows of what has changed


def _train(training: Training, run: RunFolder, wanted: RunConfig, validation: Validation | None) -> dict[str, Any]:
    from runner.training.loop import train as run_loop

    note(f"run folder {run.path}")
    hint = f"go on with: sim-arena train --load {run.path}"
    with _progress(training) as advance, interruptible(hint) as should_stop:
        return run_loop(training, run, wanted.plan(), validation, should_stop=should_stop, on_episode=advance)


@contextmanager
def _progress(training: Training) -> Iterator[Callable[[Summary], None]]:
    """A bar on stderr, where that is a terminal."""
    last: deque[bool] = deque((summary["solved"] for summary in training.history[-100:]), maxlen=100)
    total = training.config.episodes
    with progress_bars() as tell:
        tell("episode", training.done, total)

        def advance(summary: Summary) -> None:
            last.append(summary["solved"])
            if training.done % max(1, total // 1000) == 0:
                solved = f"{100 * sum(last) / len(last):.0f} % of the last {len(last)} solved"
                tell("episode", training.done, total, solved)

        yield advance
