"""Checks on what a run costs: no needless requests, attempts and training."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from infra.proof.simulation.evidence import Run
from infra.proof.simulation.history import AppliedRequest
from infra.proof.simulation.scenario import ATTACKER
from infra.proof.standin import GROUP
from protocol.wire import keys
from protocol.wire.keys import Mark

# -- 8 cost ----------------------------------------------------------------------------------------

POLLS = {  # requests of one process for the same thing: so many at first, then one in so many seconds
    "GET": (70, 2.0),
    "LIST": (90, 0.4),
}


def polls_grow_rarer(run: Run) -> Iterator[str]:
    """The longer a process waits for the same thing, the more seldom it asks."""
    asked: dict[tuple[str, str, str, int], list[float]] = defaultdict(list)
    jobs_of: Counter[str] = Counter()  # a worker that takes a job begins to wait anew
    for event in run.history.requests():
        if event.who == ATTACKER:
            continue
        if event.request.verb == "CREATE" and "/claim-" in event.key:
            jobs_of[event.who] += 1
        elif event.request.verb in POLLS and not event.request.after:
            asked[event.who, event.request.verb, event.key, jobs_of[event.who]].append(event.at)
    for (who, verb, key, _), times in asked.items():
        at_first, every_s = POLLS[verb]
        if len(times) > at_first + (times[-1] - times[0]) / every_s:
            yield f"{who} asked {len(times)} times in {times[-1] - times[0]:.0f} s: {verb} {key}"


def no_living_attempt_is_overtaken(run: Run) -> Iterator[str]:
    """And none begins once its claimant could know that the job was cancelled or over."""
    for (job_id, attempt), claims in run.claims.items():
        if run.is_spoilt(job_id):
            continue
        for claim in claims:
            seen = _last_look(run, claim)
            if seen is None or claim.late:
                continue
            cancel = run.history.first(keys.cancel(job_id))
            if cancel is not None and cancel.place < seen.place and not run.deleted(cancel, claim):
                yield f"{claim.who} began {claim.key} though the job was cancelled"
            if attempt > 1 and _alive_at(run, job_id, attempt - 1, seen, claim):
                yield f"{claim.who} began {claim.key} though attempt {attempt - 1} was alive"


def _last_look(run: Run, claim: AppliedRequest) -> AppliedRequest | None:
    """The listing on which a claim rests: its first page."""
    for event in reversed(run.history.events[: claim.place]):
        if (
            isinstance(event, AppliedRequest)
            and event.who == claim.who
            and event.request.verb == "LIST"
            and not event.request.after
            and event.key in (keys.IN_PROGRESS, keys.in_progress_of_group(GROUP))
        ):
            return event
    return None


def _alive_at(run: Run, job_id: str, attempt: int, seen: AppliedRequest, claim: AppliedRequest) -> bool:
    """Whether S3 had shown an attempt as alive by the time of a listing."""
    marks = {mark: keys.attempt_mark(job_id, mark, attempt) for mark in (Mark.CLAIM, Mark.HEARTBEAT, Mark.RELEASED)}
    touched = 0.0
    for event in run.history.writes:
        if event.key not in marks.values() or event.place > claim.place:
            continue
        if event.key == marks[Mark.RELEASED] or event.request.verb == "DELETE":
            return False  # a listing of several pages may or may not have seen it
        if event.place < seen.place:
            touched = event.at
    return bool(touched) and int(seen.at) - int(touched) <= run.scenario.ttl_s


def nothing_is_trained_after_the_result(run: Run) -> Iterator[str]:
    """An attempt that was claimed after the result finds that out before it works."""
    for (job_id, attempt), claims in run.claims.items():
        if run.is_spoilt(job_id):
            continue
        beat = keys.attempt_mark(job_id, Mark.HEARTBEAT, attempt)
        beats = [e for e in run.history.writes if e.key == beat and e.request.verb == "PUT" and not e.late]
        for number, claim in enumerate(claims):
            if claim.late or not run.over_before(job_id, claim) or run.purged(job_id):
                continue
            if claim.who in {earlier.who for earlier in claims[:number]}:
                continue  # a renewal from back then may have been on its way
            if any(event.who == claim.who and event.place > claim.place for event in beats):
                yield f"{claim.who} worked on {job_id} after its result"
