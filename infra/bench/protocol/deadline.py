"""Members that die, are slow or join late, in federations whose rounds have a deadline.

Every worker stays with its member here, as with `worker --job`: where workers may take any, a dead one's member is
taken over, and no member is missing for longer than a lease.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from infra.bench.protocol.world import MeteredWorld, no_op_federation, submitted
from infra.proof.standin import GROUP, bucket_of
from protocol.wire import documents, keys
from protocol.wire.bucket import poll_delay
from protocol.wire.federation_documents import Decision, Federation
from protocol.wire.job_documents import Result

DIES_IN, TIMEOUT_S = 6, 30.0  # the round of a death, and what rounds wait for the missing
CLOCK_S = 1.0  # S3's times are whole seconds, so a deadline is seen up to so much late


@dataclass(frozen=True)
class Death:
    """What the round cost in which a member died for good.

    Attributes:
        undisturbed_s: a round before it.
        round_s: that round.
        timeout_s: the federation's `--round-timeout`.
        closed_after_s: how long after the deadline it was closed.
        one_poll_s: the longest pause between two polls at that moment.
    """

    barrier: str
    undisturbed_s: float
    round_s: float
    timeout_s: float
    closed_after_s: float
    one_poll_s: float

    @property
    def extra_s(self) -> float:
        """What the round took beyond the work and the deadline."""
        return self.round_s - self.undisturbed_s - self.timeout_s

    @property
    def as_promised(self) -> bool:
        """It cost the deadline and one poll, as exactly as S3's clock tells."""
        return self.closed_after_s <= CLOCK_S + self.one_poll_s


def deaths(barrier: str, latency_ms: float, seeds: int) -> list[Death]:
    """The same death again and again; seeds differ in when polls come."""
    return [death(barrier, latency_ms, seed) for seed in range(1, seeds + 1)]


def death(barrier: str, latency_ms: float, seed: int) -> Death:
    """Eight members that train for ten seconds in a round; one is killed as soon as round `DIES_IN` has begun."""
    wanted = no_op_federation(8, DIES_IN + 2, barrier, round_timeout_s=TIMEOUT_S, min_participants=7)
    scene = submitted(wanted, latency_ms, seed=seed)
    workers = [scene.worker(f"w{n}", lambda member: 10.0, only=n) for n in range(wanted.size)]
    ledger = scene.ledger
    scene.run(lambda: len(ledger.arrived.get(DIES_IN - 1, ())) >= wanted.size)
    workers[0].kill()
    scene.run(lambda: len(ledger.arrived.get(DIES_IN, ())) >= wanted.size - 1)
    seen = {round_: max(ledger.arrived[round_].values()) for round_ in range(1, DIES_IN + 1)}
    undisturbed = median(seen[round_] - seen[round_ - 1] for round_ in range(2, DIES_IN))
    deadline = min(ledger.delivered[DIES_IN].values()) + TIMEOUT_S
    scene.world.close()
    return Death(
        barrier=barrier,
        undisturbed_s=undisturbed,
        round_s=seen[DIES_IN] - seen[DIES_IN - 1],
        timeout_s=TIMEOUT_S,
        closed_after_s=ledger.decided[DIES_IN] - deadline,
        one_poll_s=poll_delay(deadline - seen[DIES_IN - 1], 1.0),
    )


# -- stragglers --------------------------------------------------------------------------------------

FAST = 5
PACE = 1.25  # a sixth of a round's work for its deadline, a tenth for the poll after it
UNEVEN = 0.05  # the fast ones are up to so much faster and slower than their mean


@dataclass(frozen=True)
class StragglerCase:
    """Eight members, of whom one is slow, one dies and one joins late, and a round's deadline.

    Attributes:
        work_s: mean seconds of a member's training in a round.
        slow: one member takes so many times as long.
        dies_in: the round in which another one's worker is killed.
        joins_in: the round in which the last one comes.
        timeout_s: `--round-timeout`, from a round's first update on.
    """

    rounds: int = 100
    work_s: float = 60.0
    slow: float = 50.0
    dies_in: int = 20
    joins_in: int = 40
    timeout_s: float = 10.0


@dataclass(frozen=True)
class Straggler:
    """How a member fared.

    Attributes:
        kind: what it was like.
        rounds: those that averaged its update.
        episodes: that it trained, one a round; None if it has no result.
        finished_s: when it had its result.
    """

    kind: str
    rounds: tuple[int, ...]
    episodes: int | None
    finished_s: float | None


