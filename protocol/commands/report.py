"""`dispatch report`: a federation as one HTML page, in a file or in the bucket with a link to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from env.errors import OutputError, UsageError
from protocol.commands.options import BucketChoice, Group, LeaseChoice
from protocol.wire.schedule import LEASE_TTL_S
from runner.commands.console import check_place, note, out, print_json
from runner.options import completion
from runner.options.flatten import flattened
from runner.options.output import OutputChoice

if TYPE_CHECKING:
    from protocol.report.evaluation import Evaluation
    from protocol.report.record import Record
    from protocol.wire.bucket import Bucket

LONGEST_S = 7 * 86_400  # of a link that is signed by Signature Version 4


@flattened
def report(
    group: Group,
    where: BucketChoice,
    lease: LeaseChoice,
    output: OutputChoice,
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The page. Default: runs/GROUP/report.html.", autocompletion=completion.files
        ),
    ] = None,
    publish: Annotated[
        bool, typer.Option("--publish", help="Put the page into the bucket too, and print a link to it.")
    ] = False,
    expires: Annotated[
        int | None,
        typer.Option(
            metavar="SECONDS",
            min=1,
            max=LONGEST_S,
            help="How long the link of --publish works. Default: 86400, a day; a week at most.",
        ),
    ] = None,
    score: Annotated[
        bool,
        typer.Option("--score", help="Play the newest global model and rules greedily on unseen problems."),
    ] = False,
    tensorboard: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write event files for TensorBoard too.", autocompletion=completion.files),
    ] = None,
) -> None:
    """Show a federation as one HTML page, in a file or a bucket.

    With --publish whoever has the printed link can read the page until it expires. `sync-server --report` keeps a
    published page fresh.
    """
    from agents.saved.files import write_atomic
    from protocol.commands.buckets import open_bucket
    from protocol.commands.score import model_and_problems
    from protocol.commands.status import require_federation
    from protocol.report.evaluation import play
    from protocol.report.page import verdict
    from protocol.report.reader import GroupReader
    from protocol.wire import ids
    from runner.report.library import chart_library

    if expires is not None and not publish:
        raise UsageError("--expires: is of the link that --publish prints")
    check_place(to, "--to")
    chart_library()  # a page needs it: better now than after a thousand requests
    place = open_bucket(where.bucket)
    federation = require_federation(place, ids.valid_group(group))
    record = GroupReader(place, federation, lease.lease_ttl).read()
    evaluation = play(*model_and_problems(place, federation, record.closed)) if score else None
    body = rendered(record, bucket=place.name, ttl_s=lease.lease_ttl, evaluation=evaluation)
    file = to or _own_place(group)
    write_atomic(file, body)
    if tensorboard is not None:
        from protocol.report.events import write_events

        write_events(record.rounds, tensorboard)
    link = _published(place, group, body, expires or 86_400) if publish else None
    if output.as_json:
        told = {"report": str(file), "bytes": len(body), "verdict": verdict(record), "link": link}
        print_json({**told, "requests": record.requests})
        return
    out.print(verdict(record), markup=False, highlight=False)
    note(f"report {file}: {len(body) / 1e6:.1f} MB; open it in a browser", whole=True)
    if link is not None:
        out.print(link, markup=False, highlight=False, soft_wrap=True)


def _own_place(group: str) -> Path:
    """Beside what `dispatch download` fetches; its folder is made."""
    folder = Path("runs") / group
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror})") from error
    return folder / "report.html"


def _published(place: Bucket, group: str, body: bytes, expires_s: int) -> str:
    from protocol.wire import keys
    from protocol.wire.store import S3Store
    from runner.report.cells import duration

    place.replace(keys.report(group), body)
    note(
        f"whoever has this link can read the page for {duration(expires_s)}, or until the credentials end that signed "
        "it; it gives no other right, and cannot be taken back but with them"
    )
    return S3Store(place.name.removeprefix("s3://"), role="dispatch").link(keys.report(group), expires_s)


def rendered(
    record: Record,
    *,
    bucket: str,
    by: str = "",
    ttl_s: float = LEASE_TTL_S,
    evaluation: Evaluation | None = None,
    again: Sequence[str] = (),
) -> bytes:
    """A record's page as the bytes of a file.

    Args:
        bucket: as messages call it.
        by: what keeps it fresh, if so.
        evaluation: of the newest global model.
        again: what makes the federation again, where no bucket is left that `dispatch submit` could use.
    """
    from protocol.report.page import page_of
    from runner.report.html import render
    from runner.report.made import made

    by_whom = f"{made()} {by}".strip()
    page = page_of(record, bucket, made=by_whom, ttl_s=ttl_s, evaluation=evaluation, again=again)
    return render(page).encode()
