"""`sim-arena rl train`: train a doctor for `rl diagnose`. A thin form of `sim-arena train --env doctor`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from env.errors import ConfigError
from runner.commands import tables
from runner.commands.console import Exit, check_place, fail, note, print_json, progress_bars
from runner.commands.interrupt import interruptible
from runner.commands.run_config import RunConfig
from runner.commands.train import loaded, train_in_folder
from runner.folders import new_folder
from runner.options import completion
from runner.options.flatten import changed, flag, flattened, typed
from runner.options.output import OutputChoice
from runner.options.real_cluster import RealCluster

if TYPE_CHECKING:
    from runner.rl.config import PufferConfig, TrainingConfig

EPOCHS, STEPS = 100, 100
_COMMAND = "sim-arena rl train"
_NAME = "doctor-{time}"
_MAY_CHANGE = {"load", "epochs", "model", "verbose", "as_json"}
"""Options that a run which is loaded takes."""


class Trainer(StrEnum):
    """What trains."""

    PPO = "ppo"
    PUFFERLIB = "pufferlib"


@flattened
def train(
    ctx: typer.Context,
    cluster: RealCluster,
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
        typer.Option(metavar="DIR", help="The run's own folder, new or empty. Default: runs/doctor-TIME."),
    ] = None,
    load: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Go on with the run in this folder.", autocompletion=completion.files),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where the model goes. Default: the run's name in ~/.sim-arena/models.",
            autocompletion=completion.files,
        ),
    ] = None,
    no_simulation: Annotated[
        bool,
        typer.Option(
            "--no-simulation",
            help="Read a real cluster, record what it is like, and train on simulated clusters that start there. "
            "Nothing is written to it.",
            rich_help_panel="Cluster",
        ),
    ] = False,
    recording: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Start from this recording too; may be given again.",
            rich_help_panel="Cluster",
            autocompletion=completion.files,
        ),
    ] = None,
    trainer: Annotated[
        Trainer, typer.Option(help="pufferlib: PufferLib's own, where rl status says that it works.")
    ] = Trainer.PPO,
    exam: Annotated[
        int,
        typer.Option(metavar="N", min=0, max=100_000, help="Episodes of the exam, for each kind of problems; 0: none."),
    ] = 1000,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="A line for each epoch.")] = False,
) -> None:
    """Train a doctor on simulated clusters, and examine it: sim-arena train --env doctor, with fewer options.

    PPO learns from 256 of them at a time; the exam holds it against other doctors and the optimum.

    Learning rate, discount and sizes come from the block pufferlib of ~/.sim-arena/config.json, where they are given.
    Ctrl-C stops it so that --load goes on.
    """
    from runner.rl.config import load_config, models_folder
    from runner.rl.recordings import read

    check_place(model, "--model")
    config, tell = load_config(), note if verbose else lambda line: None
    if not no_simulation:
        for option in changed(cluster):
            raise ConfigError(f"{option}: needs --no-simulation")
    if load is not None:
        if other := sorted(typed(ctx) - _MAY_CHANGE):
            fail(f"{flag(other[0])}: a run that is loaded keeps its settings, except for --epochs", Exit.USAGE)
        more = {"epochs": epochs} if "epochs" in typed(ctx) else {}
        summary, folder = train_in_folder(loaded(load).over(more), None, load, command=_COMMAND, on_unit=tell)
    else:
        if (no_simulation or recording) and trainer is not Trainer.PPO:
            raise ConfigError(f"--trainer {trainer}: starts from no recordings; leave it out")
        recordings = [*(recording or ()), *([str(_recorded(cluster))] if no_simulation else [])]
        read(recordings)  # before a folder is made
        wanted = _wanted(epochs, steps, seed, exam, recordings, config.trainingConfig).filled()
        if trainer is Trainer.PUFFERLIB:
            summary, folder = _by_pufferlib(wanted, config, to, tell)
        else:
            folder = to or new_folder(Path("runs"), _NAME)
            summary, folder = train_in_folder(wanted, folder, None, command=_COMMAND, on_unit=tell)
    kept = model or models_folder() / f"{folder.resolve().name}.pt"
    _keep(Path(summary["checkpoint"]), kept)
    if output.as_json:
        print_json({"folder": str(folder), "model": str(kept), **summary})
        return
    tables.show(tables.evaluation(summary["evaluation"]))
    tables.show_facts({"model": str(kept), "next": f"sim-arena rl diagnose -m {kept.stem if model is None else kept}"})


def _recorded(cluster: RealCluster) -> Path:
    """Look at a real cluster, by reading alone; the file of what was seen."""
    from env.live.reading import Reader
    from runner.rl.recordings import keep, record
    from runner.rl.report import Header

    try:
        with cluster.live.opened() as (api, context):
            note(Header(context, api.host, cluster.namespace, (), False, "").line)
            path = keep(record(Reader(api, cluster.namespace)))
    except KeyboardInterrupt:
        fail("interrupted; nothing was changed", Exit.INTERRUPTED)
    note(f"recorded in {path}")
    return path


def _wanted(epochs: int, steps: int, seed: int, exam: int, recordings: list[str], config: TrainingConfig) -> RunConfig:
    """The settings of `sim-arena train`; flags over the configuration over its own defaults."""
    from runner.rl.train import ENVIRONMENTS

    environments = config.numEnvs or ENVIRONMENTS
    settings = {
        "learning_rate": config.learningRate,
        "gamma": config.gamma,
        "epochs": config.numEpochs,
        "minibatch_size": config.batchSize,
        "rollout_steps": None if config.numSteps is None else config.numSteps * environments,
    }
    given = {name: value for name, value in settings.items() if value is not None}
    options = {"env": "doctor", "epochs": epochs, "steps": steps, "seed": seed, "exam": exam}
    options |= {"environments": environments, "recording": recordings}
    return RunConfig.of({**options, "settings": given}, "options")


def _by_pufferlib(
    wanted: RunConfig, config: PufferConfig, to: Path | None, on_unit: Callable[[str], None]
) -> tuple[dict[str, Any], Path]:
    """Train with PufferLib's trainer, which cannot be gone on with, and examine; what is known, and the folder."""
    from runner.commands.training_of_doctor import doctor_training
    from runner.rl.evaluator import exam
    from runner.rl.puffer_run import train as train_there
    from runner.rl.puffer_run import trainer_python
    from runner.training.model_file import save_model
    from runner.training.run_folder import RunFolder

    python, plan = trainer_python(config), doctor_training(wanted)
    run = RunFolder.create(to or new_folder(Path("runs"), _NAME), "ppo", [_COMMAND, *sys.argv[1:]], wanted.dump())
    note(f"run folder {run.path}")
    hint = f"PufferLib's trainer cannot go on: {run.path} is of no more use"
    with progress_bars() as tell, interruptible(hint) as should_stop, run.locked():

        def show(epoch: int, metrics: Mapping[str, float]) -> None:
            tell("epoch", epoch, plan.epochs)
            on_unit(f"epoch {epoch}: {', '.join(f'{name} {value:.2f}' for name, value in metrics.items())}")

        agent = train_there(plan, run.path, python=python, should_stop=should_stop, on_epoch=show)
        rows = exam(plan.max_steps, wanted.doctor.exam)(agent, should_stop) if wanted.doctor.exam else []
    final = run.checkpoint("final", "ppo")
    save_model(agent, final, rows)
    return {"trainer": "pufferlib", "checkpoint": str(final), "evaluation": [asdict(row) for row in rows]}, run.path


def _keep(trained: Path, kept: Path) -> None:
    from agents.saved.files import write_atomic

    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"model {kept}: its folder cannot be made ({error.strerror}); see {trained}") from error
    write_atomic(kept, trained.read_bytes())
