"""Checks on rounds: what is decided, what is averaged, and what commits a fact."""

from __future__ import annotations

import re
from collections.abc import Iterator

from env.words import count
from infra.proof.simulation.evidence import Run
from infra.proof.simulation.history import AppliedRequest
from infra.proof.simulation.plain import averaging, first_inputs
from infra.proof.simulation.scenario import SYNC_SERVERS, Target
from infra.proof.standin import GROUP
from protocol.rounds.aggregate import RoundInputs
from protocol.rounds.decide import EXTENSIONS
from protocol.wire import keys
from protocol.wire.federation_documents import Decision, OutcomeStatus
from protocol.wire.keys import Mark

# -- 3 decisions and averages ----------------------------------------------------------------------


def what_commits_is_created_once(run: Run) -> Iterator[str]:
    """Never a plain PUT but for heartbeats and the report; created once; deleted by a purge alone."""
    for event in run.history.writes:
        row = keys.parse_progress(event.key)
        if event.request.verb == "PUT" and not (row and row.mark is Mark.HEARTBEAT) and event.key != keys.report(GROUP):
            yield f"{event.who} overwrote or could overwrite {event.key} by a plain PUT"
        if event.request.verb == "DELETE" and event.who != "purge" and event.key.startswith(COMMITTED):
            yield f"{event.who} deleted {event.key}"
    for key, events in run.history.created.items():
        if len(events) > 1 and key.startswith(COMMITTED):
            lives = [event for event in events if not _purged_before(run, event)]
            if len(lives) > 1:
                yield f"{key} was created {len(lives)} times: by {', '.join(event.who for event in lives)}"


def reports_are_sync_servers_own(run: Run) -> Iterator[str]:
    """No member writes the page that people open, and it never tells of a round that was not closed."""
    for event in run.history.writes:
        if event.key != keys.report(GROUP) or event.request.verb == "DELETE":
            continue
        if not event.who.startswith(SYNC_SERVERS):
            yield f"{event.who} wrote the report"
        if run.forged or not event.who.startswith(SYNC_SERVERS):
            continue  # an outcome that the attacker wrote tells of as many rounds as it likes
        told = int(event.request.body.split()[0])
        weights = run.history.first(keys.global_weights(GROUP, told)) if told else None
        if told and (weights is None or weights.place > event.place):
            yield f"the report of {event.who} tells of round {told} before it was closed"


COMMITTED = ("results/", "federations/g/", "traces/", "series/", "weights/", "jobs/finished/", "jobs/rejected/")


def _purged_before(run: Run, event: AppliedRequest) -> bool:
    return any(d.who == "purge" and d.place < event.place for d in run.history.writes if d.key == event.key)


def rounds_close_in_order_and_for_a_reason(run: Run) -> Iterator[str]:
    before: AppliedRequest | None = None
    for round_ in range(1, run.wanted.rounds + 1):
        weights = run.history.first(keys.global_weights(GROUP, round_))
        state = run.history.first(keys.server_state(GROUP, round_))
        if round_ not in run.decisions:
            if weights is not None:
                yield f"round {round_}: has global weights and no decision"
            continue
        event, decision = run.decisions[round_]
        if round_ > 1 and (before is None or before.place > event.place):
            yield f"round {round_}: was decided before round {round_ - 1} was closed"
        if weights is not None and weights.place < event.place:
            yield f"round {round_}: was averaged before it was decided"
        if run.wanted.strategy.keeps_state and weights and (state is None or state.place > weights.place):
            yield f"round {round_}: has global weights before its server state"
        yield from (f"round {round_}: {text}" for text in _wrongly_decided(run, event, decision))
        before = weights


