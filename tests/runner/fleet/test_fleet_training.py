"""Trainings in Fleet-v0, as the loop of `sim-arena train` runs them."""

from __future__ import annotations

from typing import Any

import pytest

from agents.saved import checkpoint
from runner.fleet.evaluator import FleetEvaluator
from runner.fleet.train import FleetTraining, fleet_settings
from runner.training.epochs import EpochTrainee

SETTINGS = fleet_settings(2, {"hidden": [8], "rollout_steps": 256}, epoch_steps=512)
PLAN = FleetTraining(2, 1, 8, SETTINGS, epoch_steps=512)


def state_of(trainee: EpochTrainee[Any]) -> bytes:
    return checkpoint.dumps(trainee.state_dict())


def test_a_stopped_training_goes_on_to_the_same_bits_and_evaluations_repeat_themselves() -> None:
    whole, other = EpochTrainee(PLAN), EpochTrainee(PLAN)
    for _ in range(2):
        whole.run_next(lambda: False, lambda record: None)
    other.run_next(lambda: False, lambda record: None)
    loaded = EpochTrainee(PLAN)
    loaded.load_state_dict(checkpoint.loads(state_of(other), "state"))
    loaded.run_next(lambda: False, lambda record: None)
    assert state_of(loaded) == state_of(whole)
    evaluator = FleetEvaluator("small", episodes=5)
    row = evaluator.score(whole.agent, lambda: False)
    assert row == evaluator.score(whole.copy_of_agent(), lambda: False)
    assert (row["n"], row["mean_steps"]) == (5, 60)
    assert row["nodes"] > 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--agent", "dqn"), "agent 'dqn': does not learn --env fleet; ppo does"),
        (("--kind", "daily"), "--kind: is of --env season; leave it out with --env fleet"),
        (("--variant", "memory"), "variant 'memory': unknown"),
        (("--steps", "9"), "--steps: is of --env cluster; leave it out with --env fleet"),
    ],
)
def test_what_does_not_fit_is_one_line(cli: Any, words: tuple[str, ...], said: str) -> None:
    done = cli("train", "--env", "fleet", *words)
    assert (done.code, said in done.err, done.err.count("\n")) == (2, True, 1), done.err
