"""Checks after a chaos run: everything exists, once, with the bytes of the undisturbed run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from env.errors import SimArenaError
from protocol.wire import documents, keys
from protocol.wire.bucket import WEIGHTS_BYTES, Bucket
from protocol.wire.federation_documents import Decision, Outcome, OutcomeStatus
from protocol.wire.job_documents import Result, ResultStatus

_FACTS = ("status", "episodes_completed", "env_steps", "total_reward", "final_reward", "solved_episodes")
_MAY_DIFFER = "learning_curve.png"  # its title is the job's id


@dataclass(frozen=True)
class Pair:
    """Two federations that must have equal results: the undisturbed one and the disturbed one."""

    bucket: Bucket
    calm: str
    disturbed: str
    size: int
    rounds: int


def outcome_of(bucket: Bucket, group: str) -> Outcome | None:
    """How a federation ended, None while it has not."""
    return documents.read(bucket, Outcome, keys.outcome(group))


def results_of(bucket: Bucket, group: str, size: int) -> list[Result | None]:
    """The results of all members."""
    return [documents.read(bucket, Result, keys.result(keys.member_job(group, member))) for member in range(size)]


def unfinished(bucket: Bucket) -> list[str]:
    """Keys that say that something is still to be done."""
    return [
        entry.key for prefix in (keys.PENDING, keys.IN_PROGRESS, keys.ACTIVE) for entry in bucket.list(prefix).entries
    ]


def findings(pair: Pair) -> list[str]:
    """One line for each difference and each object that is missing or left over."""
    found: list[str] = []
    for part in (_ending, _members, _rounds):
        try:
            found += part(pair)
        except SimArenaError as error:
            found.append(str(error))
    return found


def _ending(pair: Pair) -> Iterator[str]:
    outcome, expected = (outcome_of(pair.bucket, group) for group in (pair.disturbed, pair.calm))
    if outcome is None or outcome.status is not OutcomeStatus.FINISHED:
        yield f"{pair.disturbed}: {f'failed: {outcome.reason}' if outcome else 'has not ended'}"
    elif expected and outcome.weights_sha256 != expected.weights_sha256:
        yield f"weights {outcome.weights_sha256}, undisturbed {expected.weights_sha256}"
    for key in unfinished(pair.bucket):
        yield f"{key}: is left over"


def _members(pair: Pair) -> Iterator[str]:
    results = zip(*(results_of(pair.bucket, group, pair.size) for group in (pair.disturbed, pair.calm)), strict=True)
    for member, (result, expected) in enumerate(results):
        job_id = keys.member_job(pair.disturbed, member)
        if result is None or expected is None:
            yield f"{job_id}: has no result"
            continue
        if result.status is not ResultStatus.SUCCESS:
            yield f"{job_id}: {result.status}: {result.error}"
        for name in _FACTS:
            if getattr(result, name) != getattr(expected, name):
                yield f"{job_id}: {name} {getattr(result, name)}, undisturbed {getattr(expected, name)}"
        if not pair.bucket.exists(keys.finished_manifest(job_id)):
            yield f"{keys.finished_manifest(job_id)}: is missing"
        for name in sorted(expected.artifacts.keys() | result.artifacts.keys()):
            if name != _MAY_DIFFER:
                where = (keys.artifact(keys.member_job(group, member), name) for group in (pair.disturbed, pair.calm))
                yield from _difference(pair.bucket, *where)


def _rounds(pair: Pair) -> Iterator[str]:
    for round_ in range(1, pair.rounds + 1):
        groups = (pair.disturbed, pair.calm)
        decisions = [documents.read(pair.bucket, Decision, keys.decision(group, round_)) for group in groups]
        if decisions[0] != decisions[1]:
            yield f"{keys.decision(pair.disturbed, round_)}: {decisions[0]}, undisturbed {decisions[1]}"
        yield from _difference(pair.bucket, *(keys.global_weights(group, round_) for group in groups))


def _difference(bucket: Bucket, key: str, expected: str) -> Iterator[str]:
    body = bucket.get(key, WEIGHTS_BYTES)
    if body is None:
        yield f"{key}: is missing"
    elif body != bucket.get(expected, WEIGHTS_BYTES):
        yield f"{key}: is not the same as {expected}"
