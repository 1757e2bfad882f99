"""What one seed of `sim-arena simulate` draws: who takes part, what they are told, and what goes wrong.

Not every kind of fault in every run (swarm testing, Groce et al., ISSTA 2012): faults hide each other's effects, and
a run with two kinds at a high rate finds what one with fifteen at a low rate does not.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from env.words import count
from infra.proof.standin import federation, training
from infra.proof.tiny_learner import Habit, learning, training_of
from protocol.strategies.table import ROBUST_SIZE, Strategy
from protocol.wire.choices import Closers
from protocol.wire.federation_documents import Federation
from protocol.wire.job_documents import SAMPLING_VERSION, TrainingSpec

EVER_S = 1e6  # a round timeout that no run reaches
ATTACKER = "attacker"  # the name of its process
SYNC_SERVERS = ("sync-", "fresh-sync")  # how the names of theirs begin
REPORTED = 0.25  # the share of runs whose sync-servers write a report
SAMPLED = 0.3  # the share of runs whose rounds draw some of the members, of those with two or more
LEARNING = 0.2  # the share of runs whose jobs name a learner of a package
ATTACKED = 0.25  # the share of runs with an attacker, of those with two members or more and no purge


class Fault(StrEnum):
    """What may happen to a request, or to the process that sends it, at that moment."""

    KILL_BEFORE = "killed before a request"
    KILL_AFTER = "killed after a request took effect"
    PAUSE = "paused, also past its lease"
    STOP = "told to stop"
    CUT_OFF = "cut off from S3 for a while"
    SLEEP_THROUGH = "paused until after the purge"
    LOST_REQUEST = "request lost"
    LOST_ANSWER = "answer lost"
    ERROR_500 = "500, nothing landed"
    LANDED_500 = "500, though it landed"
    SLOW_DOWN = "503 SlowDown"
    CONFLICT = "409"
    OWN_412 = "412 to its own success"
    TIME_OUT = "time-out, nothing landed"
    ZOMBIE = "time-out, landed later"
    SLOW = "request or answer late by up to four leases"


PROCESS_FAULTS = (Fault.KILL_BEFORE, Fault.KILL_AFTER, Fault.PAUSE, Fault.STOP, Fault.CUT_OFF)


class MemberDefect(StrEnum):
    """Why a member can never finish."""

    REFUSED = "its settings are wrong: the learner says so at once"
    CRASHES = "its learner crashes in every attempt"
    HANGS = "an episode takes longer than it may"
    DAMAGED = "its manifest cannot be read"


class Target(StrEnum):
    """What the canceller cancels."""

    GROUP = "group"
    MEMBER = "member"
    SINGLE = "single"


@dataclass(frozen=True)
class SimulationScenario:
    """One run.

    Attributes:
        workers: when each worker starts, seconds.
        stays: how many of them stay with one job (`--run-once`).
        twins: how many run a second time under the same worker id.
        syncs: sync-servers; none where the workers close rounds themselves.
        singles: jobs without a federation.
        cut: the request at which the first submit is killed.
        resubmit_s: when the federation is submitted again.
        slow_member: works twenty times slower.
        faults: the share of requests that meet each kind.
        calm_s: when faults end and fresh processes join, so that every run must come to its end.
        skewed: whether machines' clocks differ by hours and run at rates of their own.
        reports: whether sync-servers write a report.
        attacked: the member whose worker's credentials an attacker has. Rounds have a timeout then, since silence is
            one of its means, and the minimum that `dispatch submit` sets by default.
        habit: of the learner, where jobs name one.
        lacking: the workers that lack it; those of odd numbers have another version.
    """

    seed: int
    wanted: Federation
    workers: tuple[float, ...]
    stays: int
    twins: int
    syncs: int
    singles: int
    cut: int | None
    resubmit_s: float | None
    cancel: Target | None
    cancel_s: float
    purge: bool
    defects: Mapping[int, MemberDefect]
    works_s: float
    slow_member: int | None
    page_size: int
    ttl_s: float
    faults: Mapping[Fault, float]
    calm_s: float
    skewed: bool
    reports: bool = False
    attacked: int | None = None
    habit: Habit = Habit.SOUND
    lacking: tuple[int, ...] = ()

    @property
    def learns(self) -> bool:
        """Whether jobs name a learner of a package; else they train integers."""
        return self.wanted.training.learner is not None

    @property
    def attacker_closes_rounds(self) -> bool:
        """Whether the attacker's credentials allow that too, as a member's do where members close rounds."""
        return self.attacked is not None and self.wanted.barrier is Closers.WORKERS and self.wanted.round_size > 2

    @property
    def single_training(self) -> TrainingSpec:
        alone = training(4, max_attempts=self.wanted.training.max_attempts)
        return training_of(alone) if self.learns else alone

    @property
    def single_jobs(self) -> tuple[str, ...]:
        return tuple(f"single-{number}" for number in range(self.singles))

    def lines(self) -> list[str]:
        """The scenario for people to read."""
        wanted = self.wanted
        drawn = f" ({wanted.sample} drawn a round)" if wanted.sample else ""
        told = [
            f"{count(wanted.size, 'member')}{drawn}, {count(wanted.rounds, 'round')}, "
            f"{count(wanted.training.episodes, 'episode')} "
            f"({wanted.episodes_per_round} a round), {wanted.strategy}, rounds closed by {wanted.barrier}",
            f"{count(len(self.workers), 'worker')} ({self.stays} stay, {self.twins} run twice), "
            f"{count(self.syncs, 'sync-server')}, "
            f"{count(self.singles, 'single job')}, at most {count(wanted.training.max_attempts, 'attempt')}",
            f"leases of {self.ttl_s:.0f} s, lists of {self.page_size} a page, "
            f"clocks {'skewed' if self.skewed else 'alike'}, faults until {self.calm_s:.0f} s",
        ]
        if wanted.round_timeout_s < EVER_S:
            told.append(f"rounds time out after {wanted.round_timeout_s:.0f} s, {wanted.min_participants} needed")
        if self.cut:
            told.append(f"the first submit is killed at request {self.cut}")
        if self.cancel:
            told.append(f"{self.cancel} cancelled at {self.cancel_s:.0f} s")
        if self.slow_member is not None:
            told.append(f"member {self.slow_member} is slow")
        if self.reports and self.syncs:
            told.append("sync-servers write a report")
        if self.learns:
            told.append(f"jobs name a learner, which {self.habit}")
            if self.lacking:
                told.append(f"it is not installed where {', '.join(f'w{number}' for number in self.lacking)} run")
        if self.attacked is not None:
            told.append(f"an attacker has the credentials of member {self.attacked}")
        told += [f"member {member}: {defect}" for member, defect in self.defects.items()]
        told += [f"{100 * rate:4.1f} %  {fault}" for fault, rate in self.faults.items()]
        return told


def draw(seed: int, members: int | None = None, rounds: int | None = None) -> SimulationScenario:
    """The scenario of a seed.

    Args:
        members: so many instead of 1 to 6.
        rounds: so many instead of 1 to 5.
    """
    rng = random.Random(seed)

    def chance(share: float) -> bool:
        return rng.random() < share

    size = members or rng.randint(1, 6)
    count = rounds or rng.randint(1, 5)
    per_round = rng.choice((1, 1, 1, 2, 3))
    strategies = (Strategy.FEDAVG, Strategy.FEDAVG, Strategy.FEDADAM, Strategy.UNIFORM)
    timed = chance(0.3)
    barrier = rng.choice((Closers.SYNC_SERVER, Closers.SYNC_SERVER, Closers.WORKERS))
    purge = chance(0.1)
    defects = {}
    if chance(0.15):
        defects = {
            member: rng.choice(list(MemberDefect))
            for member in rng.sample(range(size), rng.randint(1, (size + 1) // 2))
        }
    ttl_s = rng.choice((6.0, 15.0, 60.0, 100.0))
    calm_s = rng.choice((1.0, 2.0, 4.0)) * ttl_s
    works_s = rng.choice((0.2, 1.0, 1.0, 5.0, 20.0))
    common = training(
        count * per_round - rng.randint(0, per_round - 1),
        max_attempts=5 if MemberDefect.CRASHES in defects.values() else rng.choice((2, 5, 10, 1000)),
        episode_timeout_s=max(5 * ttl_s, 25 * works_s),  # no pause is longer, see `simulation.faults`
    )
    wanted = federation(
        size,
        training=common,
        episodes_per_round=per_round,
        strategy=rng.choice(strategies),
        barrier=barrier,
        round_timeout_s=rng.choice((1.5, 5.0, 20.0, 100.0)) if timed else EVER_S,
        min_participants=rng.randint(1, size) if timed or chance(0.1) else 1,
    )
    workers = rng.randint(1, 6)
    late = chance(0.4)
    drawn = SimulationScenario(
        seed=seed,
        wanted=wanted,
        workers=tuple(rng.uniform(0, calm_s) if late and chance(0.5) else 0.0 for _ in range(workers)),
        stays=rng.randint(0, workers) if chance(0.3) else 0,
        twins=rng.randint(1, workers) if chance(0.2) else 0,
        syncs=0 if barrier is Closers.WORKERS and chance(0.7) else rng.choice((1, 1, 2)),
        singles=rng.randint(1, 2) if chance(0.2) else 0,
        cut=rng.randint(1, 3 + 2 * size) if chance(0.2) else None,
        resubmit_s=rng.uniform(0, calm_s) if chance(0.3) else None,
        cancel=rng.choice(list(Target)) if chance(0.12) else None,
        cancel_s=rng.uniform(0, calm_s),
        purge=purge,
        defects=defects,
        works_s=works_s,
        slow_member=rng.randrange(size) if timed and chance(0.5) else None,
        ttl_s=ttl_s,
        page_size=rng.choice((1, 2, 3, 5, 1000, 1000)),
        faults=_faults(rng, purge),
        calm_s=calm_s,
        skewed=chance(0.5),
        reports=random.Random(f"reports of {seed}").random() < REPORTED,
    )
    return _attacked(_learning(_sampled(drawn)))


def _sampled(drawn: SimulationScenario) -> SimulationScenario:
    """The same, in a share of scenarios with rounds that draw members. It has a random source of its own, too."""
    rng = random.Random(f"sample of {drawn.seed}")
    wanted = drawn.wanted
    if rng.random() >= SAMPLED or wanted.size == 1:
        return drawn
    sample = rng.randint(1, wanted.size - 1)
    needed = min(wanted.min_participants, sample)
    changes = {"version": SAMPLING_VERSION, "sample": sample, "min_participants": needed}
    return replace(drawn, wanted=wanted.model_copy(update=changes))


def _learning(drawn: SimulationScenario) -> SimulationScenario:
    """The same, in a share of scenarios with jobs that name a learner, and a strategy of all there are."""
    rng = random.Random(f"learner of {drawn.seed}")
    if rng.random() >= LEARNING:
        return drawn
    strategies = [each for each in Strategy if not each.robust or drawn.wanted.round_size >= ROBUST_SIZE]
    workers = range(len(drawn.workers))
    return replace(
        drawn,
        wanted=learning(drawn.wanted, rng.choice(strategies)),
        habit=rng.choice((Habit.SOUND, Habit.SOUND, Habit.SOUND, Habit.RESTLESS, Habit.FORGETFUL)),
        lacking=tuple(sorted(rng.sample(workers, rng.randint(1, len(workers))))) if rng.random() < 0.4 else (),
    )


def _attacked(drawn: SimulationScenario) -> SimulationScenario:
    """The same, in a share of scenarios with an attacker. It has a random source of its own: the others stay."""
    rng = random.Random(f"attacker of {drawn.seed}")
    wanted = drawn.wanted
    if rng.random() >= ATTACKED or wanted.size == 1 or drawn.purge:
        return drawn
    changes = {
        "min_participants": wanted.strategy.min_participants(wanted.round_size),
        "round_timeout_s": min(wanted.round_timeout_s, rng.choice((20.0, 100.0, 100.0))),
    }
    return replace(drawn, attacked=wanted.size - 1, wanted=wanted.model_copy(update=changes))


def _faults(rng: random.Random, purge: bool) -> dict[Fault, float]:
    """A few kinds of fault, each at a rate of its own."""
    share = rng.choice((0.15, 0.3, 0.6))
    rates: dict[Fault, float] = {}
    for fault in Fault:
        if fault is Fault.SLEEP_THROUGH:
            if purge:
                rates[fault] = 0.02
        elif rng.random() < share:
            rates[fault] = 10 ** rng.uniform(-2.7, -1.3 if fault in (*PROCESS_FAULTS, Fault.SLOW) else -0.7)
    return rates
