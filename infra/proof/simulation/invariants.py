"""What must hold of every run, read off its history; the invariants of docs/protocol.md.

A check knows the protocol's promises and its keys, none of its code paths: it looks at what reached the server, in
which order and from whom, and computes the expected result again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from env.errors import SimArenaError
from infra.proof.simulation import checks_attack as attack
from infra.proof.simulation import checks_cost as cost
from infra.proof.simulation import checks_jobs as jobs
from infra.proof.simulation import checks_learners as learners
from infra.proof.simulation import checks_rounds as rounds
from infra.proof.simulation import checks_updates as updates
from infra.proof.simulation.evidence import Run


class Invariant(StrEnum):
    """The promises, numbered as in docs/simulation.md."""

    RESULT = "1 every job has exactly one result, and rightly"
    OWNER = "2 an attempt has one owner, and only owners write"
    DECISION = "3 a round has one decision and one average, of exactly what it lists"
    UPDATE = "4 no update is lost, counted twice or another's"
    WEIGHTS = "5 the weights are those of an undisturbed run, and everything ends"
    FAULTS = "6 every fault is survived"
    KEYS = "7 nothing is written where it does not belong"
    COST = "8 nothing is asked for or trained without need"
    ATTACK = "9 an attacker with one member's credentials spoils that member's job, and no other's"
    LEARNER = "10 a job is left to others where its learner is missing, and it is said where training does not repeat"


@dataclass(frozen=True)
class Violation:
    invariant: Invariant
    text: str


def violations(run: Run) -> Iterator[Violation]:
    """All that is wrong with a run."""
    for invariant, checks in CHECKS.items():
        for check in checks:
            if run.forged and check in OF_HONEST_CLOSERS:
                continue
            try:
                for text in check(run):
                    yield Violation(invariant, text)
            except (SimArenaError, ValueError, KeyError) as error:
                yield Violation(invariant, f"{check.__name__}: what is in the bucket cannot be judged: {error!r}")


# -- 6 faults --------------------------------------------------------------------------------------


def daemons_survive_faults(run: Run) -> Iterator[str]:
    """No daemon ends by an error; a command for one thing may end with one of our errors, which is one clear line."""
    for process in run.processes:
        if process.error is None:
            continue
        number = re.match(r"w(\d+)", process.name)
        for_one_thing = process.name.startswith(("dispatch", "canceller")) or (
            number is not None and int(number[1]) < run.scenario.stays
        )
        if not (for_one_thing and isinstance(process.error, SimArenaError)):
            yield f"{process.name} ended with {process.error!r}"


Check = Callable[[Run], Iterable[str]]

CHECKS: dict[Invariant, tuple[Check, ...]] = {
    Invariant.RESULT: (jobs.every_job_has_one_result, jobs.results_are_right),
    Invariant.OWNER: (
        jobs.only_owners_write,
        jobs.marks_are_deleted_only_when_they_are_history,
    ),
    Invariant.DECISION: (
        rounds.what_commits_is_created_once,
        rounds.rounds_close_in_order_and_for_a_reason,
        rounds.averages_are_of_what_is_listed,
        rounds.the_outcome_is_right,
    ),
    Invariant.UPDATE: (
        updates.updates_are_their_members_own,
        updates.what_is_listed_was_there,
        updates.states_follow_from_one_another,
    ),
    Invariant.WEIGHTS: (updates.everything_ends, updates.the_weights_are_those_of_an_undisturbed_run),
    Invariant.FAULTS: (daemons_survive_faults,),
    Invariant.KEYS: (
        jobs.nothing_is_written_elsewhere,
        jobs.queue_entries_leave_only_with_a_result,
        rounds.reports_are_sync_servers_own,
    ),
    Invariant.COST: (
        cost.polls_grow_rarer,
        cost.no_living_attempt_is_overtaken,
        cost.nothing_is_trained_after_the_result,
    ),
    Invariant.ATTACK: (
        attack.updates_ahead_of_time_do_not_count,
        attack.no_round_is_the_attackers_alone,
        attack.the_weights_are_made_of_what_members_sent,
        attack.nobody_goes_on_from_forged_weights,
        attack.no_robust_average_is_beyond_the_others,
    ),
    Invariant.LEARNER: (
        learners.nobody_trains_what_is_not_installed,
        learners.another_state_of_an_epoch_is_said,
        learners.what_does_not_repeat_is_in_the_result,
    ),
}

OF_HONEST_CLOSERS = (
    jobs.results_are_right,
    rounds.rounds_close_in_order_and_for_a_reason,
    rounds.averages_are_of_what_is_listed,
    rounds.the_outcome_is_right,
    attack.the_weights_are_made_of_what_members_sent,
    attack.no_robust_average_is_beyond_the_others,
)
"""What is not promised where an attacker that may close rounds wrote a decision, weights or the outcome itself."""
