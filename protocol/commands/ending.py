"""Ending things by hand, fetching what came out, deleting what is no longer wanted."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from protocol.commands.status import read_federation, read_outcome, read_round
from protocol.jobs import queue
from protocol.jobs.lease import Attempts, attempts
from protocol.rounds.federation import FEDERATION_BYTES, closed_rounds, end
from protocol.wire import documents, keys
from protocol.wire.bucket import WEIGHTS_BYTES, Bucket
from protocol.wire.documents import Cancel, Ending, Status
from protocol.wire.errors import ProtocolError
from runner.commands.console import progress


def cancel(bucket: Bucket, name: str, ttl_s: float) -> list[str]:
    """Cancel a job or a group; returns a line for each thing that was ended, none if it had all ended.

    A job with a living owner is ended by that owner, within a third of the lease; any other one here and now.

    Raises:
        ProtocolError: there is neither a job nor a group of this name.
    """
    if bucket.exists(keys.federation(name)):
        return _cancel_group(bucket, name, ttl_s)
    if not _is_known(bucket, name):
        raise ProtocolError(f"{name!r}: neither a job nor a group in {bucket.name}; see `dispatch list`")
    line = _cancel_job(bucket, name, ttl_s)
    return [line] if line else []


def _cancel_group(bucket: Bucket, group: str, ttl_s: float) -> list[str]:
    federation = read_federation(bucket, group)
    lines = []
    if read_outcome(bucket, group) is None:
        closed = closed_rounds(bucket, group, federation.rounds)
        outcome = end(bucket, group, Ending.FAILED, closed, "cancelled by a user")
        lines.append(f"{group}: {outcome.reason}")
    job_ids = (keys.member_job(group, member) for member in range(federation.size))
    return lines + [line for job_id in job_ids if (line := _cancel_job(bucket, job_id, ttl_s))]


def _cancel_job(bucket: Bucket, job_id: str, ttl_s: float) -> str | None:
    if queue.is_over(bucket, job_id):
        return None
    body = Cancel(by="dispatch", at=documents.timestamp()).to_bytes()
    bucket.ensure_created(keys.cancel(job_id), body)
    listing = bucket.list(keys.in_progress(job_id))
    if attempts(listing.entries).get(job_id, Attempts()).alive(listing.server_time, ttl_s):
        return f"{job_id}: its worker will stop within {ttl_s / 3:.0f} s"
    queue.finish(bucket, queue.ended(job_id, Status.CANCELLED, "cancelled by a user"))
    return f"{job_id}: cancelled"


def _is_known(bucket: Bucket, job_id: str) -> bool:
    return bucket.exists(keys.pending_manifest(job_id)) or queue.is_over(bucket, job_id)


def download(bucket: Bucket, name: str, folder: Path) -> list[str]:
    """Fetch a group's or a job's files into a folder; returns their paths relative to it.

    Raises:
        ProtocolError: there is nothing of this name to fetch yet.
    """
    files = _Folder(bucket, folder)
    if bucket.exists(keys.federation(name)):
        _download_group(bucket, name, files)
    else:
        _download_job(bucket, name, files, "")
    if not files.written:
        raise ProtocolError(f"{name!r}: nothing to fetch in {bucket.name} yet; see `dispatch list`")
    return files.written


class _Folder:
    """Where fetched objects go. Paths are built from names of ours, never from what a listing says."""

    def __init__(self, bucket: Bucket, folder: Path) -> None:
        self.bucket = bucket
        self.folder = folder
        self.written: list[str] = []

    def fetch(self, key: str, path: str, max_bytes: int = WEIGHTS_BYTES) -> None:
        body = self.bucket.get(key, max_bytes)
        if body is not None:
            self.write(path, body)

    def write(self, path: str, body: bytes) -> None:
        place = self.folder / path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(body)
        except OSError as error:
            raise ProtocolError(f"{place}: cannot be written ({error.strerror})") from error
        self.written.append(path)


def _download_group(bucket: Bucket, group: str, files: _Folder) -> None:
    federation = read_federation(bucket, group)
    files.fetch(keys.federation(group), "federation.json", FEDERATION_BYTES)
    files.fetch(keys.outcome(group), "outcome.json")
    closed = closed_rounds(bucket, group, federation.rounds)
    if closed:
        files.fetch(keys.global_weights(group, closed), "global_weights.pt")
        rounds = [row for n in range(1, closed + 1) if (row := read_round(bucket, group, n))]
        lines = "".join(json.dumps(asdict(row)) + "\n" for row in rounds)
        files.write("rounds.jsonl", lines.encode())
    for member in progress(range(federation.size), "fetching members"):
        _download_job(bucket, keys.member_job(group, member), files, f"member-{member:04d}/")


def _download_job(bucket: Bucket, job_id: str, files: _Folder, below: str) -> None:
    files.fetch(keys.result(job_id), f"{below}result.json", queue.MANIFEST_BYTES)
    before = len(files.written)
    for name in sorted(keys.ARTIFACTS):
        files.fetch(keys.artifact(job_id, name), f"{below}{name}")
    if len(files.written) == before and (newest := queue.newest_state(bucket, job_id)):
        files.fetch(newest, f"{below}state.pt")  # not finished: as far as it got


def purge(bucket: Bucket, group: str) -> int:
    """Delete everything of a federation that has ended; returns the number of objects.

    federation.json and outcome.json stay: a name is never used twice, so nothing that slept through all this can be
    taken for part of another federation. A purge that was cut short can be run again.

    Raises:
        ProtocolError: it has not ended, or some of its jobs have not.
    """
    federation = read_federation(bucket, group)
    job_ids = [keys.member_job(group, member) for member in range(federation.size)]
    if read_outcome(bucket, group) is None:
        raise ProtocolError(f"{group}: has not ended; wait for it, or first: dispatch cancel {group}")
    unfinished = [job_id for job_id in job_ids if bucket.exists(keys.pending_manifest(job_id))]
    if unfinished:
        raise ProtocolError(f"{group}: {', '.join(unfinished[:3])} have not ended; first: dispatch cancel {group}")
    doomed = [keys.finished_manifest(job_id) for job_id in job_ids]
    doomed += [key for job_id in job_ids for key in (keys.rejected_manifest(job_id), keys.rejected_error(job_id))]
    for prefix in [*(keys.results(job_id) for job_id in job_ids), keys.rounds(group)]:
        doomed += [entry.key for entry in bucket.list(prefix).entries]
    for key in progress(doomed, "deleting"):
        bucket.delete(key)
    return len(doomed)
