"""`sim-arena rl diagnose`: a doctor looks at a cluster, mends what it may, and reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from env.doctor.actions import WRITES, DoctorAction
from env.errors import ConfigError, UsageError, nearest
from env.words import count
from runner.commands.console import Exit, ask, can_ask, fail, note, out, print_json
from runner.options import completion
from runner.options.flatten import flattened
from runner.options.output import OutputChoice
from runner.options.real_cluster import RealCluster

if TYPE_CHECKING:
    from agents.saved.about import About
    from env.live.cluster import LiveStep
    from env.live.plan import Change
    from env.live.write import Written
    from runner.rl.doctors import Doctor

_WRITES = tuple(action.name.lower().replace("_", "-") for action in WRITES)


@dataclass(frozen=True, kw_only=True)
class WriteChoice:
    """What may be changed."""

    panel: ClassVar[str] = "Cluster"

    allow_writes: Annotated[
        tuple[str, ...],
        typer.Option(
            metavar="ACTION",
            help="Let this action write; may be given again, or with commas: " + ", ".join(_WRITES) + ".",
            autocompletion=completion.of(_WRITES),
        ),
    ] = ()
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Let the API server try what would be written, and write nothing.")
    ] = False
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before an action writes.")] = False


@flattened
def diagnose(
    cluster: RealCluster,
    writes: WriteChoice,
    output: OutputChoice,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="MODEL",
            help="Who acts: a file, or a name in ~/.sim-arena/models. Default: modelPath of the configuration, else a "
            "round by hand.",
            autocompletion=completion.files,
        ),
    ] = None,
    steps: Annotated[int, typer.Option("--steps", "-s", min=1, max=1000, help="Actions at most.")] = 20,
    simulation: Annotated[bool, typer.Option("--simulation", help="Play Doctor-v0 instead of a real cluster.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the simulated cluster.")] = 0,
) -> None:
    """Find out what is wrong with a cluster, and say what to do: that of the current kubeconfig, read only.

    Exit code 0: nothing is wrong. 1: something is, or not all could be read. What an action would write is proposed as
    a command, unless --allow-writes names the action: then the API server tries it, you are asked, and it is done.
    """
    allowed = _allowed(writes.allow_writes)
    doctor, name, said = _doctor(model, simulation)
    if simulation:
        _simulate(doctor, name, steps, seed, as_json=output.as_json)
        return
    if allowed and not writes.dry_run and not writes.yes and not can_ask():
        raise UsageError("no terminal to ask at before an action writes; take --yes or --dry-run")
    _examine(cluster, writes, allowed, doctor, name, said, steps, as_json=output.as_json)


def _examine(
    cluster: RealCluster,
    writes: WriteChoice,
    allowed: tuple[DoctorAction, ...],
    doctor: Doctor,
    name: str,
    said: About | None,
    steps: int,
    *,
    as_json: bool,
) -> None:
    from env.live.cluster import LiveCluster, Rights
    from env.live.reading import Reader
    from runner.rl.diagnose import diagnose as run
    from runner.rl.report import Header, document, report_lines

    try:
        with cluster.live.opened() as (api, context):
            header = Header(
                context, api.host, cluster.namespace, allowed, writes.dry_run, name, cluster.live.where, said
            )
            shown = _Shown(note if as_json else _print, cluster.live.where)
            shown.say(header.line)
            if said is not None:
                shown.say(f"model {name}: {said.line}")
            rights = Rights(frozenset(allowed), writes.dry_run, _Confirmation(writes.yes), shown.change)
            diagnosis = run(LiveCluster(Reader(api, cluster.namespace), rights), doctor, steps, shown.step)
    except KeyboardInterrupt:
        fail(f"interrupted; {'what is shown as done is done' if allowed else 'nothing was changed'}", Exit.INTERRUPTED)
    if as_json:
        print_json(document(header, diagnosis))
    else:
        for line in report_lines(header, diagnosis):
            _print(line)
    if not diagnosis.is_well:
        raise typer.Exit(int(Exit.FAILED))


@dataclass
class _Shown:
    """Steps as they are taken, and changes as they are made."""

    say: Callable[[str], None]
    where: tuple[str, ...]
    steps: int = 0
    is_begun: bool = False

    def change(self, action: DoctorAction, written: Written) -> None:
        from runner.rl.report import action_name, written_lines

        if not self.is_begun:
            self.is_begun = True
            self.say(f"{self.steps + 1:2} {action_name(action)}")
        for line in written_lines(written, self.where):
            self.say(line)

    def step(self, step: LiveStep) -> None:
        from runner.rl.report import step_lines

        self.steps, self.is_begun = self.steps + 1, False
        for line in step_lines(self.steps, step):
            self.say(line)


@dataclass(frozen=True)
class _Confirmation:
    """One question before an action writes, with all that it changes."""

    yes: bool

    def __call__(self, action: DoctorAction, changes: Sequence[Change]) -> bool:
        if self.yes:
            return True
        for each in changes:
            note(f"   {each.said}")
        return ask(f"{action.name.lower().replace('_', '-')}, {count(len(changes), 'change')}: go ahead?")


def _print(line: str) -> None:
    """A line on stdout; a command stays whole, to be pasted."""
    whole = line.lstrip().startswith("kubectl ") or not out.is_terminal
    out.print(line, markup=False, highlight=False, soft_wrap=whole)


def _allowed(given: Sequence[str]) -> tuple[DoctorAction, ...]:
    """The actions that may write.

    Raises:
        ConfigError: One that there is not, or that does not write.
    """
    names = [name.strip().lower().replace("_", "-") for each in given for name in each.split(",")]
    for name in names:
        if name not in _WRITES:
            raise ConfigError(f"--allow-writes {name!r:.80}: no action that writes; {nearest(name, _WRITES)}")
    return tuple(sorted({DoctorAction[name.upper().replace("-", "_")] for name in names}))


def _doctor(model: str | None, simulation: bool) -> tuple[Doctor, str, About | None]:
    """Who acts, what to call it, and what a model says about itself.

    What is named, else the configuration's model, else a round by hand.
    """
    from agents.saved.about import about
    from runner.rl.config import load_config, models_folder
    from runner.rl.doctors import model_doctor, scripted_doctor, ward_round

    chosen = model or load_config().modelPath
    if chosen is None:
        return (scripted_doctor(), "scripted", None) if simulation else (ward_round(), "by hand", None)
    path = Path(chosen).expanduser()
    if not path.is_file() and len(path.parts) == 1:
        found = sorted(models_folder().glob("*")) if models_folder().is_dir() else []
        path = next((each for each in found if chosen in (each.name, each.stem)), path)
        if not path.is_file():
            known = [each.name for each in found]
            hint = nearest(chosen, known) if known else "there are no models there"
            raise ConfigError(f"--model {chosen}: no such file, nor is one of that name in {models_folder()}; {hint}")
    return model_doctor(path), str(path), about(path)


def _simulate(doctor: Doctor, name: str, steps: int, seed: int, *, as_json: bool) -> None:
    from runner.rl.diagnose import simulate
    from runner.rl.report import action_name

    taken = []
    (note if as_json else _print)(f"simulated cluster, seed {seed}")
    for step in simulate(doctor, steps, seed):
        taken.append(step)
        if not as_json:
            _print(step.line)
    solved = taken[-1].is_success
    if as_json:
        rows = [{"action": action_name(each.action), "line": each.line, "reward": each.reward} for each in taken]
        print_json({"mode": "simulation", "seed": seed, "doctor": name, "solved": solved, "steps": rows})
    else:
        _print(f"{'solved' if solved else 'not solved'} in {count(len(taken), 'step')}")
    if not solved:
        raise typer.Exit(int(Exit.FAILED))
