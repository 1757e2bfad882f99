"""Every key of the bucket, built and parsed back here and nowhere else; `ids` says which names may be part of one.

Longer than most files, since no other has a key. With `ids.ANY` in place of an id, a number or a hash a builder gives
the pattern over all such keys, for IAM policies.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from protocol.wire.errors import BadId
from protocol.wire.ids import Wildcard, is_group, is_id, valid_group, valid_id, valid_sha256

JOBS = "jobs/"
SUBMITTED = f"{JOBS}submitted/"
PENDING = f"{JOBS}pending/"
IN_PROGRESS = f"{JOBS}in_progress/"
FINISHED = f"{JOBS}finished/"
REJECTED = f"{JOBS}rejected/"
ACTIVE = "federations/active/"
MACHINES = "workers/"
CODE = "code/"
PROBE = "probe/"

MAX_ROUNDS = 999_999  # six digits, so that listings stay in numeric order
MAX_MEMBERS = 10_000
MAX_ATTEMPT = 999_999_999  # nine digits; no job gets there, whatever a mark says
CHECKPOINT = "checkpoint_final.safetensors"
ARTIFACT_BYTES = {  # how much of each is read: parsed JSON takes thirty times its bytes, a log has a line an episode
    CHECKPOINT: 1 << 30,
    "checkpoint_final.json": 16 << 20,
    "train.log": 64 << 20,
    "steps.jsonl": 1 << 30,
    "learning_curve.png": 16 << 20,
    "transitions.msgpack": 1 << 30,
}
ARTIFACTS = frozenset(ARTIFACT_BYTES)

MACHINE_FILES = frozenset({"status.json", "boot.log", "worker.log"})

_MANIFEST = re.compile(r"jobs/(?:submitted|pending|finished|rejected)/([^/]+)/manifest\.json")
_ATTEMPT = r"([0-9]{4}|[1-9][0-9]{4,8})"
_IN_PROGRESS = re.compile(rf"jobs/in_progress/([^/]+)/(?:(claim|heartbeat|released)-{_ATTEMPT}|(cancel))\.json")
_STATE = re.compile(r"results/([^/]+)/state/ep_([0-9]{6})\.safetensors")
_UPDATE = re.compile(r"federations/([^/]+)/rounds/([0-9]{6})/updates/(0|[1-9][0-9]{0,3})\.safetensors")
_CODE_FILE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._+-]{0,127}")
_MACHINE_FILE = re.compile(r"workers/([^/]+)/([^/]+)")
_SCRATCH = re.compile(r"[a-z0-9][a-z0-9._/-]{0,62}")
_MEMBER_JOB = re.compile(r"(.+)-m([0-9]{4})")


# -- jobs ------------------------------------------------------------------------------------------


def member_job(group: str, member: int) -> str:
    """The job id of a federation's member; the same on every submit, so that a repeat changes nothing."""
    if not 0 <= member < MAX_MEMBERS:
        raise BadId(f"member {member}: use 0 to {MAX_MEMBERS - 1}")
    return f"{valid_group(group)}-m{member:04d}"


def parse_member_job(job_id: str) -> tuple[str, int] | None:
    """(group, member) of a member's job id, None for any other job."""
    match = _MEMBER_JOB.fullmatch(job_id)
    return (match[1], int(match[2])) if match and is_group(match[1]) else None


def submitted_manifest(job_id: str) -> str:
    """A single job's manifest as its dispatcher wrote it, for `dispatch retry`; no worker may create or delete it."""
    return f"{SUBMITTED}{valid_id(job_id)}/manifest.json"


def pending_manifest(job_id: str) -> str:
    return f"{PENDING}{valid_id(job_id)}/manifest.json"


def finished_manifest(job_id: str) -> str:
    return f"{FINISHED}{valid_id(job_id)}/manifest.json"


def rejected_manifest(job_id: str) -> str:
    return f"{REJECTED}{valid_id(job_id)}/manifest.json"


def rejected_error(job_id: str) -> str:
    return f"{REJECTED}{valid_id(job_id)}/error.json"


def parse_manifest(key: str) -> str | None:
    """The job id of a manifest's key; None for any other key, and for ids that are not allowed."""
    match = _MANIFEST.fullmatch(key)
    return match[1] if match and is_id(match[1]) else None


class Mark(StrEnum):
    """What an object below jobs/in_progress/<job>/ says about an attempt."""

    CLAIM = "claim"
    HEARTBEAT = "heartbeat"
    RELEASED = "released"
    CANCEL = "cancel"


@dataclass(frozen=True)
class Progress:
    """A parsed key of jobs/in_progress/; `attempt` is 0 for `cancel`."""

    job_id: str
    mark: Mark
    attempt: int


def in_progress(job_id: str) -> str:
    return f"{IN_PROGRESS}{valid_id(job_id)}/"


def in_progress_of_group(group: str) -> str:
    """A prefix that holds the attempts of all members of a group (and of nothing else)."""
    return f"{IN_PROGRESS}{valid_group(group)}-m"


def attempt_mark(job_id: str, mark: Mark, attempt: int | Wildcard) -> str:
    number = attempt if isinstance(attempt, Wildcard) else f"{attempt:04d}"
    return f"{in_progress(job_id)}{mark}-{number}.json"


def cancel(job_id: str) -> str:
    return f"{in_progress(job_id)}cancel.json"


def parse_progress(key: str) -> Progress | None:
    match = _IN_PROGRESS.fullmatch(key)
    if not match or not is_id(match[1]):
        return None
    if match[4]:
        return Progress(match[1], Mark.CANCEL, 0)
    return Progress(match[1], Mark(match[2]), int(match[3]))


