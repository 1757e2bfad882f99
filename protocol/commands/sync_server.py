"""`sync-server`: closes the rounds of every unfinished federation. Any number may run; they write the same bytes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from protocol.commands.options import BucketChoice, OwnerChoice
from runner.commands.console import nothing_to_do
from runner.commands.program import single
from runner.options.flatten import flattened
from runner.options.output import VersionOption

if TYPE_CHECKING:
    from protocol.report.publisher import Publisher
    from protocol.wire.bucket import Bucket


@flattened
def sync_server(
    where: BucketChoice,
    owner: OwnerChoice,
    once: Annotated[bool, typer.Option("--once", help="Close what can be closed now, then leave.")] = False,
    exit_when_idle: Annotated[
        bool, typer.Option("--exit-when-idle", help="Leave when no federation is unfinished.")
    ] = False,
    report: Annotated[
        bool,
        typer.Option("--report", help="Keep a page of each federation in the bucket; see `dispatch report --publish`."),
    ] = False,
    version: VersionOption = False,
) -> None:
    """Close the rounds of all unfinished federations in a bucket.

    Leaves by itself only with --once or --exit-when-idle. Exit code 3: there was nothing to do.
    """
    from protocol.commands.buckets import open_daemon_bucket
    from protocol.rounds.server import SyncServer
    from runner.commands.console import say

    place = open_daemon_bucket(where.bucket, "sync-server", owner.bucket_owner)
    from protocol.rounds.averaging import RoundAggregate  # numba: not before the endpoint has answered

    server = SyncServer(place, RoundAggregate, say, _reports(place) if report else None)
    if once:
        if not server.drain():
            nothing_to_do(f"no unfinished federation in {place.name}; nothing to do")
        return
    say(f"watching {place.name}")
    if not server.run(exit_when_idle=exit_when_idle):
        nothing_to_do(f"no unfinished federation in {place.name}; nothing to do")


def _reports(place: Bucket) -> Publisher:
    from protocol.commands.report import rendered
    from protocol.report.publisher import Publisher
    from runner.commands.console import say
    from runner.report.library import chart_library

    chart_library()  # else no report could be made
    return Publisher(place, partial(rendered, bucket=place.name, by="Kept fresh by sync-server."), say)


app = single(sync_server)
