"""Federations in one process: equal to what the protocol would do, and what attacks do to them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.dqn.settings import DQNSettings
from agents.saved import checkpoint
from env.errors import ConfigError
from env.problems.draw import PROBLEMS
from env.problems.generate import generate_scenario
from infra.bench.federation.commands import band
from infra.bench.federation.members import (
    AloneRun,
    Attack,
    FederationRun,
    Server,
    attacked,
    federation_runs,
    kind_of,
    train,
)
from infra.commands import app
from protocol.strategies.table import Strategy
from protocol.wire.errors import BadDocument
from runner.bench.exam import Exam, ExamResult, Exams, Marks, Point
from runner.bench.learning import settings_of
from runner.training.training import Training, TrainingConfig

SMALL = settings_of({"hidden": [8], "batch_size": 8, "learning_starts": 8, "target_every": 10})
EXAMS = Exams(*(Exam([generate_scenario(None, first + i) for i in range(20)]) for first in (0, 20)))
RUN = FederationRun(3, Strategy.FEDAVG, 1, 150, 2, 50, settings=SMALL)


def values(weights: bytes) -> dict[str, Any]:
    return checkpoint.loads(weights, "weights")


def members(count: int) -> list[bytes]:
    """Weights of `count` members after an episode each."""
    found = []
    for member in range(count):
        training = Training(TrainingConfig(agent_settings=SMALL, seed=1, member=member), None)
        training.run_episode(1)
        found.append(training.weights())
    return found


def closed(strategy: Strategy, updates: Sequence[bytes]) -> dict[str, Any]:
    server = Server(strategy, len(updates), updates[0])
    server.close([(10, update) for update in updates])
    return values(server.weights)


def test_one_member_with_fedavg_is_a_member_alone() -> None:
    alone = train(AloneRun(0, 1, 150, 50, settings=SMALL), EXAMS)
    federation = train(replace(RUN, members=1, episodes_per_round=1), EXAMS)
    assert replace(federation, seconds=0) == replace(alone, seconds=0)


def test_equal_runs_are_equal() -> None:
    assert replace(train(RUN, EXAMS), seconds=0) == replace(train(RUN, EXAMS), seconds=0)


def test_a_federation_ends_with_the_round_in_which_members_reach_their_steps() -> None:
    outcome = train(RUN, EXAMS)
    assert 150 <= outcome.env_steps < 150 + 2 * 100
    assert outcome.curve[-1].env_steps <= outcome.env_steps
    assert outcome.failure is None


@pytest.mark.parametrize("strategy", Strategy)
def test_every_strategy_of_the_protocol_trains(strategy: Strategy) -> None:
    assert train(replace(RUN, strategy=strategy, heterogeneous=True), EXAMS).failure is None


def test_the_server_weighs_by_transitions_where_the_strategy_does() -> None:
    first, second = members(2)
    server = Server(Strategy.FEDAVG, 2, first)
    server.close([(30, first), (10, second)])
    for name, mean in values(server.weights).items():
        expected = 0.75 * values(first)[name].astype(np.float64) + 0.25 * values(second)[name].astype(np.float64)
        np.testing.assert_allclose(mean, expected, atol=1e-7)


def test_the_servers_state_goes_from_round_to_round() -> None:
    """FedAdam's second step in the same direction is not the first one again."""
    start, *updates = members(3)
    fresh, going_on = (Server(Strategy.FEDADAM, 2, start) for _ in range(2))
    fresh.close([(10, update) for update in updates])
    going_on.close([(10, update) for update in updates])
    going_on.weights = start
    going_on.close([(10, update) for update in updates])
    assert fresh.weights != going_on.weights


@pytest.mark.parametrize("attack", Attack)
def test_robust_strategies_stay_within_what_honest_members_sent(attack: Attack) -> None:
    first, *honest = members(5)
    updates = [attacked(first, attack), *honest]
    for strategy in (Strategy.MEDIAN, Strategy.TRIMMED_MEAN):
        for name, value in closed(strategy, updates).items():
            sent = np.stack([values(update)[name] for update in honest])
            assert np.all((sent.min(axis=0) <= value) & (value <= sent.max(axis=0)))


def test_a_mean_follows_the_largest_update() -> None:
    first, *honest = members(5)
    name = "q_net.0.weight"
    mean = closed(Strategy.FEDAVG, [attacked(first, Attack.SCALE), *honest])[name]
    assert np.abs(mean).max() > 100 * np.abs(values(first)[name]).max()


