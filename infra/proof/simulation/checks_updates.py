"""Checks on what members contribute: updates, the states they are of, and the weights that come out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from infra.proof.simulation.evidence import Run
from infra.proof.simulation.history import AppliedRequest
from infra.proof.simulation.plain import averaging, first_inputs, fresh_learner
from infra.proof.simulation.scenario import EVER_S
from infra.proof.standin import GROUP, federation, training
from infra.proof.tiny_learner import tiny_federation, training_of
from protocol.rounds.aggregate import RoundInputs
from protocol.strategies.table import Strategy
from protocol.wire import keys
from protocol.wire.federation_documents import OutcomeStatus
from protocol.wire.job_documents import ResultStatus

# -- 4 updates -------------------------------------------------------------------------------------


def updates_are_their_members_own(run: Run) -> Iterator[str]:
    """An update comes after the state it is of, holds the weights of that state and states its round correctly."""
    for job_id, member, round_, update in _updates(run):
        if run.is_spoilt(job_id):
            continue
        if member not in run.wanted.sampling.members(round_):
            yield f"{update.key}: the round did not draw the member"
        state = run.states[job_id].get(run.wanted.schedule.last(round_))
        if state is None or state.place > update.place:
            yield f"{update.key}: came before its state"
            continue
        learner = run.restored(job_id, state)
        if run.repeats and update.request.body != learner.weights():
            yield f"{update.key}: holds other weights than the member's state"
        facts = json.loads(update.request.metadata["facts"])
        done = learner.history[-len(run.wanted.schedule.of(round_)) :]
        if facts["transitions"] != sum(episode.steps for episode in done):
            yield f"{update.key}: tells {facts['transitions']} transitions"
        decided = run.decisions.get(round_)
        weights = {p.member: p.weight for p in decided[1].participants} if decided else {}
        true = facts["transitions"] if run.wanted.strategy.by_transitions else 1
        if weights.get(member, true) != true:
            yield f"round {round_}: member {member} has weight {weights[member]} instead of {true}"


def _updates(run: Run) -> Iterator[tuple[str, int, int, AppliedRequest]]:
    for member, job_id in enumerate(run.member_jobs):
        for round_ in range(1, run.wanted.rounds + 1):
            for update in run.history.created.get(keys.update(GROUP, round_, member), [])[:1]:
                yield job_id, member, round_, update


def what_is_listed_was_there(run: Run) -> Iterator[str]:
    for round_, (event, decision) in run.decisions.items():
        for participant in decision.participants:
            update = run.history.first(keys.update(GROUP, round_, participant.member))
            if update is None or update.place > event.place:
                yield f"round {round_}: lists member {participant.member}, whose update was not there"


def states_follow_from_one_another(run: Run) -> Iterator[str]:
    """Each state is what training makes of an earlier one (or of nothing) and of the round's global weights."""
    if not run.repeats:
        return
    for job_id, states in run.states.items():
        if run.is_spoilt(job_id):
            continue
        for episode, event in states.items():
            bases = [*(states[n] for n in sorted(states, reverse=True) if n < episode), None]
            if not any(_follows(run, job_id, episode, event, base) for base in bases):
                yield f"{event.key}: follows from no state before it"


def _follows(run: Run, job_id: str, last: int, event: AppliedRequest, base: AppliedRequest | None) -> bool:
    learner = run.fresh_learner(job_id) if base is None else run.restored(job_id, base)
    first = learner.episode + 1
    if job_id in run.member_jobs:
        round_ = run.wanted.schedule.round_after(last) or 0
        first = run.wanted.schedule.last(round_ - 1) + 1
        if round_ > 1:
            weights = run.history.first(keys.global_weights(GROUP, round_ - 1))
            if weights is None or weights.place > event.place:
                return False
            learner.load_weights(weights.request.body)
    for episode in range(first, last + 1):
        learner.run_episode(episode, lambda: False)
    return learner.state() == event.request.body


# -- 5 weights and progress ------------------------------------------------------------------------


def everything_ends(run: Run) -> Iterator[str]:
    if run.stuck is not None:
        yield run.stuck


def the_weights_are_those_of_an_undisturbed_run(run: Run) -> Iterator[str]:
    """If every member was in every round. That they are in unless something drove them out is asked here too."""
    wanted = run.wanted
    if run.scenario.attacked is not None:
        return  # see `checks_attack`
    missing = [
        (round_, member)
        for round_, (_, decision) in run.decisions.items()
        for member in wanted.sampling.members(round_)
        if member not in {p.member for p in decision.participants}
    ]
    left = {m for m, job_id in enumerate(run.member_jobs) if _result_status(run, job_id) is not ResultStatus.SUCCESS}
    if wanted.round_timeout_s >= EVER_S:
        closed = {round_ for round_, (_, decision) in run.decisions.items() if decision.reason != "failed"}
        gone = [(round_, member) for round_, member in missing if round_ in closed and member not in left]
        yield from (f"round {round_}: is without member {member}, who finished" for round_, member in gone)
    final = run.body(keys.global_weights(GROUP, wanted.rounds))
    if final is not None and not missing and run.repeats:
        how = (wanted.episodes_per_round, wanted.strategy, wanted.sample, run.scenario.learns)
        expected = reference(wanted.size, wanted.training.episodes, *how)
        if final != expected:
            yield f"the final weights are {final!r}, those of an undisturbed run {expected!r}"
        if run.outcome and run.outcome.status is OutcomeStatus.FINISHED and not run.outcome.weights_sha256:
            yield "the outcome does not name the final weights"


def _result_status(run: Run, job_id: str) -> ResultStatus | None:
    found = run.results.get(job_id)
    return found[1].status if found else None


@cache
def reference(
    size: int, episodes: int, per_round: int, strategy: Strategy, sample: int | None = None, learns: bool = False
) -> bytes:
    """The final weights as a plain loop over rounds and members makes them: no bucket, no processes, no protocol."""
    how: dict[str, Any] = {"episodes_per_round": per_round, "strategy": strategy, "sample": sample}
    wanted = tiny_federation(size, episodes, **how) if learns else federation(size, episodes, **how)
    learners = [fresh_learner(wanted.training, member, wanted) for member in range(size)]
    before = first_inputs(wanted)
    for round_ in range(1, wanted.rounds + 1):
        aggregate = averaging(wanted, before)
        for learner in (learners[member] for member in wanted.sampling.members(round_)):
            done = [learner.run_episode(n, lambda: False) for n in wanted.schedule.of(round_)]
            aggregate.add(learner.weights(), sum(e.steps for e in done) if strategy.by_transitions else 1)
        found = aggregate.finish()
        for learner in learners:
            learner.load_weights(found.weights)
        before = RoundInputs(found.weights, found.server_state)
    return before.weights or b""


@cache
def trained_alone(episodes: int, learns: bool) -> Mapping[str, bytes]:
    """The files of a job without a federation."""
    learner = fresh_learner(training_of(training(episodes)) if learns else training(episodes))
    for episode in range(1, episodes + 1):
        learner.run_episode(episode, lambda: False)
    return learner.artifacts()
