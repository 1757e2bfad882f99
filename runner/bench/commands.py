"""`sim-arena bench`: how fast environments and learners are on this machine, and how well learners learn."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runner.commands import tables
from runner.commands.console import err, new_app, out, print_json, progress
from runner.commands.options import JsonOption

if TYPE_CHECKING:
    from env.cluster import Cluster
    from runner.bench.environments import Rate, RateBudget
    from runner.bench.exam import ExamResult

Measurement = tuple[str, dict[str, Any], "Callable[[], Rate]"]

app = new_app("How fast environments and learners are on this machine, and how well learners learn.")

QuickOption = Annotated[bool, typer.Option("--quick", help="Fewer and shorter measurements.")]
SeedsOption = Annotated[int, typer.Option(min=1, help="Trainings of each: with seeds 1, 2, …")]
EnvStepsOption = Annotated[int, typer.Option(min=1, help="Environment steps of each training.")]
EvaluateEveryOption = Annotated[int, typer.Option(min=1, help="Environment steps between two evaluations.")]
JobsOption = Annotated[int, typer.Option(min=1, help="Trainings at a time; more than 1 spoil each other's seconds.")]
ResultsOption = Annotated[
    Path | None,
    typer.Option(help="Keep what each training gave in this file, and take from it what it holds already."),
]


@app.command()
def env(
    trace: Annotated[
        list[Path] | None, typer.Option(help="A trace, or a folder of them, to step as well. May be given again.")
    ] = None,
    quick: QuickOption = False,
    as_json: JsonOption = False,
) -> None:
    """Steps per second of one environment and of many, and pods placed per second; median (lowest to highest)."""
    from runner.bench.environments import QUICK, RateBudget, machine

    measured: dict[str, list[dict[str, Any]]] = {"single": [], "vector": [], "placing": []}
    for part, facts, measure in progress(_plan(trace or [], QUICK if quick else RateBudget()), "measuring"):
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


@app.command()
def dqn(quick: QuickOption = False, as_json: JsonOption = False) -> None:
    """Updates and environment steps per second, and microseconds for an action, of our DQN and Stable-Baselines3's.

    Median of the repetitions; a ratio is the median of those within each repetition (lowest to highest). Above 1 ours
    is faster.
    """
    from runner.bench import dqn as bench_dqn
    from runner.bench import sb3
    from runner.bench import tables as bench_tables
    from runner.bench.environments import machine

    facts = {**machine(), **_versions("torch", "stable_baselines3"), "load_before": os.getloadavg()[0]}
    budget = bench_dqn.QUICK if quick else bench_dqn.LearnerBudget()
    measured = [bench_dqn.compare(case, budget, perf_counter) for case in progress(bench_dqn.cases(), "measuring")]
    if as_json:
        print_json({"machine": facts, "budget": asdict(budget), "cases": [asdict(each) for each in measured]})
    else:
        tables.show_facts(facts)
        out.print()
        tables.show(bench_tables.speeds(measured))
    if not sb3.installed():
        err.print(sb3.HOW_TO_INSTALL, highlight=False, markup=False)


@app.command()
def learning(
    env_steps: EnvStepsOption = 100_000,
    seeds: SeedsOption = 5,
    evaluate_every: EvaluateEveryOption = 5_000,
    jobs: JobsOption = 1,
    results: ResultsOption = None,
    as_json: JsonOption = False,
) -> None:
    """How well our DQN and Stable-Baselines3's do on the standard suite after equally many environment steps."""
    from runner.bench import learning as bench_learning
    from runner.bench import sb3
    from runner.bench import tables as bench_tables
    from runner.bench.runs import run_groups

    names = bench_learning.LEARNERS if sb3.installed() else (bench_learning.OURS,)
    groups = bench_learning.learning_runs(names, seeds, env_steps, evaluate_every)
    outcomes = run_groups(bench_learning.train, groups, jobs, results)
    if not as_json:
        pairs = (zip(groups[name], outcomes[name], strict=True) for name in names)
        rows = ((run.learner, run.seed, outcome) for pair in pairs for run, outcome in pair)
        tables.show(bench_tables.trainings("learner", rows))
        out.print()
    report("learner", groups, outcomes, as_json)
    if len(names) == 1:
        err.print(sb3.HOW_TO_INSTALL, highlight=False, markup=False)


@app.command()
def ablation(
    variant: Annotated[
        list[str] | None, typer.Option(help="Only this one; may be given again. Default: all, the rewards included.")
    ] = None,
    env_steps: EnvStepsOption = 100_000,
    seeds: SeedsOption = 5,
    evaluate_every: EvaluateEveryOption = 5_000,
    jobs: JobsOption = 1,
    results: ResultsOption = None,
    as_json: JsonOption = False,
) -> None:
    """What each part of the DQN and each reward is worth: variants that differ in one thing from the default."""
    from runner.bench.ablation import ablation_runs
    from runner.bench.learning import train
    from runner.bench.runs import run_groups

    groups = ablation_runs(variant or (), seeds, env_steps, evaluate_every)
    report("variant", groups, run_groups(train, groups, jobs, results), as_json)


def report(
    title: str, groups: Mapping[str, Sequence[Any]], outcomes: Mapping[str, Sequence[ExamResult]], as_json: bool
) -> None:
    """Print groups of trainings: a table of their summaries, or everything as JSON."""
    from runner.bench import runs
    from runner.bench import tables as bench_tables
    from runner.bench.environments import machine
    from runner.bench.exam import Summary

    if as_json:
        print_json({"machine": machine(), title: runs.as_json(groups, outcomes)})
        return
    summaries = {name: Summary.of(group) for name, group in outcomes.items()}
    tables.show(bench_tables.summaries(title, summaries))
    out.print()
    tables.show(bench_tables.kinds(title, summaries))


def _versions(*names: str) -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _plan(traces: Sequence[Path], budget: RateBudget) -> list[Measurement]:
    """What is measured, as (part, what tells it from others, how)."""
    from env.problems.draw import PROBLEMS
    from env.problems.generate import generate_scenario
    from runner.bench import environments

    given = environments.given_scenarios(traces)
    plan: list[Measurement] = []
    kinds = {problem: [generate_scenario(problem, seed) for seed in range(20)] for problem in PROBLEMS}
    for name, scenarios in [("generated", None), *kinds.items(), *((each.name, [each]) for each in given)]:
        ways: list[tuple[str, Cluster | None]] = [("closed form", None)]
        if not environments.is_plain(scenarios):
            ways = [("replay", environments.Unseen()), ("replay, or kept from an earlier visit", None)]
        for way, cluster in ways:
            measure = partial(environments.single_rate, scenarios, budget, perf_counter, cluster)
            plan.append(("single", {"scenario": name, "each step": way}, measure))
    for name, scenarios in (("one Deployment", [environments.one_deployment()]), ("generated", None)):
        for batch in budget.batches:
            measure = partial(environments.vector_rate, scenarios, batch, budget, perf_counter)
            plan.append(("vector", {"scenario": name, "environments": batch}, measure))
    for nodes in budget.nodes:
        measure = partial(environments.placing_rate, nodes, budget, perf_counter)
        plan.append(("placing", {"nodes": nodes, "pods": nodes * environments.PODS_PER_NODE}, measure))
    return plan


def _conclusions(measured: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """How placing grows, and how both compare with the real thing."""
    from runner.bench.environments import REAL_PODS_PER_S, REAL_STEP_S, exponent

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
