"""Which member gets which problems."""

from __future__ import annotations

import pytest

from env.errors import UsageError
from env.problems.draw import PROBLEMS
from infra.proof.standin import bucket_of, federation, training
from infra.proof.virtual_time import World
from protocol.jobs.submit import share_of, submit_job, submitted_of
from protocol.learners.inputs import with_strategy
from protocol.strategies.table import Strategy
from protocol.wire import documents, keys
from protocol.wire.errors import BadDocument, ProtocolError
from protocol.wire.federation_documents import ROBUST_BYTES, Federation, TensorSpec

HASHES = tuple(f"{number:064x}" for number in range(7))


def test_members_share_all_problems_unless_they_are_heterogeneous() -> None:
    wanted = federation(3, training=training(traces=HASHES))
    assert [share_of(wanted, member) for member in range(3)] == [wanted.training] * 3


def test_traces_are_shared_out_and_each_has_one_member() -> None:
    wanted = federation(3, training=training(traces=HASHES), heterogeneous=True)
    shares = [share_of(wanted, member).traces for member in range(3)]
    assert shares == [(HASHES[0], HASHES[3], HASHES[6]), (HASHES[1], HASHES[4]), (HASHES[2], HASHES[5])]


def test_without_traces_each_member_has_one_kind_of_problem_in_turn() -> None:
    wanted = federation(7, training=training(traces=()), heterogeneous=True)
    kinds = [share_of(wanted, member).problem for member in range(7)]
    assert kinds == [*PROBLEMS, *PROBLEMS[:2]]


def test_fedprox_pulls_members_to_the_global_weights_unless_told_how_much() -> None:
    assert with_strategy({"gamma": 0.9}, Strategy.FEDPROX) == {"gamma": 0.9, "proximal": 0.01}
    assert with_strategy({"proximal": 0.5}, Strategy.FEDPROX) == {"proximal": 0.5}
    assert with_strategy({}, Strategy.FEDADAM) == {}


def built(**values: object) -> Federation:
    return documents.build(
        Federation, **{name: getattr(federation(3), name) for name in Federation.model_fields} | values
    )


@pytest.mark.parametrize("strategy", ["trimmed-mean", "median"])
def test_two_members_are_too_few_to_tell_which_one_lies(strategy: str) -> None:
    with pytest.raises(UsageError, match=f"strategy {strategy} needs at least 3 members, not 2"):
        built(size=2, strategy=Strategy(strategy))


def test_a_robust_round_that_does_not_fit_into_memory_is_refused_before_it_starts() -> None:
    model = (TensorSpec(name="w", shape=(1 << 20,)),)
    most = ROBUST_BYTES // (4 << 20)
    assert built(size=most, model=model, strategy=Strategy.MEDIAN).size == most
    assert built(size=most + 1, model=model, strategy=Strategy.FEDADAM).size == most + 1
    with pytest.raises(UsageError, match="1025 are 4100 MiB, more than 4096 MiB"):
        built(size=most + 1, model=model, strategy=Strategy.MEDIAN)


# -- what `dispatch retry` queues -------------------------------------------------------------------------------


def test_a_retry_is_of_what_was_submitted_not_of_what_a_worker_left() -> None:
    bucket = bucket_of(World(seed=1))
    job = submit_job(bucket, training(2)).job_ids[0]
    forged = training(2, seed=666)
    left = submitted_of(bucket, job)[0].model_copy(update={"training": forged})
    assert submitted_of(bucket, job)[1]
    bucket.create(keys.finished_manifest(job), left.to_bytes())
    assert submitted_of(bucket, job) == (left.model_copy(update={"training": training(2)}), False)


def test_a_submitted_manifest_of_another_job_or_none_is_refused() -> None:
    bucket = bucket_of(World(seed=1))
    one, other = (submit_job(bucket, training(2)).job_ids[0] for _ in range(2))
    body = bucket.get(keys.submitted_manifest(one)) or b""
    bucket.put_without_retry(keys.submitted_manifest(other), body)
    with pytest.raises(BadDocument, match="names another"):
        submitted_of(bucket, other)
    with pytest.raises(ProtocolError, match="submit it anew"):
        submitted_of(bucket, "job-older")
