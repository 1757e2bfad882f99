"""What the protocol promises about its cost, each promise with what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from infra.bench.protocol.cases import Case, Cost, measure
from infra.bench.protocol.deadline import CLOCK_S, Death, Stragglers
from infra.bench.protocol.idle import Idle
from protocol.wire.schedule import DEFAULT_ROUNDS

OWN_REQUESTS = 4.0
ROUNDS_MS = ((2, 10.0, 200.0), (8, 30.0, 500.0))  # members, milliseconds a request, milliseconds a round


@dataclass(frozen=True)
class Goal:
    """A promise, what was measured, and whether that keeps it."""

    goal: str
    measured: str
    met: bool


def no_dearer_with_history(
    barriers: Sequence[str], idlers: Sequence[Idle], latency_ms: float, history: int
) -> list[Goal]:
    """Neither idleness nor a running federation costs more when many jobs have finished in the bucket."""
    changed = [row.who for row in idlers if not row.same_with_history]
    goals = [
        Goal(
            f"idle cost is the same after {history:,} finished jobs",
            f"other requests or listed rows: {', '.join(changed)}" if changed else "equal requests, bytes and rows",
            not changed,
        )
    ]
    for barrier in barriers:
        case = Case(barrier, members=8, rounds=20, work_s=10.0, latency_ms=latency_ms)
        without, after = (measure(case, history=jobs) for jobs in (0, history))
        same = without == after
        goals.append(
            Goal(
                f"{barrier}: a federation costs the same after {history:,} finished jobs",
                "equal requests, bytes, rows and times" if same else f"{without.requests} and {after.requests}",
                same,
            )
        )
    return goals


def few_requests(costs: Sequence[Cost]) -> list[Goal]:
    """A member's own requests; those of its start and end spread over the hundred rounds of a usual federation."""
    worst = max(costs, key=_own)
    closing = max(_own(cost) + cost.closing / cost.case.members for cost in costs)
    return [
        Goal(
            f"at most {OWN_REQUESTS:g} requests per member and round besides polls and renewals",
            f"{_own(worst):.2f} at most, {closing:.2f} with its part of the closing",
            _own(worst) <= OWN_REQUESTS,
        )
    ]


def _own(cost: Cost) -> float:
    return cost.own["work"] + cost.once / DEFAULT_ROUNDS


def quick_rounds(barriers: Sequence[str], rounds: int) -> list[Goal]:
    """A round in which nothing is trained."""
    goals = []
    for barrier in barriers:
        for members, latency_ms, wanted_ms in ROUNDS_MS:
            found = measure(Case(barrier, members, rounds, 0.0, latency_ms), join_s=0.0)
            goals.append(
                Goal(
                    f"{barrier}: a round of {members} at {latency_ms:g} ms a request takes at most {wanted_ms:g} ms",
                    f"{found.overhead_ms:.0f} ms; weights {found.barrier_ms.median:.0f} ms after the last update",
                    found.overhead_ms <= wanted_ms,
                )
            )
    return goals


def dead_members(deaths: Sequence[Death]) -> list[Goal]:
    """A dead member costs the deadline and one poll."""
    goals = []
    for barrier in dict.fromkeys(death.barrier for death in deaths):
        some = [death for death in deaths if death.barrier == barrier]
        late, extra = max(death.closed_after_s for death in some), max(death.extra_s for death in some)
        allowed = CLOCK_S + min(death.one_poll_s for death in some)
        goals.append(
            Goal(
                f"{barrier}: a dead member costs the deadline and one poll (here at most {allowed:.1f} s)",
                f"closed {late:.1f} s after it at most; that round took {extra:.1f} s beyond work and deadline",
                all(death.as_promised for death in some),
            )
        )
    return goals


def stragglers_left_behind(runs: Sequence[Stragglers]) -> list[Goal]:
    """A federation with stragglers goes at the pace of the others."""
    return [
        Goal(
            f"{run.barrier}: eight with one 50 x slower, one that dies and one that is late keep the others' pace",
            f"{run.seconds:,.0f} s; the other five alone {run.undisturbed_s:,.0f} s; waiting {run.waiting_s:,.0f} s",
            run.at_the_pace_of_the_others,
        )
        for run in runs
    ]
