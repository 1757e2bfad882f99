"""`sim-arena trace`: look into traces, bring old ones up to date, generate new ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from env.cli import Exit, err, fail, new_app, out, print_json
from runner import tables
from runner.options import JsonOption, ProblemOption

if TYPE_CHECKING:
    from env.trace import Trace

app = new_app("Look into traces, upgrade old ones, generate new ones.")

TraceArgument = Annotated[Path, typer.Argument(metavar="TRACE", help="A trace file.")]


@app.command()
def show(trace: TraceArgument, as_json: JsonOption = False) -> None:
    """What a trace holds: its events, and the Deployments as they are at the end."""
    from env.trace import load_trace

    content = describe(load_trace(trace))
    if as_json:
        print_json(content)
        return
    deployments = content.pop("deployments")
    tables.show_facts(content)
    tables.show(tables.deployments(deployments))


@app.command()
def upgrade(
    trace: TraceArgument,
    to: Annotated[Path | None, typer.Option(help="Where to write it. Default: in place of TRACE.")] = None,
) -> None:
    """Bring a trace to version 2, which SimKube 2.x reads. Exit code 3 if it is already."""
    from agents.files import write_atomic
    from env.trace import read_trace_file, upgrade_trace

    data = read_trace_file(trace)
    upgraded = upgrade_trace(data, str(trace)).to_bytes()
    if upgraded == data:
        fail(f"trace {trace}: is version 2 already; nothing to do", Exit.NOTHING_TO_DO)
    write_atomic(to or trace, upgraded)
    err.print(f"wrote {to or trace}", highlight=False)


@app.command()
def generate(
    to: Annotated[Path, typer.Option(help="Folder for the traces; it is made if missing.")],
    count: Annotated[int, typer.Option(min=1, max=100_000, help="How many.")] = 1,
    problem: ProblemOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the first trace; the others follow.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Write traces of solvable problems: always the same ones for the same problem and seed."""
    from agents.files import write_atomic
    from env.generate import generate_scenario

    try:
        to.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fail(f"folder {to}: cannot be made ({error.strerror})")
    written = []
    for number in range(seed, seed + count):
        scenario = generate_scenario(problem, number)
        path = to / f"{scenario.name}.msgpack"
        write_atomic(path, scenario.trace.to_bytes())
        written.append({"path": str(path), "problem": scenario.problem, "seed": number, "target": scenario.target})
    if as_json:
        print_json(written)
    else:
        for row in written:
            out.print(row["path"], highlight=False)


def describe(trace: Trace) -> dict[str, Any]:
    """A trace's facts as JSON holds them; resources as at the end of it, None for a Deployment deleted by then."""
    times = [event["ts"] for event in trace.events]
    scenario = (trace.extra.get("metadata") or {}).get("scenario") if isinstance(trace.extra, dict) else None
    return {
        "name": trace.name,
        "version": trace.version,
        "events": len(times),
        "duration_s": times[-1] - times[0] if times else 0,
        "tracked": sorted(trace.config.get("trackedObjects") or {}),
        "pod_lifecycles": len(trace.pod_lifecycles),
        "scenario": scenario,
        "deployments": [_deployment(trace, ref) for ref in trace.deployments()],
    }


def _deployment(trace: Trace, ref: Any) -> dict[str, Any]:
    from env.errors import ScenarioError
    from env.quantity import format_cpu, format_memory
    from env.scenario import recorded_resources

    named = {"namespace": ref.namespace, "name": ref.name}
    try:
        resources = recorded_resources(trace, ref)
    except ScenarioError:
        return {**named, "replicas": None, "cpu": None, "memory": None}
    asked = {"cpu": format_cpu(resources.cpu_m), "memory": format_memory(resources.memory_bytes)}
    return {**named, "replicas": resources.replicas, **asked}
