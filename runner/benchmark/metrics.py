"""What is measured of an agent's attempts.

A figure is first the mean over a scenario's attempts, then the mean over scenarios: attempts at one scenario are not
independent, so the interval draws scenarios, not attempts (a cluster bootstrap; `runner.evaluation.intervals`). Where a
share is 0 or 1 at every scenario, drawing tells nothing, and the interval is Wilson's of as many scenarios.

pass@k and pass^k are the unbiased estimates of one scenario, from n attempts of which c solved it: the share of the
sets of k attempts in which at least one, or all, did. Chen et al., "Evaluating large language models trained on code",
2021; Yao et al., "τ-bench", 2024.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import comb
from typing import Any, NamedTuple

from runner.benchmark.rows import AttemptRow, Row
from runner.evaluation.intervals import mean, share

Value = Callable[[Sequence[Any]], float | None]
"""A metric of the attempts at one scenario, at least one row; None: it is not defined for them."""


class Metric(NamedTuple):
    """One metric.

    Attributes:
        of: Its value at one scenario.
        is_share: Whether it is one, from 0 to 1.
    """

    of: Value
    is_share: bool = False


def pass_at(k: int, n: int, c: int) -> float | None:
    """The probability that at least one of k attempts solves it; None for fewer than k attempts.

    Args:
        n: Attempts that there were.
        c: Those of them that solved it.
    """
    return 1 - comb(n - c, k) / comb(n, k) if n >= k > 0 else None


def pass_all(k: int, n: int, c: int) -> float | None:
    """pass^k: the probability that all of k attempts solve it; None for fewer than k attempts."""
    return comb(c, k) / comb(n, k) if n >= k > 0 else None


def pass_at_k(rows: Sequence[AttemptRow]) -> float | None:
    """pass@k, k being the attempts that were planned."""
    return pass_at(rows[0].attempts, len(rows), sum(row.solved for row in rows))


def pass_all_k(rows: Sequence[AttemptRow]) -> float | None:
    """pass^k, k being the attempts that were planned."""
    return pass_all(rows[0].attempts, len(rows), sum(row.solved for row in rows))


def solved_share(rows: Sequence[AttemptRow]) -> float:
    """pass@1: the share that solved it."""
    return sum(row.solved for row in rows) / len(rows)


def steps_over_optimum(rows: Sequence[Row]) -> float | None:
    """Steps / the fewest possible, of those that solved it."""
    return _mean([len(row.steps) / row.optimum_steps for row in rows if row.solved])


def over_allocation(rows: Sequence[Row]) -> float | None:
    """Share of the cluster held without need at the end, of those that solved it."""
    return _mean([row.over_allocation for row in rows if row.over_allocation is not None])


def chose_demanded(demands: Mapping[str | None, int]) -> Value:
    """Gives the share of attempts in which the action was chosen, at least once, that is demanded of the scenario."""

    def value(rows: Sequence[Row]) -> float:
        demand = demands[rows[0].scenario]
        return sum(any(step.action == demand and not step.invalid for step in row.steps) for row in rows) / len(rows)

    return value


def _rate(name: str) -> Value:
    """Gives the share of the actions that a row counts under this name."""

    def value(rows: Sequence[AttemptRow]) -> float | None:
        actions = sum(len(row.steps) for row in rows)
        return sum(int(getattr(row.totals, name)) for row in rows) / actions if actions else None

    return value


def _of_model(name: str) -> Value:
    """Gives the mean of what a row counts under this name, where a model was played."""
    return lambda rows: _mean([float(getattr(row.totals, name)) for row in rows]) if rows[0].cost else None


def _cost(name: str) -> Value:
    """Gives the mean cost of an attempt; None where one's is not known."""

    def value(rows: Sequence[AttemptRow]) -> float | None:
        costs = [getattr(row.cost, name, None) for row in rows]
        return None if None in costs else _mean([float(cost) for cost in costs if cost is not None])

    return value


SOLVED: Mapping[str, Metric] = {
    "pass_at_1": Metric(solved_share, is_share=True),
    "pass_at_k": Metric(pass_at_k, is_share=True),
    "pass_all_k": Metric(pass_all_k, is_share=True),
}
OF_ANSWERS: Mapping[str, Metric] = {
    "invalid_rate": Metric(_rate("invalid_actions"), is_share=True),
    "blocked_rate": Metric(_rate("blocked_actions"), is_share=True),
    "tool_calls": Metric(_of_model("tool_calls")),
    "tool_rounds": Metric(_of_model("tool_rounds")),
    "tokens_in": Metric(_cost("tokens_in")),
    "tokens_out": Metric(_cost("tokens_out")),
    "tokens_cached": Metric(_cost("tokens_cached")),
    "dollars": Metric(_cost("dollars")),
}
"""Of one attempt in any environment; what is a rate is one of its actions."""
METRICS: Mapping[str, Metric] = {
    **SOLVED,
    "steps_over_optimum": Metric(steps_over_optimum),
    "over_allocation": Metric(over_allocation),
    "mean_return": Metric(lambda rows: _mean([row.episode_return for row in rows])),
    **OF_ANSWERS,
}
"""Of one attempt in Cluster-v0."""
SECONDS = Metric(_cost("seconds"))


def measured(rows: Sequence[AttemptRow], metric: Metric) -> dict[str, Any] | None:
    """A metric over all scenarios, with its 95 % interval; None where no scenario has one.

    Args:
        rows: Of one agent. Attempts that something ended that was away are left out.

    Returns:
        `value`; `low` and `high`, None where one scenario alone has a value; and how many `scenarios` have one.
    """
    values = [metric.of(some) for some in by_scenario(rows).values()]
    known = [value for value in values if value is not None]
    found = mean(known)
    if metric.is_share and set(known) in ({0.0}, {1.0}):
        found = share(round(sum(known)), len(known))
    if found is None:
        return None
    return {"value": found.value, "low": found.low, "high": found.high, "scenarios": len(known)}


def by_scenario(rows: Sequence[AttemptRow]) -> dict[str, list[AttemptRow]]:
    """The rows that count of each scenario, in a fixed order."""
    found: dict[str, list[AttemptRow]] = {}
    for row in sorted(rows, key=lambda row: (row.scenario, row.attempt)):
        if row.counts:
            found.setdefault(row.scenario, []).append(row)
    return found


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
