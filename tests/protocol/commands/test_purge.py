"""A purge asks first what is there, takes jobs as well as groups, and leaves what says that a name was used."""

from __future__ import annotations

import pytest

from infra.proof.standin import GROUP, TTL_S, federation
from protocol.commands.cancel import cancel
from protocol.commands.purge import leftovers, purge
from protocol.commands.status import federation_summary
from protocol.jobs import queue
from protocol.jobs.submit import submit_federation, submit_job
from protocol.wire import keys
from protocol.wire.bucket import Bucket
from protocol.wire.clock import system_clock
from protocol.wire.errors import ProtocolError, UnknownName
from protocol.wire.job_documents import ResultStatus
from protocol.wire.memory import MemoryS3


@pytest.fixture
def bucket() -> Bucket:
    return Bucket(MemoryS3().store("test"), system_clock())


def test_of_a_single_job_its_result_stays(bucket: Bucket) -> None:
    [job] = submit_job(bucket, federation(1).training).job_ids
    with pytest.raises(ProtocolError, match=f"has not ended; wait for it, or first: dispatch cancel {job}"):
        purge(bucket, job)
    bucket.create(keys.state(job, 1), b"state")
    queue.finish(bucket, queue.ended(job, ResultStatus.FAILED, "as the test asked"))
    assert purge(bucket, job) == 3, "both manifests and the state"
    assert [entry.key for entry in bucket.list(keys.results(job)).entries] == [keys.result(job)]
    assert purge(bucket, job) == 0


def test_what_does_not_exist_is_said_before_anything_is_asked(bucket: Bucket) -> None:
    with pytest.raises(UnknownName, match="neither a job nor a group"):
        leftovers(bucket, "nosuch")


def test_a_member_is_purged_with_its_federation_and_its_status_says_so(bucket: Bucket) -> None:
    submit_federation(bucket, federation(2))
    cancel(bucket, GROUP, TTL_S)
    with pytest.raises(ProtocolError, match=f"is purged with its federation: dispatch purge {GROUP}"):
        purge(bucket, keys.member_job(GROUP, 0))
    assert [member.state for member in federation_summary(bucket, GROUP, TTL_S).members] == 2 * ["cancelled"]
    assert purge(bucket, GROUP) > 0
    assert [member.state for member in federation_summary(bucket, GROUP, TTL_S).members] == 2 * ["purged"]
