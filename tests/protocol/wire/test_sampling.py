"""Which members a round draws."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from pydantic import ValidationError

from infra.proof.standin import GROUP, bucket_of, federation
from infra.proof.virtual_time import World
from protocol.jobs.submit import submit_federation
from protocol.strategies.table import Strategy
from protocol.wire import documents, keys
from protocol.wire.federation_documents import Federation
from protocol.wire.job_documents import Manifest
from protocol.wire.sampling import Sampling, Turns


def test_a_round_draws_so_many_members_in_order_and_always_the_same() -> None:
    drawn = Sampling(7, 10, 3)
    assert [drawn.members(round_) for round_ in (1, 2, 3)] == [(3, 4, 7), (2, 4, 5), (2, 6, 7)]
    assert Sampling(8, 10, 3).members(1) != drawn.members(1)


def test_every_member_is_drawn_as_often_as_any_other_in_the_long_run() -> None:
    drawn = Sampling(7, 10, 3)
    times = Counter(member for round_ in range(1, 2001) for member in drawn.members(round_))
    assert sum(times.values()) == 6000
    assert all(abs(times[member] - 600) < 4 * (2000 * 0.3 * 0.7) ** 0.5 for member in range(10))


def test_without_a_sample_every_round_has_all_members() -> None:
    assert list(Sampling(7, 3, None).members(5)) == [0, 1, 2]
    assert not Sampling(7, 3, None).draws(5, 3)


def test_a_members_last_turn_is_the_last_round_that_draws_it() -> None:
    turns = Turns(Sampling(7, 10, 3), 5)
    assert [turns.has(round_) for round_ in (1, 2, 3)] == [False, True, False]
    assert (turns.last(3), turns.last(1)) == (2, 0)


def test_the_documents_of_a_group_all_tell_the_same_draws() -> None:
    world = World(seed=1)
    bucket = bucket_of(world)
    submit_federation(bucket, federation(5, sample=2))
    wanted = documents.read(bucket, Federation, keys.federation(GROUP))
    manifest = documents.read(bucket, Manifest, keys.pending_manifest(keys.member_job(GROUP, 4)))
    assert wanted is not None
    assert manifest is not None
    assert manifest.turns == Turns(wanted.sampling, 4)
    assert (wanted.version, manifest.version) == (7, 7)
    world.close()


def test_a_federation_that_draws_nobody_is_written_as_releases_before_draws_read_it() -> None:
    assert "sample" not in json.loads(federation(5).to_bytes())
    assert federation(5).version < 7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sample": 6}, "sample 6 is more than size 5"),
        ({"sample": 2, "version": 6}, "version 6: knows no sample of members; must be 7"),
        ({"sample": 2, "min_participants": 3}, "min_participants 3 is more than the 2 of a round"),
        ({"sample": 2, "strategy": Strategy.MEDIAN}, "strategy median needs at least 3 members, not 2"),
    ],
)
def test_a_sample_that_does_not_fit_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        federation(5, **changes)
