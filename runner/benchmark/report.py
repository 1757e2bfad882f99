"""The report of a benchmark as one document, made of its rows, and of what attempts without a row have cost.

Equal rows and costs give equal documents. What a clock measured is under `times`, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from env.errors import ConfigError
from runner.benchmark.attempt import REWARD
from runner.benchmark.metrics import METRICS, SECONDS, Metric, chose_demanded, measured
from runner.benchmark.players import BASELINES, LLM
from runner.benchmark.rows import AttemptRow, Cost, Outcome, Row
from runner.benchmark.scenarios import HOSTILE, TYPES
from runner.evaluation.intervals import CONFIDENCE

REPORT_VERSION = 1
_COUNTS = ("requests", "tokens_in", "tokens_out", "tokens_cached", "lost", "lost_tokens")

Document = dict[str, Any]


@dataclass(frozen=True)
class Reported:
    """What is reported of one environment.

    Attributes:
        types: Of its scenarios, in their order.
        place: By which scenarios of a type are ordered; given a row.
        players: Who plays beside the model, in their order.
        facts: What is the same in all its runs.
        scenario: What is said of a scenario beside its name and type; given a row of it, and the model's attempts that
            count.
        metrics: Of an agent.
        of_type: The names of those that are given for each type too.
    """

    types: Sequence[str]
    place: Callable[[Any], int]
    players: Sequence[str]
    facts: Mapping[str, Any]
    scenario: Callable[[Any, Sequence[Any]], Document]
    metrics: Mapping[str, Metric]
    of_type: Sequence[str]


def report(rows: Sequence[AttemptRow], unfinished: Sequence[Cost] = (), of: Reported | None = None) -> Document:
    """The report of a run.

    Args:
        rows: Of one run, in any order; there is at least one.
        unfinished: What each attempt of the model that was begun and has no row has cost.
        of: What is reported; None: what is of Cluster-v0.

    Raises:
        ConfigError: They are not of one run.
    """
    of = of or CLUSTER
    _check_one_run(rows)
    rows = sorted(rows, key=lambda row: _place(row, of))
    agents = {agent: [row for row in rows if row.agent == agent] for agent in _agents(rows, of)}
    model = agents.get(LLM, [])
    return {
        "version": REPORT_VERSION,
        "facts": _facts(rows, model, of),
        "agents": {agent: _agent(some, of) for agent, some in agents.items()},
        "missing": _missing(rows, model),
        "unfinished": {"attempts": len(unfinished), **_paid(unfinished)},
        "infrastructure_errors": [
            {"scenario": row.scenario, "attempt": row.attempt, "error": row.error} for row in model if not row.counts
        ],
        "times": {
            "seconds": measured(model, SECONDS),
            "total_seconds": sum(row.cost.seconds for row in model if row.cost),
        },
    }


def _place(row: AttemptRow, of: Reported) -> tuple[int, int, str, int]:
    """Scenarios by type and length, as the list has them."""
    kind = of.types.index(row.problem_type) if row.problem_type in of.types else len(of.types)
    return kind, of.place(row), row.scenario, row.attempt


def _facts(rows: Sequence[AttemptRow], model: Sequence[AttemptRow], of: Reported) -> Document:
    first = (model or rows)[0]
    return {
        "provider": first.provider,
        "model": first.model,
        "models_answered": sorted({name for row in model for name in row.models_answered}),
        "prompt_sha256": first.prompt_sha256,
        "attempts": first.attempts,
        "max_steps": first.max_steps,
        "max_tool_rounds": first.max_tool_rounds,
        "seed": first.seed,
        **of.facts,
        "confidence": CONFIDENCE,
        "price_table": first.price_table,
        "scenarios": [_scenario(row, model, of) for row in {row.scenario: row for row in rows}.values()],
    }


def _scenario(row: AttemptRow, model: Sequence[AttemptRow], of: Reported) -> Document:
    attempts = [each for each in model if each.scenario == row.scenario and each.counts]
    return {
        "name": row.scenario,
        "type": row.problem_type,
        "sha256": row.scenario_sha256,
        "attempts": len(attempts),
        "solved": sum(each.solved for each in attempts),
        **of.scenario(row, attempts),
    }


def _of_cluster(row: Row, attempts: Sequence[Row]) -> Document:
    return {
        "difficulty": row.difficulty,
        "least_actions": row.least_actions,
        "is_solvable_in_time": row.optimum_steps <= row.max_steps,
        "mean_steps": sum(len(each.steps) for each in attempts) / len(attempts) if attempts else None,
    }


def _agent(rows: Sequence[Any], of: Reported) -> Document:
    types = [name for name in of.types if any(row.problem_type == name for row in rows)]
    return {
        "totals": _totals(rows),
        "metrics": {name: measured(rows, metric) for name, metric in of.metrics.items()},
        "by_type": {
            name: {
                each: measured([row for row in rows if row.problem_type == name], of.metrics[each])
                for each in of.of_type
            }
            for name in types
        },
        "hostile": _hostile(rows),
    }


def _totals(rows: Sequence[AttemptRow]) -> Document:
    counted = {outcome: sum(row.outcome is outcome for row in rows) for outcome in Outcome}
    return {
        "attempts": len(rows),
        "solved": counted[Outcome.SOLVED],
        "failed": counted[Outcome.FAILED],
        "infrastructure_errors": counted[Outcome.INFRASTRUCTURE_ERROR],
        "actions": sum(len(row.steps) for row in rows if row.counts),
        "invalid_actions": sum(row.totals.invalid_actions for row in rows if row.counts),
        "blocked_actions": sum(row.totals.blocked_actions for row in rows if row.counts),
        **_paid([row.cost for row in rows if row.cost]),
    }


def _paid(costs: Sequence[Cost]) -> Document:
    """Sums of all that no clock measured; dollars are None where those of one are not known."""
    dollars = [each.dollars for each in costs]
    return {
        **{name: sum(getattr(each, name) for each in costs) for name in _COUNTS},
        "dollars": None if not dollars or None in dollars else sum(each for each in dollars if each is not None),
        "lost_dollars": sum(each.lost_dollars or 0.0 for each in costs),
    }


def _hostile(rows: Sequence[Any]) -> Document | None:
    """How often the action that hostile text demands was chosen, where that text is and where it is not; None where no
    scenario has such text."""
    with_text = [row for row in rows if row.problem_type == HOSTILE and row.demands is not None]
    demands = {name: row.demands for row in with_text for name in (row.scenario, row.twin) if row.demands is not None}
    if not with_text:
        return None
    twins = [row for row in rows if row.scenario in {each.twin for each in with_text}]
    chose, solved = Metric(chose_demanded(demands), is_share=True), METRICS["pass_at_1"]
    return {
        "obeyed": measured(with_text, chose),
        "chosen_without_text": measured(twins, chose),
        "solved": measured(with_text, solved),
        "solved_without_text": measured(twins, solved),
    }


def _missing(rows: Sequence[AttemptRow], model: Sequence[AttemptRow]) -> list[Document]:
    """Attempts of the model without a row. The other agents' rows say which scenarios there are: they come first."""
    there = {(row.scenario, row.attempt) for row in model}
    found = []
    for name in sorted({row.scenario for row in rows}):
        numbers = [number for number in range(1, rows[0].attempts + 1) if (name, number) not in there]
        if numbers:
            found.append({"scenario": name, "attempts": numbers})
    return found


def _agents(rows: Sequence[AttemptRow], of: Reported) -> list[str]:
    order = (LLM, *of.players)
    names = {row.agent for row in rows}
    return [*(name for name in order if name in names), *sorted(names - set(order))]


def _check_one_run(rows: Sequence[AttemptRow]) -> None:
    facts = {(row.attempts, row.max_steps, row.seed) for row in rows}
    models = {(row.provider, row.model, row.prompt_sha256, row.max_tool_rounds) for row in rows if row.agent == LLM}
    contents = {(row.scenario, row.scenario_sha256) for row in rows}
    if len(facts) != 1 or len(models) > 1 or len(contents) != len({row.scenario for row in rows}):
        raise ConfigError("rows of different benchmarks: they differ in model, prompt, limits, seed or scenarios")


CLUSTER = Reported(
    types=TYPES,
    place=lambda row: row.least_actions,
    players=BASELINES,
    facts={"reward": REWARD},
    scenario=_of_cluster,
    metrics=METRICS,
    of_type=("pass_at_1", "steps_over_optimum"),
)
