"""Trainings in Season-v0, as the loop of `sim-arena train` and a job run them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from agents.saved import checkpoint
from env.errors import ConfigError
from env.season.laws import KINDS
from env.season.variants import VARIANTS
from runner.commands.environments import KINDS as ENVIRONMENTS
from runner.options import season
from runner.season.evaluator import SeasonEvaluator
from runner.season.train import LEARNERS, SeasonTraining, season_settings
from runner.training.epochs import EpochTrainee, WantedEpochs


def plan(agent: str, **changed: Any) -> SeasonTraining:
    settings = season_settings(agent, 3, {"hidden": [8], "rollout_steps": 256}, epoch_steps=512)
    return replace(SeasonTraining(3, 1, 8, agent, settings, epoch_steps=512), **changed)


def state_of(trainee: EpochTrainee[Any]) -> bytes:
    return checkpoint.dumps(trainee.state_dict())


@pytest.mark.parametrize("agent", LEARNERS)
def test_a_stopped_training_goes_on_to_the_same_bits(agent: str) -> None:
    whole = EpochTrainee(plan(agent))
    for _ in range(2):
        whole.run_next(lambda: False, lambda record: None)
    begun = EpochTrainee(plan(agent))
    begun.run_next(lambda: False, lambda record: None)
    other = EpochTrainee(plan(agent))
    other.load_state_dict(checkpoint.loads(state_of(begun), "state"))
    other.run_next(lambda: False, lambda record: None)
    assert state_of(other) == state_of(whole)


def test_members_start_equal_and_meet_other_workloads() -> None:
    plans = [plan("forecast", kinds=("daily", "leak"), member=member) for member in range(3)]
    first = [each.new_agent().weights() for each in plans]
    assert all((first[0][name] == other[name]).all() for other in first[1:] for name in first[0])
    histories = []
    for each in plans:
        trainee = EpochTrainee(each)
        trainee.run_next(lambda: False, lambda record: None)
        histories.append(trainee.history[-1]["loss"])
    assert len(set(histories)) == 3


def test_series_are_played_by_an_eighth_of_the_environments_beside_generated_workloads() -> None:
    peaks = np.tile(np.linspace(20.0, 40.0, 140), (3, 1))
    training = plan("forecast", beside=peaks, environments=16)
    parts = training.environments_of_an_epoch().parts
    assert [(part.num_envs, part.plays_given) for part in parts] == [(14, False), (2, True)]
    parts[1].reset(seed=0)
    played = parts[1].lanes["peaks"]
    assert played / np.median(played, axis=1)[:, None] == pytest.approx(peaks[:2] / np.median(peaks[0]))
    assert training.identity() != plan("forecast", environments=16).identity()
    with pytest.raises(ConfigError, match=r"series: peaks up to 400 steps; at most 57\.6"):
        plan("forecast", beside=10 * peaks).checked()


def test_an_evaluation_holds_an_agent_against_vpa_on_the_same_workloads() -> None:
    class Staying:
        def best_in_all(self, states: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            return np.zeros(len(states), np.int64)

    evaluator = SeasonEvaluator("memory", None, 4.0, episodes=20)
    row, vpa = evaluator.score(Staying(), lambda: False), evaluator.baseline("VPA", lambda: False)
    assert (row["n"], row["changed"], vpa["solved_rate"]) == (20, 0.0, 0.0)
    assert 0 < row["solved_rate"] < 1
    assert 0 < row["held"] < 5
    assert row["mean_return"] < 0


def test_the_names_of_options_are_those_of_the_environment() -> None:
    assert (tuple(VARIANTS), KINDS) == (season.VARIANTS, season.KINDS)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"settings": {"variant": "mem"}}, "variant 'mem': unknown"),
        ({"settings": {"kappa": "much"}}, "kappa 'much': must be a number"),
        ({"settings": {"lanes": 3}}, "environment setting 'lanes': --env season has only"),
        ({"kinds": ("dayly",)}, "kind 'dayly': unknown; did you mean 'daily'"),
        ({"agent": "dqn"}, "agent 'dqn': does not learn --env season"),
        ({"agent_settings": {"hiden": [3]}}, "did you mean 'hidden'"),
    ],
)
def test_what_a_job_says_wrongly_is_told_in_one_line(changed: dict[str, Any], said: str) -> None:
    wanted = WantedEpochs(2, 64, 4, 112, 1, 0, "forecast", {})
    with pytest.raises(Exception, match=said):
        ENVIRONMENTS["season"].planned(replace(wanted, **changed))
