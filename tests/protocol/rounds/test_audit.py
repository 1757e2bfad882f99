"""Where members close rounds, none of them is trusted: what one decided and averaged the others make again."""

from __future__ import annotations

from typing import Any

import pytest

from infra.proof.standin import GROUP, add_worker, all_over, bucket_of, federation, integers
from infra.proof.virtual_time import World
from protocol.jobs.submit import submit_federation
from protocol.rounds.closer import Closer
from protocol.rounds.decide import OpenRound
from protocol.rounds.objections import objections
from protocol.rounds.updates import update_facts
from protocol.strategies.table import Strategy
from protocol.wire import documents, keys
from protocol.wire.choices import Closers
from protocol.wire.federation_documents import Decision, LeftOut, Outcome, OutcomeStatus, Participant
from protocol.wire.job_documents import Result, ResultStatus
from protocol.wire.memory import Request

# -- what speaks against a decision ------------------------------------------------------------------


def against(
    delivered: dict[int, float],
    listed: dict[int, int],
    at: float,
    *,
    reason: str = "full",
    left_out: tuple[int, ...] = (),
    departed: tuple[int, ...] = (),
    unusable: tuple[int, ...] = (),
    **changes: Any,
) -> list[str]:
    """The objections to a decision about a round of four that opened at 0; every usable update weighs 10."""
    wanted = federation(4, **{"round_timeout_s": 100.0, "min_participants": 2, **changes})
    decided = Decision(
        round=1,
        reason=reason,  # type: ignore[arg-type]
        participants=tuple(Participant(member=m, weight=weight) for m, weight in listed.items()),
        left_out=tuple(LeftOut(member=m, reason="unfit") for m in left_out),
    )
    seen = OpenRound(wanted, 1, delivered, departed, at, 0.0, dict.fromkeys(unusable, "not a number"))
    named = {*listed, *left_out} & delivered.keys()
    return list(objections(decided, seen, {m: 10 for m in named if m not in unusable}))


ALL = {0: 1.0, 1: 2.0, 2: 3.0, 3: 4.0}
TENS = dict.fromkeys(range(4), 10)


def test_nothing_speaks_against_what_decide_can_have_decided() -> None:
    assert against(ALL, TENS, 4.0) == []
    assert against(ALL, {0: 10, 1: 10, 2: 10}, 4.0, left_out=(3,), unusable=(3,)) == []
    assert against({**ALL, 3: -5.0}, {0: 10, 1: 10, 2: 10}, 4.0, left_out=(3,)) == []
    assert against({0: 1.0, 1: 2.0}, {0: 10, 1: 10}, 4.0, departed=(2, 3)) == []
    assert against({0: 1.0, 1: 2.0}, {0: 10, 1: 10}, 101.0, reason="deadline") == []
    late = {0: 1.0, 1: 2.0, 2: 95.0, 3: 150.0}  # may not have been visible yet when the decision was made
    assert against(late, {0: 10, 1: 10}, 102.0, reason="deadline") == []


@pytest.mark.parametrize(
    ("how", "objection"),
    [
        ({"listed": {3: 10}}, "does not wait for member 0"),
        ({"listed": {**TENS, 3: 10_000}}, "gives member 3 the weight 10000, not 10"),
        ({"listed": {0: 10, 1: 10, 2: 10}, "left_out": (3,)}, "leaves out member 3, whose update counts"),
        ({"listed": {3: 10, 0: 10, 1: 10, 2: 10}}, "lists a member twice, or out of order"),
        ({"listed": {0: 10}, "reason": "deadline", "at": 200.0}, "lists 1 of at least 2 members"),
        ({"listed": {0: 10, 3: 10}, "reason": "deadline"}, "was written before the deadline"),
        (
            {"listed": {0: 10, 3: 10}, "reason": "deadline", "at": 200.0},
            "passes over member 1, whose update was in time",
        ),
        (
            {"delivered": {**ALL, 3: -7.0}, "listed": TENS},
            "lists member 3, whose update is written 7 s before the round opened",
        ),
        ({"delivered": {0: 1.0, 1: 2.0, 2: 2.0}, "listed": TENS}, "lists member 3, whose update is not there"),
        ({"listed": TENS, "unusable": (3,)}, "lists member 3, whose update is not a number"),
    ],
)
def test_what_decide_cannot_have_decided_is_objected_to(how: dict[str, Any], objection: str) -> None:
    assert objection in against(**{"delivered": ALL, "at": 4.0, **how})


# -- forged rounds -----------------------------------------------------------------------------------


def forge(request: Request, world: World, forged: dict[str, bytes]) -> None:
    """Put the forged objects of a round there in the moment when a member would decide it."""
    if request.verb == "CREATE" and request.key == keys.decision(GROUP, 2):
        for key, body in forged.items():
            if key not in world.s3.objects:
                world.s3.apply(Request("forger", "CREATE", key, len(body), body, {"nonce": "x"}))