def _wrongly_decided(run: Run, event: AppliedRequest, decision: Decision) -> Iterator[str]:
    participants = [p.member for p in decision.participants]
    members = set(participants) | {item.member for item in decision.left_out}
    drawn = run.wanted.sampling.members(decision.round)
    missing = [m for m in drawn if m not in members]
    if decision.reason == "failed":
        return  # see `the_outcome_is_right`
    if participants != sorted(set(participants)) or any(m not in drawn for m in members):
        yield f"lists the members {participants}"
    if any(item.member != run.scenario.attacked for item in decision.left_out):
        yield f"leaves out good updates: {decision.left_out}"
    if len(participants) < run.wanted.min_participants:
        yield f"closed with {len(participants)} of at least {run.wanted.min_participants}"
    if decision.reason == "full":
        yield from (f"did not wait for member {m}" for m in missing if not _gone(run, m, event))
        yield from (f"passed over the update of member {m}" for m in missing if _in_time(run, decision.round, m))
        return
    first = _first_that_counts(run, decision.round, event)
    for member in missing:
        update = run.history.first(keys.update(GROUP, decision.round, member))
        if update and update.place < event.place and int(update.at) <= int(first) + run.wanted.round_timeout_s:
            yield f"passed over the update of member {member}, which was in time"
    if event.at - first < run.wanted.round_timeout_s - 1:
        yield f"timed out {event.at - first:.1f} s after its first update"


def _first_that_counts(run: Run, round_: int, event: AppliedRequest) -> float:
    """When the first update landed that is not older than the round, virtual seconds."""
    opened = run.opened(round_)
    drawn = run.wanted.sampling.members(round_)
    updates = [run.history.first(keys.update(GROUP, round_, m)) for m in drawn]
    counted = [u.at for u in updates if u and u.place < event.place and int(u.at) >= int(opened)]
    return min(counted, default=event.at)


def _gone(run: Run, member: int, event: AppliedRequest) -> bool:
    result = run.history.first(keys.result(keys.member_job(GROUP, member)))
    return result is not None and result.place < event.place


def _in_time(run: Run, round_: int, member: int) -> bool:
    """Whether a member delivered before its job ended: then it counts, however long ago it ended."""
    update = run.history.first(keys.update(GROUP, round_, member))
    result = run.history.first(keys.result(keys.member_job(GROUP, member)))
    return update is not None and result is not None and update.place < result.place


def averages_are_of_what_is_listed(run: Run) -> Iterator[str]:
    before = first_inputs(run.wanted)
    for round_, (_, decision) in run.decisions.items():
        weights = run.body(keys.global_weights(GROUP, round_))
        if weights is None:
            return
        aggregate = averaging(run.wanted, before)
        for participant in decision.participants:
            aggregate.add(run.body(keys.update(GROUP, round_, participant.member)) or b"", participant.weight)
        found = aggregate.finish()
        if weights != found.weights or run.body(keys.server_state(GROUP, round_)) != found.server_state:
            yield f"round {round_}: the average is not that of the members listed"
        before = RoundInputs(weights, found.server_state)


def the_outcome_is_right(run: Run) -> Iterator[str]:
    event = run.history.first(keys.outcome(GROUP))
    if event is None or run.outcome is None:
        return
    if run.outcome.status is OutcomeStatus.FINISHED:
        weights = run.history.first(keys.global_weights(GROUP, run.wanted.rounds))
        if weights is None or weights.place > event.place:
            yield "the federation finished before its last round was closed"
        return
    reason = run.outcome.reason
    if reason == "cancelled by a user":
        if run.scenario.cancel is not Target.GROUP:
            yield "the federation counts as cancelled and was never cancelled"
    elif match := re.match(r"round (\d+): (\d+) updates?, at least (\d+) needed: (.*)", reason):
        yield from _wrongly_failed(run, event, int(match[1]), int(match[2]), match[4])
    else:
        yield f"the federation failed: {reason}"


def _wrongly_failed(run: Run, event: AppliedRequest, round_: int, delivered: int, cause: str) -> Iterator[str]:
    updates = {m: run.history.first(keys.update(GROUP, round_, m)) for m in run.wanted.sampling.members(round_)}
    landed = [update for update in updates.values() if update is not None and update.place < event.place]
    if round_ not in run.decisions or run.decisions[round_][1].reason != "failed":
        yield f"the federation failed in round {round_}, which was not decided so"
    if delivered >= run.wanted.min_participants or len(landed) < delivered:
        yield f"the federation failed in round {round_} of {count(len(landed), 'update')}: {run.outcome}"
    lasts_s = (1 + EXTENSIONS) * run.wanted.round_timeout_s
    if "timed out" in cause and _first_that_counts(run, round_, event) + lasts_s > event.at + 1:
        yield f"round {round_} was given up before its time"
    silent = [m for m, update in updates.items() if update not in landed]
    if "timed out" not in cause and not all(_gone(run, m, event) for m in silent):
        yield f"the federation failed in round {round_} while members could still deliver"
