"""Closing a round: the pure decision, and what a closer makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.proof.standin import GROUP, bucket_of, federation, integers
from infra.proof.virtual_time import World
from protocol.jobs import queue
from protocol.rounds.closer import Closer
from protocol.rounds.federation import closed_rounds
from protocol.rounds.updates import participant_of, update_facts
from protocol.strategies.table import Strategy
from protocol.wire import documents, keys
from protocol.wire.bucket import Bucket
from protocol.wire.clock import in_turn
from protocol.wire.errors import BadDocument
from protocol.wire.federation_documents import Decision, Outcome, TensorSpec
from protocol.wire.job_documents import ResultStatus
from protocol.wire.memory import Request
from protocol.wire.store import Blob

T = TypeVar("T")

# -- participants ------------------------------------------------------------------------------------


def test_an_updates_facts_are_read_back() -> None:
    found = participant_of(federation(1), 1, 0, Blob(b"", update_facts(12, -1.5, 1)))
    assert (found.weight, found.reward, found.solved) == (12, -1.5, 1)


@pytest.mark.parametrize("strategy", Strategy)
def test_fedavg_and_what_builds_on_it_weigh_by_transitions_the_others_all_alike(strategy: Strategy) -> None:
    found = participant_of(federation(3, strategy=strategy), 1, 0, Blob(b"", update_facts(12, 0.0, 0)))
    assert found.weight == (12 if strategy in ("fedavg", "fedprox", "fedadam") else 1)


def test_an_update_may_hold_as_many_transitions_as_its_round_has_steps() -> None:
    wanted = federation(1, 25, episodes_per_round=10)  # of at most 100 steps; 10, 10 and 5 episodes
    for round_, most in ((1, 1000), (2, 1000), (3, 500)):
        assert participant_of(wanted, round_, 0, Blob(b"", update_facts(most, 0.0, 0))).weight == most
        with pytest.raises(BadDocument, match=f"{most + 1} transitions in"):
            participant_of(wanted, round_, 0, Blob(b"", update_facts(most + 1, 0.0, 0)))


def test_more_solved_episodes_than_a_round_has_are_not_believed() -> None:
    wanted = federation(1, 10, episodes_per_round=5)
    assert participant_of(wanted, 1, 0, Blob(b"", update_facts(10, 0.0, 5))).solved == 5
    assert participant_of(wanted, 1, 0, Blob(b"", update_facts(10, 0.0, 6))).solved is None


@pytest.mark.parametrize(
    "facts",
    ["", "[]", "{}", "nonsense", '{"transitions": 0}', '{"transitions": 101}', '{"transitions": "x"}', "[" * 9999],
)
def test_an_update_that_cannot_tell_its_transitions_is_refused(facts: str) -> None:
    with pytest.raises(BadDocument):
        participant_of(federation(1), 1, 0, Blob(b"", {"facts": facts}))


def test_a_reward_that_is_no_number_is_dropped_not_averaged() -> None:
    facts = {"facts": json.dumps({"transitions": 3, "reward": float("nan")})}
    assert participant_of(federation(1), 1, 0, Blob(b"", facts)).reward is None


@pytest.mark.parametrize("reward", [1e308, -1e308])
def test_a_reward_that_no_episodes_can_have_is_not_believed(reward: float) -> None:
    assert participant_of(federation(1), 1, 0, Blob(b"", update_facts(3, reward, 0))).reward is None


# -- closers -----------------------------------------------------------------------------------------


def opened(size: int, rounds: int = 1, **changes: object) -> tuple[World, Bucket, Closer]:
    world, wanted = World(seed=1), federation(size, rounds, **changes)
    bucket = bucket_of(world)
    return world, bucket, Closer(bucket, wanted, integers, lambda line: None)


def deliver(bucket: Bucket, member: int, body: bytes, transitions: int = 10, round_: int = 1) -> None:
    bucket.create(keys.update(GROUP, round_, member), body, update_facts(transitions, 0.5, 0))


def decision(world: World, round_: int = 1) -> Decision:
    return documents.parse(Decision, world.s3.objects[keys.decision(GROUP, round_)].body, "round.json")


def outcome(world: World) -> Outcome:
    return documents.parse(Outcome, world.s3.objects[keys.outcome(GROUP)].body, "outcome.json")


def test_the_average_is_weighted_by_transitions() -> None:
    world, bucket, closer = opened(2)
    deliver(bucket, 0, b"100", transitions=30)
    deliver(bucket, 1, b"200", transitions=10)
    closer.step()
    assert world.s3.objects[keys.global_weights(GROUP, 1)].body == b"125"
    assert [(p.member, p.weight) for p in decision(world).participants] == [(0, 30), (1, 10)]


def test_the_last_round_is_averaged_too_and_ends_the_federation() -> None:
    world, bucket, closer = opened(1)
    bucket.create(keys.active(GROUP), b"")
    deliver(bucket, 0, b"5")
    assert not closer.step()
    assert closer.step()
    assert outcome(world).status == "finished"
    assert keys.active(GROUP) not in world.s3.objects


def test_an_unreadable_update_is_left_out_with_the_reason_and_does_not_stop_the_round() -> None:
    world, bucket, closer = opened(2)
    deliver(bucket, 0, b"poison")
    deliver(bucket, 1, b"8")
    closer.step()
    assert [(item.member, item.reason) for item in decision(world).left_out] == [(0, "not a number")]
    assert world.s3.objects[keys.global_weights(GROUP, 1)].body == b"8"


def test_a_round_with_nothing_usable_fails_the_federation_with_the_reasons() -> None:
    world, bucket, closer = opened(1)
    deliver(bucket, 0, b"poison")
    assert closer.step()
    assert outcome(world).status == "failed"
    assert "member 0: not a number" in outcome(world).reason


def test_a_closer_that_would_fail_a_round_goes_on_if_another_closed_it_meanwhile() -> None:
    world, bucket, other = opened(2, 2, round_timeout_s=10.0, min_participants=2)
    deliver(bucket, 0, b"100")
    world.s3.time += 60

    def before(request: Request) -> None:
        if request.verb == "CREATE" and request.key == keys.decision(GROUP, 1):  # it sleeps, and meanwhile:
            deliver(bucket, 1, b"200")
            other.step()

    store = world.s3.store("sleeper", before)
    sleeper = Closer(Bucket(store, bucket.clock), other.federation, integers, lambda line: None)
    assert not sleeper.step()
    assert sleeper.round == other.round == 2
    assert keys.outcome(GROUP) not in world.s3.objects


def test_a_round_that_failed_is_never_closed_though_its_closer_died_before_it_recorded_the_outcome() -> None:
    world, bucket, closer = opened(2, 2, round_timeout_s=10.0, min_participants=2)
    deliver(bucket, 0, b"100")
    world.s3.time += 60  # the deadline and its three extensions
    assert closer.step()
    recorded = outcome(world).reason
    del world.s3.objects[keys.outcome(GROUP)]
    deliver(bucket, 1, b"200")
    assert Closer(bucket, closer.federation, integers, lambda line: None).step()
    assert outcome(world).reason == recorded
    assert recorded.startswith("round 1: 1 update, at least 2 needed: the round timed out")
    assert keys.global_weights(GROUP, 1) not in world.s3.objects


def test_a_round_that_could_just_be_closed_is_left_to_the_process_that_saw_it_first() -> None:
    world, bucket, closer = opened(1)
    deliver(bucket, 0, b"100")
    closer.step(grace_s=2.0)
    assert keys.decision(GROUP, 1) not in world.s3.objects
    world.s3.time += 3
    closer.step(grace_s=2.0)
    assert keys.global_weights(GROUP, 1) in world.s3.objects


def test_a_closer_that_decided_and_died_is_completed_by_another() -> None:
    world, bucket, closer = opened(2)
    deliver(bucket, 0, b"100")
    deliver(bucket, 1, b"200")
    closer.step()
    expected = world.s3.objects.pop(keys.global_weights(GROUP, 1)).body
    Closer(bucket, federation(2, 1), integers, lambda line: None).step()
    assert world.s3.objects[keys.global_weights(GROUP, 1)].body == expected


def test_the_average_is_of_what_the_decision_lists_not_of_what_is_there_by_then() -> None:
    world, bucket, closer = opened(3, round_timeout_s=10.0)
    deliver(bucket, 0, b"100")
    deliver(bucket, 1, b"200")
    world.s3.time += 60
    closer.step()
    expected = world.s3.objects.pop(keys.global_weights(GROUP, 1)).body
    deliver(bucket, 2, b"999999")  # too late, yet listed when the next closer looks
    Closer(bucket, federation(3, 1, round_timeout_s=10.0), integers, lambda line: None).step()
    assert [p.member for p in decision(world).participants] == [0, 1]
    assert world.s3.objects[keys.global_weights(GROUP, 1)].body == expected == b"150"


def test_a_servers_state_stands_before_the_weights_and_is_the_same_from_every_writer() -> None:
    world, bucket, closer = opened(1, 3, strategy=Strategy.FEDADAM)
    for round_ in (1, 2, 3):
        deliver(bucket, 0, b"%d" % (round_ * 1000), round_=round_)
        closer.step()
        written = [row.key for row in world.s3.log if row.verb == "CREATE" and f"/{round_:06d}/" in row.key][-2:]
        assert written == [keys.server_state(GROUP, round_), keys.global_weights(GROUP, round_)]
        state, weights = (world.s3.objects.pop(key).body for key in written)
        Closer(bucket, closer.federation, integers, lambda line: None).step()
        assert [world.s3.objects[key].body for key in written] == [state, weights]


def test_who_follows_another_closers_decision_goes_on_from_the_same_server_state() -> None:
    world, bucket, closer = opened(2, 2, strategy=Strategy.FEDADAM, round_timeout_s=10.0)
    deliver(bucket, 0, b"1000")
    deliver(bucket, 1, b"2000")
    closer.step()
    deliver(bucket, 0, b"3000", round_=2)
    world.s3.time += 60
    closer.step()  # without member 1
    written = [keys.server_state(GROUP, 2), keys.global_weights(GROUP, 2)]
    expected = [world.s3.objects.pop(key).body for key in written]
    deliver(bucket, 1, b"4000", round_=2)
    Closer(bucket, closer.federation, integers, lambda line: None).step()
    assert [world.s3.objects[key].body for key in written] == expected


def test_a_lost_server_state_ends_the_federation_instead_of_starting_anew() -> None:
    world, bucket, closer = opened(1, 2, strategy=Strategy.FEDADAM)
    deliver(bucket, 0, b"1")
    closer.step()
    del world.s3.objects[keys.server_state(GROUP, 1)]
    deliver(bucket, 0, b"2", round_=2)
    assert closer.step()
    assert "server_state.safetensors is gone" in outcome(world).reason


def test_only_a_strategy_that_builds_on_the_round_before_reads_it() -> None:
    reads = {}
    for strategy in (Strategy.FEDAVG, Strategy.FEDADAM):
        world, bucket, closer = opened(1, 2, strategy=strategy)
        for round_ in (1, 2):
            deliver(bucket, 0, b"5", round_=round_)
            world.s3.log.clear()
            closer.step()
        reads[strategy] = [row.key.rpartition("/")[2] for row in world.s3.log if row.verb == "GET"]
    assert reads == {
        "fedavg": ["0.safetensors"],
        "fedadam": ["global_weights.safetensors", "server_state.safetensors", "0.safetensors"],
    }


def test_members_that_failed_for_good_are_found_and_named() -> None:
    world, bucket, closer = opened(2)
    deliver(bucket, 0, b"7")
    assert not closer.step()
    bucket.create(keys.result(keys.member_job(GROUP, 1)), queue.ended("x", ResultStatus.FAILED, "test").to_bytes())
    world.now += 60
    world.s3.time += 60
    closer.step()
    assert decision(world).departed == (1,)


def test_a_decision_that_is_not_one_ends_the_federation_instead_of_the_closer() -> None:
    world, bucket, closer = opened(1)
    deliver(bucket, 0, b"7")
    bucket.create(keys.decision(GROUP, 1), b"not a decision")
    assert closer.step()
    assert outcome(world).status == "failed"


@given(st.integers(0, 60), st.integers(0, 60))
def test_closed_rounds_are_found_in_a_logarithm_of_requests(closed: int, known: int) -> None:
    world = World(seed=1)
    bucket = bucket_of(world)
    for round_ in range(1, closed + 1):
        bucket.create(keys.global_weights(GROUP, round_), b"")
    world.s3.log.clear()
    assert closed_rounds(bucket, GROUP, 60, min(known, closed)) == closed
    assert len(world.s3.log) <= 13


@pytest.mark.parametrize(("elements", "at_once"), [(1, 16), (1_000_000, 2), (10_000_000, 1)])
def test_updates_are_read_side_by_side_only_while_they_are_small(elements: int, at_once: int) -> None:
    together: list[int] = []

    def counted(works: Sequence[Callable[[], T]]) -> list[T]:
        together.append(len(works))
        return in_turn(works)

    world = World(seed=1)
    plain = bucket_of(world)
    bucket = Bucket(plain.store, replace(plain.clock, together=counted))
    wanted = federation(20, 1, model=(TensorSpec(name="value", shape=(elements,)),))
    for member in range(20):
        deliver(plain, member, b"5")
    Closer(bucket, wanted, integers, lambda line: None).step()
    assert max(together) == at_once
    assert sum(together) == 20


def test_a_closer_expects_a_round_to_take_as_long_as_the_last_one() -> None:
    world, bucket, closer = opened(1, 3)
    for round_, pause_s in ((1, 0), (2, 50), (3, 80)):
        world.s3.time += pause_s
        deliver(bucket, 0, b"5", round_=round_)
        closer.step()
        assert closer.expected_s == max(0, pause_s - 1)


# -- samples of the members --------------------------------------------------------------------------


def test_a_round_closes_on_the_members_that_it_draws_and_passes_over_what_others_send() -> None:
    world, bucket, closer = opened(5, 2, sample=2)
    first = closer.federation.sampling.members(1)
    other = next(member for member in range(5) if member not in first)
    deliver(bucket, other, b"1000000")
    deliver(bucket, first[0], b"100")
    closer.step()
    assert keys.decision(GROUP, 1) not in world.s3.objects
    deliver(bucket, first[1], b"200")
    closer.step()
    assert [row.member for row in decision(world).participants] == list(first)
    assert world.s3.objects[keys.global_weights(GROUP, 1)].body == b"150"


def test_a_round_whose_drawn_members_have_all_ended_fails_the_federation() -> None:
    world, bucket, closer = opened(5, sample=1)
    (only,) = closer.federation.sampling.members(1)
    queue.finish(bucket, queue.ended(keys.member_job(GROUP, only), ResultStatus.CANCELLED, "by a user"))
    assert closer.step()
    assert outcome(world).reason == "round 1: 0 updates, at least 1 needed: 1 member of 1 ended"
