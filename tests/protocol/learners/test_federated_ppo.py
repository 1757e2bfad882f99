"""A federation of PPO agents, by the protocol in virtual time: any number of workers, and a take-over, same weights."""

from __future__ import annotations

import numpy as np
import pytest

from agents.kinds import agent_kind, make_agent
from agents.saved import checkpoint
from infra.proof.standin import TTL_S, all_over, bucket_of, federation, final_weights, training
from infra.proof.virtual_time import World
from protocol.jobs.submit import submit_federation
from protocol.learners.training import TrainingLearner
from protocol.rounds.averaging import RoundAggregate
from protocol.rounds.server import SyncServer
from protocol.strategies.table import Strategy
from protocol.wire.bucket import Bucket
from protocol.wire.clock import Clock
from protocol.wire.federation_documents import Federation, TensorSpec
from protocol.wire.job_documents import Manifest
from protocol.wire.memory import MemoryStore
from protocol.worker.worker_loop import WorkerLoop

SETTINGS = {"hidden": [8], "rollout_steps": 7, "minibatch_size": 4, "epochs": 2, "proximal": 0.01}


def wanted(strategy: Strategy) -> Federation:
    kind = agent_kind("ppo")
    spec = training(3, traces=(), steps=8, agent="ppo", agent_settings=kind.filled(SETTINGS))
    model = tuple(TensorSpec(name=name, shape=shape) for name, shape in kind.tensors(SETTINGS).items())
    return federation(2, training=spec, model=model, strategy=strategy)


def trained(strategy: Strategy, workers: int, killed_at: int | None = None) -> bytes:
    """The last global weights; the first worker is killed before so many requests."""
    world, what = World(seed=1), wanted(strategy)
    submit_federation(bucket_of(world), what)

    def work(clock: Clock, store: MemoryStore) -> None:
        bucket = Bucket(store, clock)

        def start(manifest: Manifest) -> TrainingLearner:
            world.pause(1.0)
            return TrainingLearner(bucket, manifest, None)

        WorkerLoop(bucket, "w", TTL_S, start, RoundAggregate, lambda line: None).run_until_stopped()

    def serve(clock: Clock, store: MemoryStore) -> None:
        SyncServer(Bucket(store, clock), RoundAggregate, lambda line: None).run()

    processes = [world.process(f"w{number}", work, at=0.1 * number) for number in range(workers)]
    processes[0].kill_before = killed_at
    world.process("sync", serve)
    world.run(until=all_over(world, what))
    assert killed_at is None or processes[0].dead
    weights = final_weights(world, what)
    world.close()
    return weights


@pytest.mark.parametrize("strategy", [Strategy.FEDAVG, Strategy.FEDADAM])
def test_the_weights_are_the_same_with_one_worker_with_two_and_after_a_take_over(strategy: Strategy) -> None:
    alone = trained(strategy, 1)
    assert trained(strategy, 2) == alone
    assert trained(strategy, 2, killed_at=30) == alone
    first = checkpoint.dumps(make_agent("ppo", seed=7, settings=SETTINGS).state_dict()["weights"])
    assert alone != first
    assert all(np.isfinite(array).all() for array in checkpoint.loads(alone, "weights").values())


def test_fedadam_moves_all_tensors_of_both_networks_otherwise_than_fedavg() -> None:
    means, moved = (checkpoint.loads(trained(strategy, 1), "w") for strategy in (Strategy.FEDAVG, Strategy.FEDADAM))
    assert not any(np.array_equal(means[name], moved[name]) for name in means)
