"""Every table of the project at 80 columns, and in a pipe."""

from __future__ import annotations

import ast
import io
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console, Group
from rich.text import Text
from rig import NOTHING

from agents.saved.evaluation import EvaluationRow, Measured
from env.embedded.survey import WorkloadState
from env.fidelity.agreement import MEASURES
from env.fidelity.figures import Tally
from env.plan.demand import Demand
from env.plan.planner import Plan, Problem
from env.season.laws import KINDS as SEASONS
from env.simkube.doctor_results import Level, ReportLine
from env.trace.document import Trace
from env.usage.containers import Amounts
from env.usage.usage import ContainerKey
from infra.bench.flower import commands as flower_bench
from infra.bench.flower.engines import Measured as FlowerMeasured
from infra.bench.protocol import tables as protocol_bench
from infra.bench.protocol.cases import Case, Cost, Latency
from infra.bench.protocol.closing import ClosingResult
from infra.bench.protocol.deadline import Straggler, StragglerCase, Stragglers
from infra.bench.protocol.goals import Goal
from infra.bench.protocol.idle import Idle
from infra.bench.protocol.real import RealTime
from infra.bench.season import plan as season_plan
from infra.bench.season import report as season_report
from infra.bench.season import tables as season_bench
from infra.ec2.commands import launch_view, status, terminate
from infra.ec2.fleet import Instance
from infra.ec2.launch.offers import Market, Offer
from infra.ec2.launch.plan import Image, LaunchPlan
from infra.ec2.stack.description import Stack
from infra.ec2.watch.status import instance_row
from infra.local import conclusion
from infra.proof.chaos import commands as chaos
from infra.proof.conformance import commands as conformance
from infra.proof.simulation import commands as simulation
from infra.proof.simulation.many import SimulationTotals
from infra.proof.simulation.scenario import Fault
from protocol.commands import tables as dispatch
from protocol.commands.status import FederationSummary, JobSummary, RoundSummary
from protocol.wire.probe import CheckResult, Finding
from runner.bench import season_fit
from runner.bench import tables as bench
from runner.bench.dqn import Speed, SpeedCase, SpeedComparison
from runner.bench.environments import Rate
from runner.bench.exam import ExamResult, Marks, Point, Spread, Summary
from runner.commands import (
    benchmark_tables,
    doctor,
    fidelity,
    fleet_episode,
    of_fleet,
    of_season,
    season_episode,
    suggest_all,
    suggest_tests,
    suggest_usage,
    tables,
)
from runner.commands import plan as plan_command
from runner.commands.fitted import FittedTable
from runner.evaluation.evaluate import TOTAL
from runner.evaluation.intervals import Estimate
from runner.evaluation.measure import Measures
from runner.plan.answer import Answer, PoolRow
from runner.suggest.backtest.proposers import simple
from runner.suggest.backtest.walk import walk
from runner.suggest.backtest.windows import LEAST, Windows
from runner.suggest.rows import Row

ROOT = Path(__file__).parents[1]
WINDOW = 80
JOB = "job-" + "x" * 59
GROUP = "g" * 57
CONTAINER = ContainerKey("StatefulSet", GROUP, GROUP, GROUP)
WEEKS_OF_USE = Windows(16, np.full(LEAST, 2.0**50), np.ones(LEAST, np.bool_))
SCENARIO = "the-web-shop-of-a-very-large-customer-in-the-week-of-the-sales"
ERROR = "the trace has no Deployment shop/frontend; name one of those that it has with --deployment"
SHA = "0123456789abcdef" * 4
RATE = Rate(1_234_567.8, 999_999.9, 2_345_678.9)
RATIO = Rate(12.34, 10.01, 100.25)
SPREAD = Spread(1_234_567.89, 1_000_000.12, None)
SHARE = Spread(0.98765, 0.91234, 1.0)
KINDS = {name: 0.98765 for name in ("cpu-starved", "oom-killed", "over-allocated", "unschedulable", "too-few-replicas")}
SUMMARY = Summary(SHARE, Spread(1.2345, 1.1, 10.25), SPREAD, SPREAD, KINDS, ())
INSTANCE = Instance(
    "i-0123456789abcdef0", "ap-southeast-1", "ap-southeast-1a", "m7i-flex.12xlarge", True, "running", 0.0, GROUP,
    "a-bucket-" + "b" * 54, "arn:aws:sts::123456789012:assumed-role/Admin/a.long.name@a-company.example",
)  # fmt: skip
JOBS = (
    JobSummary(JOB, "failed", 12, "ip-10-123-123-123-" + "w" * 12, "", 100_000, -12345.678, ERROR),
    JobSummary("a", "pending"),
)
ROUND = RoundSummary(100_000, "all updates are in", 1_000, 100_000, -12345.678, 99_999, (f"{JOB}: its lease ran out",))
COST = Cost(
    Case("sync-server", 10_000, 100, 60.0, 30.0), {"work": 1234.567, "polls": 1234.567, "renewals": 0.001}, 12345.67,
    12345.67, 12345.67, 1e9, 1e9, 1e6, 12345.678, 1.23456, 1e6, Latency(1e5, 1e6, 1e6), 1e4, {},
)  # fmt: skip