def test_a_federation_without_finite_updates_ends_and_says_so() -> None:
    """A thousandfold in every round is beyond float32 after the thirteenth."""
    outcome = train(replace(RUN, members=1, attack=Attack.SCALE, env_steps=20_000, episodes_per_round=1), EXAMS)
    assert outcome.failure is not None
    assert outcome.failure.startswith("round ")
    assert outcome.env_steps < 20_000


def test_an_update_that_is_not_finite_is_left_out_and_a_round_without_any_other_refused() -> None:
    first, second = members(2)
    broken = checkpoint.dumps({n: t * float("nan") for n, t in checkpoint.loads(first, "weights").items()})
    assert closed(Strategy.UNIFORM, [second, broken]).keys() == values(second).keys()
    server = Server(Strategy.UNIFORM, 2, first)
    with pytest.raises(BadDocument):
        server.close([(1, broken), (1, broken)])
    assert server.weights == first


# -- what is compared ------------------------------------------------------------------------------------


def runs(**changed: Any) -> dict[str, list[FederationRun | AloneRun]]:
    given: dict[str, Any] = {
        "members": [3, 5],
        "strategies": ["fedavg"],
        "seeds": 2,
        "env_steps": 1000,
        "episodes_per_round": 10,
        "evaluate_every": 100,
        "heterogeneous": False,
        "attack": None,
        "settings": {},
    }
    return federation_runs(**{**given, **changed})


def test_federations_of_every_size_are_followed_by_their_members_alone() -> None:
    groups = runs()
    assert list(groups) == ["fedavg, 3 members", "fedavg, 5 members", *(f"member {m} alone" for m in range(5))]
    assert [run.seed for run in groups["fedavg, 5 members"]] == [1, 2]


def test_members_of_a_heterogeneous_federation_meet_the_kinds_in_turn() -> None:
    groups = runs(heterogeneous=True, members=[6])
    assert list(groups)[1:] == [f"member {m} alone, {PROBLEMS[m % 5]} only" for m in range(6)]
    assert kind_of(7) == PROBLEMS[2]


def test_fedprox_pulls_unless_it_is_told_how_much() -> None:
    def proximal(**settings: Any) -> Any:
        return runs(strategies=["fedprox"], settings=settings)["fedprox, 3 members"][0].settings["proximal"]

    assert proximal() > DQNSettings().proximal
    assert proximal(proximal=0.5) == 0.5


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="--strategy mean: unknown; choose from fedavg"):
        runs(strategies=["mean"])
    with pytest.raises(ConfigError, match="needs --members of at least 3, not 2"):
        runs(strategies=["median"], members=[2, 8])


def test_a_band_goes_as_far_as_every_seed_came() -> None:
    def outcome(*points: tuple[int, float]) -> ExamResult:
        return ExamResult(tuple(Point(*point) for point in points), Marks(0.0, None, {}), 0, 0.0)

    env_steps, low, median, high = band([outcome((10, 0.0), (30, 0.2)), outcome((10, 0.1), (20, 0.3), (40, 1.0))])
    assert env_steps.tolist() == [10, 20, 30]
    assert low == pytest.approx([0, 10, 20])
    assert high == pytest.approx([10, 30, 65])
    assert median == pytest.approx([5, 20, 42.5])
    assert [len(part) for part in band([outcome(), outcome((10, 1.0))])] == [0, 0, 0, 0]


def test_the_command_prints_and_draws(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    given = ["bench", "federation", "--members", "2", "--seeds", "1", "--env-steps-per-member", "60", "--set"]
    given += ["hidden=[32]", "--evaluate-every", "30", "--results", str(tmp_path / "results.jsonl")]
    app([*given, "--to", str(tmp_path / "curve.png")], standalone_mode=False)
    assert "fedavg, 2 members" in capfd.readouterr().out
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    app([*given, "--json"], standalone_mode=False)
    found = json.loads(capfd.readouterr().out)["federation"]
    (training,) = found["fedavg, 2 members"]["trainings"]
    row = {"members": 2, "strategy": "fedavg", "episodes_per_round": 10}
    assert row.items() <= training.items()
    assert set(found["fedavg, 2 members"]["by_problem"]) == set(PROBLEMS)


def test_sizes_and_attacks_are_checked() -> None:
    for wrong in (["--members", "0,2"], ["--members", "two"], ["--attack", "flip"]):
        with pytest.raises(ConfigError, match=wrong[0]):
            app(["bench", "federation", *wrong], standalone_mode=False)
