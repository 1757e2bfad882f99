"""The DQN's speed: what is held equal, how ratios are taken, and that a missing Stable-Baselines3 is said once."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest

from agents.dqn.settings import DQNSettings
from runner.bench.dqn import LearnerBudget, Ours, Sample, SpeedCase, StableBaselines, cases, compare, summarise
from runner.bench.environments import Rate
from runner.commands.program import program
from runner.commands.table import BENCHMARKS

CASE = SpeedCase((8,), batch_size=8, train_every=4)


def test_the_cases_are_two_nets_two_batches_and_two_intervals() -> None:
    found = cases()
    assert {case.hidden for case in found} == {(64, 64), DQNSettings().hidden}
    assert {(case.batch_size, case.train_every) for case in found} == {(32, 1), (32, 4), (128, 1), (128, 4)}
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("learner", [Ours, StableBaselines])
def test_both_take_one_update_every_so_many_steps(learner: Any) -> None:
    measured = learner(CASE.settings)
    measured.run(100)
    env_steps, updates = measured.run(200)
    assert env_steps >= 200
    assert abs(updates - env_steps / 4) <= 1


def test_both_have_networks_of_the_same_shape() -> None:
    settings = SpeedCase((64, 64), 32, 1).settings
    ours, theirs = Ours(settings), StableBaselines(settings)
    shapes = [sorted(tuple(p.shape) for p in net) for net in (weights(ours), theirs._model.q_net.parameters())]
    assert shapes[0] == shapes[1]


def weights(ours: Ours) -> list[Any]:
    return [tensor for name, tensor in ours._agent.weights().items() if name.startswith("q_net.")]


def test_a_ratio_is_taken_within_each_repetition() -> None:
    """A machine that gets slower between repetitions does not change it."""
    fast = [Sample(800.0, 400.0, 5.0), Sample(100.0, 50.0, 50.0)]
    rounds = [(fast[0], Sample(80.0, 40.0, 5.0)), (fast[0], Sample(80.0, 40.0, 15.0)), (fast[1], Sample(10, 5, 150.0))]
    comparison = summarise(CASE, rounds)
    assert comparison.updates_ratio == comparison.env_steps_ratio == Rate(10.0, 10.0, 10.0)
    assert comparison.act_ratio == Rate(3.0, 1.0, 3.0)
    assert comparison.ours.updates == Rate(800.0, 100.0, 800.0)


def test_without_the_other_there_is_no_ratio() -> None:
    comparison = summarise(CASE, [(Sample(1.0, 2.0, 3.0),)])
    assert (comparison.theirs, comparison.updates_ratio) == (None, None)
    assert comparison.ours.act_us == Rate(3.0, 3.0, 3.0)


def test_every_repetition_is_measured_after_the_warm_up() -> None:
    """The clock moves 1 s a look: a run takes one second, an action too."""
    ticks = count()
    comparison = compare(CASE, LearnerBudget(repetitions=3, env_steps=100, warm_up=50), lambda: float(next(ticks)))
    assert comparison.ours.act_us == Rate(1e6, 1e6, 1e6)
    assert comparison.ours.env_steps.low >= 100
    assert comparison.theirs is not None


def test_the_command_prints_every_case_and_the_machine(capfd: pytest.CaptureFixture[str]) -> None:
    program("test", BENCHMARKS)(["bench", "dqn", "--quick", "--json"], standalone_mode=False)
    document = json.loads(capfd.readouterr().out)
    assert {"cpu", "cores", "numpy", "torch", "stable_baselines3"} <= document["machine"].keys()
    assert len(document["cases"]) == len(cases())
    first = document["cases"][0]
    assert first["ours"]["updates"]["median"] > 0
    assert first["updates_ratio"] is not None
