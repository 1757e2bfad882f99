"""What the protocol costs: requests, dollars and waiting, as federations and histories grow. All in virtual time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import linear_regression, median

from infra.bench.protocol.meter import Counts, Ledger, RequestKind
from infra.bench.protocol.world import STATE_BYTES, MeteredWorld, no_op_federation, submitted
from infra.proof.standin import GROUP
from protocol.wire import keys
from protocol.wire.federation_documents import Federation
from protocol.wire.prices import DOLLARS_PER_GB_MONTH

JOIN_S = 10.0  # a fleet's machines do not start at the same moment
SPREAD = 0.1  # nor are its members equally fast: 10 % faster and slower than the mean


@dataclass(frozen=True)
class Case:
    """A federation to be measured.

    Attributes:
        work_s: mean seconds that a member trains in a round.
        latency_ms: what every request takes.
    """

    barrier: str
    members: int
    rounds: int
    work_s: float
    latency_ms: float

    def work(self, member: int) -> float:
        """Seconds of a member, who is 10 % faster to 10 % slower than the mean."""
        rank = member / (self.members - 1) if self.members > 1 else 0.5
        return self.work_s * (1 - SPREAD + 2 * SPREAD * rank)

    @property
    def slowest_s(self) -> float:
        return self.work(self.members - 1)


@dataclass(frozen=True)
class Latency:
    """Milliseconds from the last update that was in to the global weights at a member.

    Attributes:
        median, p95: over members and rounds.
        slowest: of the last member of a round, median over rounds.
    """

    median: float
    p95: float
    slowest: float


@dataclass(frozen=True)
class Cost:
    """What a federation costs, without its first and last round, in which jobs start and end: these are in `once`.

    Attributes:
        own: requests of a member and round, by kind; where members close the rounds that is a part of them.
        closing: requests for closing a round.
        closer_polls: of a sync-server in a round; where members close rounds, they are among theirs.
        once: requests of a member's start and end, claim to result.
        sent_bytes, received_bytes: of bodies, per member and round.
        rows: listed, per member and round.
        dollars_per_1000_rounds: requests at list prices.
        dollars_once: requests of the first and the last round, with all starts and ends.
        stored_gb_per_1000_rounds: with states and updates as large as the default DQN's.
        round_s: from one decision to the next.
        requests: all of them, by role, kind and verb.
    """

    case: Case
    own: dict[str, float]
    closing: float
    closer_polls: float
    once: float
    sent_bytes: float
    received_bytes: float
    rows: float
    dollars_per_1000_rounds: float
    dollars_once: float
    stored_gb_per_1000_rounds: float
    barrier_ms: Latency
    round_s: float
    requests: dict[str, dict[str, int]]

    @property
    def storage_dollars_a_month(self) -> float:
        """Of what 1000 rounds leave behind."""
        return self.stored_gb_per_1000_rounds * DOLLARS_PER_GB_MONTH

    @property
    def overhead_ms(self) -> float:
        """What a round takes beyond its slowest member's work."""
        return 1000 * (self.round_s - self.case.slowest_s)


def measure(case: Case, *, join_s: float = JOIN_S, history: int = 0) -> Cost:
    """Run a federation to its end, with as many workers as members, and count.

    Args:
        join_s: the workers start within so many seconds.
        history: finished jobs in the bucket.
    """
    federation = no_op_federation(case.members, case.rounds, case.barrier)
    scene = submitted(federation, case.latency_ms, history)
    for number in range(case.members):
        scene.worker(f"w{number}", case.work, at=join_s * number / case.members)
    scene.run_to(keys.global_weights(GROUP, 1))
    first = scene.ledger.counts()
    scene.run_to(keys.global_weights(GROUP, case.rounds - 1))  # members end before the last one is closed
    steady = scene.ledger.counts() - first
    scene.run(_all_over(scene, federation))
    total = scene.ledger.counts()
    scene.world.close()
    return _cost(case, scene.ledger, steady, total)


def _all_over(scene: MeteredWorld, federation: Federation) -> Callable[[], bool]:
    owing = [keys.outcome(GROUP), *(keys.result(keys.member_job(GROUP, m)) for m in range(federation.size))]

    def over() -> bool:
        while owing and owing[-1] in scene.world.s3.objects:
            owing.pop()
        return not owing

    return over


def _cost(case: Case, ledger: Ledger, steady: Counts, total: Counts) -> Cost:
    rounds = case.rounds - 2
    each = rounds * case.members
    own = {
        kind.value: steady.of(kind, role="worker") / each
        for kind in (RequestKind.WORK, RequestKind.POLL, RequestKind.RENEWAL)
    }
    updates_and_weights = steady.moved("PUT") / rounds
    return Cost(
        case=case,
        own=own,
        closing=steady.of(RequestKind.CLOSING) / rounds,
        closer_polls=steady.of(RequestKind.POLL, role="sync-server") / rounds,
        once=total.of(RequestKind.ONCE, role="worker") / case.members,
        sent_bytes=steady.moved("PUT") / each,
        received_bytes=steady.moved("GET") / each,
        rows=sum(steady.rows.values()) / each,
        dollars_per_1000_rounds=1000 * steady.dollars / rounds,
        dollars_once=(total - steady).dollars,
        stored_gb_per_1000_rounds=1000 * (updates_and_weights + case.members * STATE_BYTES) / 1e9,
        barrier_ms=barrier_latency(ledger, range(2, case.rounds)),
        round_s=round_seconds(ledger, case.rounds),
        requests=total.table(),
    )


def barrier_latency(ledger: Ledger, rounds: Iterable[int]) -> Latency:
    """How long members wait for the global weights once every update is in."""
    waits = []
    for round_ in rounds:
        full = max(ledger.delivered[round_].values())
        waits.append([1000 * (seen - full) for seen in ledger.arrived[round_].values()])
    each = sorted(wait for round_ in waits for wait in round_)
    return Latency(median(each), each[math.ceil(0.95 * len(each)) - 1], median(max(round_) for round_ in waits))


def round_seconds(ledger: Ledger, rounds: int) -> float:
    """Mean seconds of a round, from one decision to the next; without the first, in which workers start."""
    return (ledger.decided[rounds] - ledger.decided[1]) / (rounds - 1)


# -- growth ------------------------------------------------------------------------------------------


def growth(members: Sequence[int], values: Sequence[float]) -> float | None:
    """The power of N with which a quantity grows: the slope of a straight line through the logarithms.

    None where there is none: fewer than two sizes, or a quantity that is 0 somewhere.
    """
    if len(members) < 2 or min(values) <= 0:
        return None
    return linear_regression([math.log(n) for n in members], [math.log(value) for value in values]).slope
