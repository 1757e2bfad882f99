"""A learner without cost, for simulations: integers in place of networks, with the guarantees of a real training.

What an episode does is a function of (weights, seed, member, episode), as in a real training. And the processes of a
simulated world that use it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

from infra.proof.virtual_threads import Process
from infra.proof.virtual_time import World
from protocol.jobs.submit import submit_federation
from protocol.rounds.aggregate import Aggregated, RoundInputs
from protocol.rounds.server import Reports, SyncServer
from protocol.strategies.table import Strategy
from protocol.wire import keys
from protocol.wire.bucket import Bucket
from protocol.wire.clock import Clock
from protocol.wire.errors import BadDocument
from protocol.wire.federation_documents import Federation, TensorSpec
from protocol.wire.job_documents import SAMPLING_VERSION, Manifest, TrainingSpec
from protocol.wire.memory import MemoryStore
from protocol.worker.learner import Episode, Interrupted
from protocol.worker.worker_loop import WorkerLoop

GROUP = "g"
TTL_S = 60.0


@dataclass(frozen=True)
class StandInEpisode:
    reward: float
    steps: int
    solved: bool


class StandIn:
    """Trains an integer. `work` passes so many seconds of virtual time, `works_s` in an episode."""

    def __init__(self, manifest: Manifest, work: Callable[[float], None], works_s: float) -> None:
        self.manifest = manifest
        self.work = work
        self.works_s = works_s
        self.value = 0
        self.private = ""  # as an optimizer or a replay buffer: no global weights replace it
        self.done: list[StandInEpisode] = []
        self.episode = 0

    @property
    def history(self) -> Sequence[Episode]:
        return self.done

    def run_episode(self, episode: int, must_stop: Callable[[], bool]) -> Episode:
        for _ in range(4):
            if must_stop():
                raise Interrupted
            self.work(self.works_s / 4)
        member = self.manifest.federation.member if self.manifest.federation else 0
        text = f"{self.value}/{self.private}/{self.manifest.training.seed}/{member}/{episode}"
        digest = hashlib.sha256(text.encode())
        self.value, self.private = int.from_bytes(digest.digest()[:4]), digest.hexdigest()
        self.done.append(
            StandInEpisode(float(self.value % 7), 1 + self.value % self.manifest.training.steps, self.value % 2 == 0)
        )
        self.episode = episode
        return self.done[-1]

    def state(self) -> bytes:
        rows = [[row.reward, row.steps, row.solved] for row in self.done]
        return json.dumps(
            {"value": self.value, "private": self.private, "episode": self.episode, "done": rows}
        ).encode()

    def restore(self, state: bytes) -> int:
        content = json.loads(state)
        self.value, self.private = content["value"], content["private"]
        self.done = [StandInEpisode(reward, steps, solved) for reward, steps, solved in content["done"]]
        self.episode = content["episode"]
        return int(self.episode)

    def weights(self) -> bytes:
        return str(self.value).encode()

    def load_weights(self, weights: bytes) -> None:
        self.value = _number(weights)

    def artifacts(self) -> Mapping[str, bytes]:
        return {"train.log": str(self.value).encode()}

    def fingerprint(self) -> dict[str, str]:
        return {"kind": "stand-in"}


def _number(weights: bytes) -> int:
    """Weights as a number; those that a user gave at submit are a file of tensors."""
    return int(weights) if weights.isdigit() else crc32(weights)


class IntegerMean:
    """The weighted mean of integers, exact, so that only the set and the weights matter."""

    def __init__(self, federation: Federation, before: RoundInputs) -> None:
        self.before = before
        self.total = 0
        self.weight = 0

    def add(self, update: bytes, weight: int) -> None:
        if not update.isdigit() or len(update) > 20:
            raise BadDocument("not a number")
        self.total += weight * int(update)
        self.weight += weight

    def finish(self) -> Aggregated:
        return Aggregated(str(self.total // self.weight).encode())


class IntegerMomentum(IntegerMean):
    """In place of fedadam: the result depends on the weights and on the server's state of the round before."""

    def finish(self) -> Aggregated:
        state = (5 * int(self.before.server_state or 0) + self.total // self.weight) % 2**32
        weights = (_number(self.before.weights or b"0") + 3 * state) % 2**32
        return Aggregated(str(weights).encode(), str(state).encode())


def integers(federation: Federation, before: RoundInputs) -> IntegerMean:
    """The stand-in for a strategy."""
    return (IntegerMomentum if federation.strategy is Strategy.FEDADAM else IntegerMean)(federation, before)


def training(episodes: int = 3, **changes: object) -> TrainingSpec:
    return TrainingSpec.model_validate(
        {
            "traces": ("a" * 64,),
            "agent": "dqn",
            "reward": "shaped",
            "episodes": episodes,
            "steps": 100,
            "seed": 7,
            **changes,
        }
    )


def federation(size: int, episodes: int = 3, **changes: object) -> Federation:
    return Federation.model_validate(
        {
            "group": GROUP,
            "created_at": "2026-01-01T00:00:00Z",
            "size": size,
            "training": training(episodes),
            "model": (TensorSpec(name="value", shape=(1,)),),
            **({"version": SAMPLING_VERSION} if changes.get("sample") else {}),
            **changes,
        }
    )


def bucket_of(world: World, who: str = "test") -> Bucket:
    """A bucket for a test itself: its requests take no virtual time."""
    clock = Clock(
        now=lambda: world.now,
        sleep=lambda seconds: None,
        stopping=lambda: False,
        jitter=lambda: 0.5,
        nonce=lambda: f"{world.random.getrandbits(128):032x}",
        spawn=lambda work: None,
    )
    return Bucket(world.s3.store(who), clock)


def add_worker(
    world: World, name: str, *, at: float = 0.0, stays: bool = False, works_s: float = 1.0, only: str | None = None
) -> Process:
    def main(clock: Clock, store: MemoryStore) -> None:
        shop = WorkerLoop(
            Bucket(store, clock),
            name,
            TTL_S,
            lambda manifest: StandIn(manifest, world.pause, works_s),
            integers,
            lambda line: None,
            stays=stays,
            only=only,
        )
        if stays:
            shop.run_one()
        else:
            shop.run_until_stopped()

    return world.process(name, main, at=at)


def add_sync_server(
    world: World,
    name: str = "sync",
    *,
    at: float = 0.0,
    reports: Callable[[Bucket], Reports] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Process:
    """`reports` makes what is told of federations, of the process's bucket."""

    def main(clock: Clock, store: MemoryStore) -> None:
        bucket = Bucket(store, clock)
        SyncServer(bucket, integers, say, reports(bucket) if reports else None).run()

    return world.process(name, main, at=at)


def all_over(world: World, wanted: Federation) -> Callable[[], bool]:
    """Whether the federation has its outcome and every job its result."""
    needed = [keys.outcome(wanted.group)]
    needed += [keys.result(keys.member_job(wanted.group, member)) for member in range(wanted.size)]
    return lambda: all(key in world.s3.objects for key in needed)


def final_weights(world: World, wanted: Federation) -> bytes:
    return world.s3.objects[keys.global_weights(wanted.group, wanted.rounds)].body


def undisturbed(size: int, episodes: int = 3, **changes: object) -> bytes:
    """The final weights of a run in which nothing goes wrong, with as many workers as members."""
    world, wanted = World(seed=0), federation(size, episodes, **changes)
    submit_federation(bucket_of(world), wanted)
    add_sync_server(world)
    for member in range(size):
        add_worker(world, f"w{member}")
    world.run(all_over(world, wanted))
    weights = final_weights(world, wanted)
    world.close()
    return weights
