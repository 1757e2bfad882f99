"""Checks on runs with an attacker: what it cannot do to the others."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from agents.saved import checkpoint
from infra.proof.simulation.evidence import Run
from infra.proof.simulation.plain import averaging, dropped, first_inputs, fresh_learner
from infra.proof.standin import GROUP
from protocol.rounds.aggregate import RoundInputs
from protocol.wire import keys

# -- 9 the attacker --------------------------------------------------------------------------------


def updates_ahead_of_time_do_not_count(run: Run) -> Iterator[str]:
    for round_, (_, decision) in run.decisions.items():
        for participant in decision.participants:
            update = run.history.first(keys.update(GROUP, round_, participant.member))
            if update is not None and int(update.at) < int(run.opened(round_)):
                yield f"round {round_}: member {participant.member} is in, whose update is older than the round"


def no_round_is_the_attackers_alone(run: Run) -> Iterator[str]:
    """Of three members or more; one of two may be left alone by a timeout."""
    for round_, (_, decision) in run.decisions.items():
        members = [participant.member for participant in decision.participants]
        if members == [run.scenario.attacked] and run.wanted.round_size > 2:
            yield f"round {round_}: the attacker is alone in it"


def the_weights_are_made_of_what_members_sent(run: Run) -> Iterator[str]:
    """The final weights are those of a plain loop, with the attacker's updates only where a decision lists them."""
    attacked = run.scenario.attacked
    final = run.body(keys.global_weights(GROUP, run.wanted.rounds))
    if attacked is None or final is None or run.wanted.rounds not in run.decisions or not run.repeats:
        return
    learners = {m: fresh_learner(run.wanted.training, m, run.wanted) for m in range(run.wanted.size) if m != attacked}
    before = first_inputs(run.wanted)
    for round_ in range(1, run.wanted.rounds + 1):
        listed = {p.member: p.weight for p in run.decisions[round_][1].participants}
        if not learners.keys() & set(run.wanted.sampling.members(round_)) <= listed.keys():
            return  # others were left out, with reasons that other checks judge; what they trained then depends on them
        aggregate = averaging(run.wanted, before)
        for member in sorted(listed):
            if member == attacked:
                aggregate.add(run.body(keys.update(GROUP, round_, member)) or b"", listed[member])
                continue
            done = [learners[member].run_episode(n, lambda: False) for n in run.wanted.schedule.of(round_)]
            transitions = sum(episode.steps for episode in done)
            aggregate.add(learners[member].weights(), transitions if run.wanted.strategy.by_transitions else 1)
        found = aggregate.finish()
        before = RoundInputs(found.weights, found.server_state)
        for learner in learners.values():
            learner.load_weights(found.weights)
    if final != before.weights:
        yield f"the final weights are {final!r}, those of what the members sent {before.weights!r}"


def nobody_goes_on_from_forged_weights(run: Run) -> Iterator[str]:
    """What the attacker decides or averages is wrong in every run: it would be the only one in the round."""
    for round_ in range(1, run.wanted.rounds):
        written = (keys.decision(GROUP, round_), keys.global_weights(GROUP, round_))
        if not any(map(run.by_attacker, written)):
            continue
        for job_id in run.member_jobs:
            if not run.is_spoilt(job_id) and run.wanted.schedule.last(round_ + 1) in run.states[job_id]:
                yield f"round {round_ + 1}: {job_id} went on from a round that the attacker forged"


def no_robust_average_is_beyond_the_others(run: Run) -> Iterator[str]:
    """Of each number it lies within what the honest members sent, of three updates or more."""
    if run.scenario.attacked is None or not run.wanted.strategy.robust:
        return
    for round_, (_, decision) in run.decisions.items():
        body = run.body(keys.global_weights(GROUP, round_))
        members = [participant.member for participant in decision.participants]
        if body is None or not dropped(run.wanted.strategy, len(members)):
            continue
        honest = [_numbers(run, keys.update(GROUP, round_, m)) for m in members if m != run.scenario.attacked]
        average = _numbers(run, keys.global_weights(GROUP, round_))
        if (average < np.min(honest, axis=0)).any() or (average > np.max(honest, axis=0)).any():
            yield f"round {round_}: the attacker moved the {run.wanted.strategy} beyond what the others sent"


def _numbers(run: Run, key: str) -> NDArray[np.float32]:
    """The tensors of an update or of weights, one after the other by name."""
    tensors = checkpoint.loads(run.body(key) or b"", key)
    return np.concatenate([tensors[name] for name in sorted(tensors)])