def _measures() -> FittedTable:
    wide = Estimate(1234.567, 1000.123, 2345.678)
    share = Estimate(0.98765, 0.91234, 0.99999)
    row = Measures(SCENARIO, 10_000, 9_876, share, 9_876, wide, wide, share, wide, replace(wide, low=None, high=None))
    row = replace(row, shared=9_876, broken_rate=share)
    none = Measures(TOTAL, 0, 0, None, 0, None, None, None, None, None)
    return tables.measures({"runs/2026-11-28/agent.safetensors": [row, none], "random": [row, none]})


def _steps() -> FittedTable:
    record: dict[str, Any] = {
        "step": 1_000,
        "target": 1_000,
        "obs": {"ready": 999, "pending": 1_000, "oom_killed": 1_000, "cpu_starved": 1_000, "broken": 0},
        "resources": {"replicas": 1_000, "cpu": "123456m", "memory": "123456Mi"},
        "outcome": {"blocked": True, "reason": "a replica more would not fit on any of the nodes"},
        "action": {"name": "memory-to-the-limit"},
        "reward": -12345.678,
    }
    return tables.steps([record])


def _windows() -> FittedTable:
    names = ("window", "starts", "request", "peak", "exceeded", "changed", "cost", "cluster_exceeded")
    values = (112, "week 4 Sun 18:00", "16128Mi", "16128Mi", True, True, 1234.5678, False)
    return season_episode.windows([dict(zip(names, values, strict=True))], "OOM-killed")


def _generated() -> FittedTable:
    names = ("path", "problem", "seed", "target", "nodes", "fewest")
    values = (f"traces/{SCENARIO}.json", "over-allocation", 2**53, f"{GROUP}/{GROUP}", 1_000, None)
    return tables.generated([dict(zip(names, values, strict=True))])


def _offers() -> Group:
    offers = tuple(
        Offer("m7i-flex.12xlarge", "subnet-1", f"ap-southeast-1{zone}", Market.SPOT, 1.23456, "EC2")
        for zone in "abcdef"
    )
    stack = Stack("stack", "bucket", "vpc", "sg", "arn", "arn")
    orders = replace(NOTHING, group=GROUP, max_hours=1000.0)
    return launch_view.offers_table(
        LaunchPlan("ap-southeast-1", orders, 1_000, stack, Image("ami-1", "/dev/xvda", 20), "me", offers)
    )


def _fleet() -> FittedTable:
    row = instance_row(INSTANCE, None, 60.0)
    return status._table(
        [replace(row, job=JOB, usd_so_far=12345.67, heartbeat_age_s=12.0, doing="", log_line=ERROR * 2)]
    )


def _chaos() -> FittedTable:
    roles = {role: 100_000 for role in ("worker", "sync-server", "dispatch")}
    report = {
        "signals": {"SIGKILL": roles},
        "network_faults": {"an answer is lost": 100_000},
        "requests": roles,
        "attempts_taken_over": 100_000,
        "processes_replaced": 100_000,
        "false_starts": 10,
        "recovery_s": {"median": 1234.5, "worst": 12345.6},
        "under_fire_s": 12345.6,
        "undisturbed_s": 1234.5,
    }
    return chaos._counts(report)


