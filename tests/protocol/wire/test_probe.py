"""The probe: which endpoints a process refuses before it writes anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import pytest

from protocol.wire.bucket import Bucket
from protocol.wire.clock import system_clock
from protocol.wire.errors import Exists, Unfit
from protocol.wire.memory import MemoryS3, MemoryStore, Request
from protocol.wire.probe import probe
from protocol.wire.store import Blob, Page


def nothing(request: Request) -> None:
    return None


class IgnoresConditions(MemoryStore):
    """As rclone and s3rver."""

    def put(self, key: str, body: bytes, metadata: Mapping[str, str], *, create_only: bool) -> None:
        super().put(key, body, metadata, create_only=False)


class RefusesAndWrites(MemoryStore):
    def put(self, key: str, body: bytes, metadata: Mapping[str, str], *, create_only: bool) -> None:
        try:
            super().put(key, body, metadata, create_only=create_only)
        except Exists:
            super().put(key, body, self.metadata(key) or {}, create_only=False)
            raise


class DropsMetadata(MemoryStore):
    def put(self, key: str, body: bytes, metadata: Mapping[str, str], *, create_only: bool) -> None:
        super().put(key, body, {}, create_only=create_only)


class RefusesFreshKeys(MemoryStore):
    def put(self, key: str, body: bytes, metadata: Mapping[str, str], *, create_only: bool) -> None:
        raise Exists("412")


class LosesWrites(MemoryStore):
    def put(self, key: str, body: bytes, metadata: Mapping[str, str], *, create_only: bool) -> None:
        return None


class ListsLate(MemoryStore):
    def page(self, prefix: str, after: str) -> Page:
        return replace(super().page(prefix, after), entries=())


class DeletesLate(MemoryStore):
    def delete(self, key: str) -> None:
        return None


class AnswersAnything(MemoryStore):
    def get(self, key: str, max_bytes: int) -> Blob | None:
        return super().get(key, max_bytes) or Blob(b"hello")


class AheadByAMinute(MemoryStore):
    def page(self, prefix: str, after: str) -> Page:
        page = super().page(prefix, after)
        return replace(page, server_time=page.server_time + 60)


class BehindByAMinute(MemoryStore):
    def page(self, prefix: str, after: str) -> Page:
        page = super().page(prefix, after)
        return replace(page, server_time=page.server_time - 60)


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        (IgnoresConditions, "ignores If-None-Match"),
        (RefusesAndWrites, "a refused create-only write changed the object"),
        (RefusesFreshKeys, "no clear answer to a create-only write"),
        (DropsMetadata, "drops user metadata"),
        (LosesWrites, "ignores If-None-Match"),
        (ListsLate, "a listing does not show an object that was just written"),
        (DeletesLate, "a deleted object can still be read"),
        (AnswersAnything, "an object that was never written can be read"),
        (AheadByAMinute, "Date and Last-Modified are 60 s apart"),
        (BehindByAMinute, "Date and Last-Modified are 60 s apart"),
    ],
)
def test_an_endpoint_that_breaks_a_promise_is_refused_with_one_line(kind: type[MemoryStore], line: str) -> None:
    store = kind(MemoryS3(), "test", nothing, nothing)
    with pytest.raises(Unfit, match=line) as refused:
        probe(Bucket(store, system_clock(), patience_s=0.0))
    assert "\n" not in str(refused.value)


def test_it_costs_eight_requests_and_leaves_nothing() -> None:
    server = MemoryS3()
    probe(Bucket(server.store("test"), system_clock()))
    assert Counter(row.verb for row in server.log) == {"CREATE": 2, "HEAD": 1, "GET": 3, "LIST": 1, "DELETE": 1}
    assert server.objects == {}


def test_what_it_wrote_is_deleted_even_when_it_cannot_end() -> None:
    server = MemoryS3()

    class Broken(MemoryStore):
        def page(self, prefix: str, after: str) -> Page:
            raise Unfit("no listing")

    with pytest.raises(Unfit, match="no listing"):
        probe(Bucket(Broken(server, "test", nothing, nothing), system_clock()))
    assert server.objects == {}


def test_a_minute_between_the_write_and_the_listing_is_no_fault_of_the_clocks() -> None:
    server = MemoryS3()
    clock = replace(system_clock(), now=lambda: server.time)

    def slowly(request: Request) -> None:
        server.time += 60.0

    probe(Bucket(server.store("test", slowly), clock))
