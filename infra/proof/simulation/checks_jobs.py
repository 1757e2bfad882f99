"""Checks on jobs: their results, the owners of their attempts, and where anything is written at all."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache

from infra.proof.simulation.checks_updates import trained_alone
from infra.proof.simulation.evidence import Run
from infra.proof.simulation.history import AppliedRequest
from infra.proof.simulation.scenario import ATTACKER, MemberDefect
from infra.proof.standin import GROUP
from protocol.wire import keys
from protocol.wire.federation_documents import OutcomeStatus
from protocol.wire.job_documents import Result, ResultStatus
from protocol.wire.keys import Mark
from protocol.wire.sampling import Turns

# -- 1 results -------------------------------------------------------------------------------------


def every_job_has_one_result(run: Run) -> Iterator[str]:
    for job_id in run.honest_jobs:
        created = run.history.created.get(keys.result(job_id), [])
        if not created and run.history.first(keys.pending_manifest(job_id)) and run.stuck is None:
            yield f"{job_id}: has no result"


def results_are_right(run: Run) -> Iterator[str]:
    cancelled = {row.job_id for key in run.history.created if (row := keys.parse_progress(key)) and not row.attempt}
    for job_id, (event, result) in run.results.items():
        if result.job_id != job_id:
            yield f"{event.key}: is that of {result.job_id}"
        problem = _why_not(run, job_id, event, result, job_id in cancelled)
        if problem:
            yield f"{job_id}: ended as {result.status} ({result.error}): {problem}"


def _why_not(run: Run, job_id: str, event: AppliedRequest, result: Result, cancelled: bool) -> str | None:
    """What speaks against a result's status."""
    defect = _doom(run, job_id)
    match result.status:
        case ResultStatus.SUCCESS:
            return _why_no_success(run, job_id, result)
        case ResultStatus.CANCELLED:
            by_user = event.who.startswith("canceller")  # a job that is not queued yet ends without a mark
            return None if cancelled or by_user else "it was never cancelled"
        case ResultStatus.REJECTED:
            return None if defect is MemberDefect.DAMAGED else "its manifest was good"
    error = result.error or ""
    if re.match(r"\d+ attempts? failed", error):
        claims = sum(len(c) for (job, _), c in run.claims.items() if job == job_id and c[0].place < event.place)
        most = run.wanted.training.max_attempts
        return None if claims >= most else f"{claims} claims were made, {most} may fail"
    if error.startswith("federation "):
        outcome = run.history.first(keys.outcome(GROUP))
        failed = run.outcome is not None and run.outcome.status is OutcomeStatus.FAILED
        return None if failed and outcome and outcome.place < event.place else "the federation had not failed"
    if "was the group purged" in error or "it was purged" in error:
        return None if run.purged(job_id) else "it was never purged"
    if error.startswith("left out of every round"):
        over = run.body(keys.global_weights(GROUP, _last_turn(run, job_id))) is not None
        return None if over and not _took_part(run, job_id) else "it could still take part, or did"
    if "took longer than" in error:
        return None if defect is MemberDefect.HANGS else "it hangs not"
    return None if defect is MemberDefect.REFUSED and "no such setting" in error else "nothing was wrong with it"


def _took_part(run: Run, job_id: str) -> bool:
    """Whether a member's update is in any round."""
    member = run.member_jobs.index(job_id)
    return any(member == row.member for _, decision in run.decisions.values() for row in decision.participants)


def _ended_after_all(run: Run, job_id: str) -> bool:
    """Whether a job ended by a look at the rounds after the last one was closed.

    Before that its last update may still count; and so it may while the result is on its way.
    """
    last = keys.global_weights(GROUP, run.wanted.rounds)
    ended, closed = run.history.first(keys.result(job_id)), run.history.first(last)
    if ended is None or closed is None:
        return False
    looks = [
        request.place
        for request in run.history.requests()
        if request.key == last and request.who == ended.who and request.place < ended.place
    ]
    return closed.place < max(looks, default=ended.place)


def _doom(run: Run, job_id: str) -> MemberDefect | None:
    parsed = keys.parse_member_job(job_id)
    return run.scenario.defects.get(parsed[1]) if parsed else None


def _why_no_success(run: Run, job_id: str, result: Result) -> str | None:
    if _doom(run, job_id) is not None and result.episodes_completed > int(_doom(run, job_id) is MemberDefect.CRASHES):
        return "it has a defect that forbids it"
    training = run.training_of(job_id)
    if job_id not in run.member_jobs:
        files = trained_alone(training.episodes, run.scenario.learns)
        same = all(run.body(keys.artifact(job_id, name)) == body for name, body in files.items()) or not run.repeats
        right = same and result.episodes_completed == training.episodes
        return None if right else "its weights are not those of an undisturbed run"
    last = _last_turn(run, job_id)
    if not last:
        return "it trained in rounds that did not draw it" if result.episodes_completed else None
    closed = max((r for r in range(1, run.wanted.rounds + 1) if run.body(keys.global_weights(GROUP, r))), default=0)
    if closed == run.wanted.rounds:
        if not result.episodes_completed or (_ended_after_all(run, job_id) and not _took_part(run, job_id)):
            return "it was left out of every round"
        return None  # members left behind may end without a state of the last round
    if run.wanted.schedule.last(last) not in run.states[job_id]:
        return "it has no last state"
    member = run.member_jobs.index(job_id)
    return None if run.body(keys.update(GROUP, last, member)) else "it has not delivered its last update"