SPEED = Speed(RATE, RATE, RATE)
SPEEDS = SpeedComparison(SpeedCase((1024, 1024, 1024), 1024, 4), SPEED, SPEED, RATIO, RATIO, RATIO)
EXAM = ExamResult((Point(10, 0.5),), Marks(0.98765, 1.2345, KINDS), 12_345_678, 12345.67, None)
TALLY = Tally(1_000_000, dict.fromkeys(MEASURES, 987_654))
FEDERATION = FederationSummary(GROUP, 2, 100_000, 100_000, "failed", ERROR, SHA, JOBS, (ROUND,))
MEMBER = Straggler("a member that is fifty times as slow as the others", tuple(range(1000)), None, None)


def _plan() -> Answer:
    made = Plan(Problem(Trace({}), None, ()), Trace({}), Demand((), ()), (1,), 1.0, 1.0, 1.0)
    zones = {f"europe-west{number}-{letter}": 1_000 for number in range(1, 4) for letter in "abc"}
    rows = (PoolRow("Standard_NC16as_T4_v3", "123450m CPU, 1048576Mi, 1,000 pods", 5_000, 5_000, zones, 32.77),)
    return Answer(made, rows, None, "AWS", 163_850.0, 163_850.0)


def _benchmark() -> FittedTable:
    figure = {"value": 0.12345, "low": -12.345, "high": 123.45}
    names = ("pass_at_1", "pass_all_k", "steps_over_optimum", "over_allocation", "mean_return", "invalid_rate")
    agent = {"totals": {"attempts": 31_000}, "metrics": dict.fromkeys(names, figure)}
    facts = {"attempts": 1_000, "provider": "openai", "model": "meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8"}
    return benchmark_tables.results_table("cluster", {"facts": facts, "agents": {"llm": agent, "autoscaler": agent}})


def _season_rows() -> list[dict[str, Any]]:
    full = asdict(Estimate(12.345, 10.987, 13.579))
    agents = ("runs/2026-11-28/checkpoint_final.pt", "best in hindsight: percentile (0.95, 28, 1.05)")
    some = {"cost": full, "above": full, "exceeded": full, "held": full, "changed": None}
    return [{"agent": agent, "kind": kind, "n": 200, **some} for kind in ("all", *SEASONS) for agent in agents]


def _fleet_rows() -> list[dict[str, Any]]:
    full = asdict(Estimate(1.2345, 1.0987, 1.3579))
    agents = {"best tuned rule: fewest nodes alone": None, "planner, 8, noise 5 %": 8, "annealing": 9000}
    return [{"agent": name, "replays": n, "nodes": full, "above": full, "best": full} for name, n in agents.items()]


OF_SEEDS = season_report.Spread(12.345, 1.234, 123.456)

