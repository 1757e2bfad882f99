"""Pictures: that they are there for any number of episodes, and the numbers in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runner.training.curves import learning_curve, running_mean
from runner.training.metrics import Metrics
from runner.training.pictures import SMOOTHING, action_shares, draw

from .test_train import summary, training


def evaluation(episode: int) -> dict[str, Any]:
    return {"episode": episode, "n": 200, "solved_rate": 0.5, "mean_steps": 9.0, "mean_return": -3.0}


def snapshot(episode: int, *counts: int) -> dict[str, Any]:
    return {"episode": episode, "actions": [*counts, *[0] * (7 - len(counts))], "q_max": 1.0, "q_actions": [0.5] * 7}


def is_drawn(path: Path) -> bool:
    data = path.read_bytes()
    return data.startswith(b"\x89PNG") and len(data) > 10_000


def test_the_running_mean_leaves_out_what_is_not_a_number() -> None:
    values = np.array([np.nan, 1.0, np.nan, 3.0, 5.0])
    np.testing.assert_array_equal(running_mean(values, 2), [np.nan, 1.0, 1.0, 3.0, 4.0])
    assert running_mean(np.array([]), 3).size == 0


@pytest.mark.parametrize("episodes", [0, 1, 60, 2500])
def test_the_learning_curve_is_a_png(episodes: int, tmp_path: Path) -> None:
    path = tmp_path / "curve.png"
    learning_curve([summary(episode) for episode in range(1, episodes + 1)], path)
    assert is_drawn(path)


@pytest.mark.parametrize("points", [0, 1, 30])
def test_a_training_has_three_pictures_once_it_has_q_values(points: int, tmp_path: Path) -> None:
    metrics = Metrics(
        baselines=[{**evaluation(0), "agent": name} for name in ("random", "heuristic")],
        evaluations=[evaluation(number) for number in range(1, points + 1)],
        snapshots=[snapshot(number, 1, 2, 3) for number in range(1, points + 1)],
    )
    optimum = [0.0, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0]
    trained = training("noop", episodes=1)
    trained.history = [summary(1)]
    draw(tmp_path, "a run", trained, metrics, optimum)
    names = {"learning_curve.png", "actions.png", *(["q_values.png"] if points else [])}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert all(is_drawn(tmp_path / name) for name in names)


def test_shares_of_actions_are_over_the_last_snapshots() -> None:
    before = [snapshot(10 * number, 1) for number in range(1, SMOOTHING + 1)]
    episodes, shares = action_shares([*before, snapshot(100, 0, SMOOTHING - 1)], 7)
    assert episodes[-1] == 100
    np.testing.assert_allclose(shares[0], [1, 0, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(shares[-1], [0.5, 0.5, 0, 0, 0, 0, 0])


def test_points_without_a_step_are_left_out() -> None:
    episodes, shares = action_shares([snapshot(10), snapshot(20, 4)], 7)
    assert episodes.tolist() == [20]
    assert shares.shape == (1, 7)
