"""`sim-arena demo`: options in, a federation on this machine, its results out."""

from __future__ import annotations

import shlex
import signal
from pathlib import Path
from typing import Annotated

import typer

from env.errors import UsageError
from runner.commands.console import Exit, next_steps, note, print_json
from runner.options import completion
from runner.options.flatten import flattened
from runner.options.output import OutputChoice

EPISODES_PER_ROUND = 10


@flattened
def demo(
    output: OutputChoice,
    members: Annotated[int, typer.Option(metavar="N", min=1, help="Members of the federation.")] = 2,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Worker processes. Default: one for each member.")
    ] = None,
    rounds: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help=f"Rounds, each {EPISODES_PER_ROUND} episodes of every member and an average."
        ),
    ] = 120,
    learner: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Train this learner in place of an agent, a round an epoch; digits comes along.",
            autocompletion=completion.or_plugin("learner", ("digits",)),
        ),
    ] = None,
    steps: Annotated[int, typer.Option(metavar="N", min=1, help="At most so many environment steps an episode.")] = 100,
    trace: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="Train on these traces (files or folders), not on generated problems."),
    ] = None,
    deploy: Annotated[
        str | None, typer.Option(metavar="NAME", help="The Deployment to fix, where a trace holds several.")
    ] = None,
    target: Annotated[int | None, typer.Option(metavar="N", min=1, max=100, help="Pods that should be ready.")] = None,
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, max=1 << 32, help="Same seed, same weights, to the bit.")
    ] = 0,
    to: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for all results. Default: a new one below /tmp."),
    ] = None,
) -> None:
    """Train a federation on this machine, with nothing to set up.

    An S3 endpoint, workers and a sync-server are processes of their own.
    """
    if learner is not None and (trace or deploy or target):
        raise UsageError(f"--learner {learner}: has neither --trace nor --deploy nor --target; leave them out")
    from infra.local import conclusion
    from infra.local.demo import Demo, DemoSettings
    from infra.local.processes import new_folder

    folder = new_folder(to, "sim-arena-demo-")
    settings = DemoSettings(
        members, workers or members, rounds, steps, seed, learner, tuple(trace or ()), deploy, target, folder
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # SIGTERM ends the child processes too
    try:
        outcome = Demo(settings, quiet=output.as_json).run()
    except KeyboardInterrupt:
        note(f"interrupted; logs are in {folder / 'logs'}")
        raise typer.Exit(int(Exit.INTERRUPTED)) from None
    if output.as_json:
        print_json(outcome)
    else:
        conclusion.show(outcome)
        if outcome["report"] is not None:
            page = shlex.quote(Path(outcome["report"]).as_uri())
            next_steps(f"python3 -m webbrowser {page}   # the report: learning, rounds, members, requests")
        model = shlex.quote(outcome["weights"])
        if learner is not None:
            next_steps("dispatch submit --help   # --learner: federate a class of your own, see docs/own-learner.md")
            return
        next_steps(
            f"sim-arena evaluate --agent {model} --baselines",
            f"sim-arena episode --agent {model} --problem cpu",
            "sim-arena suggest -f FOLDER   # your own manifests: what is not Ready, why, and patches",
        )