@dataclass(frozen=True)
class Stragglers:
    """The federation of eight beside its five good members alone.

    Attributes:
        seconds: until the last round's weights.
        undisturbed_s: the same of the five alone.
        closed: when each round's weights could first be had.
    """

    barrier: str
    plot: StragglerCase
    members: tuple[Straggler, ...]
    seconds: float
    undisturbed_s: float
    closed: tuple[float, ...]

    @property
    def waiting_s(self) -> float:
        """What it would take to wait for the slow one in every round."""
        return self.plot.rounds * self.plot.work_s * self.plot.slow

    @property
    def at_the_pace_of_the_others(self) -> bool:
        """Not slower than the five alone, but for the deadline that a round now costs."""
        return self.seconds <= PACE * self.undisturbed_s


def stragglers(barrier: str, latency_ms: float, plot: StragglerCase = StragglerCase()) -> Stragglers:
    """Run the five alone, then all eight."""
    alone, _ = _begin(plot, barrier, FAST, latency_ms)
    alone.run_to(keys.global_weights(GROUP, plot.rounds))
    undisturbed_s = alone.world.now
    alone.world.close()

    scene, wanted = _begin(plot, barrier, FAST + 3, latency_ms)
    epoch = scene.world.s3.time - scene.world.now
    scene.worker("slow", lambda member: plot.work_s * plot.slow, only=FAST)
    doomed = scene.worker("dies", lambda member: plot.work_s, only=FAST + 1)
    scene.run_to(keys.global_weights(GROUP, plot.dies_in - 1))
    doomed.kill()
    scene.run_to(keys.global_weights(GROUP, plot.joins_in - 1))
    scene.worker("late", lambda member: plot.work_s, only=FAST + 2)
    scene.run_to(keys.global_weights(GROUP, plot.rounds))
    seconds = scene.world.now
    scene.run(lambda: all(process.ended for process in scene.world.processes if process.name != "sync-server"))
    members = _members(scene, wanted, plot, epoch)
    scene.world.close()
    closed = tuple(min(scene.ledger.arrived[round_].values()) for round_ in range(1, plot.rounds))
    return Stragglers(barrier, plot, members, seconds, undisturbed_s, (*closed, seconds))


def _begin(plot: StragglerCase, barrier: str, size: int, latency_ms: float) -> tuple[MeteredWorld, Federation]:
    wanted = no_op_federation(size, plot.rounds, barrier, round_timeout_s=plot.timeout_s, min_participants=FAST - 1)
    scene = submitted(wanted, latency_ms)

    def work(member: int) -> float:
        return plot.work_s * (1 - UNEVEN + 2 * UNEVEN * member / (FAST - 1))

    for member in range(FAST):
        scene.worker(f"fast-{member + 1}", work, only=member)
    return scene, wanted


def _members(scene: MeteredWorld, wanted: Federation, plot: StragglerCase, epoch: float) -> tuple[Straggler, ...]:
    bucket = bucket_of(scene.world)
    kinds = [f"fast {n + 1}" for n in range(FAST)]
    kinds += [f"{plot.slow:g} x slower", f"dies in round {plot.dies_in}", f"joins in round {plot.joins_in}"]
    takes_part = _takes_part(scene, wanted)
    found = []
    for member, kind in enumerate(kinds):
        job_id = keys.member_job(GROUP, member)
        result = documents.read(bucket, Result, keys.result(job_id))
        times = [e.modified for e in bucket.list(keys.results(job_id)).entries if e.key == keys.result(job_id)]
        episodes = result.episodes_completed if result else None
        found.append(Straggler(kind, takes_part[member], episodes, times[0] - epoch if times else None))
    return tuple(found)


def _takes_part(scene: MeteredWorld, wanted: Federation) -> list[tuple[int, ...]]:
    bucket = bucket_of(scene.world)
    rounds: list[list[int]] = [[] for _ in range(wanted.size)]
    for round_ in range(1, wanted.rounds + 1):
        key = keys.decision(GROUP, round_)
        decision = documents.parse(Decision, bucket.get(key, 8 << 20) or b"", key)
        for participant in decision.participants:
            rounds[participant.member].append(round_)
    return [tuple(each) for each in rounds]
