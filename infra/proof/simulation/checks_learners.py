"""Checks on runs whose jobs name a learner: who lacks it keeps off, and who sees that it does not repeat says so."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from infra.proof.simulation.evidence import Run
from infra.proof.simulation.history import AppliedRequest, Note
from infra.proof.simulation.scenario import Fault
from infra.proof.tiny_learner import Habit
from protocol.wire import keys
from protocol.wire.keys import Mark

# -- 10 learners -----------------------------------------------------------------------------------


def nobody_trains_what_is_not_installed(run: Run) -> Iterator[str]:
    """A worker without the learner claims no job, and names each one that it leaves to others."""
    if not run.scenario.learns or not run.scenario.lacking:
        return
    seen: dict[tuple[str, str], None] = {}
    for event in run.history.requests():
        if event.late or not _lacks(run, event.who):
            continue
        row = keys.parse_progress(event.key)
        if row and row.mark is Mark.CLAIM and event.request.verb == "CREATE":
            yield f"{event.who} claimed {row.job_id}, whose learner it lacks"
        job_id = keys.parse_manifest(event.key)
        if event.request.verb == "GET" and event.found and job_id and not run.over_before(job_id, event):
            seen[event.who, job_id] = None
    told = _lines(run)
    for who, job_id in seen:
        judged = job_id in run.honest_jobs and not run.history.first(keys.cancel(job_id)) and not run.is_damaged(job_id)
        if judged and not _met_a_fault(run, who, job_id) and not _left(told.get(who, []), job_id):
            yield f"{who} left {job_id} to others and did not say so"


def _lacks(run: Run, process: str) -> bool:
    number = re.match(r"w(\d+)", process)
    return number is not None and int(number[1]) in run.scenario.lacking


def _left(lines: list[Note], job_id: str) -> bool:
    return any(f"passed over: {job_id}: needs the learner 'tiny' of tiny-learner 1.0" in note.text for note in lines)


def _met_a_fault(run: Run, who: str, job_id: str) -> bool:
    """Whether something happened to a process while it read a job's manifest, which it may not have got then."""
    key = keys.pending_manifest(job_id)
    return any(isinstance(event, Note) and event.who == who and key in event.text for event in run.history.events)


def another_state_of_an_epoch_is_said(run: Run) -> Iterator[str]:
    """Whoever finds that an epoch's state was saved before, and is another one, says that training does not repeat."""
    told = _lines(run)
    for job_id in run.honest_jobs:
        for key in (event.key for event in run.states[job_id].values()):
            for event in _requests(run, key, "CREATE"):
                other = not event.changed and event.request.body != run.body(key)
                if not other or _hindered(run, event):
                    continue
                if not any(key in note.text and "not repeat bit for bit" in note.text for note in told[event.who]):
                    yield f"{event.who} found another {key} and did not say so"


def _requests(run: Run, key: str, verb: str) -> Iterator[AppliedRequest]:
    """Those that their sender waited for."""
    requests = (event for event in run.history.requests() if event.key == key and event.request.verb == verb)
    return (event for event in requests if not event.late)


def _hindered(run: Run, event: AppliedRequest) -> bool:
    """Whether a process may have had no answer to a request, or later to its question what is there."""
    late = (Fault.PAUSE, Fault.SLOW)
    notes = [note for note in run.history.events[event.place :] if isinstance(note, Note) and note.who == event.who]
    faults = [note.text for note in notes if not note.text.startswith("says: ")]
    return any(text.endswith(Fault.CUT_OFF) or (event.key in text and not text.endswith(late)) for text in faults)


def what_does_not_repeat_is_in_the_result(run: Run) -> Iterator[str]:
    """Of the attempt that saw another state of an epoch, or one that was not restored as saved; of no other."""
    for job_id, (event, result) in run.results.items():
        claims = run.claims.get((job_id, result.attempt), [])
        own = [claim for claim in claims if claim.who == event.who and claim.place < event.place]
        if not result.fingerprint or not own:
            continue
        odd = _saw_a_difference(run, job_id, own[-1], event)
        if odd and "differs" not in result.fingerprint:
            yield f"{job_id}: {odd}, and its result does not say so"
        if not odd and "differs" in result.fingerprint:
            yield f"{job_id}: its result tells of a difference that there was not: {result.fingerprint['differs']}"


def _saw_a_difference(run: Run, job_id: str, claim: AppliedRequest, result: AppliedRequest) -> str | None:
    """What an attempt saw between its claim and its result, if that was no training that repeats."""
    saved: set[str] = set()
    for event in run.history.events[claim.place : result.place]:
        if not isinstance(event, AppliedRequest) or not event.key.startswith(keys.states(job_id)):
            continue
        if event.who != claim.who or event.late:
            continue
        if event.request.verb == "CREATE":
            saved.add(event.key)
            if run.body(event.key) != event.request.body:
                return f"{event.key}: another attempt had saved another state"
        elif event.request.verb == "GET" and event.found and event.key not in saved and _is_forgotten(run):
            return f"{event.key}: was not restored as it was saved"
    return None


def _is_forgotten(run: Run) -> bool:
    return run.scenario.learns and run.scenario.habit is Habit.FORGETFUL


def _lines(run: Run) -> dict[str, list[Note]]:
    """What each process said."""
    found: dict[str, list[Note]] = defaultdict(list)
    for event in run.history.events:
        if isinstance(event, Note) and event.text.startswith("says: "):
            found[event.who].append(event)
    return found
