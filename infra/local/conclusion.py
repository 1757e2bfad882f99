"""The results of a demo: a comparison with agents that were not trained, a report, and what S3 was asked for."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from env.words import count
from runner.commands.console import out

if TYPE_CHECKING:
    from env.problems.scenario import Scenario
    from protocol.report.record import Record
    from runner.commands.fitted import FittedTable
    from runner.evaluation.evaluate import Score

    Played = Mapping[str, Sequence[Score]]

UNSEEN_SCENARIOS = 200
UNSEEN_SEEDS = 1 << 40  # evaluation draws its scenarios from here on; training seeds stay far below


def read_lines(path: Path) -> list[dict[str, Any]]:
    """A JSON Lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def unseen() -> list[Scenario]:
    """Generated scenarios that no demo trains on."""
    from env.problems.generate import generate_scenario

    return [generate_scenario(None, UNSEEN_SEEDS + number) for number in range(UNSEEN_SCENARIOS)]


def compare(weights: Path, seed: int, steps: int, scenarios: Sequence[Scenario]) -> Played:
    """How trained, untrained and random agents do on scenarios, greedily: by agent the scores of each type of problem,
    the last one of all; empty for no scenarios."""
    from agents.kinds import DEFAULT, make_agent
    from agents.saved.formats import read_state
    from runner.evaluation.evaluate import evaluate
    from runner.training.training import load_agent_weights

    if not scenarios:
        return {}
    trained, untrained = (make_agent(DEFAULT, seed=seed) for _ in range(2))
    load_agent_weights(trained, read_state(weights))
    agents = {"trained": trained, "untrained": untrained, "random": make_agent("random", seed=seed)}
    return {name: evaluate(agent, scenarios, steps, seed) for name, agent in agents.items()}


def totals(played: Played) -> list[dict[str, Any]]:
    """A row for each agent, of all problems."""
    last = {name: scores[-1] for name, scores in played.items()}
    return [{"agent": name, **asdict(total), "solved_rate": total.solved_rate} for name, total in last.items()]


def write_report(to: Path, record: Record, bucket: str, ttl_s: float, played: Played, command: str) -> None:
    """Write the federation's page.

    Args:
        to: The file.
        record: Of the federation.
        bucket: As messages call it, s3://NAME.
        ttl_s: Of leases.
        played: What trained and other agents make of unseen scenarios; empty where only a learner knows.
        command: What makes the federation again.

    Raises:
        ConfigError: The chart library is not installed.
    """
    from agents.saved.files import write_atomic
    from protocol.commands.report import rendered
    from protocol.report.evaluation import Evaluation
    from runner.training.validation import Validation

    evaluation = None
    if played:
        trained, *others = totals(played)
        beside = {row["agent"]: (row["solved_rate"], row["mean_steps"], row["mean_return"]) for row in others}
        problems = f"{trained['n']} problems that no training sees"
        evaluation = Evaluation(problems, Validation.solved, played["trained"], beside)
    write_atomic(to, rendered(record, bucket=bucket, ttl_s=ttl_s, evaluation=evaluation, again=[command]))


def count_requests(log: Path, members: int, rounds: int) -> dict[str, Any]:
    """Requests by role and method, in all and per round: a worker's for each member and round, a sync-server's for each
    round. Reading the traces at the start and the demo's own watching are not in the figures per round."""
    total: dict[str, Counter[str]] = defaultdict(Counter)
    in_rounds: dict[str, Counter[str]] = {"worker": Counter(), "sync-server": Counter()}
    for row in read_lines(log):
        role, method = row["role"] or "other", row["method"]
        total[role][method] += 1
        if role in in_rounds and "/traces/" not in row["path"]:
            in_rounds[role][method] += 1
    shares = {"worker": members * rounds, "sync-server": rounds}
    return {
        "total": {role: dict(sorted(methods.items())) for role, methods in sorted(total.items())},
        "per_round": {
            role: {method: round(count / shares[role], 2) for method, count in sorted(methods.items())}
            for role, methods in in_rounds.items()
        },
    }


def show(outcome: dict[str, Any]) -> None:
    """All of it, for people."""
    if "evaluation" in outcome:  # of a learner's model only the learner knows how to
        _show_comparison("scenarios not trained on", outcome["evaluation"])
    if outcome.get("evaluation_on_its_traces"):
        _show_comparison("the traces trained on", outcome["evaluation_on_its_traces"])
    rewards = [reward for reward in outcome["reward_per_round"] if reward is not None]
    tenth = max(1, len(rewards) // 10)
    out.print(
        f"{count(outcome['rounds_closed'], 'round')} closed in {outcome['training_s']} s; mean reward of "
        f"the first {tenth}: "
        f"{sum(rewards[:tenth]) / tenth:+.2f}, of the last {tenth}: {sum(rewards[-tenth:]) / tenth:+.2f}",
        highlight=False,
    )
    for role, methods in outcome["requests"]["per_round"].items():
        each = ", ".join(f"{number} {method}" for method, number in methods.items())
        per = "member and round" if role == "worker" else "round"
        out.print(f"S3 requests of a {role} per {per}, polls and renewals included: {each}", highlight=False)
    for name in ("weights", "learning_curve", "report", "logs"):
        if outcome[name] is not None:
            out.print(f"{name.replace('_', ' ')}: {outcome[name]}", highlight=False)
    out.print(f"weights sha256: {outcome['weights_sha256']}", highlight=False)


def _show_comparison(title: str, rows: list[dict[str, Any]]) -> None:
    out.print(f"[bold]{title}[/]", highlight=False)
    out.print(_comparison(rows))


def _comparison(rows: list[dict[str, Any]]) -> FittedTable:
    from runner.commands.fitted import FittedTable

    table = FittedTable("agent", "solved", "mean steps", "mean return")
    for row in rows:
        table.add_row(
            row["agent"], f"{row['solved']}/{row['n']}", f"{row['mean_steps']:.1f}", f"{row['mean_return']:+.2f}"
        )
    return table
