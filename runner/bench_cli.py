"""`sim-arena bench`: how fast the environments are on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from env.cli import new_app, out, print_json, progress
from runner import tables
from runner.options import JsonOption

if TYPE_CHECKING:
    from env.cluster import Cluster
    from runner.bench import Effort, Rate

Measurement = tuple[str, dict[str, Any], "Callable[[], Rate]"]

app = new_app("How fast the environments are on this machine.")


@app.callback()
def bench() -> None:
    """How fast the environments are on this machine."""


@app.command()
def env(
    trace: Annotated[
        list[Path] | None, typer.Option(help="A trace, or a folder of them, to step as well. May be given again.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer and shorter measurements.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Steps per second of one environment and of many, and pods placed per second; median (lowest to highest)."""
    from runner.bench import QUICK, Effort, machine

    measured: dict[str, list[dict[str, Any]]] = {"single": [], "vector": [], "placing": []}
    for part, facts, measure in progress(_plan(trace or [], QUICK if quick else Effort()), "measuring"):
        measured[part].append({**facts, **asdict(measure())})
    document = {"machine": machine(), **measured, **_conclusions(measured)}
    if as_json:
        print_json(document)
        return
    tables.show_facts(document["machine"])
    for part, title in (
        ("single", "steps/s, one environment"),
        ("vector", "environment steps/s"),
        ("placing", "pods/s"),
    ):
        out.print()
        tables.show(tables.rates(title, measured[part]))
    out.print()
    tables.show_facts(_conclusions(measured))


def _plan(traces: Sequence[Path], effort: Effort) -> list[Measurement]:
    """What is measured, as (part, what tells it from others, how)."""
    from env.generate import PROBLEMS, generate_scenario
    from runner import bench

    given = bench.given_scenarios(traces)
    plan: list[Measurement] = []
    kinds = {problem: [generate_scenario(problem, seed) for seed in range(20)] for problem in PROBLEMS}
    for name, scenarios in [("generated", None), *kinds.items(), *((each.name, [each]) for each in given)]:
        ways: list[tuple[str, Cluster | None]] = [("closed form", None)]
        if not bench.is_plain(scenarios):
            ways = [("replay", bench.Unseen()), ("replay, or kept from an earlier visit", None)]
        for way, cluster in ways:
            measure = partial(bench.single_rate, scenarios, effort, perf_counter, cluster)
            plan.append(("single", {"scenario": name, "each step": way}, measure))
    for name, scenarios in (("one Deployment", [bench.one_deployment()]), ("generated", None)):
        for batch in effort.batches:
            measure = partial(bench.vector_rate, scenarios, batch, effort, perf_counter)
            plan.append(("vector", {"scenario": name, "environments": batch}, measure))
    for nodes in effort.nodes:
        measure = partial(bench.placing_rate, nodes, effort, perf_counter)
        plan.append(("placing", {"nodes": nodes, "pods": nodes * bench.PODS_PER_NODE}, measure))
    return plan


def _conclusions(measured: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """How placing grows, and how both compare with the real thing."""
    from runner.bench import REAL_PODS_PER_S, REAL_STEP_S, exponent

    placing = measured["placing"]
    steps = max(row["median"] for row in measured["vector"])
    on_100 = next(row["median"] for row in placing if row["nodes"] == 100)
    return {
        "time_per_pod_grows_as_nodes_to_the": exponent(
            [row["nodes"] for row in placing], [row["median"] for row in placing]
        ),
        "one_environment_over_the_real_loop": round(measured["single"][0]["median"] * REAL_STEP_S),
        "many_environments_over_the_real_loop": round(steps * REAL_STEP_S),
        "placing_over_a_real_control_plane": round(on_100 / REAL_PODS_PER_S),
    }
