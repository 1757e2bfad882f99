"""What the benchmark's tests share: small runs with scripted models, in a folder of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agents.llm.conversation import Usage
from agents.llm.model import Model
from agents.llm.prompt import PROMPT_HASH
from agents.llm.providers.scripted import of_name
from env.cluster import Cluster
from runner.benchmark.attempt import Contestant, Rules
from runner.benchmark.budget import Budget
from runner.benchmark.folder import BenchmarkFolder, RunConfig
from runner.benchmark.report import report
from runner.benchmark.rows import Cost, Outcome, Row, StepRow, Totals
from runner.benchmark.run import play_missing
from runner.benchmark.scenarios import STREAM, BenchmarkScenario, chosen, registry, registry_hash

SMALL = ("cpu-1", "memory-3", "no-fault-cpu", "hostile-log")
DOLLARS_A_TOKEN = 1e-6

SETTINGS = {
    "provider": "scripted",
    "model": "test",
    "max_tool_rounds": 8,
    "max_output_tokens": 1_000,
    "retry_budget_s": 0.0,
}

Open = Callable[[BenchmarkScenario], Model]


def rows_of(names: Sequence[str] = SMALL) -> list[BenchmarkScenario]:
    return chosen(registry(), names, None)


def price(model: str, usage: Usage) -> float:
    return DOLLARS_A_TOKEN * (usage.input_tokens + usage.output_tokens)


def step(**facts: Any) -> StepRow:
    seen = {"action": 0, "invalid": False, "changed": False, "blocked": False, "reward": -0.5, "ready": 1, "pending": 0}
    return StepRow(**{**seen, "total": 1, "cpu": "100m", "memory": "64Mi", "replicas": 1, **facts})


def row(scenario: str = "cpu-1", attempt: int = 1, outcome: Outcome = Outcome.SOLVED, **facts: Any) -> Row:
    steps = facts.pop("steps", [step()])
    given = {
        "scenario_sha256": f"sha of {scenario}",
        "problem_type": "cpu",
        "difficulty": "easy",
        "least_actions": 1,
        "twin": None,
        "demands": None,
        "agent": "llm",
        "provider": "scripted",
        "model": "test",
        "attempts": 2,
        "seed": 0,
        "max_steps": 10,
        "optimum_steps": 1,
        "episode_return": 0.5,
        "over_allocation": 0.25 if outcome is Outcome.SOLVED else None,
        "cost": Cost(tokens_in=100, tokens_out=10, dollars=0.5, requests=1, seconds=2.0),
    }
    totals = Totals.of(steps)
    return Row(
        **{**given, "scenario": scenario, "attempt": attempt, "outcome": outcome, "steps": steps, "totals": totals}
        | facts
    )


@dataclass
class Bench:
    """Plays a run of a few scenarios; everything that decides it can be given."""

    names: Sequence[str] = SMALL
    attempts: int = 2
    steps: int = 10
    seed: int = 0

    def folder(self) -> BenchmarkFolder:
        rows = rows_of(self.names)
        config = RunConfig(
            provider="scripted",
            model="test",
            scenarios=[row.name for row in rows],
            stream=STREAM,
            scenarios_sha256=registry_hash(rows),
            attempts=self.attempts,
            steps=self.steps,
            max_tool_rounds=8,
            max_output_tokens=1_000,
            seed=self.seed,
            cluster="embedded",
            prompt_sha256=PROMPT_HASH,
        )
        return BenchmarkFolder.create(config, ["sim-arena", "benchmark"])

    def play(
        self,
        folder: BenchmarkFolder,
        model: str | Open = "heuristic",
        *,
        budget: Budget | None = None,
        jobs: int = 1,
        cluster: Cluster | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Play what is missing; retries are given up at once."""
        contestant = Contestant(
            open=(lambda scenario: of_name(model)) if isinstance(model, str) else model,
            provider="scripted",
            model="test",
            settings=SETTINGS,
            price=price,
            price_table="2026-01-01",
            budget=budget or Budget(),
        )
        rules = Rules(self.attempts, self.steps, self.seed, cluster, should_stop)
        play_missing(folder, rows_of(self.names), contestant, rules, jobs)

    def report(self, model: str | Open = "heuristic", **options: Any) -> dict[str, Any]:
        """The report of a whole new run."""
        folder = self.folder()
        self.play(folder, model, **options)
        return report(folder.rows())


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bench:
    monkeypatch.chdir(tmp_path)
    return Bench()
