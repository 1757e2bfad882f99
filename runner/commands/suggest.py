"""`sim-arena suggest`: what would make workloads Ready, as kubectl patches."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.kinds import KINDS
from env.errors import ClusterError, ConfigError, UsageError
from runner.clusters.choice import EMBEDDED, ClusterChoice
from runner.commands.console import check_place, note, out
from runner.commands.suggest_source import CLUSTER, named_owner, open_source
from runner.options import completion
from runner.options.agents import AGENT_NAMES, EpisodeChoice, open_agent
from runner.options.flatten import flattened
from runner.options.language_model import ModelChoice
from runner.options.live import LiveChoice
from runner.options.manifests import ManifestsChoice
from runner.options.output import OutputChoice
from runner.options.usage import UsageChoice
from runner.options.workload import ReplayChoice

if TYPE_CHECKING:
    from env.problems.scenario import Scenario
    from runner.commands.suggest_source import Source


class FailOn(StrEnum):
    """What makes the exit code 1."""

    NOT_READY = "not-ready"


@flattened
def suggest(
    ctx: typer.Context,
    manifests: ManifestsChoice,
    replay: ReplayChoice,
    usage: UsageChoice,
    cluster: ClusterChoice,
    output: OutputChoice,
    model: ModelChoice,
    kappa: Annotated[
        float | None,
        typer.Option(
            metavar="PRICE",
            min=0,
            max=1000,
            help="With weeks of use: price of six hours with memory above the request, in those of the typical "
            "request. Default: 12.",
            rich_help_panel=UsageChoice.panel,
        ),
    ] = None,
    trace: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="A trace file. Default, without -f: the current context, read only.",
            autocompletion=completion.files,
            rich_help_panel=ReplayChoice.panel,
        ),
    ] = None,
    kubeconfig: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A kubeconfig file. Default: KUBECONFIG, ~/.kube/config.",
            autocompletion=completion.files,
            rich_help_panel=ClusterChoice.panel,
        ),
    ] = None,
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
    patch_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write all patches to this new folder, for kubectl apply -k.",
            rich_help_panel=OutputChoice.panel,
        ),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Draw weeks of use, and what rules would have requested, as a .png file.",
            rich_help_panel=OutputChoice.panel,
        ),
    ] = None,
    markdown: Annotated[
        bool,
        typer.Option("--markdown", help="Print Markdown, for a pull request.", rich_help_panel=OutputChoice.panel),
    ] = False,
    fail_on: Annotated[
        FailOn | None,
        typer.Option(
            metavar=f"{FailOn.NOT_READY}",
            help="Exit code 1 where a workload is not Ready as given, also if a proposal mends it; else 0. For CI.",
            rich_help_panel=OutputChoice.panel,
        ),
    ] = None,
) -> None:
    """Print what would make workloads Ready, as kubectl patches.

    Of a trace, manifests, or the current context, which is only read: all workloads in a table; details where one is
    named with --workload or --deploy, or a trace has only one. Nothing is ever written to a cluster. With --usage and
    without a cluster: requests for the workloads of that file.

    Exit code 0: all would be Ready with what is proposed; 1: something stays not Ready; 3: nothing is wrong.
    """
    from runner.commands.suggest_all import Printed, suggest_all
    from runner.commands.suggest_one import solve_command, suggest_one
    from runner.commands.suggest_usage import suggest_usage

    check_place(to, "--to")
    check_place(picture, "--picture")
    _check_new(patch_dir)
    if markdown and output.as_json:
        raise UsageError("--markdown: --json is given; leave one of them out")
    model.check_needed([agent])
    context = cluster.simkube.kube_context if cluster.cluster == EMBEDDED else None
    if trace is not None or context is None or (manifests.filename and replay.nodes != CLUSTER):
        cluster.check()
    printed = Printed(output.as_json, markdown, patch_dir, fail_on_not_ready=bool(fail_on), picture=picture)
    is_file_alone = usage.usage is not None and not (
        trace or manifests.filename or kubeconfig or context or replay.nodes
    )
    live = LiveChoice(kubeconfig=kubeconfig, kube_context=context)
    try:
        source = open_source(trace, manifests, replay, live, usage, kappa)
    except (ConfigError, ClusterError) as error:
        if usage.usage is None or not is_file_alone:
            raise
        note(f"no cluster is read: {error}")
        suggest_usage(usage.usage, named_owner(replay), kappa, printed)
        return
    _show_first_line(source, is_data=output.as_json or markdown)
    player = open_agent(agent, 0, model)
    is_named = replay.deploy is not None or replay.workload is not None
    if (is_named or (trace is not None and printed.is_plain and _is_of_one(source))) and not source.is_measured:
        if not printed.is_plain:
            raise UsageError("--patch-dir, --markdown, --fail-on: are about all workloads; leave out the name of one")
        solve = solve_command(trace, replay) if trace is not None else ""
        scenario = _scenario(source, replay, trace)
        suggest_one(scenario, player, steps, cluster, ctx.obj, as_json=output.as_json, to=to, solve=solve)
        return
    if cluster.cluster != EMBEDDED:
        raise UsageError(f"--cluster {cluster.cluster}: replays one workload; name it with --workload")
    for option, text in (("--target", replay.target), ("--to", to)):
        if text is not None:
            raise UsageError(f"{option} {text}: is about one workload without usage; name it with --workload")
    only = _scenario(source, replay, trace).workload if is_named else None
    suggest_all(source, replay, player, steps, printed, only=only, lower=lower)


def _show_first_line(source: Source, *, is_data: bool) -> None:
    """Say which cluster is read; beside the data where a program reads that."""
    if source.first_line and is_data:
        note(source.first_line)
    elif source.first_line:
        out.print(source.first_line, highlight=False, markup=False)


def _scenario(source: Source, replay: ReplayChoice, trace: str | None) -> Scenario:
    """The one workload that is named, or the only one."""
    from env.problems.scenario import scenario_from_trace

    return scenario_from_trace(
        source.trace,
        name=source.name if trace is None else Path(trace).name,
        **replay.named(),
        target=replay.target,
        nodes=source.nodes,
        duration_s=replay.duration,
    )


def _check_new(folder: Path | None) -> None:
    if folder is not None and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"--patch-dir {folder}: is there and not empty; name a new folder")


def _is_of_one(source: Source) -> bool:
    """Whether there is a single workload, of a kind that can be edited, or the trace says itself which one is meant."""
    from env.engine.manifests.objects import pod_templates
    from env.workload import object_ref

    metadata = source.trace.extra.get("metadata")
    own = metadata.get("scenario") if isinstance(metadata, dict) else None
    if isinstance(own, dict) and isinstance(own.get("deploy"), str):
        return True
    applied = [each for event in source.trace.events for each in event["applied_objs"] if pod_templates(each)]
    return len({(each["kind"], object_ref(each)) for each in applied}) == len(source.trace.workloads()) == 1
