"""What the simulation sees of rules against an attacker that are broken; see `infra.proof.simulation.attacker`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from mutants import caught, violated

from infra.access import policies
from infra.proof.simulation.invariants import Invariant
from infra.proof.simulation.rights import ARN, ConfinedStore, allowed
from infra.proof.simulation.run import Implementations, simulate
from infra.proof.simulation.scenario import SimulationScenario, draw
from infra.proof.standin import GROUP, federation
from protocol.rounds import audit, closer
from protocol.rounds.closer import Closer
from protocol.rounds.decide import CloseRound, FailRound, KeepOpen, OpenRound, decide
from protocol.wire import keys
from protocol.wire.choices import Closers
from protocol.wire.errors import Refused
from protocol.wire.memory import MemoryS3, Request


def attacked(scenario: SimulationScenario) -> SimulationScenario:
    """Four members, of which an attacker has the last one's credentials; nothing else goes wrong."""
    wanted = federation(4, 5, min_participants=3, round_timeout_s=20.0)
    return replace(
        scenario, wanted=wanted, attacked=3, syncs=1, workers=(0.0,) * 4, stays=0, twins=0, cut=None, resubmit_s=None,
        cancel=None, purge=False, defects={}, faults={}, works_s=5.0, slow_member=None, ttl_s=15.0, calm_s=60.0,
    )  # fmt: skip


def members_close(scenario: SimulationScenario) -> SimulationScenario:
    drawn = attacked(scenario)
    return replace(drawn, syncs=0, wanted=drawn.wanted.model_copy(update={"barrier": Closers.WORKERS}))


def one_is_slow(scenario: SimulationScenario) -> SimulationScenario:
    """Too slow for the first deadline, not for the last extension."""
    drawn = attacked(scenario)
    wanted = drawn.wanted.model_copy(update={"round_timeout_s": 40.0})
    return replace(drawn, wanted=wanted, works_s=5.0, slow_member=1)


def test_updates_ahead_of_time_that_count_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OpenRound, "early", ())
    assert Invariant.ATTACK in violated(caught(focus=attacked))


def test_a_deadline_that_runs_from_an_update_ahead_of_time_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def from_the_first_of_any_age(seen: OpenRound) -> KeepOpen | CloseRound | FailRound:
        verdict = decide(seen)
        late = bool(seen.early) and seen.server_time - min(seen.delivered.values()) > seen.federation.round_timeout_s
        enough = len(seen.counted) >= seen.federation.min_participants
        return CloseRound(tuple(seen.counted), "deadline", 0.0) if late and enough and seen.missing else verdict

    def some_wait(scenario: SimulationScenario) -> SimulationScenario:
        wanted = attacked(scenario).wanted.model_copy(update={"min_participants": 2})
        return replace(attacked(scenario), wanted=wanted, slow_member=1)

    monkeypatch.setattr(closer, "decide", from_the_first_of_any_age)
    monkeypatch.setattr(Closer, "_look", _always_asks(Closer._look))
    assert Invariant.DECISION in violated(caught(focus=some_wait))


def _always_asks(look: Callable[[Closer], OpenRound]) -> Callable[[Closer], OpenRound]:
    def asks(self: Closer) -> OpenRound:
        seen = replace(look(self), opened=self._reader.opened_at())
        self._seen = seen
        return seen

    return asks


def test_a_round_that_fails_at_its_first_deadline_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("protocol.rounds.decide.EXTENSIONS", 0)
    assert Invariant.DECISION in violated(caught(focus=one_is_slow))


def test_an_update_that_cannot_be_averaged_and_ends_the_wait_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def gives_up(seen: OpenRound) -> KeepOpen | CloseRound | FailRound:
        verdict = decide(seen)
        short = isinstance(verdict, KeepOpen) and bool(seen.unusable)
        return FailRound(f"{len(seen.counted)} updates, at least 3 needed: the round timed out") if short else verdict

    monkeypatch.setattr(closer, "decide", gives_up)
    assert Invariant.DECISION in violated(caught(focus=one_is_slow))


def test_members_that_believe_any_global_weights_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Closer, "audit", lambda self, round_, weights: None)
    assert Invariant.ATTACK in violated(caught(focus=members_close))


def test_members_that_believe_any_decision_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "objections", lambda *how: iter(()))
    assert violated(caught(focus=members_close)) & {Invariant.ATTACK, Invariant.WEIGHTS}


def test_members_that_may_write_the_report_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies, "CLOSING", policies.CLOSING + policies.Rights(create=(policies.REPORT,)))
    assert Invariant.KEYS in violated(caught(focus=members_close))


def test_a_report_that_runs_ahead_of_the_rounds_is_caught() -> None:
    ahead = Implementations(report=lambda record: f"{record.closed + 1} page".encode())
    assert Invariant.KEYS in violated(caught(ahead, focus=lambda drawn: replace(attacked(drawn), reports=True)))


# -- the attacker itself -----------------------------------------------------------------------------


def test_a_share_of_seeds_has_an_attacker_and_it_gets_into_rounds_and_is_left_out_of_some() -> None:
    drawn = [draw(seed) for seed in range(200)]
    share = sum(scenario.attacked is not None for scenario in drawn) / len(drawn)
    assert 0.1 < share < 0.4
    assert any(scenario.attacker_closes_rounds for scenario in drawn)
    reports = [simulate(attacked(draw(seed)), keep_history=True) for seed in range(5)]
    assert all(report.violations == () for report in reports)
    history = "\n".join(line for report in reports for line in report.history)
    assert "attacker     CREATE federations/g/rounds/000005/updates/3.safetensors: created" in history
    assert "member 3 left out" in history


def test_the_attackers_rights_are_those_of_a_confined_worker() -> None:
    confined = ConfinedStore(MemoryS3().store("attacker"), keys.member_job(GROUP, 3), closes_rounds=False)
    mine, others = keys.update(GROUP, 7, 3), keys.update(GROUP, 7, 2)
    assert allowed(confined.statements, Request("attacker", "CREATE", mine))
    assert not allowed(confined.statements, Request("attacker", "PUT", mine))
    assert not allowed(confined.statements, Request("attacker", "DELETE", mine))
    decided = (keys.decision(GROUP, 1), keys.global_weights(GROUP, 1), keys.outcome(GROUP))
    for key in (others, *decided, keys.report(GROUP), ARN):
        with pytest.raises(Refused):
            confined.put(key, b"", {}, create_only=True)
    closing = ConfinedStore(MemoryS3().store("attacker"), keys.member_job(GROUP, 3), closes_rounds=True)
    assert allowed(closing.statements, Request("attacker", "CREATE", keys.decision(GROUP, 1)))
    assert not allowed(closing.statements, Request("attacker", "CREATE", others))
    for verb in ("PUT", "CREATE", "DELETE"):
        assert not allowed(closing.statements, Request("attacker", verb, keys.report(GROUP)))
