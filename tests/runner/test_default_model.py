"""The trained models that come along are as good as their cards say."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from agents.default_model import default_model_path, season_model_path
from agents.load import load_agent
from agents.spaces import season
from runner.evaluation.evaluate import evaluate
from runner.evaluation.suite import standard
from runner.season.evaluator import SeasonEvaluator


def test_it_solves_the_standard_suite() -> None:
    agent = load_agent(default_model_path())
    assert agent.learns
    *kinds, total = evaluate(agent, standard(), 100, seed=0)
    assert total.solved >= 990
    assert all(score.solved_rate is not None and score.solved_rate >= 0.98 for score in kinds)


@pytest.mark.parametrize("path", [default_model_path(), season_model_path()], ids=lambda path: path.stem)
def test_its_card_is_about_it(path: Path) -> None:
    card = path.with_suffix(".md").read_text(encoding="utf-8")
    assert hashlib.sha256(path.read_bytes()).hexdigest() in card


def test_the_seasons_model_costs_less_than_vpa_and_krr_on_workloads_that_no_training_draws() -> None:
    evaluator = SeasonEvaluator("memory", None, 4.0, episodes=100)
    row = evaluator.score(load_agent(season_model_path(), season()), lambda: False)
    rules = [evaluator.baseline(name, lambda: False)["mean_return"] for name in evaluator.baselines]
    assert row["solved_rate"] > 0.9
    assert row["mean_return"] > 0.9 * max(rules)  # returns are negative: a tenth less is paid
