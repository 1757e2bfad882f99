"""Evaluations during a training: their problems, the best of them, and when they end it."""

from __future__ import annotations

from typing import Any

import pytest

from agents.kinds import make_agent
from env.actions import Action
from env.gym.features import STATE_DIM
from env.problems.generate import generate_scenario
from runner.training.validation import PROBES, PROBLEMS, StopRule, Validation, best, validation_problems


def evaluation(solved_rate: float, mean_steps: float = 9.0) -> dict[str, Any]:
    return {"solved_rate": solved_rate, "mean_steps": mean_steps}


def test_the_best_evaluation_solves_most_then_takes_fewest_steps_then_is_the_first() -> None:
    evaluations = [evaluation(0.9, 5.0), evaluation(0.95, 9.0), evaluation(0.95, 8.0), evaluation(0.95, 8.0)]
    assert best(evaluations) is evaluations[2]


@pytest.mark.parametrize(
    ("rates", "ends"),
    [([], False), ([0.98], False), ([0.99], True), ([1.0, 0.98], False), ([0.98, 1.0], True)],
)
def test_a_share_that_is_solved_ends_a_training(rates: list[float], ends: bool) -> None:
    assert (StopRule(solved=0.99).reason([evaluation(rate) for rate in rates]) is not None) == ends


@pytest.mark.parametrize(
    ("rates", "ends"),
    [([0.5], False), ([0.5, 0.4], False), ([0.5, 0.4, 0.5], True), ([0.5, 0.4, 0.6], False), ([0.5, 0.6, 0.6], False)],
)
def test_patience_ends_a_training_after_so_many_evaluations_without_a_better_one(
    rates: list[float], ends: bool
) -> None:
    assert (StopRule(patience=2).reason([evaluation(rate) for rate in rates]) is not None) == ends


def test_no_rule_never_ends_a_training() -> None:
    assert StopRule().reason([evaluation(1.0)] * 50) is None


def test_validation_problems_are_always_the_same_and_of_one_kind_if_asked() -> None:
    first, second = validation_problems(None), validation_problems(None)
    assert [scenario.name for scenario in first] == [scenario.name for scenario in second]
    assert len({scenario.name for scenario in first}) == PROBLEMS
    assert len({scenario.problem for scenario in first}) == 5
    assert {scenario.problem for scenario in validation_problems("memory")} == {"memory"}


def test_probes_are_the_first_states_of_the_first_scenarios() -> None:
    assert Validation(validation_problems(None), 10, "shaped").probes().shape == (PROBES, STATE_DIM)
    assert Validation([generate_scenario("cpu", 1)], 10, "shaped").probes().shape == (1, STATE_DIM)


def test_the_optimum_of_a_problem_is_what_the_rule_that_solves_it_does() -> None:
    scenario = generate_scenario("cpu", 38)  # seven times less CPU
    shares = Validation([scenario], 10, "shaped").optimal_shares()
    assert shares is not None
    assert shares[Action.REDUCE_CPU_SMALL] == 1.0


def test_a_score_repeats() -> None:
    here = Validation([generate_scenario(None, seed) for seed in range(5)], 10, "shaped")
    agent = make_agent("random", seed=0)
    first = here.score(agent, lambda: False)
    assert here.score(agent, lambda: False) == first
    assert first["n"] == 5
