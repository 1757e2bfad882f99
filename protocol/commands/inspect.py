"""`dispatch inspect`: one job in detail."""

from __future__ import annotations

import hashlib
from typing import Any

from env.errors import SimArenaError
from env.words import count
from protocol.commands.status import job_summary
from protocol.jobs import queue
from protocol.jobs.lease import attempts
from protocol.rounds.participation import read_participation
from protocol.wire import documents, keys
from protocol.wire.bucket import WEIGHTS_BYTES, Bucket
from protocol.wire.errors import ProtocolError, UnknownName
from protocol.wire.federation_documents import Federation
from protocol.wire.job_documents import Manifest, Result
from protocol.wire.sampling import Turns


def about(bucket: Bucket, job_id: str, ttl_s: float) -> dict[str, Any]:
    """The result of a job that has one, else its manifest and its attempt's state.

    Raises:
        UnknownName: no such job.
    """
    left_out = _left_out(bucket, job_id)
    if result := documents.read(bucket, Result, keys.result(job_id)):
        return {**result.model_dump(mode="json"), "left_out": left_out}
    manifest = documents.read(bucket, Manifest, keys.pending_manifest(job_id))
    if manifest is None:
        raise UnknownName(f"job {job_id!r}: not in {bucket.name}; `dispatch list` shows what there is")
    listing = bucket.list(keys.in_progress(job_id))
    now = job_summary(bucket, job_id, attempts(listing.entries).get(job_id), listing.server_time, ttl_s)
    return {
        "job_id": job_id,
        "state": now.state,
        "attempt": now.attempt,
        "worker": now.worker,
        "doing": now.doing,
        "episode": now.episode,
        "reward": now.reward,
        "left_out": left_out,
        "manifest": manifest.model_dump(mode="json"),
    }


def _left_out(bucket: Bucket, job_id: str) -> list[str]:
    """Of a federation's member: the rounds without it among the last ones, a line for each reason."""
    group, member = keys.parse_member_job(job_id) or ("", 0)
    federation = documents.read_if_valid(bucket, Federation, keys.federation(group)) if group else None
    if federation is None:
        return []
    return list(read_participation(bucket, group, Turns(federation.sampling, member), federation.rounds).left_out)


def text_of(bucket: Bucket, job_id: str, name: str) -> str:
    """A text file of an ended job.

    Raises:
        ProtocolError: it is not there (yet).
    """
    body = bucket.get(keys.artifact(job_id, name), keys.ARTIFACT_BYTES[name])
    if body is None:
        raise ProtocolError(f"job {job_id}: no {name} in {bucket.name}; it is written when the job ends")
    return body.decode("utf-8", errors="replace")


def describe_state(bucket: Bucket, job_id: str) -> dict[str, Any]:
    """What the newest checkpoint or state of a job holds: its tensors' shapes and the plain values beside them.

    Raises:
        ProtocolError: there is none.
        AgentError: it cannot be read safely.
    """
    from agents.saved import checkpoint
    from agents.saved.files import parse_json

    body = bucket.get(keys.artifact(job_id, "checkpoint_final.json"), keys.ARTIFACT_BYTES["checkpoint_final.json"])
    if body is not None:
        return dict(parse_json(body, f"job {job_id}: checkpoint_final.json"))
    for key in (keys.artifact(job_id, keys.CHECKPOINT), queue.newest_state(bucket, job_id)):
        body = bucket.get(key, WEIGHTS_BYTES) if key else None
        if key and body is not None:
            content = checkpoint.loads(body, key, WEIGHTS_BYTES)
            return {"key": key, "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest(), **_outline(content)}
    raise SimArenaError(f"job {job_id}: neither checkpoint nor state in {bucket.name} yet")


def _outline(value: Any) -> Any:
    """The same structure with shapes in place of tensors, and long texts and lists by their length."""
    if isinstance(value, dict):
        return {str(key): _outline(item) for key, item in value.items()}
    if hasattr(value, "shape"):
        return f"{value.dtype} {list(value.shape)}"
    if isinstance(value, str) and len(value) > 200:
        return f"text of {count(len(value), 'character')}"
    if isinstance(value, list) and len(value) > 32:
        return f"list of {len(value)}"
    return value