CASES: dict[str, Callable[[], Any]] = {
    "infra.bench.protocol.tables:closing": lambda: protocol_bench.closing(
        [ClosingResult("fedavg, updates as they come out of the store", 10_000, 12345.67, 1234.5, None, ERROR)]
    ),
    "infra.bench.protocol.tables:costs": lambda: protocol_bench.costs(
        [replace(COST, case=replace(COST.case, members=size)) for size in (2, 8, 32, 128, 10_000)]
    ),
    "infra.bench.protocol.tables:goals": lambda: protocol_bench.goals([Goal(ERROR, ERROR, False)]),
    "infra.bench.protocol.tables:idle": lambda: protocol_bench.idle(
        [Idle("worker that waits for a job", dict.fromkeys(("GET", "LIST"), 10**6), 10**6, 0, 1234.5678, False)], 10_000
    ),
    "infra.bench.protocol.tables:real_time": lambda: protocol_bench.real_time(
        [RealTime("sync-server", 10_000, 100, 1000.5, 123456.7, 123456.7, COST.barrier_ms, 12345.67)]
    ),
    "infra.bench.protocol.tables:stragglers": lambda: protocol_bench.stragglers(
        Stragglers("workers", StragglerCase(), (MEMBER,), 1e6, 1e5, ())
    ),
    "infra.bench.flower.commands:_table": lambda: flower_bench._table(
        [
            FlowerMeasured(
                "Flower, deployment",
                [100.0 * i for i in range(1_000)],
                [0.98765] * 1_000,
                10**12,
                100,
                "a client killed",
            ),
            FlowerMeasured("ours, with --barrier workers", trouble="no round ended within 180 s; its logs say why"),
        ],
        12.345,
    ),
    "infra.bench.season.tables:rows": lambda: season_bench.rows(
        season_report.Report((), [season_report.Line(row, 100, *(OF_SEEDS,) * 4) for row in season_plan.Row], {}, {})
    ),
    "infra.ec2.commands.launch_view:instances_table": lambda: launch_view.instances_table([INSTANCE]),
    "infra.ec2.commands.launch_view:offers_table": _offers,
    "infra.ec2.commands.status:_table": _fleet,
    "infra.ec2.commands.terminate:picture": lambda: terminate.picture([(INSTANCE, ERROR)]),
    "infra.local.conclusion:_comparison": lambda: conclusion._comparison(
        [{"agent": "the federation's weights", "solved": 99, "n": 100, "mean_steps": 12345.6, "mean_return": -1e6}]
    ),
    "infra.proof.chaos.commands:_counts": _chaos,
    "infra.proof.conformance.commands:_table": lambda: conformance._table(
        [Finding("a put with If-None-Match of a key that is there", CheckResult.FAILED, ERROR * 2)]
    ),
    "infra.proof.simulation.commands:_faults": lambda: simulation._faults(
        SimulationTotals(faults=Counter(dict.fromkeys(Fault, 10**9)))
    ),
    "protocol.commands.tables:_rounds_table": lambda: dispatch._rounds_table((ROUND,)),
    "protocol.commands.tables:jobs_table": lambda: dispatch.jobs_table(JOBS),
    "runner.bench.tables:kinds": lambda: bench.kinds("reward", {"shaped, without the target network": SUMMARY}),
    "runner.bench.tables:rates_and_returns": lambda: bench.rates_and_returns(
        "learner", {"sim-arena train": replace(SUMMARY, mean_return=Spread(-12.345, -1e6, 1.0), env_steps_per_s=SPREAD)}
    ),
    "runner.bench.tables:speeds": lambda: bench.speeds([SPEEDS]),
    "runner.bench.tables:summaries": lambda: bench.summaries("part", {"without prioritised replay": SUMMARY}),
    "runner.bench.tables:trainings": lambda: bench.trainings("learner", [("Stable-Baselines3", 2**31, EXAM)]),
    "runner.commands.benchmark_tables:scenario_table": lambda: benchmark_tables.scenario_table(
        "cluster",
        [
            {
                "name": "no-fault-replica-deficit",
                "type": "over-allocation",
                "difficulty": "medium",
                "least_actions": 12,
                "target": 100,
                "nodes": 499,
            }
        ],
    ),
    "runner.commands.benchmark_tables:results_table": _benchmark,
    "runner.commands.doctor:_table": lambda: doctor._table(
        {"Prometheus operator": ReportLine(Level.FAIL, ERROR, "kubectl create namespace monitoring")}
    ),
    "runner.commands.fidelity:_set_table": lambda: fidelity._set_table(
        {"recorded outcomes in 1,000 draws of the engine": TALLY}
    ),
    "runner.commands.fidelity:_table": lambda: fidelity._table({"a rollout that is undone half way": TALLY}, TALLY),
    "runner.commands.plan:_table": lambda: plan_command._table(_plan()),
    "runner.commands.suggest_tests:tests_table": lambda: suggest_tests.tests_table(
        {CONTAINER: walk([WEEKS_OF_USE], simple(4.0), 4.0)[0]}, {CONTAINER: Amounts(1, 2**50)}
    ),
    "runner.commands.suggest_usage:_table": lambda: suggest_usage._table(
        [(f"StatefulSet {GROUP}/{GROUP} {GROUP}", "123456m", "123456789Mi", "backtest: percentile")]
    ),
    "runner.commands.suggest_all:_table": lambda: suggest_all._table(
        [
            Row(
                WorkloadState(
                    "StatefulSet", GROUP, GROUP, 100, 0, 100, 123_456, 2**40 + 1, "100 pending: had taint(s)"
                ),
                WorkloadState("StatefulSet", GROUP, GROUP, 100, 0, 100, 23_456, 2**40),
                None,
                {"spec": {}},
                ("main: cpu 123456m -> 23456m", "main: memory 1099511627777 -> 1Ti"),
                ERROR,
            )
        ]
    ),
    "runner.commands.tables:deployments": lambda: tables.deployments(
        [{"namespace": GROUP, "name": GROUP, "replicas": 1_000, "cpu": "123456m", "memory": None}]
    ),
    "runner.commands.tables:generated": _generated,
    "runner.commands.tables:measures": _measures,
    "runner.commands.tables:rates": lambda: tables.rates(
        "placed pods/s", [{"nodes": 10_000, "pods": 100_000, "median": 1e9, "low": 1e8, "high": 1e10}]
    ),
    "runner.commands.tables:skipped": lambda: tables.skipped(
        [("HorizontalPodAutoscaler", [f"{GROUP}/{GROUP}"] * 5, "is a custom resource (example.com/v1); not known")]
    ),
    "runner.commands.tables:steps": _steps,
    "runner.commands.fleet_episode:replays": lambda: fleet_episode.replays(
        [{"replay": 120, "replicas": [30] * 14, "nodes": 96, "waiting": 96.25, "fewest": 96}]
    ),
    "runner.commands.of_fleet:fleet_scores": lambda: of_fleet.fleet_scores(_fleet_rows()),
    "runner.commands.of_season:season_scores": lambda: of_season.season_scores(
        _season_rows(), "clairvoyant", "replicas"
    ),
    "runner.bench.season_fit:statistics_table": lambda: season_fit.statistics_table(
        {name: season_fit.quantiles(np.linspace(0.5, 60, 280).reshape(2, 140)) for name in ("even", "odd", "generated")}
    ),
    "runner.commands.season_episode:windows": _windows,
    "runner.commands.of_season:season_kinds": lambda: of_season.season_kinds(_season_rows(), "clairvoyant"),
    "runner.commands.tables:evaluation": lambda: tables.evaluation(
        [
            asdict(
                EvaluationRow(
                    "scripted",
                    "held-out",
                    1000,
                    Measured(0.9876, 0.9123, 0.9999),
                    Measured(-12.74, -13.52, -11.97),
                    Measured(78.70, 76.52, 80.93),
                )
            )
        ]
    ),
}