def _last_turn(run: Run, job_id: str) -> int:
    """The last round that draws a member; 0: none does."""
    return Turns(run.wanted.sampling, run.member_jobs.index(job_id)).last(run.wanted.rounds)


# -- 2 owners --------------------------------------------------------------------------------------


def only_owners_write(run: Run) -> Iterator[str]:
    """Heartbeats, releases, states, artifacts and updates come from a process that created a claim on the job."""
    owned: dict[tuple[str, int], set[str]] = defaultdict(set)
    workers: dict[str, set[str]] = defaultdict(set)
    for event in run.history.writes:
        if event.request.verb == "DELETE" or event.who == ATTACKER:
            continue
        row = keys.parse_progress(event.key)
        if row is not None and row.mark is Mark.CLAIM:
            owned[row.job_id, row.attempt].add(event.who)
            workers[row.job_id].add(event.who)
        elif row is not None and row.mark is not Mark.CANCEL:
            if event.who not in owned[row.job_id, row.attempt]:
                yield f"{event.who} wrote {event.key} and never owned that attempt"
        elif (job_id := _trained_by(event.key)) and event.who not in workers[job_id]:
            yield f"{event.who} wrote {event.key} and never owned an attempt"


def _trained_by(key: str) -> str | None:
    """The job whose owner alone writes such a key."""
    if match := re.fullmatch(r"results/([^/]+)/(?!result\.json).+", key):
        return match[1]
    if match := re.fullmatch(rf"federations/{GROUP}/rounds/\d+/updates/(\d+)\.safetensors", key):
        return keys.member_job(GROUP, int(match[1]))
    return None


def marks_are_deleted_only_when_they_are_history(run: Run) -> Iterator[str]:
    """Those of an attempt before the last but one, by the owner of a later one; any, once the job is over."""
    for event in run.history.writes:
        if event.request.verb != "DELETE" or not (row := keys.parse_progress(event.key)):
            continue
        if run.is_spoilt(row.job_id) or run.over_before(row.job_id, event) or not _queued_at(run, row.job_id, event):
            continue
        later = any(
            attempt > row.attempt + 1 and any(c.place < event.place for c in claims)
            for (job_id, attempt), claims in run.claims.items()
            if job_id == row.job_id
        )
        late_heartbeat = row.mark is Mark.HEARTBEAT and _released_before(run, row, event)
        if row.mark is Mark.CANCEL or not (later or late_heartbeat):
            yield f"{event.who} deleted {event.key} while the job went on"


def _queued_at(run: Run, job_id: str, event: AppliedRequest) -> bool:
    """Whether a job's manifest was there at the moment of a request; without it no worker can begin."""
    created = run.history.created.get(keys.pending_manifest(job_id), [])
    return any(c.place < event.place and not run.deleted(c, event) for c in created)


def _released_before(run: Run, row: keys.Progress, event: AppliedRequest) -> bool:
    """A renewal that was on its way when its owner closed the lease is taken back by its owner."""
    return any(claim.who == event.who for claim in run.claims[row.job_id, row.attempt])


# -- 7 keys ----------------------------------------------------------------------------------------


def nothing_is_written_elsewhere(run: Run) -> Iterator[str]:
    for event in run.history.writes:
        if event.request.verb != "DELETE" and event.who != ATTACKER and not _is_known(run, event.key):
            yield f"{event.who} wrote {event.key}"


def _is_known(run: Run, key: str) -> bool:
    row = keys.parse_progress(key)
    if row is not None:
        return row.job_id in run.jobs
    if run.wanted.training.weights and key == keys.weights(run.wanted.training.weights):
        return True
    return key in _known(run.jobs, run.wanted.size, run.wanted.training.episodes, run.wanted.rounds)


@cache
def _known(jobs: tuple[str, ...], size: int, episodes: int, rounds: int) -> frozenset[str]:
    found = {keys.active(GROUP), keys.federation(GROUP), keys.outcome(GROUP), keys.report(GROUP)}
    for job_id in jobs:
        found |= {keys.pending_manifest(job_id), keys.finished_manifest(job_id), keys.result(job_id)}
        found |= {keys.rejected_manifest(job_id), keys.rejected_error(job_id)}
        found |= {keys.artifact(job_id, name) for name in ("train.log", keys.CHECKPOINT)}
        found |= {keys.state(job_id, episode) for episode in range(1, max(episodes, 4) + 1)}
    for round_ in range(1, rounds + 1):
        found |= {keys.decision(GROUP, round_), keys.global_weights(GROUP, round_), keys.server_state(GROUP, round_)}
        found |= {keys.update(GROUP, round_, member) for member in range(size)}
    return frozenset(found)


def queue_entries_leave_only_with_a_result(run: Run) -> Iterator[str]:
    for event in run.history.writes:
        if event.request.verb != "DELETE":
            continue
        job_id = keys.parse_manifest(event.key)
        if job_id is not None and run.is_spoilt(job_id):
            continue
        if event.key.startswith(keys.PENDING) and job_id and not run.over_before(job_id, event):
            yield f"{event.who} took {event.key} out of the queue, and it has no result"
        outcome = run.history.first(keys.outcome(GROUP))
        if event.key == keys.active(GROUP) and (outcome is None or outcome.place > event.place):
            yield f"{event.who} took the federation off the index before its outcome"
