"""What the simulation sees where jobs name a learner: the seam to it broken, and each break seen by an invariant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from mutants import caught, violated

from agents.saved import checkpoint
from infra.proof.simulation import run
from infra.proof.simulation.invariants import Invariant
from infra.proof.simulation.run import Implementations, simulate
from infra.proof.simulation.scenario import Fault, SimulationScenario, draw
from infra.proof.tiny_learner import Habit, tiny_federation
from protocol.learners import named
from protocol.learners.named import NamedLearner
from protocol.rounds import averaging
from protocol.rounds.averaging import Model
from protocol.strategies import median, trimmed_mean
from protocol.strategies.table import Strategy
from protocol.wire.bucket import Bucket, Created
from protocol.wire.choices import Closers
from protocol.worker import attempt
from protocol.worker.worker_loop import WorkerLoop

STRATEGIES = tuple(Strategy)
NO_TIMEOUT_S = 1e6


def of_a_learner(scenario: SimulationScenario) -> SimulationScenario:
    """Four members of a sound learner that every worker has, with each strategy in turn; nothing goes wrong."""
    strategy = STRATEGIES[scenario.seed % len(STRATEGIES)]
    wanted = tiny_federation(4, 4, strategy, round_timeout_s=NO_TIMEOUT_S)
    return replace(
        scenario, wanted=wanted, habit=Habit.SOUND, lacking=(), attacked=None, syncs=1, workers=(0.0,) * 3, stays=0,
        twins=0, cut=None, resubmit_s=None, cancel=None, purge=False, defects={}, faults={}, works_s=1.0,
        slow_member=None, ttl_s=6.0, calm_s=60.0,
    )  # fmt: skip


def taken_over(scenario: SimulationScenario) -> SimulationScenario:
    """Workers die, or sleep past their lease and go on."""
    return replace(of_a_learner(scenario), faults={Fault.KILL_AFTER: 0.02, Fault.PAUSE: 0.2})


def lacking(scenario: SimulationScenario) -> SimulationScenario:
    return replace(of_a_learner(scenario), lacking=(0, 1))


def attacked(scenario: SimulationScenario) -> SimulationScenario:
    wanted = tiny_federation(4, 4, (Strategy.MEDIAN, Strategy.TRIMMED_MEAN)[scenario.seed % 2], min_participants=3)
    return replace(of_a_learner(scenario), wanted=wanted, attacked=3)


# -- what members train ------------------------------------------------------------------------------


class Elsewhere:
    """Takes a state, and tells it again."""

    def restore(self, state: Mapping[str, Any]) -> None:
        self.given = state

    def state(self) -> Mapping[str, Any]:
        return self.given


def test_a_take_over_without_the_learners_state_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    true = NamedLearner.restore

    def restore(self: NamedLearner, state: bytes) -> int:
        own, self._learner = self._learner, Elsewhere()  # type: ignore[assignment]
        done = true(self, state)
        self._learner = own
        return done

    monkeypatch.setattr(NamedLearner, "restore", restore)
    assert Invariant.UPDATE in violated(caught(focus=taken_over))


def test_members_that_start_from_other_weights_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    zeros = checkpoint.write({name: np.zeros(2, np.float32) for name in ("slope", "bias")})
    monkeypatch.setattr(named, "read_weights", lambda bucket, sha256: zeros)
    assert Invariant.UPDATE in violated(caught(focus=of_a_learner))


def test_members_that_all_train_with_one_seed_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    true = named.seed_of
    monkeypatch.setattr(named, "seed_of", lambda seed, *others: true(seed, *others[1:]))
    assert Invariant.UPDATE in violated(caught(focus=of_a_learner))


def test_weights_that_are_loaded_once_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    true = NamedLearner.load_weights

    def load_weights(self: NamedLearner, weights: bytes) -> None:
        if not self._done:
            true(self, weights)

    monkeypatch.setattr(NamedLearner, "load_weights", load_weights)
    assert Invariant.UPDATE in violated(caught(focus=of_a_learner))


# -- what is averaged --------------------------------------------------------------------------------


def test_an_average_by_position_and_not_by_name_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    true = averaging._spans
    monkeypatch.setattr(averaging, "_spans", lambda *how: np.sort(true(*how), axis=0))
    assert Invariant.DECISION in violated(caught(focus=of_a_learner))


def test_a_step_of_some_tensors_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    true = Model._mask
    monkeypatch.setattr(Model, "_mask", lambda self, prefix: true(self, "slope"))
    assert Invariant.DECISION in violated(caught(focus=of_a_learner))


def test_a_robust_strategy_that_drops_nothing_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    for strategy in (median, trimmed_mean):
        monkeypatch.setattr(strategy.Combined, "cut", staticmethod(lambda members: 0))
    assert Invariant.ATTACK in violated(caught(focus=attacked))


# -- who trains ----------------------------------------------------------------------------------------


def test_a_worker_that_does_not_ask_whether_it_has_the_learner_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "require_learner", lambda manifest, kind_of: None)
    assert violated(caught(focus=lacking)) >= {Invariant.RESULT, Invariant.LEARNER}


def test_a_worker_that_leaves_a_job_and_says_nothing_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WorkerLoop, "_pass_over", lambda self, error: None)
    assert violated(caught(focus=lacking)) == {Invariant.LEARNER}


class Dozes(Bucket):
    """Sleeps before it saves a state, now and then, and does not renew its lease meanwhile: another attempt begins."""

    asleep = False

    def create(self, key: str, body: bytes, facts: Mapping[str, str] | None = None) -> Created:
        if "/state/" in key and self.clock.jitter() < 0.3:
            self.asleep = True
            self.clock.sleep(20.0)
            self.asleep = False
        return super().create(key, body, facts)

    def put_without_retry(self, key: str, body: bytes) -> None:
        if not self.asleep:
            super().put_without_retry(key, body)


def restless(scenario: SimulationScenario) -> SimulationScenario:
    return replace(of_a_learner(scenario), habit=Habit.RESTLESS)


def test_a_restless_learner_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """No invariant is violated where two attempts save different states of an epoch, unless nobody compares them."""
    dozing = Implementations(bucket=Dozes)
    told = [simulate(restless(draw(seed)), implementations=dozing, keep_history=True) for seed in range(3)]
    assert [report.violations for report in told] == [()] * 3
    assert any("does not repeat bit for bit" in line for report in told for line in report.history)
    monkeypatch.setattr(attempt, "difference", lambda *how: None)
    assert violated(caught(dozing, focus=restless)) == {Invariant.LEARNER}


def test_a_restored_state_that_is_not_compared_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    true = NamedLearner.restore

    def restore(self: NamedLearner, state: bytes) -> int:
        done, self._differs = true(self, state), ""
        return done

    monkeypatch.setattr(NamedLearner, "restore", restore)
    report = caught(focus=lambda drawn: replace(taken_over(drawn), habit=Habit.FORGETFUL))
    assert violated(report) == {Invariant.LEARNER}


# -- what is drawn -------------------------------------------------------------------------------------


def test_a_share_of_seeds_trains_a_learner_in_all_its_ways() -> None:
    drawn = [draw(seed) for seed in range(1000)]
    of_learners = [scenario for scenario in drawn if scenario.learns]
    assert 0.15 < len(of_learners) / len(drawn) < 0.25
    assert {scenario.wanted.strategy for scenario in of_learners} == set(Strategy)
    assert {scenario.wanted.barrier for scenario in of_learners} == set(Closers)
    assert {scenario.habit for scenario in of_learners} == set(Habit)
    assert any(len(scenario.lacking) == len(scenario.workers) for scenario in of_learners)
    assert any(scenario.attacked is not None and scenario.wanted.strategy.robust for scenario in of_learners)
    assert any(scenario.wanted.sample and scenario.singles for scenario in of_learners)
    assert not any(scenario.lacking for scenario in drawn if not scenario.learns)


@pytest.mark.parametrize("barrier", Closers)
def test_without_faults_every_strategy_makes_the_weights_of_a_plain_loop(barrier: Closers) -> None:
    for seed in range(len(STRATEGIES)):
        drawn = of_a_learner(draw(seed))
        wanted = drawn.wanted.model_copy(update={"barrier": barrier})
        report = simulate(replace(drawn, wanted=wanted, syncs=int(barrier is Closers.SYNC_SERVER)))
        assert report.violations == ()
        assert report.trained == report.needed == 16
