"""Writing jobs into the bucket. Every step may be repeated: what a cut-off submit began, the next one completes."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from env.errors import UsageError
from env.problems.draw import PROBLEMS
from protocol.jobs import queue
from protocol.wire import documents, keys
from protocol.wire.bucket import Bucket
from protocol.wire.errors import ProtocolError, Refused
from protocol.wire.federation_documents import Federation
from protocol.wire.job_documents import Manifest, Membership, TrainingSpec


@dataclass(frozen=True)
class Submitted:
    """What a submit did. `created` counts the manifests it wrote; the others were there already."""

    group: str | None
    job_ids: tuple[str, ...]
    created: int


def submit_job(bucket: Bucket, training: TrainingSpec, retry_of: str | None = None) -> Submitted:
    """Queue one job without a federation, under a fresh id; `submitted_of` reads what was written."""
    job_id = new_id("job")
    manifest = Manifest(
        version=training.version,
        job_id=job_id,
        created_at=documents.timestamp(),
        training=training,
        retry_of=retry_of,
    )
    for key in (keys.submitted_manifest(job_id), keys.pending_manifest(job_id)):
        if bucket.ensure_created(key, manifest.to_bytes()):
            continue
        raise ProtocolError(f"job {job_id}: the id is taken; submit again")
    return Submitted(None, (job_id,), 1)


def submitted_of(bucket: Bucket, job_id: str) -> tuple[Manifest, bool]:
    """A single job's manifest as it was submitted, and whether the copy that a worker left is the same to the byte.

    Raises:
        ProtocolError: it was not kept: an older release submitted the job.
        OtherRelease: another release's.
    """
    key = keys.submitted_manifest(job_id)
    manifest = documents.read(bucket, Manifest, key)
    if manifest is None:
        raise ProtocolError(f"job {job_id}: {key} is not there, so what was submitted is unknown; submit it anew")
    manifest.require_current(key)
    try:
        left = bucket.get(keys.finished_manifest(job_id), Manifest.max_bytes)
    except Refused:
        left = b""
    return manifest, left is None or sha256(left).digest() == sha256(manifest.to_bytes()).digest()


def submit_federation(bucket: Bucket, federation: Federation) -> Submitted:
    """Queue all members of a federation; completes what an earlier submit of the same group began, and does nothing
    for one that has ended.

    Raises:
        BadId: the group's name is too long for its members' job ids.
        ProtocolError: the group exists with other settings.
    """
    group = federation.group
    job_ids = tuple(keys.member_job(group, member) for member in range(federation.size))
    if not bucket.ensure_created(keys.federation(group), federation.to_bytes()):
        federation = _existing(bucket, federation)
    if bucket.exists(keys.outcome(group)):
        return Submitted(group, job_ids, 0)
    bucket.ensure_created(keys.active(group), b"")
    created = sum(_queue_member(bucket, federation, member) for member in range(federation.size))
    return Submitted(group, job_ids, created)


def _existing(bucket: Bucket, wanted: Federation) -> Federation:
    key = keys.federation(wanted.group)
    found = documents.read(bucket, Federation, key)
    if found is None:
        raise ProtocolError(f"{key} is gone; is another process purging the group?")
    found.require_current(key)
    differing = [
        name
        for name in Federation.model_fields
        if name not in ("version", "created_at", "training") and getattr(found, name) != getattr(wanted, name)
    ]
    differing += [
        name for name in TrainingSpec.model_fields if getattr(found.training, name) != getattr(wanted.training, name)
    ]
    if differing:
        raise UsageError(
            f"group {wanted.group!r} exists with other settings ({', '.join(differing)}); choose another --group"
        )
    return found


def _queue_member(bucket: Bucket, federation: Federation, member: int) -> bool:
    job_id = keys.member_job(federation.group, member)
    if queue.is_over(bucket, job_id):
        return False
    manifest = Manifest(
        version=federation.version,
        job_id=job_id,
        created_at=federation.created_at,
        training=share_of(federation, member),
        federation=Membership(
            group=federation.group,
            member=member,
            size=federation.size,
            sample=federation.sample,
            episodes_per_round=federation.episodes_per_round,
            barrier=federation.barrier,
        ),
    )
    return bucket.ensure_created(keys.pending_manifest(job_id), manifest.to_bytes())


def share_of(federation: Federation, member: int) -> TrainingSpec:
    """What a member trains on: the same as all, or in a heterogeneous federation every size-th trace from its own on;
    without traces one kind of generated problem, the kinds taken in turn; of an environment its series or its kind."""
    training = federation.training
    if not federation.heterogeneous:
        return training
    if environment := training.environment:
        series = environment.series[member :: federation.size]
        kinds = environment.kinds[member % len(environment.kinds) :][:1] if environment.kinds else ()
        own = environment.model_copy(update={"series": series, "kinds": kinds})
        return training.model_copy(update={"environment": own})
    if training.traces:
        return training.model_copy(update={"traces": training.traces[member :: federation.size]})
    return training.model_copy(update={"problem": PROBLEMS[member % len(PROBLEMS)]})


def new_id(kind: str) -> str:
    """An id that sorts by time and is never used again."""
    return f"{kind}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
