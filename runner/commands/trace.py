"""`sim-arena trace`: look into traces, bring old ones up to date, generate new ones, solve them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from env.words import count
from runner.commands import tables
from runner.commands.console import Exit, check_place, err, fail, out, print_json, progress
from runner.options import completion
from runner.options.flatten import flattened
from runner.options.output import OutputChoice
from runner.options.workload import ProblemOption, ReplayChoice

if TYPE_CHECKING:
    from env.actions import Action
    from env.problems.scenario import Scenario
    from env.trace.document import Trace
    from env.workload import Resources, WorkloadRef

TraceArgument = Annotated[Path, typer.Argument(metavar="TRACE", help="A trace file.", autocompletion=completion.files)]


@flattened
def show(trace: TraceArgument, output: OutputChoice) -> None:
    """Show what a trace holds: its events, and the workloads as they are at the end."""
    from env.problems.scenario import nodes_of
    from env.trace.document import load_trace

    loaded = load_trace(trace)
    content = describe(loaded)
    if output.as_json:
        print_json(content)
        return
    others = []
    for each in content.pop("other_workloads"):
        kind = each.pop("kind")
        others.append({**each, "name": f"{kind} {each['name']}"})
    deployments = content.pop("deployments")
    if loaded.is_snapshot:
        content["scenario"] = {"made_from": "snapshot", "nodes": str(nodes_of(loaded) or "none")}
    tables.show_facts({name: value for name, value in content.items() if name != "unapplied" or value})
    tables.show(tables.deployments(deployments + others))


@flattened
def upgrade(
    trace: TraceArgument,
    output: OutputChoice,
    to: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write it. Default: in place of TRACE.")
    ] = None,
) -> None:
    """Bring a trace to version 2, which SimKube 2.x reads. Exit code 3 if it is already."""
    from agents.saved.files import write_atomic
    from env.trace.document import read_trace_file, upgrade_trace

    check_place(to, "--to")
    data = read_trace_file(trace)
    upgraded = upgrade_trace(data, str(trace)).to_bytes()
    if upgraded == data:
        fail(f"trace {trace}: is version 2 already; nothing to do", Exit.NOTHING_TO_DO)
    write_atomic(to or trace, upgraded)
    if output.as_json:
        print_json({"trace": str(trace), "wrote": str(to or trace)})
    else:
        out.print(f"wrote {to or trace}", highlight=False, markup=False)


@flattened
def generate(
    to: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the traces; it is made if missing.")],
    output: OutputChoice,
    count: Annotated[int, typer.Option(metavar="N", min=1, max=100_000, help="How many.")] = 1,
    problem: ProblemOption = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of the first trace; the others follow.")] = 0,
) -> None:
    """Write traces of solvable problems: always the same ones for the same problem and seed."""
    from agents.saved.files import write_atomic
    from env.gym.rooms import make_scenario

    try:
        to.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fail(f"--to {to}: cannot be made ({error.strerror})", Exit.USAGE)
    written = []
    for number in progress(range(seed, seed + count), "generating"):
        made = make_scenario(problem, number)
        path = to / f"{made.name}.msgpack"
        write_atomic(path, made.trace.to_bytes())
        facts = {"problem": made.problem, "seed": number, "target": made.target, "nodes": made.nodes.count}
        written.append({"path": str(path), **facts, "least_actions": _least(made)})
    if output.as_json:
        print_json(written)
    else:
        tables.show(tables.generated(written))


def _least(made: Scenario) -> int | None:
    """The least number of actions that solves a generated problem; None where only a long search would tell."""
    from env.embedded.cluster import EmbeddedCluster
    from env.gym.search import least_actions
    from env.problems.rooms.kinds import ROOMS

    if made.problem not in ROOMS:
        return _recorded(made.trace).get("least_actions")
    actions = least_actions(made, EmbeddedCluster())
    return None if actions is None else len(actions)


@flattened
def solve(
    trace: TraceArgument,
    replay: ReplayChoice,
    output: OutputChoice,
    within: Annotated[int, typer.Option(metavar="N", min=0, max=1000, help="Look for at most so many actions.")] = 20,
) -> None:
    """Find the least number of actions that solves a trace. Exit code 1 if there is no such solution."""
    from env.embedded.cluster import EmbeddedCluster
    from env.embedded.unmendable import unmendable
    from env.gym.search import least_actions
    from env.problems.scenario import recorded_resources

    scenario, cluster = replay.scenario(str(trace)), EmbeddedCluster()
    hopeless = unmendable(scenario)
    with err.status("searching"):
        actions = None if hopeless else least_actions(scenario, cluster, within)
    why = [] if actions == [] else [*cluster.why(scenario, None)]
    solution = _solution(recorded_resources(scenario.trace, scenario.workload, scenario.duration_s), actions)
    facts = {"scenario": scenario.name, "workload": str(scenario.workload), "target": scenario.target, **solution}
    if output.as_json:
        print_json({**facts, "within": within, "why": why, "unmendable": list(hopeless)})
    elif actions is None:
        tables.show_why(why)
    else:
        tables.show_facts({**tables.solution(facts), **({"why": "; ".join(why)} if why else {})})
    if hopeless:
        fail(f"trace {trace}: no action helps: {'; '.join(hopeless)}")
    if actions is None:
        fail(f"trace {trace}: no solution within {count(within, 'action')}")


def _solution(start: Resources, actions: Sequence[Action] | None) -> dict[str, Any]:
    """The actions and what they lead to, as JSON holds them; all None but the start if there are none."""
    from env.actions import apply_action

    if actions is None:
        return {"least_actions": None, "actions": None, "start": tables.asked(start), "end": None}
    end = start
    for action in actions:
        end = apply_action(end, action).resources
    names = [action.name.lower() for action in actions]
    return {"least_actions": len(names), "actions": names, "start": tables.asked(start), "end": tables.asked(end)}


def describe(trace: Trace) -> dict[str, Any]:
    """A trace's facts as JSON holds them; resources as at the end of it, None for a workload deleted by then."""
    from env.workload import object_ref

    times = [event["ts"] for event in trace.events]
    return {
        "name": trace.name,
        "version": trace.version,
        "events": len(times),
        "duration_s": times[-1] - times[0] if times else 0,
        "tracked": sorted(trace.config.get("trackedObjects") or {}),
        "pod_lifecycles": len(trace.pod_lifecycles),
        "scenario": _recorded(trace) or None,
        "unapplied": [f"{each['kind']} {object_ref(each).name}" for each in trace.unapplied],
        "deployments": [_asked(trace, ref) for ref in trace.workloads() if ref.kind == "Deployment"],
        "other_workloads": [
            {"kind": ref.kind, **_asked(trace, ref)} for ref in trace.workloads() if ref.kind != "Deployment"
        ],
    }


def _recorded(trace: Trace) -> dict[str, Any]:
    """What a generator wrote into the trace; empty for a recorded one."""
    metadata = trace.extra.get("metadata")
    scenario = metadata.get("scenario") if isinstance(metadata, dict) else None
    return scenario if isinstance(scenario, dict) else {}


def _asked(trace: Trace, ref: WorkloadRef) -> dict[str, Any]:
    from env.errors import ScenarioError
    from env.problems.scenario import assumed_nodes, nodes_of, recorded_resources

    named = {"namespace": ref.namespace, "name": ref.name}
    try:
        resources = recorded_resources(trace, ref, None, nodes_of(trace) or assumed_nodes(trace))
    except ScenarioError:
        return {**named, "replicas": None, "cpu": None, "memory": None}
    return {**named, **tables.asked(resources)}
