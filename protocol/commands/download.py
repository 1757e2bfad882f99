"""`dispatch download`: fetch what a job or a federation made."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from env.errors import AgentError, OutputError
from protocol.commands.status import require_federation, require_job, round_summary
from protocol.jobs import queue
from protocol.rounds.federation import closed_rounds
from protocol.wire import keys
from protocol.wire.bucket import WEIGHTS_BYTES, Bucket
from protocol.wire.errors import ProtocolError
from protocol.wire.federation_documents import Federation
from protocol.wire.job_documents import Result
from runner.commands.console import progress


def download(bucket: Bucket, name: str, folder: Path) -> list[str]:
    """Fetch a group's or a job's files into a folder; returns their paths relative to it.

    Networks and states, which are safetensors in the bucket, become .pt files.

    Raises:
        UnknownName: there is neither a job nor a group of this name.
        ProtocolError: there is nothing of it to fetch yet.
        AgentError: networks or a state that cannot be read safely; everything else has been fetched.
    """
    files = _Folder(bucket, folder)
    if bucket.exists(keys.federation(name)):
        _download_group(bucket, name, files)
    else:
        require_job(bucket, name)
        _download_job(bucket, name, files, "")
    if files.refused:
        raise files.refused[0]
    if not files.written:
        raise ProtocolError(f"{name!r}: nothing to fetch in {bucket.name} yet; see `dispatch list`")
    return files.written


class _Folder:
    """Where fetched objects go. Paths are built from names of ours, never from what a listing says."""

    def __init__(self, bucket: Bucket, folder: Path) -> None:
        self.bucket = bucket
        self.folder = folder
        self.written: list[str] = []
        self.refused: list[AgentError] = []

    def fetch(self, key: str, path: str, max_bytes: int = WEIGHTS_BYTES) -> None:
        body = self.bucket.get(key, max_bytes)
        if body is not None:
            self.write(path, body)

    def fetch_state(self, key: str, path: str) -> None:
        """Fetch a safetensors file as a .pt file."""
        body = self.bucket.get(key, WEIGHTS_BYTES)
        if body is not None:
            from agents.saved import checkpoint, pt_file  # torch

            try:
                self.write(path, pt_file.dumps(checkpoint.loads(body, key, WEIGHTS_BYTES)))
            except AgentError as error:
                self.refused.append(error)

    def write(self, path: str, body: bytes) -> None:
        place = self.folder / path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(body)
        except OSError as error:
            raise OutputError(f"{place}: cannot be written ({error.strerror})") from error
        self.written.append(path)


def _download_group(bucket: Bucket, group: str, files: _Folder) -> None:
    federation = require_federation(bucket, group)
    files.fetch(keys.federation(group), "federation.json", Federation.max_bytes)
    files.fetch(keys.outcome(group), "outcome.json")
    closed = closed_rounds(bucket, group, federation.rounds)
    if closed:
        files.fetch_state(keys.global_weights(group, closed), "global_weights.pt")
        rounds = [row for n in range(1, closed + 1) if (row := round_summary(bucket, group, n))]
        lines = "".join(json.dumps(asdict(row)) + "\n" for row in rounds)
        files.write("rounds.jsonl", lines.encode())
    for member in progress(range(federation.size), "fetching members"):
        _download_job(bucket, keys.member_job(group, member), files, f"member-{member:04d}/")


def _download_job(bucket: Bucket, job_id: str, files: _Folder, below: str) -> None:
    files.fetch(keys.result(job_id), f"{below}result.json", Result.max_bytes)
    before = len(files.written)
    for name in sorted(keys.ARTIFACTS):
        if name == keys.CHECKPOINT:
            files.fetch_state(keys.artifact(job_id, name), f"{below}checkpoint_final.pt")
        else:
            files.fetch(keys.artifact(job_id, name), f"{below}{name}")
    if len(files.written) == before and (newest := queue.newest_state(bucket, job_id)):
        files.fetch_state(newest, f"{below}state.pt")  # not finished: as far as it got
