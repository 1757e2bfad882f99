"""Trainings of a doctor: the same bits however often they are stopped, and an exam that tells doctors apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.ppo.settings import PPOSettings
from agents.saved.evaluation import evaluation_in
from agents.saved.formats import read_state
from env.errors import AgentError
from env.interrupt import Stopped
from runner.rl.doctors import model_doctor
from runner.rl.evaluator import DoctorEvaluator, exam, row_of
from runner.rl.exam import HELD_OUT, LARGE, at_random, by_hand, examine, examine_optimum
from runner.rl.train import DoctorTraining, doctor_settings
from runner.training.epochs import EpochTrainee
from runner.training.json_lines import records
from runner.training.loop import LoopPlan, train
from runner.training.run_folder import RunFolder

SETTINGS = PPOSettings(hidden=(16,), rollout_steps=256, minibatch_size=64, anneal_steps=2_048, gamma=0.99)
MODEL = "checkpoint_final.pt"


def plan(**changed: Any) -> DoctorTraining:
    return DoctorTraining(
        **{"epochs": 3, "max_steps": 20, "seed": 0, "environments": 8, "settings": SETTINGS, "epoch_steps": 512}
        | changed
    )


def examined(agent: Any, should_stop: Callable[[], bool]) -> list[Any]:
    return [row_of(examine(by_hand, "scripted", HELD_OUT, episodes=20, max_steps=20))]


def trained(folder: Path, wanted: DoctorTraining, **options: Any) -> Path:
    """Trains in a folder; goes on if there is a state in it."""
    folder.mkdir(exist_ok=True)
    run, trainee = RunFolder(folder), EpochTrainee(wanted)
    if run.latest.is_file():
        trainee.load_state_dict(read_state(run.latest))
    train(trainee, run, LoopPlan(1, 2), DoctorEvaluator(20, 10), examined, **options)
    return folder


def stopping_after(epochs: int) -> Any:
    """Keywords that stop a training in the middle of the epoch after so many."""
    done: list[int] = []
    return {"on_unit": lambda summary: done.append(summary["episode"]), "should_stop": lambda: len(done) >= epochs}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("whole"), plan())


@pytest.mark.parametrize("after", [1, 2])
def test_a_training_that_was_stopped_ends_with_the_same_bits(whole: Path, tmp_path: Path, after: int) -> None:
    with pytest.raises(Stopped):
        trained(tmp_path, plan(), **stopping_after(after))
    assert not (tmp_path / MODEL).exists()
    trained(tmp_path, plan())
    for name in (MODEL, "checkpoint_latest.pt", "checkpoint_best.pt", "metrics.jsonl", "learning_curve.png"):
        assert (tmp_path / name).read_bytes() == (whole / name).read_bytes(), name


def test_another_seed_gives_another_model(whole: Path, tmp_path: Path) -> None:
    trained(tmp_path, plan(seed=1))
    assert (tmp_path / MODEL).read_bytes() != (whole / MODEL).read_bytes()


@pytest.mark.parametrize("changed", [{"seed": 1}, {"max_steps": 21}, {"environments": 4}])
def test_a_state_of_another_training_is_refused(whole: Path, changed: dict[str, Any]) -> None:
    with pytest.raises(AgentError, match=f"training state: {next(iter(changed))} is "):
        trained(whole, plan(**changed))


def test_a_training_goes_on_to_more_epochs_than_were_asked_for_at_first(tmp_path: Path) -> None:
    trained(tmp_path, plan(epochs=1))
    trained(tmp_path, plan())
    assert [row["episode"] for row in records(tmp_path / "metrics.jsonl") if row["kind"] == "epoch"] == [1, 2, 3]


@pytest.mark.parametrize("damage", [{"reward": float("inf")}, {"solved": "all"}, {"episode": 7}])
def test_a_damaged_history_is_refused(whole: Path, damage: dict[str, Any]) -> None:
    trainee = EpochTrainee(plan())
    trainee.load_state_dict(read_state(whole / "checkpoint_latest.pt"))
    trainee.history[1] |= damage
    with pytest.raises(AgentError, match=r"damaged summary of epoch [23]|training state: records"):
        EpochTrainee(plan()).load_state_dict(trainee.state_dict())


def test_the_model_diagnoses(whole: Path) -> None:
    doctor = model_doctor(whole / MODEL)
    mask = np.zeros(15, np.bool_)
    mask[4] = True
    assert doctor(np.full(18, 0.5, np.float32), mask) == 4


def test_the_model_says_how_it_did_in_the_exam_and_the_best_one_in_its_evaluation(whole: Path) -> None:
    (row,) = evaluation_in(read_state(whole / MODEL), "model")
    assert (row.agent, row.problems, row.episodes, row.solved_rate.value) == ("scripted", HELD_OUT, 20, 1.0)
    best = evaluation_in(read_state(whole / "checkpoint_best.pt"), "model")
    assert [(row.agent, row.problems, row.episodes) for row in best] == [
        ("ppo", "validation", 20), ("random", "validation", 20), ("scripted", "validation", 20)
    ]  # fmt: skip


def test_the_folder_has_pictures_and_an_evaluation_of_each_kind_of_problems(whole: Path) -> None:
    assert {"learning_curve.png", "actions.png"} <= {path.name for path in whole.iterdir()}
    row = next(row for row in records(whole / "metrics.jsonl") if row["kind"] == "evaluation")
    assert row["mean_return"] == (row["held_out_return"] + row["large_return"]) / 2
    assert sum(row["actions"]) == round(row["mean_steps"] * row["n"])


def test_the_optimum_is_above_the_scripted_doctor_and_that_above_a_random_one() -> None:
    optimum = examine_optimum(episodes=20, max_steps=100)
    by_rules = examine(by_hand, "scripted", HELD_OUT, episodes=20, max_steps=100)
    by_chance = examine(at_random(0), "random", HELD_OUT, episodes=20, max_steps=100)
    means = [score.mean_return.value for score in (optimum, by_rules, by_chance) if score.mean_return]
    assert means == sorted(means, reverse=True)
    assert optimum.solved == 20


def test_the_scripted_doctor_does_without_a_metrics_api() -> None:
    assert examine(by_hand, "scripted", "no-metrics", episodes=100, max_steps=100).solved == 100


def test_settings_fall_to_the_end_of_the_training() -> None:
    assert doctor_settings(10).anneal_steps == 10 * DoctorTraining(10, 100, 0, 1).epoch_steps
    assert doctor_settings(10, {"learning_rate": 1e-5}).learning_rate_end == 1e-5


def test_an_exam_has_a_row_for_each_doctor_and_kind() -> None:
    rows = exam(20, 2)(EpochTrainee(plan()).agent, lambda: False)
    others = ("ppo", "scripted", "random")
    doctors = {HELD_OUT: ("optimum", *others), LARGE: others, "no-metrics": others}
    assert [(row.problems, row.agent) for row in rows] == [(kind, each) for kind in doctors for each in doctors[kind]]
