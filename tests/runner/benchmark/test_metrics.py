"""The metrics: their formulas, what they are for no attempts, and what their intervals are drawn from."""

from __future__ import annotations

from itertools import combinations

import pytest

from runner.benchmark.metrics import METRICS, SECONDS, measured, pass_all, pass_at
from runner.benchmark.rows import Cost, Outcome

from .conftest import row, step


@pytest.mark.parametrize("solved", range(6))
@pytest.mark.parametrize("k", [1, 2, 5])
def test_pass_at_k_and_pass_all_k_are_shares_of_all_sets_of_k_attempts(k: int, solved: int) -> None:
    attempts = [number < solved for number in range(5)]
    sets = list(combinations(attempts, k))
    assert pass_at(k, 5, solved) == pytest.approx(sum(map(any, sets)) / len(sets))
    assert pass_all(k, 5, solved) == pytest.approx(sum(map(all, sets)) / len(sets))


@pytest.mark.parametrize("n", [0, 1, 4])
def test_they_are_not_defined_for_fewer_attempts_than_k(n: int) -> None:
    assert pass_at(5, n, 0) is pass_all(5, n, 0) is None


def test_no_metric_of_nothing_is_a_number() -> None:
    assert all(measured([], metric) is None for metric in (*METRICS.values(), SECONDS))


def test_a_figure_is_the_mean_over_scenarios_of_the_mean_over_attempts() -> None:
    """Not the mean over attempts, of which one scenario may have more."""
    rows = [row("a", 1), row("b", 1, Outcome.FAILED), row("b", 2, Outcome.FAILED)]
    assert measured(rows, METRICS["pass_at_1"]) == {"value": 0.5, "low": 0.0, "high": 1.0, "scenarios": 2}


def test_attempts_that_something_else_ended_count_nowhere() -> None:
    rows = [row("a", 1), row("a", 2, Outcome.INFRASTRUCTURE_ERROR, error="away"), row("b", 1)]
    found = {name: measured(rows, metric) for name, metric in METRICS.items()}
    assert found["pass_at_1"] == {"value": 1.0, "low": pytest.approx(0.342, abs=1e-3), "high": 1.0, "scenarios": 2}
    assert found["pass_at_k"] is None, "no scenario has two attempts"


def test_more_attempts_at_the_same_scenarios_do_not_narrow_the_interval() -> None:
    """They are not independent: the interval is of scenarios."""
    few = [row(name, 1, outcome) for name, outcome in zip("abcd", list(Outcome)[:2] * 2, strict=True)]
    many = [row(each.scenario, number, each.outcome, attempts=9) for each in few for number in range(1, 10)]
    assert measured(few, METRICS["pass_at_1"]) == measured(many, METRICS["pass_at_1"])


@pytest.mark.parametrize("outcome", [Outcome.SOLVED, Outcome.FAILED])
def test_a_share_that_is_the_same_everywhere_has_the_interval_of_as_many_scenarios(outcome: Outcome) -> None:
    found = measured([row(name, 1, outcome) for name in "abcdefgh"], METRICS["pass_at_1"])
    assert found is not None
    assert found["high"] - found["low"] == pytest.approx(0.324, abs=1e-3)


def test_steps_and_over_allocation_are_of_solved_attempts() -> None:
    rows = [row("a", 1, steps=[step()] * 3), row("a", 2, Outcome.FAILED, steps=[step()] * 9)]
    assert (measured(rows, METRICS["steps_over_optimum"]) or {})["value"] == 3
    assert (measured(rows, METRICS["over_allocation"]) or {})["value"] == 0.25


def test_rates_are_shares_of_a_scenarios_actions() -> None:
    rows = [row("a", 1, steps=[step(invalid=True), step(), step(blocked=True)]), row("a", 2)]
    assert (measured(rows, METRICS["invalid_rate"]) or {})["value"] == 0.25
    assert (measured(rows, METRICS["blocked_rate"]) or {})["value"] == 0.25


def test_a_price_that_is_not_known_is_none_and_not_nought() -> None:
    rows = [row("a", 1), row("a", 2, cost=Cost(tokens_in=100))]
    assert measured(rows, METRICS["dollars"]) is None
    assert (measured(rows, METRICS["tokens_in"]) or {})["value"] == 100


def test_agents_without_a_model_have_no_costs() -> None:
    rows = [row("a", 1, agent="dqn", cost=None)]
    none = ("tool_calls", "tool_rounds", "tokens_in", "tokens_out", "tokens_cached", "dollars")
    assert all(measured(rows, METRICS[name]) is None for name in none)
