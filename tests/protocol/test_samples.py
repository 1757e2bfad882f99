"""Federations whose rounds draw some of the members, over the whole protocol in virtual time."""

from __future__ import annotations

import pytest

from infra.proof.simulation.checks_updates import reference
from infra.proof.standin import (
    GROUP,
    add_sync_server,
    add_worker,
    all_over,
    bucket_of,
    federation,
    final_weights,
)
from infra.proof.virtual_time import World
from protocol.commands.status import federation_summary
from protocol.jobs.submit import submit_federation
from protocol.strategies.table import Strategy
from protocol.wire import documents, keys
from protocol.wire.choices import Closers
from protocol.wire.job_documents import Result, ResultStatus
from protocol.wire.sampling import Turns


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("barrier", Closers)
@pytest.mark.parametrize("strategy", [Strategy.FEDAVG, Strategy.FEDADAM])
def test_any_number_of_workers_makes_the_weights_of_a_plain_loop_over_the_drawn_members(
    workers: int, barrier: Closers, strategy: Strategy
) -> None:
    world, wanted = World(seed=workers), federation(7, 4, sample=2, barrier=barrier, strategy=strategy)
    bucket = bucket_of(world)
    submit_federation(bucket, wanted)
    if barrier is Closers.SYNC_SERVER:
        add_sync_server(world)
    for number in range(workers):
        add_worker(world, f"w{number}")
    world.run(all_over(world, wanted))
    assert final_weights(world, wanted) == reference(7, 4, 1, strategy, 2)
    for member in range(7):
        result = documents.read(bucket, Result, keys.result(keys.member_job(GROUP, member)))
        assert result is not None
        drawn = sum(map(Turns(wanted.sampling, member).has, range(1, 5)))
        assert (result.status, result.episodes_completed) == (ResultStatus.SUCCESS, drawn)
        assert result.error == (None if drawn else "drawn in none of 4 rounds")
    summary = federation_summary(bucket, GROUP, 60.0)
    assert [(row.participants, row.left_out) for row in summary.recent] == [(2, ())] * 4
    world.close()
