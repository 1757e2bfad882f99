"""Pictures: that they are there for any number of episodes, and the numbers in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from runner.training import curves
from runner.training.curves import centred_mean, federation_curve, learning_curve, units_axis
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


def test_the_mean_leaves_out_what_is_not_a_number() -> None:
    values = np.array([np.nan, 1.0, np.nan, 3.0, 5.0])
    np.testing.assert_array_equal(centred_mean(values, 3), [np.nan, 1.0, 2.0, 4.0, 5.0])
    assert centred_mean(np.array([]), 3).size == 0


def test_the_mean_does_not_lag_behind_what_it_is_of() -> None:
    rising = np.arange(50.0)
    np.testing.assert_allclose(centred_mean(rising, 10), rising)


@pytest.mark.parametrize(("last", "scale"), [(1, "linear"), (120, "linear"), (300, "log"), (10_000, "log")])
def test_an_axis_has_whole_numbers_and_is_logarithmic_where_it_is_long(last: int, scale: str) -> None:
    axes = Figure().subplots()
    axes.plot([1, last], [0, 1])
    units_axis(axes, [1, last], "round")
    assert axes.get_xscale() == scale
    low, high = axes.get_xlim()
    assert all(float(tick).is_integer() for tick in axes.get_xticks() if low <= tick <= high)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def drawn(monkeypatch: pytest.MonkeyPatch, rounds: list[dict[str, Any]], **more: Any) -> Figure:
    """The figure that `federation_curve` would write."""
    figures: list[Figure] = []
    monkeypatch.setattr(curves, "save", lambda figure, path: figures.append(figure))
    federation_curve(rounds, Path("none.png"), title="a federation", **more)
    return figures[0]


def test_a_picture_without_a_measured_value_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert texts(drawn(monkeypatch, [])) == ["nothing was measured"] * 2


def test_a_federation_stands_beside_the_baselines(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = [{"round": n, "reward": -n / 2, "episodes": 20, "solved": 10} for n in range(1, 13)]
    others = [{"agent": "random", "n": 200, "mean_return": -80.0, "solved_rate": 0.3}]
    figure = drawn(monkeypatch, rounds, model={"n": 200, "mean_return": -3.0, "solved_rate": 1.0}, baselines=others)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "the last model, greedy, 200 unseen problems" in labels
    assert "random, on the same problems" in labels
    assert texts(figure) == []


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
