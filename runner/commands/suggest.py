"""`sim-arena suggest`: what would fix the workloads of a trace, as kubectl patches."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.kinds import KINDS
from env.errors import UsageError
from runner.clusters.choice import EMBEDDED, ClusterChoice
from runner.commands.console import check_place
from runner.options import completion
from runner.options.agents import AGENT_NAMES, EpisodeChoice, open_agent
from runner.options.flatten import flattened
from runner.options.language_model import ModelChoice
from runner.options.output import OutputChoice
from runner.options.workload import ReplayChoice

if TYPE_CHECKING:
    from env.trace.document import Trace


@flattened
def suggest(
    ctx: typer.Context,
    trace: Annotated[
        str,
        typer.Option(
            metavar="FILE", help="A trace file.", autocompletion=completion.files, rich_help_panel=ReplayChoice.panel
        ),
    ],
    replay: ReplayChoice,
    cluster: ClusterChoice,
    output: OutputChoice,
    model: ModelChoice,
    agent: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE",
            help=f"Who plays: {AGENT_NAMES}; or a checkpoint file.",
            autocompletion=completion.or_file(KINDS),
            rich_help_panel=EpisodeChoice.panel,
        ),
    ] = "heuristic",
    steps: Annotated[
        int,
        typer.Option(metavar="N", min=1, help="At most so many steps a workload.", rich_help_panel=EpisodeChoice.panel),
    ] = 100,
    lower: Annotated[
        bool,
        typer.Option(
            "--lower",
            help="Lower requests of which the use is not known even where pods run.",
            rich_help_panel=EpisodeChoice.panel,
        ),
    ] = False,
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the patch of the one workload to this file, for kubectl --patch-file.",
            rich_help_panel=OutputChoice.panel,
        ),
    ] = None,
) -> None:
    """Print what would fix the workloads of a trace, as kubectl patches.

    All workloads in a table; details where one is named with --deploy, or there is only one.

    Exit code 0: all would be Ready with what is proposed; 1: something stays not Ready; 3: nothing is wrong.
    """
    from env.trace.document import trace_files
    from runner.commands.suggest_all import suggest_all
    from runner.commands.suggest_one import solve_command, suggest_one

    check_place(to, "--to")
    model.check_needed([agent])
    (path, *more) = trace_files(trace)
    if more:
        raise UsageError(f"--trace {trace}: {len(more) + 1} traces; suggest takes one")
    from env.trace.document import load_trace

    loaded = load_trace(path)
    player = open_agent(agent, 0, model)
    if replay.deploy is not None or _is_of_one(loaded):
        scenario = replay.scenario(trace)
        solve = solve_command(trace, replay)
        suggest_one(scenario, player, steps, cluster, ctx.obj, as_json=output.as_json, to=to, solve=solve)
        return
    if cluster.cluster != EMBEDDED:
        raise UsageError(f"--cluster {cluster.cluster}: replays one workload; name it with --deploy")
    for option, value in (("--target", replay.target), ("--to", to), ("--namespace", replay.namespace)):
        if value is not None:
            raise UsageError(f"{option} {value}: is about one workload; name it with --deploy")
    suggest_all(loaded, replay, player, steps, lower=lower, as_json=output.as_json)


def _is_of_one(trace: Trace) -> bool:
    """Whether a trace has a single workload, of a kind that can be edited, or says itself which one is meant."""
    from env.engine.manifests.objects import pod_templates
    from env.workload import object_ref

    metadata = trace.extra.get("metadata")
    own = metadata.get("scenario") if isinstance(metadata, dict) else None
    if isinstance(own, dict) and isinstance(own.get("deploy"), str):
        return True
    applied = [each for event in trace.events for each in event["applied_objs"] if pod_templates(each)]
    return len({(each["kind"], object_ref(each)) for each in applied}) == len(trace.workloads()) == 1
