"""`dispatch list` and `status`: what the bucket says about jobs and federations, in rows to show."""

from __future__ import annotations

from dataclasses import dataclass, replace

from protocol.commands.round_lines import open_round_line
from protocol.jobs import queue
from protocol.jobs.lease import Attempts, attempts
from protocol.rounds.federation import closed_rounds
from protocol.rounds.participation import left_out_lines
from protocol.wire import documents, keys
from protocol.wire.bucket import Bucket
from protocol.wire.errors import BadDocument, OtherRelease, UnknownName
from protocol.wire.federation_documents import Decision, Federation, Outcome
from protocol.wire.job_documents import Heartbeat, Manifest, Result
from protocol.wire.keys import Mark


@dataclass(frozen=True)
class JobSummary:
    """One row. `state` is pending, running, free (its attempt ended; the next worker takes it) or a result's status.

    `error` is a result's: why it ended badly, or which rounds a member that ended well was left out of.
    """

    job_id: str
    state: str
    attempt: int = 0
    worker: str | None = None
    doing: str = ""
    episode: int = 0
    reward: float | None = None
    error: str | None = None


@dataclass(frozen=True)
class RoundSummary:
    """One closed round. `reward` is the participants' mean return; `solved` of their `episodes` reached the goal, None
    where that is not counted: `episodes` are epochs then."""

    round: int
    reason: str
    participants: int
    episodes: int
    reward: float | None
    solved: int | None
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class FederationSummary:
    """A federation: its members, and how many rounds have global weights.

    Attributes:
        open_round: what the open round waits for; None if there is none.
        sample: members that each round draws; None: all take part in all.
    """

    group: str
    size: int
    rounds: int
    closed: int
    outcome: str | None
    reason: str | None
    weights_sha256: str | None
    members: tuple[JobSummary, ...]
    recent: tuple[RoundSummary, ...]
    open_round: str | None = None
    sample: int | None = None


def require_federation(bucket: Bucket, group: str) -> Federation:
    """A federation's description.

    Raises:
        UnknownName: there is none of this name.
        OtherRelease: it is a newer release's.
    """
    federation = documents.read(bucket, Federation, keys.federation(group))
    if federation is None:
        raise UnknownName(f"federation {group!r}: not in {bucket.name}; `dispatch list` shows what there is")
    return federation


def require_job(bucket: Bucket, job_id: str) -> None:
    """Raise UnknownName if there never was a job of this name."""
    if not bucket.exists(keys.pending_manifest(job_id)) and not queue.is_over(bucket, job_id):
        raise UnknownName(f"{job_id!r}: neither a job nor a group in {bucket.name}; see `dispatch list`")


def round_summary(bucket: Bucket, federation: Federation, round_: int) -> RoundSummary | None:
    """A closed round's row, None while the round is open."""
    try:
        decision = documents.read(bucket, Decision, keys.decision(federation.group, round_))
    except BadDocument as error:
        return RoundSummary(round_, f"unreadable: {error}", 0, 0, None, 0, ())
    if decision is None:
        return None
    rewards = [p.reward for p in decision.participants if p.reward is not None]
    solved = [p.solved for p in decision.participants if p.solved is not None]
    return RoundSummary(
        round=round_,
        reason=decision.reason,
        participants=len(decision.participants),
        episodes=len(decision.participants) * decision.episodes,
        reward=sum(rewards) / len(rewards) if rewards else None,
        solved=sum(solved) if solved or not decision.participants else None,
        left_out=left_out_lines(decision, federation.sampling),
    )


