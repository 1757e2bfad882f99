"""Federations that train nothing, in virtual time: the protocol's own code over an in-memory S3, every request counted.

A day of polling or a hundred rounds of a thousand members cost seconds here, and no figure depends on this machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from infra.bench.protocol.meter import Ledger, Meter
from infra.proof.standin import GROUP, StandInEpisode, bucket_of, training
from infra.proof.virtual_threads import Process
from infra.proof.virtual_time import World
from protocol.jobs.submit import submit_federation
from protocol.rounds.aggregate import Aggregated, RoundInputs
from protocol.rounds.server import SyncServer
from protocol.wire import keys
from protocol.wire.bucket import Bucket
from protocol.wire.choices import Closers
from protocol.wire.clock import Clock
from protocol.wire.federation_documents import Federation, TensorSpec
from protocol.wire.job_documents import Manifest
from protocol.wire.memory import MemoryStore
from protocol.wire.schedule import LEASE_TTL_S
from protocol.worker.learner import Episode, Interrupted
from protocol.worker.worker_loop import WorkerLoop

# Of the default DQN: `Training.weights()`, and `Training.state()` after about 100 episodes of generated problems.
# A state grows by 168 bytes a transition until the replay buffer is full.
UPDATE_BYTES = 48_096
STATE_BYTES = 4_770_807

WEIGHTS = bytes(UPDATE_BYTES)
LOG_ROWS = 100_000  # the simulated S3 keeps a log of its own, which is not read here
YEAR = 365 * 86_400.0

Work = Callable[[int], float]
"""Seconds that a member trains in an episode."""


class NoOp:
    """A learner that only lets time pass. Its update has a true one's size.

    Args:
        pause: passes that many seconds of the run's clock.
    """

    def __init__(self, pause: Callable[[float], None], seconds: float) -> None:
        self.pause = pause
        self.seconds = seconds
        self._history: list[Episode] = []

    @property
    def history(self) -> Sequence[Episode]:
        return self._history

    def run_episode(self, episode: int, must_stop: Callable[[], bool]) -> Episode:
        if must_stop():
            raise Interrupted
        if self.seconds:
            self.pause(self.seconds)
        if must_stop():
            raise Interrupted
        self._history.append(StandInEpisode(0.0, 1, False))
        return self._history[-1]

    def state(self) -> bytes:
        return str(len(self._history)).encode()

    def restore(self, state: bytes) -> int:
        self._history = [StandInEpisode(0.0, 1, False)] * int(state)
        return len(self._history)

    def weights(self) -> bytes:
        return WEIGHTS

    def load_weights(self, weights: bytes) -> None:
        """Nothing is learned, so nothing is replaced."""

    def artifacts(self) -> Mapping[str, bytes]:
        return {"train.log": b""}

    def fingerprint(self) -> dict[str, str]:
        return {}


class NoMean:
    """In place of a strategy: reads updates, averages nothing, returns weights of the same size."""

    def add(self, update: bytes, weight: int) -> None:
        """Nothing is averaged."""

    def finish(self) -> Aggregated:
        return Aggregated(WEIGHTS)


def no_mean(federation: Federation, before: RoundInputs) -> NoMean:
    """The strategy of a federation that learns nothing."""
    return NoMean()


def quiet(line: str) -> None:
    """Drops progress lines; the benchmark prints its own."""


def no_op_federation(members: int, rounds: int, barrier: str, **changes: object) -> Federation:
    """A federation of one episode a round. Its model is as large as the updates."""
    return Federation.model_validate(
        {
            "group": GROUP,
            "created_at": "2026-01-01T00:00:00Z",
            "size": members,
            "training": training(rounds, episode_timeout_s=1e9),
            "barrier": Closers(barrier),
            "round_timeout_s": 1e9,
            "model": (TensorSpec(name="model", shape=(UPDATE_BYTES // 4,)),),
            **changes,
        }
    )


@dataclass(frozen=True)
class MeteredWorld:
    """A simulated world whose processes are counted."""

    world: World
    ledger: Ledger

    def worker(self, name: str, work: Work, *, at: float = 0.0, only: int | None = None) -> Process:
        """Start a worker.

        Args:
            work: how long an episode of a member takes here.
            at: seconds from now.
            only: the member that it runs and stays with; None: whichever is free, and others while one waits.
        """

        def start(manifest: Manifest) -> NoOp:
            return NoOp(self.world.pause, work(manifest.federation.member if manifest.federation else 0))

        def main(clock: Clock, store: MemoryStore) -> None:
            bucket = self._bucket(name, "worker", clock, store)
            if only is None:
                WorkerLoop(bucket, name, LEASE_TTL_S, start, no_mean, quiet).run_until_stopped()
            else:
                job_id = keys.member_job(GROUP, only)
                WorkerLoop(bucket, name, LEASE_TTL_S, start, no_mean, quiet, stays=True, only=job_id).run_one()

        return self.world.process(name, main, at=at)

    def sync_server(self) -> Process:
        """Start a sync-server."""

        def main(clock: Clock, store: MemoryStore) -> None:
            SyncServer(self._bucket("sync-server", "sync-server", clock, store), no_mean, quiet).run()

        return self.world.process("sync-server", main)

    def run(self, until: Callable[[], bool]) -> None:
        """Let everything happen until the condition holds; however long that takes. What ends a process is raised."""
        log = self.world.s3.log

        def ready() -> bool:
            if len(log) > LOG_ROWS:
                log.clear()
            return until()

        self.world.run(ready, limit_s=YEAR)
        for process in self.world.processes:
            if process.error is not None:
                raise process.error

    def run_to(self, key: str) -> None:
        """Let everything happen until an object exists."""
        objects = self.world.s3.objects
        self.run(lambda: key in objects)

    def beside(self) -> MeteredWorld:
        """The same world, with a ledger of its own for what is started here."""
        return MeteredWorld(self.world, self.ledger.another())

    def _bucket(self, name: str, role: str, clock: Clock, store: MemoryStore) -> Bucket:
        return Bucket(Meter(store, name, role, self.ledger, clock.now), clock)


def stage(federation: Federation, latency_ms: float, seed: int = 1) -> MeteredWorld:
    """An empty world, in which every request takes `latency_ms`."""
    world = World(seed, latency=lambda: latency_ms / 1000)
    return MeteredWorld(world, Ledger(federation.group, federation.rounds))


def submitted(federation: Federation, latency_ms: float, history: int = 0, seed: int = 1) -> MeteredWorld:
    """A world with a federation in it, and with a sync-server if that is who closes its rounds."""
    scene = stage(federation, latency_ms, seed)
    add_history(scene.world, history)
    submit_federation(bucket_of(scene.world), federation)
    if federation.barrier is Closers.SYNC_SERVER:
        scene.sync_server()
    return scene


def add_history(world: World, jobs: int) -> None:
    """Finished jobs, each with the objects that stay: manifest, result, a state, a file and an update in a federation
    of eight, which has its decision, its weights and its outcome."""
    store = world.s3.store("history")

    def put(*names: str) -> None:
        for name in names:
            store.put(name, b"", {}, create_only=True)

    for number in range(jobs):
        group, member = f"old-{number // 8:06d}", number % 8
        job_id = keys.member_job(group, member)
        put(keys.finished_manifest(job_id), keys.result(job_id), keys.state(job_id, 1))
        put(keys.artifact(job_id, "train.log"), keys.update(group, 1, member))
        if member == 0:
            put(keys.federation(group), keys.outcome(group), keys.decision(group, 1), keys.global_weights(group, 1))
    world.s3.log.clear()