# -- results ---------------------------------------------------------------------------------------


def results(job_id: str) -> str:
    return f"results/{valid_id(job_id)}/"


def result(job_id: str) -> str:
    return f"{results(job_id)}result.json"


def artifact(job_id: str, name: str) -> str:
    """A file beside result.json; only names of ARTIFACTS."""
    if name not in ARTIFACTS:
        raise BadId(f"artifact {name[:80]!r}: not one of {', '.join(sorted(ARTIFACTS))}")
    return f"{results(job_id)}{name}"


def states(job_id: str) -> str:
    return f"{results(job_id)}state/"


def state(job_id: str, episode: int) -> str:
    return f"{states(job_id)}ep_{_six(episode)}.safetensors"


def parse_state(key: str) -> int | None:
    """The episode of a state's key."""
    match = _STATE.fullmatch(key)
    return int(match[2]) if match else None


# -- inputs ----------------------------------------------------------------------------------------


def trace(sha256: str) -> str:
    return f"traces/{valid_sha256(sha256)}.msgpack"


def series(sha256: str) -> str:
    return f"series/{valid_sha256(sha256)}.safetensors"


def weights(sha256: str) -> str:
    return f"weights/{valid_sha256(sha256)}.safetensors"


# -- machines --------------------------------------------------------------------------------------


def code(sha256: str, name: str) -> str:
    """A file that machines of a fleet install, below its content's hash; its name tells pip what it is."""
    if not _CODE_FILE.fullmatch(name):
        raise BadId(
            f"file name {name[:80]!r}: use 1 to 128 of a-z, A-Z, 0-9 and '._+-', starting with a letter or digit"
        )
    return f"{CODE}{valid_sha256(sha256)}/{name}"


def machine(worker: str) -> str:
    """What a fleet's machine says of itself."""
    return f"{MACHINES}{valid_id(worker)}/"


def machine_file(worker: str, name: str) -> str:
    """One of MACHINE_FILES; overwritten as time goes by."""
    if name not in MACHINE_FILES:
        raise BadId(f"machine's file {name[:80]!r}: not one of {', '.join(sorted(MACHINE_FILES))}")
    return f"{machine(worker)}{name}"


def parse_machine_file(key: str) -> tuple[str, str] | None:
    """(worker, file) of a machine's file."""
    match = _MACHINE_FILE.fullmatch(key)
    return (match[1], match[2]) if match and is_id(match[1]) and match[2] in MACHINE_FILES else None


# -- federations -----------------------------------------------------------------------------------


def active(group: str) -> str:
    return f"{ACTIVE}{valid_group(group)}"


def parse_active(key: str) -> str | None:
    group = key.removeprefix(ACTIVE)
    return group if key.startswith(ACTIVE) and is_group(group) else None


def federation(group: str) -> str:
    return f"{group_folder(group)}federation.json"


def outcome(group: str) -> str:
    return f"{group_folder(group)}outcome.json"


def report(group: str) -> str:
    """The federation as a page for people: the one object that is overwritten and that no process reads."""
    return f"{group_folder(group)}report.html"


def content_type(key: str) -> str | None:
    """What a browser is told of an object; None: what the server says by default."""
    return "text/html; charset=utf-8" if key.endswith(".html") else None


def updates(group: str, round_: int | Wildcard) -> str:
    return f"{_round(group, round_)}updates/"


def update(group: str, round_: int | Wildcard, member: int | Wildcard) -> str:
    return f"{updates(group, round_)}{member}.safetensors"


def parse_update(key: str) -> int | None:
    """The member of an update's key."""
    match = _UPDATE.fullmatch(key)
    return int(match[3]) if match else None


def decision(group: str, round_: int | Wildcard) -> str:
    return f"{_round(group, round_)}round.json"


def global_weights(group: str, round_: int | Wildcard) -> str:
    return f"{_round(group, round_)}global_weights.safetensors"


def server_state(group: str, round_: int | Wildcard) -> str:
    """What a strategy such as fedadam carries from round to round, beside the global weights."""
    return f"{_round(group, round_)}server_state.safetensors"


def one_round(group: str, round_: int) -> str:
    """All of one round."""
    return _round(group, round_)


def rounds(group: str) -> str:
    """All rounds of a federation: updates, decisions, global weights, server states."""
    return f"{group_folder(group)}rounds/"


def probe(nonce: str) -> str:
    """A scratch object by which a process tests its endpoint at start-up."""
    return f"{PROBE}{valid_id(nonce)}"


def scratch(nonce: str, name: str) -> str:
    """A scratch object of one run of `sim-arena s3 check`."""
    if not _SCRATCH.fullmatch(name):
        raise BadId(f"scratch name {name[:80]!r}: use 1 to 63 of a-z, 0-9 and '-._/', starting with a-z or 0-9")
    return f"{probe(nonce)}.check/{name}"


def group_folder(group: str) -> str:
    """Everything of a federation but its place in the index."""
    return f"federations/{valid_group(group)}/"


def _round(group: str, round_: int | Wildcard) -> str:
    return f"{group_folder(group)}rounds/{_six(round_)}/"


def _six(number: int | Wildcard) -> str:
    if isinstance(number, Wildcard):
        return number
    if not 0 < number <= MAX_ROUNDS:
        raise BadId(f"episode or round {number}: use 1 to {MAX_ROUNDS}")
    return f"{number:06d}"
