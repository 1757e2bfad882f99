"""`dispatch download`: fetch what a job or a federation made."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

from agents.saved.files import write_atomic
from env.errors import AgentError, OutputError
from protocol.commands.status import require_federation, require_job, round_summary
from protocol.jobs import queue
from protocol.report.events import write_events
from protocol.report.reader import GroupReader
from protocol.rounds.federation import closed_rounds
from protocol.wire import keys
from protocol.wire.bucket import WEIGHTS_BYTES, Bucket
from protocol.wire.errors import ProtocolError, Refused
from protocol.wire.federation_documents import Federation
from protocol.wire.job_documents import EpochsSpec, Result
from runner.commands.console import progress
from runner.options.season import SETTINGS
from runner.training.tensorboard import is_installed

_MODEL = "global_weights.pt"


@dataclass(frozen=True)
class Downloaded:
    """What a download gave.

    Attributes:
        files: written, by path relative to the folder.
        left_out: a line for each object that cannot be read: refused, too large, or not safe.
        incomplete: whether one of them is of the job or the federation itself, not of one of its members.
        evaluated: options of `sim-arena evaluate` for its model; empty: there is no model of our agents.
    """

    files: list[str]
    left_out: list[str]
    incomplete: bool
    evaluated: tuple[str, ...] = ()


def download(bucket: Bucket, name: str, folder: Path) -> Downloaded:
    """Fetch a group's or a job's files into a folder.

    Networks and states, which are safetensors in the bucket, become .pt files. One that cannot be read keeps nothing
    else from being fetched.

    Raises:
        UnknownName: there is neither a job nor a group of this name.
        ProtocolError: there is nothing of it to fetch yet.
    """
    files = _Folder(bucket, folder)
    evaluated: tuple[str, ...] = ()
    if bucket.exists(keys.federation(name)):
        federation = require_federation(bucket, name)
        _download_group(bucket, federation, files)
        incomplete = bool(files.left_out)
        if federation.training.agent and _MODEL in files.written:
            evaluated = ("--agent", str(folder / _MODEL), *_evaluated_with(federation.training.environment))
        for member in progress(range(federation.size), "fetching members"):
            _download_job(bucket, keys.member_job(name, member), files, f"member-{member:04d}/")
    else:
        require_job(bucket, name)
        _download_job(bucket, name, files, "")
        incomplete = bool(files.left_out)
    if not files.written and not files.left_out:
        raise ProtocolError(f"{name!r}: nothing to fetch in {bucket.name} yet; see `dispatch list`")
    return Downloaded(files.written, files.left_out, incomplete, evaluated)


def _evaluated_with(environment: EpochsSpec | None) -> tuple[str, ...]:
    """What `sim-arena evaluate` is to be told beside the file of a model of that environment."""
    if environment is None:
        return ("--baselines",)
    given = [(f"--{name}", str(environment.settings[name])) for name in SETTINGS if name in environment.settings]
    return ("--env", environment.name, *chain.from_iterable(given))


class _Folder:
    """Where fetched objects go. Paths are built from names of ours, never from what a listing says."""

    def __init__(self, bucket: Bucket, folder: Path) -> None:
        self.bucket = bucket
        self.folder = folder
        self.written: list[str] = []
        self.left_out: list[str] = []

    def fetch(self, key: str, path: str, max_bytes: int = WEIGHTS_BYTES) -> None:
        body = self._body(key, max_bytes)
        if body is not None:
            self.write(path, body)

    def fetch_state(self, key: str, path: str) -> None:
        """Fetch a safetensors file as a .pt file."""
        body = self._body(key, WEIGHTS_BYTES)
        if body is not None:
            from agents.saved import checkpoint, pt_file  # torch

            try:
                self.write(path, pt_file.dumps(checkpoint.loads(body, key, WEIGHTS_BYTES)))
            except AgentError as error:
                self.left_out.append(str(error))

    def _body(self, key: str, max_bytes: int) -> bytes | None:
        try:
            return self.bucket.get(key, max_bytes)
        except Refused as error:
            self.left_out.append(str(error))
            return None

    def write(self, path: str, body: bytes) -> None:
        place = self.folder / path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{place}: cannot be written ({error.strerror})") from error
        write_atomic(place, body)
        self.written.append(path)


def _download_group(bucket: Bucket, federation: Federation, files: _Folder) -> None:
    group = federation.group
    files.fetch(keys.federation(group), "federation.json", Federation.max_bytes)
    files.fetch(keys.outcome(group), "outcome.json")
    closed = closed_rounds(bucket, group, federation.rounds)
    if closed:
        files.fetch_state(keys.global_weights(group, closed), _MODEL)
        rounds = [row for n in range(1, closed + 1) if (row := round_summary(bucket, federation, n))]
        lines = "".join(json.dumps(asdict(row)) + "\n" for row in rounds)
        files.write("rounds.jsonl", lines.encode())
        if is_installed():
            write_events(GroupReader(bucket, federation).read_rounds(closed), files.folder / "tensorboard")


def _download_job(bucket: Bucket, job_id: str, files: _Folder, below: str) -> None:
    files.fetch(keys.result(job_id), f"{below}result.json", Result.max_bytes)
    before = len(files.written)
    for name in sorted(keys.ARTIFACTS):
        if name == keys.CHECKPOINT:
            files.fetch_state(keys.artifact(job_id, name), f"{below}checkpoint_final.pt")
        else:
            files.fetch(keys.artifact(job_id, name), f"{below}{name}", keys.ARTIFACT_BYTES[name])
    if len(files.written) == before and (newest := queue.newest_state(bucket, job_id)):
        files.fetch_state(newest, f"{below}state.pt")  # not finished: as far as it got
