"""`sim-arena plan`: the fewest or cheapest nodes that hold what is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from env.errors import ClusterError, UsageError
from env.words import count
from runner.commands import tables
from runner.commands.console import err, fail, note, nothing_to_do, out, print_json, print_lines
from runner.commands.fitted import FittedTable
from runner.commands.interrupt import interruptible
from runner.commands.suggest_all import quiet
from runner.commands.suggest_source import open_source
from runner.options import completion
from runner.options.flatten import flattened
from runner.options.live import LiveChoice
from runner.options.manifests import ManifestsChoice
from runner.options.nodes import NodesChoice
from runner.options.output import OutputChoice
from runner.options.plan import PlanChoice
from runner.options.usage import UsageChoice
from runner.options.workload import ReplayChoice

if TYPE_CHECKING:
    from env.plan.planner import Plan
    from runner.commands.suggest_source import Source
    from runner.plan.answer import Answer

_MOST_NAMED = 8
_NEEDED = ("DaemonSet", "StatefulSet", "Deployment", "ReplicaSet", "Job", "Pod")
_MOST_PATCHES = 20  # on a terminal: more would scroll the plan away


@flattened
def plan(
    manifests: ManifestsChoice,
    nodes: NodesChoice,
    choice: PlanChoice,
    usage: UsageChoice,
    live: LiveChoice,
    output: OutputChoice,
    trace: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="A trace file. Default, without -f: the current context, read only.",
            autocompletion=completion.files,
            rich_help_panel=NodesChoice.panel,
        ),
    ] = None,
    markdown: Annotated[
        bool,
        typer.Option("--markdown", help="Print Markdown, for a pull request.", rich_help_panel=OutputChoice.panel),
    ] = False,
) -> None:
    """Find the fewest or cheapest nodes that hold what is there.

    Of manifests, a trace, or the current context, which is only read. Replicas stay as they are, and so do requests
    without --usage or --prometheus; with use, requests are brought to what is enough first. A plan is what the engine
    has placed everything on. With prices of all node types it costs the least found, else it has the fewest nodes.

    Exit code 0: a plan that saves something, or what there is does not suffice; 1: there is none; 3: nothing to save.
    """
    from env.plan.planner import Problem
    from env.plan.planner import plan as planned
    from env.plan.trial import Survive
    from runner.plan.answer import answer_of
    from runner.plan.question import offers_for, parted
    from runner.plan.requests import enough

    if markdown and output.as_json:
        raise UsageError("--markdown: --json is given; leave one of them out")
    allowed = choice.allowed()
    replay = ReplayChoice(**asdict(nodes))
    source = open_source(trace, manifests, replay, live, usage)
    if source.first_line:
        note(source.first_line)
    _check_read(source)
    there, control_plane = parted(source.nodes)
    offers = offers_for(there, allowed)
    survive = frozenset(Survive(each) for each in choice.survive)
    if Survive.ZONE in survive and len({offer.zone for offer in offers}) < 2:
        raise UsageError("--survive zone: the nodes are in one zone; name others with --zone")
    sized = enough(source.trace, source.usage) if usage.is_given else None
    trace_of_all = sized.trace if sized else source.trace
    problem = Problem(trace_of_all, there, offers, survive, allowed.prices.usd_per_hour, control_plane)
    with (
        quiet(source.trace.name),
        interruptible("no plan was found by then") as should_stop,
        err.status("replaying", refresh_per_second=4) as status,
    ):
        from env.interrupt import stopping_when

        with stopping_when(should_stop):
            made = planned(problem, lambda replays, cost: status.update(f"replay {replays + 1}"))
    found = answer_of(made, allowed.prices, sized)
    facts = _facts(found, source)
    if control_plane is not None:
        facts["control plane"] = f"{count(control_plane.count, 'node')}, no part of the plan{_staying(made)}"
    if output.as_json:
        skipped = [{"kind": each.kind, "name": each.name, "why": each.why} for each in source.skipped]
        print_json({**facts, **_document(found), "skipped": skipped})
    elif markdown:
        from runner.plan.texts import markdown as text

        print_lines(text(found, facts))
    else:
        _show(found, facts)
    _leave(found, made)


def _check_read(source: Source) -> None:
    """Refuse to plan where a kind of workload may not be read: the plan would have no room for its pods.

    Raises:
        ClusterError: Says which kinds, and why.
    """
    lacking = {kind: why for kind, why in _unread(source).items() if kind in _NEEDED}
    if lacking:
        raise ClusterError(
            f"{source.name}: a plan needs all that runs, and {', '.join(lacking)} may not be read "
            f"({next(iter(lacking.values()))}); see docs/record.md for the role"
        )


def _unread(source: Source) -> Mapping[str, str]:
    """Kinds of which nothing could be read, and why."""
    return {each.kind: each.why.removeprefix("not read: ") for each in source.skipped if each.is_whole_kind}


def _document(found: Answer) -> Mapping[str, object]:
    from runner.plan.texts import document

    return document(found)


def _facts(found: Answer, source: Source) -> dict[str, str]:
    """Where the workloads are from, what they request, and how good the plan is."""
    from runner.plan.texts import moved, others, proof, resized, spared, verdict

    made = found.plan
    pods = sum(group.count for group in made.demand.groups)
    facts = {
        "source": source.name,
        "workloads": f"{count(len(made.demand.groups), 'workload')} with {count(pods, 'pod')}, and "
        f"{count(len(made.demand.daemons), 'DaemonSet')}",
    }
    if made.counts is not None:
        facts["plan"] = verdict(found)
        facts["proof"] = proof(made, priced=found.usd_then is not None)
        if made.spare is not None:
            facts["with a spare"] = spared(made.spare, made, priced=found.usd_then is not None)
        if made.move is not None:
            facts["move"] = moved(made.move, knows_budgets="PodDisruptionBudget" not in _unread(source))
        facts |= others(found)
        facts["prices"] = found.prices or "not known for all of these types; nodes are counted"
    if found.sized is not None:
        facts["requests"] = resized(found.sized)
    left = [str(each) for each in source.skipped if each.matters]
    if left:
        facts["left out"] = "; ".join(left[:_MOST_NAMED]) + _more(len(left))
    if made.missing_now:
        names = [f"{kind} {namespace}/{name}" for kind, namespace, name in made.missing_now]
        facts["now"] = (
            f"{count(len(names), 'workload')} not Ready for room: {', '.join(names[:_MOST_NAMED])}{_more(len(names))}"
        )
    if made.unready:
        names = [f"{state.workload} ({state.reason})" for state in made.unready[:_MOST_NAMED]]
        facts["not Ready on any number of nodes"] = ", ".join(names) + _more(len(made.unready))
    return facts


def _staying(made: Plan) -> str:
    names = [f"{kind} {namespace}/{name}" for kind, namespace, name in made.staying]
    return f", nor what only they take: {', '.join(names[:_MOST_NAMED])}{_more(len(names))}" if names else ""


def _more(number: int) -> str:
    return f"; and {number - _MOST_NAMED} more" if number > _MOST_NAMED else ""


def _show(found: Answer, facts: Mapping[str, str]) -> None:
    tables.show_facts(facts)
    if found.plan.counts is None:
        return
    out.print()
    tables.show(_table(found))
    if found.patches:
        out.print()
        shown = found.patches if not out.is_terminal else found.patches[:_MOST_PATCHES]
        for patch in shown:
            out.print(patch.command, markup=False, highlight=False, soft_wrap=True)
        if len(shown) < len(found.patches):
            out.print(
                f"and {len(found.patches) - len(shown)} more patches; a pipe and --json have all", highlight=False
            )


def _table(found: Answer) -> FittedTable:
    from rich.markup import escape

    from runner.plan.texts import TITLES, cells

    rows = [tuple(map(escape, cells(row))) for row in found.rows]
    shown = [column for column in range(len(TITLES)) if any(row[column] for row in rows)]
    right = [place for place, column in enumerate(shown) if TITLES[column] in ("now", "plan") or "$" in TITLES[column]]
    table = FittedTable(*(TITLES[column] for column in shown), right=right)
    for row in rows:
        table.add_row(*(row[column] for column in shown))
    return table


def _leave(found: Answer, made: Plan) -> None:
    """Leave with the exit code, and say why where it is not 0."""
    if made.misfits:
        names = [f"{each.group.key[0]} {each.group.key[1]}/{each.group.key[2]}: {each.why}" for each in made.misfits]
        fail("no node type takes these pods: " + "; ".join(names[:_MOST_NAMED]) + _more(len(names)))
    if made.counts is None:
        fail("the engine could not place everything on any set of these node types; allow others with --node-type")
    if made.move is not None and not made.move.is_done and found.saves:
        fail("the move to the plan could not be made in the replay; see what is said of it")
    if not found.saves:
        nothing_to_do("nothing to save: what there is costs no more than the plan")
