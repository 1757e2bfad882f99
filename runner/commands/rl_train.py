"""`sim-arena rl train`: train a doctor for `rl diagnose` on simulated clusters."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from env.errors import ConfigError
from runner.commands import tables
from runner.commands.console import Exit, check_place, fail, note, print_json, progress_bars
from runner.commands.fitted import FittedTable
from runner.commands.interrupt import interruptible
from runner.options import completion
from runner.options.flatten import flattened
from runner.options.output import OutputChoice

if TYPE_CHECKING:
    from runner.rl.config import PufferConfig, TrainingConfig
    from runner.rl.exam import Score
    from runner.rl.train import DoctorTraining

EPOCHS, STEPS = 100, 100
_ENVIRONMENTS = 256
_OPTIMAL = 200  # episodes of the optimum in the exam


class Trainer(StrEnum):
    """What trains."""

    PPO = "ppo"
    PUFFERLIB = "pufferlib"


@flattened
def train(
    output: OutputChoice,
    epochs: Annotated[
        int, typer.Option("--epochs", "-e", metavar="N", min=1, max=100_000, help="Of 65,536 environment steps each.")
    ] = EPOCHS,
    steps: Annotated[
        int, typer.Option("--steps", "-s", metavar="N", min=1, max=10_000, help="At most so many steps an episode.")
    ] = STEPS,
    seed: Annotated[int, typer.Option(metavar="N", min=0, max=2**31, help="Of everything that happens by chance.")] = 0,
    to: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The run's folder. One that was stopped goes on. Default: runs/doctor-TIME."),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where the model goes. Default: the run's name in ~/.sim-arena/models.",
            autocompletion=completion.files,
        ),
    ] = None,
    trainer: Annotated[
        Trainer, typer.Option(help="pufferlib: PufferLib's own, where rl status says that it works.")
    ] = Trainer.PPO,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="A line for each epoch.")] = False,
) -> None:
    """Train a doctor on simulated clusters, and examine it.

    PPO learns from 256 of them at a time; the exam holds it against other doctors and the optimum.

    Learning rate, discount and sizes come from the block pufferlib of ~/.sim-arena/config.json, where they are given.
    Ctrl-C stops it so that the same command with --to goes on.
    """
    from runner.folders import locked, new_folder
    from runner.rl.config import load_config, models_folder
    from runner.rl.train import MODEL

    config = load_config()
    run = _trainer(trainer, config)
    plan = _plan(epochs, steps, seed, config.trainingConfig)
    check_place(model, "--model")
    folder = new_folder(Path("runs"), "doctor-{time}") if to is None else _folder(to)
    kept = model or models_folder() / f"{folder.resolve().name}.pt"
    note(f"run folder {folder}")
    hint = f"go on with: {shlex.join(['sim-arena', *_without_to(sys.argv[1:]), '--to', str(folder)])}"
    if trainer is Trainer.PUFFERLIB:
        hint = f"PufferLib's trainer cannot go on: {folder} is of no more use"
    with progress_bars() as tell, interruptible(hint) as should_stop, locked(folder, "sim-arena rl train"):

        def show(epoch: int, metrics: Mapping[str, float]) -> None:
            tell("epoch", epoch, plan.epochs, _looked(metrics))
            if verbose:
                note(f"epoch {epoch} of {plan.epochs}: {_measured(metrics)}")

        scores = run(plan, folder, optimal=_OPTIMAL, should_stop=should_stop, on_epoch=show)
    _keep(folder / MODEL, kept)
    if output.as_json:
        facts = {"folder": str(folder), "model": str(kept), "scores": [score.document() for score in scores]}
        print_json(facts)
        return
    tables.show(_table(scores))
    tables.show_facts({"model": str(kept), "next": f"sim-arena rl diagnose -m {kept.stem if model is None else kept}"})


def _plan(epochs: int, steps: int, seed: int, config: TrainingConfig) -> DoctorTraining:
    """The training; flags over the configuration over our own defaults."""
    from runner.rl.train import DoctorTraining, doctor_settings

    environments = config.numEnvs or _ENVIRONMENTS
    given = {
        "learning_rate": config.learningRate,
        "gamma": config.gamma,
        "epochs": config.numEpochs,
        "minibatch_size": config.batchSize,
        "rollout_steps": None if config.numSteps is None else config.numSteps * environments,
    }
    settings = doctor_settings(epochs, {name: value for name, value in given.items() if value is not None})
    return DoctorTraining(epochs, steps, seed, environments, settings)


def _trainer(trainer: Trainer, config: PufferConfig) -> Callable[..., list[Score]]:
    """What trains and examines."""
    if trainer is Trainer.PUFFERLIB:
        from runner.rl.puffer_run import train as train_there
        from runner.rl.puffer_run import trainer_python

        return partial(train_there, python=trainer_python(config))
    from runner.rl.train import train as train_here

    return train_here


def _folder(path: Path) -> Path:
    """The folder of a run: new, empty, or of one that is to go on."""
    from runner.rl.train import EXAM, LATEST, METRICS

    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()) and not (path / LATEST).is_file() and not (path / METRICS).is_file():
            raise ConfigError(f"--to {path}: holds other files and no training to go on with; name another folder")
    except OSError as error:
        raise ConfigError(f"--to {path}: cannot be made ({error.strerror})") from error
    if (path / EXAM).is_file():
        fail(
            f"run folder {path}: is trained and examined, see {path / EXAM}; name another one with --to",
            Exit.NOTHING_TO_DO,
        )
    return path


def _without_to(arguments: Sequence[str]) -> list[str]:
    """The arguments without --to and its value."""
    kept, skip = [], False
    for argument in arguments:
        if not skip and argument != "--to" and not argument.startswith("--to="):
            kept.append(argument)
        skip = argument == "--to"
    return kept


def _keep(trained: Path, kept: Path) -> None:
    from agents.saved.files import write_atomic

    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"model {kept}: its folder cannot be made ({error.strerror}); see {trained}") from error
    write_atomic(kept, trained.read_bytes())


def _looked(metrics: Mapping[str, float]) -> str:
    """What a look at validation problems has shown; "" where there was none."""
    if "held_out_solved" not in metrics:
        return ""
    return f"{100 * metrics['held_out_solved']:.0f} % of small, {100 * metrics['large_solved']:.0f} % of large solved"


def _measured(metrics: Mapping[str, float]) -> str:
    parts = [f"return {metrics['return']:.2f}"] if "return" in metrics else []
    return ", ".join([*parts, f"entropy {metrics['entropy']:.2f}", *filter(None, [_looked(metrics)])])


def _table(scores: Sequence[Score]) -> FittedTable:
    """A row for each doctor and kind of problems."""
    table = FittedTable("problems", "doctor", "episodes", "solved %", "return", "steps")
    for score in scores:
        facts = score.document()
        table.add_row(
            score.problems,
            score.doctor,
            str(score.episodes),
            tables.estimate(facts["solved_rate"], 1, 100),
            tables.estimate(facts["mean_return"], 2, 1),
            tables.estimate(facts["mean_steps"], 2, 1),
        )
    return table