def outcome_of(strategy: Strategy, forged: dict[str, bytes]) -> tuple[Outcome, list[Result]]:
    world = World(seed=1)
    world.fault = lambda process, request, after: None if after else forge(request, world, forged)
    wanted = federation(3, 4, barrier=Closers.WORKERS, strategy=strategy, min_participants=2)
    submit_federation(bucket_of(world), wanted)
    for number in range(3):
        add_worker(world, f"w{number}", stays=True)
    world.run(all_over(world, wanted))
    bucket = bucket_of(world)
    ends = [documents.read(bucket, Result, keys.result(keys.member_job(GROUP, m))) for m in range(3)]
    outcome = documents.read(bucket, Outcome, keys.outcome(GROUP))
    world.close()
    assert outcome is not None
    return outcome, [end for end in ends if end is not None]


def decided(*members: int, weight: int = 10) -> bytes:
    listed = tuple(Participant(member=m, weight=weight) for m in members)
    return Decision(round=2, reason="full", participants=listed).to_bytes()


ROUND, WEIGHTS, STATE = keys.decision(GROUP, 2), keys.global_weights(GROUP, 2), keys.server_state(GROUP, 2)


@pytest.mark.parametrize(
    ("strategy", "forged", "reason"),
    [
        (Strategy.FEDAVG, {WEIGHTS: b"666"}, "global_weights.safetensors is not made of what round.json lists"),
        (Strategy.FEDAVG, {ROUND: decided(2)}, "round 2: refused, since round.json"),
        (Strategy.FEDAVG, {ROUND: decided(0, 1, 2, weight=77)}, "round.json gives member 0 the weight 77"),
        (Strategy.FEDAVG, {ROUND: decided(2), WEIGHTS: b"666"}, "round 2: refused"),
        (Strategy.FEDAVG, {ROUND: b"{"}, "round.json"),
        (Strategy.FEDADAM, {STATE: b"666"}, "server_state.safetensors is not made of what round.json lists"),
    ],
)
def test_no_member_goes_on_from_a_round_that_was_not_made_of_its_updates(
    strategy: Strategy, forged: dict[str, bytes], reason: str
) -> None:
    outcome, results = outcome_of(strategy, forged)
    assert (outcome.status, outcome.rounds) == (OutcomeStatus.FAILED, 1)
    assert reason in outcome.reason
    assert [(result.status, result.episodes_completed) for result in results] == [(ResultStatus.FAILED, 2)] * 3


def test_weights_of_all_rounds_forged_at_the_start_are_no_ones_weights() -> None:
    world = World(seed=1)
    wanted = federation(2, 3, barrier=Closers.WORKERS)
    bucket = bucket_of(world)
    submit_federation(bucket, wanted)
    for round_ in (1, 2, 3):
        bucket.create(keys.global_weights(GROUP, round_), b"666")
    add_worker(world, "w0")
    world.run(all_over(world, wanted))
    outcome = documents.read(bucket, Outcome, keys.outcome(GROUP))
    assert outcome is not None
    assert (outcome.status, outcome.weights_sha256) == (OutcomeStatus.FAILED, None)
    world.close()


def test_who_follows_anothers_decision_does_not_average_what_that_left_out_as_too_early() -> None:
    world, wanted = World(seed=1), federation(4, 2, round_timeout_s=10.0, min_participants=2)
    bucket = bucket_of(world)
    submit_federation(bucket, wanted)
    bucket.create(keys.update(GROUP, 2, 3), b"666", update_facts(10, 0.5, 0))
    world.s3.time += 5
    first = Closer(bucket, wanted, integers, lambda line: None)
    for round_ in (1, 2):
        for member in (0, 1):
            bucket.create(keys.update(GROUP, round_, member), b"%d" % (100 * round_), update_facts(10, 0.5, 0))
        world.s3.time += 30
        first.step()
    expected = world.s3.objects.pop(keys.global_weights(GROUP, 2)).body
    bucket.create(keys.update(GROUP, 2, 2), b"7", update_facts(10, 0.5, 0))  # too late, and seen by the one who follows
    Closer(bucket, wanted, integers, lambda line: None).step()
    assert world.s3.objects[keys.global_weights(GROUP, 2)].body == expected == b"200"


def test_a_closer_makes_sure_that_the_weights_it_found_there_are_its_own() -> None:
    world = World(seed=1)
    wanted = federation(1, 2)
    bucket = bucket_of(world)
    submit_federation(bucket, wanted)
    bucket.create(keys.update(GROUP, 1, 0), b"5", update_facts(10, 0.5, 0))
    closer = Closer(bucket, wanted, integers, lambda line: None)
    bucket.create(keys.global_weights(GROUP, 1), b"666")
    assert closer.drain()
    outcome = documents.read(bucket, Outcome, keys.outcome(GROUP))
    assert outcome is not None
    assert "global_weights.safetensors is not made of what round.json lists" in outcome.reason
