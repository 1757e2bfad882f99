"""Trainings of a doctor: the same bits however often they are stopped, and an exam that tells doctors apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.ppo.settings import PPOSettings
from env.errors import ConfigError
from env.interrupt import Stopped
from runner.rl.doctors import model_doctor
from runner.rl.exam import HELD_OUT, LARGE, at_random, by_hand, examine, examine_optimum
from runner.rl.train import EXAM, LATEST, METRICS, MODEL, DoctorTraining, doctor_settings, train

SETTINGS = PPOSettings(hidden=(16,), rollout_steps=256, minibatch_size=64, anneal_steps=2_048, gamma=0.99)


def plan(**changed: Any) -> DoctorTraining:
    return DoctorTraining(
        **{"epochs": 3, "max_steps": 20, "seed": 0, "environments": 8, "settings": SETTINGS, "epoch_steps": 512}
        | changed
    )


def trained(folder: Path, wanted: DoctorTraining, **options: Any) -> Path:
    folder.mkdir(exist_ok=True)
    train(wanted, folder, episodes=20, optimal=0, **options)
    return folder


def stopping_after(epochs: int) -> Any:
    """Keywords that stop a training in the middle of the epoch after so many."""
    done: list[int] = []
    return {"on_epoch": lambda epoch, metrics: done.append(epoch), "should_stop": lambda: len(done) >= epochs}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("whole"), plan())


@pytest.mark.parametrize("after", [1, 2])
def test_a_training_that_was_stopped_ends_with_the_same_bits(whole: Path, tmp_path: Path, after: int) -> None:
    with pytest.raises(Stopped):
        trained(tmp_path, plan(), **stopping_after(after))
    assert not (tmp_path / MODEL).exists()
    trained(tmp_path, plan())
    for name in (MODEL, LATEST, METRICS, EXAM):
        assert (tmp_path / name).read_bytes() == (whole / name).read_bytes()


def test_another_seed_gives_another_model(whole: Path, tmp_path: Path) -> None:
    trained(tmp_path, plan(seed=1))
    assert (tmp_path / MODEL).read_bytes() != (whole / MODEL).read_bytes()


def test_a_folder_of_another_training_is_refused(whole: Path) -> None:
    with pytest.raises(ConfigError, match=r"checkpoint_latest\.pt: is of another training; .* --to"):
        trained(whole, plan(epochs=4))


def test_the_model_diagnoses(whole: Path) -> None:
    doctor = model_doctor(whole / MODEL)
    mask = np.zeros(15, np.bool_)
    mask[4] = True
    assert doctor(np.full(18, 0.5, np.float32), mask) == 4


def test_the_exam_has_a_row_for_each_doctor_and_kind(whole: Path) -> None:
    scores = json.loads((whole / EXAM).read_text())["scores"]
    rows = [(score["problems"], score["doctor"]) for score in scores]
    assert rows == [(problems, doctor) for problems in (HELD_OUT, LARGE) for doctor in ("ppo", "scripted", "random")]


def test_the_optimum_is_above_the_scripted_doctor_and_that_above_a_random_one() -> None:
    optimum = examine_optimum(episodes=20, max_steps=100)
    by_rules = examine(by_hand, "scripted", HELD_OUT, episodes=20, max_steps=100)
    by_chance = examine(at_random(0), "random", HELD_OUT, episodes=20, max_steps=100)
    means = [score.mean_return.value for score in (optimum, by_rules, by_chance) if score.mean_return]
    assert means == sorted(means, reverse=True)
    assert optimum.solved == 20


def test_settings_fall_to_the_end_of_the_training() -> None:
    assert doctor_settings(10).anneal_steps == 10 * DoctorTraining(10, 100, 0, 1).epoch_steps
    assert doctor_settings(10, {"learning_rate": 1e-5}).learning_rate_end == 1e-5
