"""A federation of real trainings in which one member lies about what it learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from agents.dqn.network import layout
from agents.saved import checkpoint
from infra.proof.standin import GROUP, TTL_S, all_over, bucket_of, federation, training
from infra.proof.virtual_time import World
from protocol.jobs.submit import submit_federation
from protocol.learners.training import TrainingLearner
from protocol.rounds.averaging import RoundAggregate
from protocol.rounds.server import SyncServer
from protocol.strategies.table import Strategy
from protocol.wire import keys
from protocol.wire.bucket import Bucket
from protocol.wire.clock import Clock
from protocol.wire.federation_documents import Federation, TensorSpec
from protocol.wire.job_documents import Manifest
from protocol.wire.memory import MemoryStore
from protocol.worker.learner import JobLearner
from protocol.worker.worker_loop import WorkerLoop

SETTINGS: dict[str, Any] = {"hidden": [16], "learning_starts": 20, "batch_size": 8}
MEMBERS, LIAR, ROUNDS = 4, 1, 3

Lie = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]


class Liar(TrainingLearner):
    """Trains like any other member and publishes something else."""

    lie: Lie

    def weights(self) -> bytes:
        true = checkpoint.loads(super().weights(), "update")
        return checkpoint.dumps({name: self.lie(tensor) for name, tensor in true.items()})


def federate(strategy: str, lie: Lie) -> tuple[Federation, Mapping[str, bytes]]:
    """Run a federation to its end; what is in the bucket then."""
    model = tuple(TensorSpec(name=name, shape=shape) for name, shape in layout(SETTINGS).items())
    common = training(2 * ROUNDS, traces=(), steps=20, agent_settings=SETTINGS)
    wanted = federation(
        MEMBERS, training=common, model=model, episodes_per_round=2, strategy=Strategy(strategy), round_timeout_s=1e6
    )
    world = World(seed=1)
    submit_federation(bucket_of(world), wanted)

    def start(bucket: Bucket, manifest: Manifest) -> JobLearner:
        if manifest.federation is None or manifest.federation.member != LIAR:
            return TrainingLearner(bucket, manifest, None)
        liar = Liar(bucket, manifest, None)
        liar.lie = lie
        return liar

    def worker(clock: Clock, store: MemoryStore) -> None:
        bucket = Bucket(store, clock)
        WorkerLoop(
            bucket, "w", TTL_S, lambda manifest: start(bucket, manifest), RoundAggregate, lambda line: None
        ).run_until_stopped()

    def closer(clock: Clock, store: MemoryStore) -> None:
        SyncServer(Bucket(store, clock), RoundAggregate, lambda line: None).run()

    world.process("worker", worker)
    world.process("sync", closer)
    world.run(all_over(world, wanted))
    bodies = world.s3.bodies()
    world.close()
    return wanted, bodies


def stays_with_the_honest(strategy: str, lie: Lie) -> bool:
    """Whether every number of every round's global weights lies between what honest members sent for it."""
    wanted, bodies = federate(strategy, lie)
    for round_ in range(1, wanted.rounds + 1):
        found = checkpoint.loads(bodies[keys.global_weights(GROUP, round_)], "global weights")
        honest = [
            checkpoint.loads(bodies[keys.update(GROUP, round_, member)], "update")
            for member in range(MEMBERS)
            if member != LIAR
        ]
        for name, tensor in found.items():
            rows = np.stack([update[name] for update in honest])
            if not bool(((tensor >= rows.min(0)) & (tensor <= rows.max(0))).all()):
                return False
    return True


LIES = [pytest.param(np.negative, id="sign-flip"), pytest.param(lambda tensor: np.float32(1000) * tensor, id="scaled")]


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("strategy", ["trimmed-mean", "median"])
def test_a_robust_federation_stays_with_its_honest_members(strategy: str, lie: Lie) -> None:
    assert stays_with_the_honest(strategy, lie)


@pytest.mark.parametrize("lie", LIES)
def test_fedavg_goes_where_the_liar_wants(lie: Lie) -> None:
    assert not stays_with_the_honest("fedavg", lie)
