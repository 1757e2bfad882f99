"""The report that a sync-server keeps fresh: it comes and goes as it may, and no round notices."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from infra.proof.standin import (
    GROUP,
    add_sync_server,
    add_worker,
    all_over,
    bucket_of,
    federation,
    final_weights,
    integers,
    undisturbed,
)
from infra.proof.virtual_threads import Process
from infra.proof.virtual_time import World
from protocol.commands.purge import purge
from protocol.jobs.submit import submit_federation
from protocol.report.publisher import EVERY_S, Publisher
from protocol.report.record import Record
from protocol.rounds.server import Reports, SyncServer
from protocol.wire import keys
from protocol.wire.bucket import Bucket
from protocol.wire.clock import Clock
from protocol.wire.errors import Refused, Transient, Unfit
from protocol.wire.memory import MemoryStore, Request

WANTED = federation(2, 12)


def shown(record: Record) -> bytes:
    """In place of a page: rounds closed, and how the members are."""
    return " ".join([str(record.closed), *(member.state for member in record.members)]).encode()


def publishing(
    render: Callable[[Record], bytes] = shown, say: Callable[[str], None] = lambda line: None
) -> Callable[[Bucket], Reports]:
    return lambda bucket: Publisher(bucket, render, say)


def play(world: World, *, works_s: float = 7.0, settle_s: float = 600.0) -> list[tuple[float, bytes]]:
    """Run a federation to its end and on; returns when which report was written."""
    seen: list[tuple[float, bytes]] = []

    def witness(request: Request, answer: object) -> None:
        if request.key == keys.report(GROUP) and request.verb in ("PUT", "CREATE"):
            seen.append((world.now, request.body))

    world.s3.witness = witness
    submit_federation(bucket_of(world), WANTED)
    for member in range(2):
        add_worker(world, f"w{member}", works_s=works_s)
    world.run(all_over(world, WANTED))
    until = world.now + settle_s
    world.run(lambda: world.now >= until)
    assert final_weights(world, WANTED) == undisturbed(2, 12)
    assert [process.error for process in world.processes if process.error] == []
    world.close()
    return seen


def test_a_report_follows_the_rounds_and_ends_with_the_members_results() -> None:
    world = World(seed=1)
    add_sync_server(world, reports=publishing())
    seen = play(world)
    rounds = [int(body.split()[0]) for _, body in seen]
    assert rounds[0] == 0
    assert rounds == sorted(rounds)
    assert len(set(rounds)) > 3
    assert seen[-1][1] == b"12 success success"


def test_between_two_reports_is_some_time_while_rounds_are_short() -> None:
    world = World(seed=1)
    add_sync_server(world, reports=publishing())
    seen = play(world, works_s=1.0)
    running = [at for at, body in seen if not body.startswith(b"12")]
    assert all(later - earlier >= EVERY_S for earlier, later in pairwise(running))
    assert len(seen) <= 7


@pytest.mark.parametrize(
    "error", [Refused("403 AccessDenied"), Transient("503 SlowDown"), Unfit("501"), RuntimeError("a defect")]
)
def test_a_report_that_cannot_be_written_harms_no_round_and_is_told_once(error: Exception) -> None:
    def refuse(process: Process, request: Request, after: bool) -> None:
        if request.key == keys.report(GROUP) and not after:
            raise error

    world, said = World(seed=1, fault=refuse), list[str]()
    add_sync_server(world, reports=publishing(say=said.append))
    assert play(world) == []
    assert sum("its report is not written" in line for line in said) == 1
    assert str(error) in "\n".join(said)


def test_a_report_that_cannot_be_made_harms_no_round() -> None:
    def broken(record: Record) -> bytes:
        raise ZeroDivisionError

    world, said = World(seed=1), list[str]()
    add_sync_server(world, reports=publishing(broken, said.append))
    assert play(world) == []
    assert "a defect of the report: ZeroDivisionError" in said[0]


def test_listings_that_are_refused_to_the_report_harm_no_round() -> None:
    def refuse(process: Process, request: Request, after: bool) -> None:
        if process.name == "sync" and request.key == keys.in_progress_of_group(GROUP):
            raise Unfit("403 AccessDenied")

    world, said = World(seed=1, fault=refuse), list[str]()
    add_sync_server(world, reports=publishing(say=said.append))
    assert play(world) == []
    assert len(said) == 1


def test_a_sync_server_killed_at_its_report_is_as_if_it_had_never_begun_it() -> None:
    world = World(seed=1)
    first = add_sync_server(world, "sync", reports=publishing())
    first.kill_before = 20
    add_sync_server(world, "sync-again", at=30.0, reports=publishing())
    assert play(world)[-1][1] == b"12 success success"


def leaving(world: World, say: Callable[[str], None] = lambda line: None) -> Process:
    """`sync-server --exit-when-idle --report`, begun with the federation."""

    def main(clock: Clock, store: MemoryStore) -> None:
        bucket = Bucket(store, clock)
        SyncServer(bucket, integers, say, Publisher(bucket, shown, say)).run(exit_when_idle=True)

    return world.process("sync", main)


def after_the_last_round(world: World, act: Callable[[], None]) -> list[bytes]:
    """Run the federation to its end and on, and do something once its last average is there; the reports."""
    seen: list[bytes] = []

    def witness(request: Request, answer: object) -> None:
        if request.key == keys.report(GROUP) and request.verb in ("PUT", "CREATE"):
            seen.append(request.body)
        if request.key == keys.global_weights(GROUP, 12) and request.verb == "CREATE":
            act()

    world.s3.witness = witness
    submit_federation(bucket_of(world), WANTED)
    until = world.now + 1000
    world.run(lambda: world.now >= until)
    world.close()
    return seen


def test_a_sync_server_that_leaves_when_idle_waits_for_the_members_results() -> None:
    world = World(seed=1)
    server = leaving(world)
    workers = [add_worker(world, f"w{member}") for member in range(2)]
    seen = after_the_last_round(world, lambda: [world.freeze(worker, 30.0) for worker in workers] and None)
    assert seen[-2:] == [b"12 success running", b"12 success success"]
    assert server.ended


def test_it_leaves_without_results_that_do_not_come() -> None:
    world, said = World(seed=1), list[str]()
    server = leaving(world, said.append)
    workers = [add_worker(world, f"w{member}") for member in range(2)]
    seen = after_the_last_round(world, lambda: [worker.kill() for worker in workers] and None)
    assert seen[-1] == b"12 success free"
    assert server.ended
    assert "g: its report waits for 1 result of its members" in said


def test_it_waits_for_no_results_of_a_federation_that_failed() -> None:
    """Its first weights are gone: no worker may ever run the member that has no result."""
    world, said = World(seed=1), list[str]()
    server = leaving(world, said.append)
    bucket = bucket_of(world)
    without_start = WANTED.training.model_copy(update={"weights": "0" * 64})
    submit_federation(bucket, WANTED.model_copy(update={"training": without_start}))
    bucket.create(keys.update(GROUP, 1, 0), b"1")
    bucket.create(keys.result(keys.member_job(GROUP, 1)), b"{}")
    until = world.now + 20
    world.run(lambda: world.now >= until)
    left = server.ended
    world.close()
    assert left
    assert not [line for line in said if "waits for" in line]


def test_two_sync_servers_overwrite_each_others_reports() -> None:
    world = World(seed=1)
    for name in ("sync-a", "sync-b"):
        add_sync_server(world, name, reports=publishing())
    assert play(world)[-1][1] == b"12 success success"


def test_after_a_purge_no_report_comes_back() -> None:
    world = World(seed=1)
    add_sync_server(world, reports=publishing())
    submit_federation(bucket_of(world), WANTED)
    for member in range(2):
        add_worker(world, f"w{member}", works_s=1.0)
    world.run(all_over(world, WANTED))
    soon = world.now + 5
    world.run(lambda: world.now >= soon)
    assert keys.report(GROUP) in world.s3.objects
    purge(bucket_of(world), GROUP)
    assert keys.report(GROUP) not in world.s3.objects
    late = world.now + 1000
    world.run(lambda: world.now >= late)
    assert keys.report(GROUP) not in world.s3.objects
    world.close()
