"""The trained model that comes along is as good as its card says."""

from __future__ import annotations

import hashlib

from agents.default_model import default_model_path
from agents.load import load_agent
from runner.evaluation.evaluate import evaluate
from runner.evaluation.suite import standard


def test_it_solves_the_standard_suite() -> None:
    agent = load_agent(default_model_path())
    assert agent.learns
    *kinds, total = evaluate(agent, standard(), 100, seed=0)
    assert total.solved >= 990
    assert all(score.solved_rate is not None and score.solved_rate >= 0.98 for score in kinds)


def test_its_card_is_about_it() -> None:
    path = default_model_path()
    card = path.with_suffix(".md").read_text(encoding="utf-8")
    assert hashlib.sha256(path.read_bytes()).hexdigest() in card
