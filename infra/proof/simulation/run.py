"""One simulated run: a scenario carried out with the protocol's own code, then judged."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256

from env.errors import SimArenaError
from infra.proof.simulation.attacker import Attacker
from infra.proof.simulation.evidence import Run
from infra.proof.simulation.faults import FaultInjector
from infra.proof.simulation.history import History
from infra.proof.simulation.invariants import Violation, violations
from infra.proof.simulation.learning import Course, Integers, Learning, averages, installed_at
from infra.proof.simulation.scenario import ATTACKER, Fault, MemberDefect, SimulationScenario, Target
from infra.proof.standin import GROUP, bucket_of
from infra.proof.tiny_learner import FIRST
from infra.proof.virtual_threads import DriftingClock, Process
from infra.proof.virtual_time import World
from protocol.commands.cancel import cancel
from protocol.commands.purge import purge
from protocol.jobs import queue
from protocol.jobs.submit import submit_federation
from protocol.learners.catalogue import require_learner
from protocol.report.page import page_of
from protocol.report.publisher import Publisher
from protocol.report.record import Record
from protocol.rounds.aggregate import AggregateOf
from protocol.rounds.server import SyncServer
from protocol.wire import documents, keys
from protocol.wire.bucket import Bucket
from protocol.wire.clock import Clock
from protocol.wire.job_documents import Manifest
from protocol.wire.memory import MemoryS3, MemoryStore
from protocol.worker.learner import JobLearner
from protocol.worker.worker_loop import WorkerLoop

LIMIT_S = 20_000.0  # after the calm began; the slowest member alone may need 6,000
SETTLE_S = 60.0  # and two leases, after the end: for what was left unfinished

NewBucket = Callable[[MemoryStore, Clock], Bucket]


@dataclass(frozen=True)
class SimulationReport:
    """The report on one seed's run.

    Attributes:
        trained: episodes that ended in some process, `needed`: those that came to use.
        virtual_s: until everything had its result.
        history: for people to read; kept only of a run that went wrong, or when asked for.
    """

    seed: int
    violations: tuple[Violation, ...]
    faults: Counter[Fault]
    requests: int
    virtual_s: float
    trained: int
    needed: int
    scenario: tuple[str, ...] = ()
    history: tuple[str, ...] = ()


def report_in_short(record: Record) -> bytes:
    """In place of a page: how many rounds it tells of, and everything that a page would show, by its hash."""
    page = page_of(record, "s3://simulated", made="simulated", ttl_s=60.0)
    return f"{record.closed} {sha256(repr(page).encode()).hexdigest()}".encode()


@dataclass
class Implementations:
    """What a run is made of; a test breaks it by handing in something else."""

    server: Callable[[], MemoryS3] = MemoryS3
    bucket: NewBucket = Bucket
    aggregate_of: AggregateOf = averages
    report: Callable[[Record], bytes] = report_in_short


def simulate(
    scenario: SimulationScenario, *, keep_history: bool = False, implementations: Implementations | None = None
) -> SimulationReport:
    """Carry a scenario out and judge it. The same scenario gives the same history, request by request."""
    stage = _Simulation(scenario, implementations or Implementations())
    try:
        stuck = stage.play()
    finally:
        stage.world.close()
    run = Run(scenario, stage.history, stage.world.s3.bodies(), tuple(stage.world.processes), stuck)
    found = tuple(violations(run))
    keep = keep_history or bool(found)
    return SimulationReport(
        seed=scenario.seed,
        violations=found,
        faults=stage.faults.counts,
        requests=len(stage.world.s3.log),
        virtual_s=run.done_s,
        trained=stage.trained,
        needed=run.episodes_kept,
        scenario=tuple(scenario.lines()) if keep else (),
        history=tuple(stage.history.lines()) if keep else (),
    )


@dataclass
class _Simulation:
    """The processes of a run and what they act on."""

    scenario: SimulationScenario
    implementations: Implementations
    history: History = field(default_factory=History)
    trained: int = 0

    def __post_init__(self) -> None:
        server = self.implementations.server()
        server.page_size = self.scenario.page_size
        self.faults = FaultInjector(self.scenario, self.history, self._again)
        self.world = World(self.scenario.seed, s3=server, answers_at_once=True, fault=self.faults)
        self.faults.world = self.world
        server.witness = lambda request, answer: self.history.landed(self.world.now, request, answer)
        self.commands: list[Process] = []  # repeated where they were cut off
        self.jobs = (*(keys.member_job(GROUP, m) for m in range(self.scenario.wanted.size)), *self.scenario.single_jobs)
        attacked = self.scenario.attacked
        self._attacked_job = None if attacked is None else keys.member_job(GROUP, attacked)
        self._looked_at = -1
        self._mains: dict[str, Callable[[Clock, MemoryStore], None]] = {}
        self._noise = random.Random(f"noise of {self.scenario.seed}").random
        self._start_all()

    # -- who takes part --------------------------------------------------------------------------------

    def _start_all(self) -> None:
        s = self.scenario
        for member, defect in s.defects.items():
            if defect is MemberDefect.DAMAGED:
                key = keys.pending_manifest(keys.member_job(GROUP, member))
                bucket_of(self.world, "vandal").create(key, b'{"version": 1, "job_id": 7')
        first = self._join("dispatch", self._submit)
        first.kill_before = s.cut
        if s.resubmit_s is not None:
            self._join("dispatch-2", self._submit, s.resubmit_s)
        for number, at in enumerate(s.workers):
            stays = number < s.stays
            self._join(f"w{number}", partial(self._worker, f"w{number}", stays), at)
            if number >= len(s.workers) - s.twins:
                self._join(f"w{number}'", partial(self._worker, f"w{number}", stays), at)
        for number in range(s.syncs):
            self._join(f"sync-{number}", self._sync)
        if s.cancel:
            self._join("canceller", self._cancel, s.cancel_s)
            self.commands.append(self._join("canceller-2", self._cancel, s.calm_s))
        self.commands.append(self._join("dispatch-3", self._submit, s.calm_s))
        self._join("fresh", partial(self._worker, "fresh", False), s.calm_s)
        if s.syncs:
            self._join("fresh-sync", self._sync, s.calm_s)
        if s.attacked is not None:
            self._join(ATTACKER, self._attack)

    def _join(self, name: str, main: Callable[[Clock, MemoryStore], None], at: float = 0.0) -> Process:
        rng = self.world.random
        clock = DriftingClock(rng.uniform(0, 1e5), rng.uniform(0.95, 1.05)) if self.scenario.skewed else DriftingClock()
        self._mains[name] = main
        return self.world.process(name, main, at=at, clock=clock)

    def _again(self, process: Process) -> None:
        """A supervisor starts some of those that ended, under their old names."""
        name, _, lives = process.name.partition("+")
        again = f"{name}+{int(lives or 0) + 1}"
        if again in self._mains or name.startswith(("dispatch", "canceller")):
            return
        if self.faults.random.random() < 0.6:
            later = self.faults.random.uniform(0.1, 90.0)
            self.history.note(self.world.now, process.name, f"will be started again in {later:.0f} s as {again}")
            self._join(again, self._mains[process.name], later)

    def _bucket(self, store: MemoryStore, clock: Clock) -> Bucket:
        return self.implementations.bucket(store, clock)

    def _worker(self, worker_id: str, stays: bool, clock: Clock, store: MemoryStore) -> None:
        bucket, say = self._bucket(store, clock), partial(self._say, store.who)
        kind_of = installed_at(self.scenario, worker_id, self._noise)

        def start(manifest: Manifest) -> JobLearner:
            course = Course(manifest, self.scenario, self.world.pause, self._count_episode)
            learns = manifest.training.learner is not None
            return Learning(bucket, manifest, say, kind_of, course) if learns else Integers(manifest, course)

        shop = WorkerLoop(
            bucket,
            worker_id,
            self.scenario.ttl_s,
            start,
            self.implementations.aggregate_of,
            say,
            stays=stays,
            prepare=partial(require_learner, kind_of=kind_of),
        )
        if stays:
            shop.run_one()
        else:
            shop.run_until_stopped()

    def _count_episode(self) -> None:
        self.trained += 1

    def _sync(self, clock: Clock, store: MemoryStore) -> None:
        bucket, say = self._bucket(store, clock), partial(self._say, store.who)
        reports = Publisher(bucket, self.implementations.report, say) if self.scenario.reports else None
        SyncServer(bucket, self.implementations.aggregate_of, say, reports).run()

    def _submit(self, clock: Clock, store: MemoryStore) -> None:
        bucket = self._bucket(store, clock)
        for job_id in self.scenario.single_jobs:
            if not queue.is_over(bucket, job_id):
                training = self.scenario.single_training
                created_at = documents.timestamp()
                manifest = Manifest(version=training.version, job_id=job_id, created_at=created_at, training=training)
                bucket.ensure_created(keys.pending_manifest(job_id), manifest.to_bytes())
        if given := self.scenario.wanted.training.weights:
            bucket.ensure_created(keys.weights(given), FIRST)
        submit_federation(bucket, self.scenario.wanted)

    def _cancel(self, clock: Clock, store: MemoryStore) -> None:
        name = {
            Target.GROUP: GROUP,
            Target.MEMBER: keys.member_job(GROUP, 0),
            Target.SINGLE: (*self.scenario.single_jobs, keys.member_job(GROUP, 0))[0],
        }[self.scenario.cancel or Target.GROUP]
        cancel(self._bucket(store, clock), name, self.scenario.ttl_s)

    def _attack(self, clock: Clock, store: MemoryStore) -> None:
        Attacker(self.scenario, clock, store, partial(self._say, store.who)).run()

    def _say(self, who: str, line: str) -> None:
        self.history.note(self.world.now, who, f"says: {line}")

    # -- what happens ----------------------------------------------------------------------------------

    def play(self) -> str | None:
        """Run to the end; returns why it did not end, or None."""
        try:
            self.world.run(self._over, limit_s=self.scenario.calm_s + LIMIT_S)
        except TimeoutError:
            return f"not over {LIMIT_S:.0f} s after the last fault"
        self._let_settle()
        if self.scenario.purge:
            self.history.note(self.world.now, "purge", "everything of the group is deleted")
            try:
                purge(bucket_of(self.world, "purge"), GROUP)
            except SimArenaError as error:
                return f"cannot be purged: {error}"
            for process in self.world.processes:
                self.world.thaw(process)
            self._let_settle()
        return self._leftovers()

    def _over(self) -> bool:
        """Whether the federation has its outcome and every job that was ever queued its result."""
        if len(self.history.writes) == self._looked_at or not all(process.ended for process in self.commands):
            return False
        self._looked_at = len(self.history.writes)
        created = self.history.created
        jobs = (job for job in self.jobs if job != self._attacked_job)
        needed = [keys.result(job) for job in jobs if created.get(keys.pending_manifest(job))]
        return all(created.get(key) for key in (keys.outcome(GROUP), *needed))

    def _let_settle(self) -> None:
        """Run on until all paused threads, slow requests and abandoned requests have taken effect."""
        earliest = max(self.world.now, self.faults.lasts_until) + 10.0
        latest = earliest + SETTLE_S + 2 * self.scenario.ttl_s
        if self._attacked_job is not None:  # nobody waited for it: the last worker may still hang in its episode
            latest += self.scenario.wanted.training.episode_timeout_s
        self.world.run(lambda: self.world.now >= latest or (self.world.now >= earliest and self._leftovers() is None))

    def _leftovers(self) -> str | None:
        """Keys that the living processes should have deleted by now."""
        objects = self.world.s3.objects
        left = [
            key
            for prefix in (keys.PENDING, keys.IN_PROGRESS, keys.ACTIVE)
            for key in objects.below(prefix, "", 99)[0]
            if self._attacked_job is None or not (f"/{self._attacked_job}/" in key or prefix == keys.ACTIVE)
        ]
        return f"never cleared away: {', '.join(left)}" if left else None
