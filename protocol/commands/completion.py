"""Ids of jobs and groups that a shell completes, as far as the bucket answers in time."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import typer

from protocol.wire import keys

PATIENCE_S = 1.5  # a person waits for the shell


def jobs(context: typer.Context, incomplete: str) -> list[str]:
    """Ids of jobs, unfinished and finished."""
    return _in_time(context, lambda name: _jobs(name, incomplete))


def groups(context: typer.Context, incomplete: str) -> list[str]:
    """Groups of federations."""
    return _in_time(context, lambda name: _groups(name, incomplete))


def names(context: typer.Context, incomplete: str) -> list[str]:
    """Groups of federations, and ids of jobs."""
    return groups(context, incomplete) + jobs(context, incomplete)


def _jobs(bucket: str, incomplete: str) -> Iterator[str]:
    for prefix in (keys.PENDING, keys.FINISHED, keys.REJECTED):
        found = (keys.parse_manifest(key) for key in _page(bucket, prefix + incomplete))
        yield from filter(None, found)


def _groups(bucket: str, incomplete: str) -> Iterator[str]:
    found = (keys.parse_active(key) for key in _page(bucket, keys.ACTIVE + incomplete))
    yield from filter(None, found)
    members = (keys.parse_member_job(job) for job in _jobs(bucket, incomplete))
    yield from (member[0] for member in members if member)


def _page(bucket: str, prefix: str) -> list[str]:
    """The first keys below a prefix; one request, which is not repeated."""
    from protocol.wire.store import S3Store

    return [entry.key for entry in S3Store(bucket, role="dispatch").page(prefix, "").entries]


def _in_time(context: typer.Context, find: Callable[[str], Iterator[str]]) -> list[str]:
    """What was found within the time; less if the bucket is slow, nothing if it refuses."""
    bucket = context.params.get("bucket") or os.environ.get("SIM_ARENA_BUCKET")
    found: dict[str, None] = {}

    def look() -> None:
        with suppress(Exception):  # a shell that completes is no place for an error
            for name in find(str(bucket)):
                found[name] = None

    if bucket:
        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        thread.join(PATIENCE_S)
    return list(found)