def _makers() -> Iterator[str]:
    """Functions that make a table, as `module:function`."""
    for room in ("env", "agents", "runner", "protocol", "infra"):
        for path in sorted((ROOT / room).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            for top in ast.parse(path.read_text()).body:
                calls = (node.func for node in ast.walk(top) if isinstance(node, ast.Call))
                if any(isinstance(call, ast.Name) and call.id == "FittedTable" for call in calls):
                    yield f"{module}:{getattr(top, 'name', '?')}"


def test_every_table_has_a_case() -> None:
    assert sorted(CASES) == sorted(_makers())


def test_no_other_module_makes_tables_of_rich() -> None:
    users = {
        str(path.relative_to(ROOT))
        for room in ("env", "agents", "runner", "protocol", "infra")
        for path in (ROOT / room).rglob("*.py")
        if "rich.table" in path.read_text()
    }
    assert users == {"runner/commands/fitted.py"}


def _tables(shown: Any) -> list[FittedTable]:
    return [
        each for each in (shown.renderables if isinstance(shown, Group) else [shown]) if isinstance(each, FittedTable)
    ]


def _lines(shown: Any, *, terminal: bool) -> list[str]:
    file = io.StringIO()
    Console(file=file, force_terminal=terminal, color_system=None, width=WINDOW, soft_wrap=True).print(shown)
    return [line.rstrip("\n") for line in file.getvalue().splitlines()]


def _plain(cell: str | Text | tuple[str, ...]) -> str:
    first = cell[0] if isinstance(cell, tuple) else cell
    return (first if isinstance(first, Text) else Text.from_markup(first)).plain.strip()


@pytest.mark.parametrize("name", CASES)
def test_a_table_stays_in_the_window_and_names_stay_whole(name: str) -> None:
    for table in _tables(CASES[name]()):
        lines = _lines(table, terminal=True)
        assert max(map(len, lines)) <= WINDOW
        for row in table.rows:
            if len(_plain(row[0])) <= WINDOW:
                assert any(_plain(row[0]) in line for line in lines)
        assert "…" not in "".join(lines)


@pytest.mark.parametrize("name", CASES)
def test_a_pipe_gets_every_value_whole_and_a_row_a_line(name: str) -> None:
    for table in _tables(CASES[name]()):
        *_, first = lines = _lines(table, terminal=False)[-len(table.rows) :]
        assert first
        for row, line in zip(table.rows, lines, strict=True):
            assert [cell for cell in map(_plain, row) if cell not in line] == []


def test_a_group_in_a_pipe_is_whole() -> None:
    shown = "\n".join(_lines(dispatch.group_table(FEDERATION), terminal=False))
    assert all(word in shown for word in (GROUP, JOB, SHA, ERROR))