def federation_summary(
    bucket: Bucket, group: str, ttl_s: float, *, recent: int = 10, closed_before: int = 0
) -> FederationSummary:
    """Everything about a federation; the last `recent` rounds in detail.

    Args:
        closed_before: rounds known to be closed, which saves requests when watching.
    """
    federation = require_federation(bucket, group)
    outcome, unreadable = None, None
    try:
        outcome = documents.read(bucket, Outcome, keys.outcome(group))
    except BadDocument as error:
        unreadable = str(error)
    closed = outcome.rounds if outcome else closed_rounds(bucket, group, federation.rounds, closed_before)
    listing = bucket.list(keys.in_progress_of_group(group))
    views = attempts(listing.entries)
    job_ids = [keys.member_job(group, member) for member in range(federation.size)]
    members = tuple(job_summary(bucket, job_id, views.get(job_id), listing.server_time, ttl_s) for job_id in job_ids)
    if outcome is not None:
        members = tuple(_or_purged(bucket, member) for member in members)
    rounds = (round_summary(bucket, federation, n) for n in range(max(1, closed - recent + 1), closed + 1))
    return FederationSummary(
        group=group,
        size=federation.size,
        rounds=federation.rounds,
        closed=closed,
        outcome=outcome.status if outcome else unreadable and "unreadable",
        reason=outcome.reason if outcome else unreadable,
        weights_sha256=outcome.weights_sha256 if outcome else None,
        members=members,
        recent=tuple(found for found in rounds if found is not None),
        open_round=_open_round(bucket, federation, closed, members) if outcome is None else None,
        sample=federation.sample,
    )


def _or_purged(bucket: Bucket, member: JobSummary) -> JobSummary:
    """The row of a member whose federation has ended; without a manifest and a result it was purged."""
    gone = member.state == "pending" and not bucket.exists(keys.pending_manifest(member.job_id))
    return replace(member, state="purged") if gone else member


def _open_round(bucket: Bucket, federation: Federation, closed: int, members: tuple[JobSummary, ...]) -> str | None:
    if closed >= federation.rounds:
        return None
    unfinished = ("pending", "running", "free")
    departed = frozenset(member for member, job in enumerate(members) if job.state not in unfinished)
    return open_round_line(bucket, federation, closed + 1, departed)


def job_summary(bucket: Bucket, job_id: str, view: Attempts | None, server_time: float, ttl_s: float) -> JobSummary:
    """One job, from its result if it has one, else from its attempt's heartbeat."""
    if view is None or view.attempt == 0:
        return finished_summary(bucket, job_id) or JobSummary(job_id, "pending")
    alive = view.alive(server_time, ttl_s)
    if not alive and (finished := finished_summary(bucket, job_id)):
        return finished
    beat = documents.read_if_valid(bucket, Heartbeat, keys.attempt_mark(job_id, Mark.HEARTBEAT, view.attempt))
    return JobSummary(
        job_id=job_id,
        state="running" if alive else "free",
        attempt=view.attempt,
        worker=beat.worker if beat else None,
        doing=beat.phase if beat and alive else "",
        episode=beat.episode if beat else 0,
        reward=beat.reward if beat else None,
    )


def finished_summary(bucket: Bucket, job_id: str) -> JobSummary | None:
    """The row of a job that has its result."""
    try:
        result = documents.read(bucket, Result, keys.result(job_id))
    except BadDocument as error:
        return JobSummary(job_id, "unreadable", error=str(error))
    except OtherRelease as error:
        return JobSummary(job_id, error.release, error=str(error))
    if result is None:
        return None
    return JobSummary(
        job_id=job_id,
        state=result.status,
        attempt=result.attempt,
        worker=result.worker,
        episode=result.episodes_completed,
        reward=result.final_reward,
        error=result.error,
    )


def _queued_summary(bucket: Bucket, job: JobSummary) -> JobSummary:
    """The row of an unfinished job; one that this release's workers pass over says so."""
    if job.state not in ("pending", "free"):
        return job
    key = keys.pending_manifest(job.job_id)
    try:
        manifest = documents.read(bucket, Manifest, key)
        if manifest is not None:
            manifest.require_current(key)
    except BadDocument as error:
        return replace(job, state="unreadable", error=str(error))
    except OtherRelease as error:
        return replace(job, state=error.release, error=str(error))
    return job


def all_jobs(bucket: Bucket, ttl_s: float, last: int) -> list[JobSummary]:
    """Unfinished jobs, then the `last` finished and rejected ones, newest first."""
    listed = queue.list_queue(bucket)
    unfinished = [
        _queued_summary(bucket, job_summary(bucket, job_id, view, listed.server_time, ttl_s))
        for job_id, view in sorted(listed.jobs.items())
    ]
    over = [
        job_id
        for prefix in (keys.FINISHED, keys.REJECTED)
        for entry in bucket.list(prefix).entries
        if (job_id := keys.parse_manifest(entry.key))
    ]
    newest = sorted(set(over), reverse=True)[:last]
    return unfinished + [found for job_id in newest if (found := finished_summary(bucket, job_id))]
