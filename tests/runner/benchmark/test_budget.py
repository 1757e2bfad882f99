"""A budget: nothing begins that could exceed it, and what is given back can be spent."""

from __future__ import annotations

import threading

import pytest

from env.interrupt import Stopped, stopping_when
from runner.benchmark.budget import Amounts, Budget, BudgetSpent


def test_no_budget_holds_anything() -> None:
    Budget().reserve(Amounts(10**12, 10.0**9))


@pytest.mark.parametrize("budget", [Budget(most_tokens=100), Budget(most_dollars=1.0)])
def test_what_fits_exactly_may_be_spent_and_no_more(budget: Budget) -> None:
    budget.reserve(Amounts(100, 1.0))
    budget.settle(Amounts(100, 1.0), Amounts(100, 1.0))
    with pytest.raises(BudgetSpent, match="budget is spent"):
        budget.reserve(Amounts(1, 0.01))
    assert budget.spent == Amounts(100, 1.0)


def test_what_a_request_did_not_need_is_given_back() -> None:
    budget = Budget(most_tokens=100)
    for _ in range(10):
        budget.reserve(Amounts(90))
        budget.settle(Amounts(90), Amounts(1))
    assert budget.spent == Amounts(10)


def test_earlier_times_count() -> None:
    with pytest.raises(BudgetSpent):
        Budget(most_tokens=100, spent=Amounts(60)).reserve(Amounts(50))


def test_a_request_waits_for_those_in_flight() -> None:
    budget = Budget(most_tokens=100)
    budget.reserve(Amounts(80))
    waiting = threading.Thread(target=budget.reserve, args=(Amounts(50),))
    waiting.start()
    budget.settle(Amounts(80), Amounts(10))
    waiting.join(timeout=60)
    assert not waiting.is_alive()


def test_it_does_not_wait_once_a_stop_is_asked_for() -> None:
    budget = Budget(most_tokens=100)
    budget.reserve(Amounts(80))
    with stopping_when(lambda: True), pytest.raises(Stopped):
        budget.reserve(Amounts(50))
