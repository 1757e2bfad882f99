"""`sim-arena bench`: how fast environments and learners are on this machine, and how well learners learn."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import typer

from env.errors import ConfigError
from runner.commands import tables
from runner.commands.console import note, out, print_json, progress
from runner.options.flatten import flattened
from runner.options.output import OutputChoice

if TYPE_CHECKING:
    from env.cluster import Cluster
    from runner.bench.environments import Rate, RateBudget
    from runner.bench.exam import ExamResult

Measurement = tuple[str, dict[str, Any], "Callable[[], Rate]"]

QuickOption = Annotated[bool, typer.Option("--quick", help="Fewer and shorter measurements.")]
EnvStepsOption = Annotated[
    int,
    typer.Option(metavar="N", min=1, help="Environment steps of each training.", rich_help_panel="Trainings"),
]
EvaluateEveryOption = Annotated[
    int,
    typer.Option(metavar="N", min=1, help="Environment steps between two evaluations.", rich_help_panel="Trainings"),
]


@dataclass(frozen=True, kw_only=True)
class TrainingsChoice:
    """How many trainings, and where their results are kept."""

    panel: ClassVar[str] = "Trainings"

    seeds: Annotated[int, typer.Option(metavar="N", min=1, help="Trainings of each: with seeds 1, 2, …")] = 5
    jobs: Annotated[
        int, typer.Option(metavar="N", min=1, help="Trainings at a time; more than 1 spoil each other's seconds.")
    ] = 1
    results: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Keep what each training gave in this file, and take from it what it holds already."
        ),
    ] = None


@flattened
def env(
    output: OutputChoice,
    trace: Annotated[
        list[Path] | None,
        typer.Option(metavar="PATH", help="A trace, or a folder, to step as well. May be given again."),
    ] = None,
    quick: QuickOption = False,
) -> None:
    """Measure steps of environments and placed pods per second.

    Of one environment and of many; median (lowest to highest).
    """
    from runner.bench.environments import QUICK, RateBudget, machine

    measured: dict[str, list[dict[str, Any]]] = {"single": [], "vector": [], "placing": []}
    for part, facts, measure in progress(_plan(trace or [], QUICK if quick else RateBudget()), "measuring"):
        measured[part].append({**facts, **asdict(measure())})
    document = {"machine": machine(), **measured, **_conclusions(measured)}
    if output.as_json:
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
    factors = {name: f"{value:,}" for name, value in _conclusions(measured).items()}
    tables.show_facts(factors)


@flattened
def dqn(output: OutputChoice, quick: QuickOption = False) -> None:
    """Measure our DQN's speed beside Stable-Baselines3's.

    Updates and environment steps per second, and microseconds for an action. Median of the repetitions; a ratio is the
    median of those within each repetition (lowest to highest). Above 1 ours is faster.
    """
    from runner.bench import dqn as bench_dqn
    from runner.bench import sb3
    from runner.bench import tables as bench_tables
    from runner.bench.environments import machine

    facts = {**machine(), **_versions("torch", "stable_baselines3"), "load_before": os.getloadavg()[0]}
    budget = bench_dqn.QUICK if quick else bench_dqn.LearnerBudget()
    measured = [bench_dqn.compare(case, budget, perf_counter) for case in progress(bench_dqn.cases(), "measuring")]
    if output.as_json:
        print_json({"machine": facts, "budget": asdict(budget), "cases": [asdict(each) for each in measured]})
    else:
        tables.show_facts(facts)
        out.print()
        tables.show(bench_tables.speeds(measured))
    if not sb3.installed():
        note(sb3.HOW_TO_INSTALL)


@flattened
def ppo(
    trainings: TrainingsChoice,
    output: OutputChoice,
    env_steps: EnvStepsOption = 100_000,
    evaluate_every: EvaluateEveryOption = 5_000,
    env: Annotated[
        Literal["cluster", "doctor"],
        typer.Option(help="Learn Cluster-v0, or Doctor-v0.", rich_help_panel="Trainings"),
    ] = "cluster",
    environments: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=4096,
            help="Environments at a time. Default: 32; 256 of doctor.",
            rich_help_panel="Trainings",
        ),
    ] = None,
) -> None:
    """Measure our PPO beside Stable-Baselines3's: environment steps per second, and how well both learn.

    On the standard suite, or on a doctor's exam, after equally many environment steps of the same environments.
    Seconds are of CPU time.
    """
    from runner.bench import ppo as bench_ppo
    from runner.bench import sb3
    from runner.bench.runs import run_groups

    groups = bench_ppo.ppo_runs(bench_ppo.Env(env), trainings.seeds, env_steps, evaluate_every, environments)
    report(
        "learner", groups, run_groups(bench_ppo.train, groups, trainings.jobs, trainings.results), output.as_json, True
    )
    if not sb3.installed():
        note(sb3.HOW_TO_INSTALL)


@flattened
def learning(
    trainings: TrainingsChoice,
    output: OutputChoice,
    env_steps: EnvStepsOption = 100_000,
    evaluate_every: EvaluateEveryOption = 5_000,
) -> None:
    """Measure how well our DQN and Stable-Baselines3's learn.

    On the standard suite, after equally many environment steps.
    """
    from runner.bench import learning as bench_learning
    from runner.bench import sb3
    from runner.bench import tables as bench_tables
    from runner.bench.runs import run_groups

    names = bench_learning.LEARNERS if sb3.installed() else (bench_learning.OURS,)
    groups = bench_learning.learning_runs(names, trainings.seeds, env_steps, evaluate_every)
    outcomes = run_groups(bench_learning.train, groups, trainings.jobs, trainings.results)
    if not output.as_json:
        pairs = (zip(groups[name], outcomes[name], strict=True) for name in names)
        rows = ((run.learner, run.seed, outcome) for pair in pairs for run, outcome in pair)
        tables.show(bench_tables.trainings("learner", rows))
        out.print()
    report("learner", groups, outcomes, output.as_json)
    if len(names) == 1:
        note(sb3.HOW_TO_INSTALL)


@flattened
def ablation(
    trainings: TrainingsChoice,
    output: OutputChoice,
    env_steps: EnvStepsOption = 100_000,
    evaluate_every: EvaluateEveryOption = 5_000,
    variant: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this one; may be given again. Default: all, also the rewards."),
    ] = None,
) -> None:
    """Measure what each part of the DQN and each reward is worth.

    Variants differ in one thing from the default.
    """
    from runner.bench.ablation import ablation_runs
    from runner.bench.learning import train
    from runner.bench.runs import run_groups

    groups = ablation_runs(variant or (), trainings.seeds, env_steps, evaluate_every)
    report("variant", groups, run_groups(train, groups, trainings.jobs, trainings.results), output.as_json)


def report(
    title: str,
    groups: Mapping[str, Sequence[Any]],
    outcomes: Mapping[str, Sequence[ExamResult]],
    as_json: bool,
    with_speed: bool = False,
) -> None:
    """Print groups of trainings: a table of their summaries, one of speeds and returns, or everything as JSON."""
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
    if with_speed:
        tables.show(bench_tables.rates_and_returns(title, summaries))
        out.print()
    tables.show(bench_tables.kinds(title, summaries))


def sizes_of(text: str, most: int) -> list[int]:
    """The numbers of members in `--members`, in the order given, none twice; ConfigError if it names others."""
    try:
        sizes = [int(part) for part in text.split(",")]
    except ValueError:
        sizes = []
    if not sizes or not all(1 <= size <= most for size in sizes):
        raise ConfigError(f"--members {text}: expected numbers from 1 to {most}, such as 1,2,4,8")
    return list(dict.fromkeys(sizes))


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
    for name, rate in (
        ("clusters for a doctor", environments.doctor_rate),
        ("workloads over a season", environments.season_rate),
        ("fleets of services", environments.fleet_rate),
    ):
        for batch in budget.batches:
            measure = partial(rate, batch, budget, perf_counter)
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


@flattened
def suggest(
    output: OutputChoice,
    workloads: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="Workloads.")] = 300,
    nodes: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="Nodes of 8 CPU and 32Gi.")] = 50,
) -> None:
    """Measure how long an answer about many workloads takes.

    Of a made-up cluster of which every tenth workload fails; processor seconds, once the compiler is warm.
    """
    from runner.bench.answers import measure
    from runner.bench.environments import machine

    document = {**machine(), **asdict(measure(workloads, nodes))}
    if output.as_json:
        print_json(document)
    else:
        tables.show_facts(document)
