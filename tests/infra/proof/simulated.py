"""What the tests of simulated federations share: how one is started, and the invariants checked at its end."""

from __future__ import annotations

import json
import random
from functools import cache
from typing import Any

from infra.proof.standin import (
    GROUP,
    add_worker,
    bucket_of,
    federation,
    final_weights,
    integers,
    undisturbed,
)
from infra.proof.standin import StandInEpisode as Episode
from infra.proof.virtual_threads import Process
from infra.proof.virtual_time import World
from protocol.jobs.submit import submit_federation
from protocol.rounds.aggregate import RoundInputs
from protocol.strategies.table import Strategy
from protocol.wire import documents, keys
from protocol.wire.errors import Conflict, Transient
from protocol.wire.federation_documents import Decision, Federation
from protocol.wire.job_documents import Result, ResultStatus
from protocol.wire.memory import Request

expected = cache(undisturbed)


COMMITTED = ("results/", "federations/", "traces/", "series/", "weights/")


def check(world: World, wanted: Federation) -> None:
    """The invariants that can be read off a finished run."""
    how = {"episodes_per_round": wanted.episodes_per_round, "strategy": wanted.strategy}
    assert final_weights(world, wanted) == expected(wanted.size, wanted.training.episodes, **how)
    bodies, before = world.s3.bodies(), RoundInputs()
    for round_ in range(1, wanted.rounds + 1):
        decision = documents.parse(Decision, bodies[keys.decision(GROUP, round_)], "round.json")
        assert [p.member for p in decision.participants] == list(range(wanted.size))
        aggregate = integers(wanted, before)
        for participant in decision.participants:
            episodes = episodes_of(bodies, wanted, round_, participant.member)
            assert participant.weight == sum(episode.steps for episode in episodes)
            assert participant.reward == sum(episode.reward for episode in episodes) / len(episodes)
            assert participant.solved == sum(episode.solved for episode in episodes)
            aggregate.add(bodies[keys.update(GROUP, round_, participant.member)], participant.weight)
        found = aggregate.finish()
        assert bodies[keys.global_weights(GROUP, round_)] == found.weights
        assert bodies.get(keys.server_state(GROUP, round_)) == found.server_state
        before = RoundInputs(found.weights, found.server_state)
    for row in world.s3.log:
        if row.key.startswith(COMMITTED) and not row.key.startswith(keys.ACTIVE):
            assert row.verb not in ("PUT", "DELETE"), row  # what is committed is neither overwritten nor deleted
    for member in range(wanted.size):
        result = documents.parse(Result, bodies[keys.result(keys.member_job(GROUP, member))], "result.json")
        assert (result.status, result.episodes_completed) == (ResultStatus.SUCCESS, wanted.training.episodes)
    assert [process.error for process in world.processes if process.error] == []


def episodes_of(bodies: dict[str, bytes], wanted: Federation, round_: int, member: int) -> list[Episode]:
    """The episodes that a member trained in a round, as its state tells them."""
    schedule = wanted.schedule
    state = json.loads(bodies[keys.state(keys.member_job(GROUP, member), schedule.last(round_))])
    return [Episode(*row) for row in state["done"][schedule.last(round_ - 1) :]]


# Rounds of two, two and one episode, and a strategy whose server carries a state from round to round.
LONG: dict[str, Any] = {"episodes": 5, "episodes_per_round": 2, "strategy": Strategy.FEDADAM}


def start(size: int, workers: int, seed: int, **changes: Any) -> tuple[World, Federation]:
    world, wanted = World(seed=seed), federation(size, **changes)
    submit_federation(bucket_of(world), wanted)
    for number in range(workers):
        add_worker(world, f"w{number}")
    return world, wanted


class FlakyNetwork:
    """Requests and answers get lost, delayed, refused, by chance."""

    def __init__(self, seed: int, rate: float) -> None:
        self.random = random.Random(seed)
        self.rate = rate

    def __call__(self, process: Process, request: Request, after: bool) -> None:
        if self.random.random() >= self.rate:
            return
        if not after and request.verb == "CREATE" and self.random.random() < 0.3:
            raise Conflict("409")
        raise Transient("answer lost" if after else "503 SlowDown")
