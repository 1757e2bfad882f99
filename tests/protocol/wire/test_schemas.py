"""Documents: strict, bounded, and clear about what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.proof.standin import federation, training
from protocol.wire import documents
from protocol.wire.errors import BadDocument
from protocol.wire.federation_documents import Federation
from protocol.wire.job_documents import Manifest, Membership


def manifest() -> Manifest:
    return Manifest(
        job_id="g-m0001",
        created_at="2026-01-01T00:00:00Z",
        training=training(),
        federation=Membership(group="g", member=1, size=2),
    )


def test_documents_are_read_back_as_they_were_written() -> None:
    assert documents.parse(Manifest, manifest().to_bytes(), "m") == manifest()
    assert documents.parse(Federation, federation(3).to_bytes(), "f") == federation(3)


def changed(path: str, value: Any) -> bytes:
    document = json.loads(manifest().to_bytes())
    *parents, last = path.split(".")
    place = document
    for name in parents:
        place = place[name]
    place[last] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("version", 0),
        ("job_id", "../evil"),
        ("job_id", "another-job"),
        ("surprise", 1),
        ("training.episodes", 0),
        ("training.episodes", "3"),
        ("training.steps", 10**9),
        ("training.seed", -1),
        ("training.traces", ["../../etc/passwd"]),
        ("federation.episodes_per_round", 0),
        ("training.job_type", "mining"),
        ("training.target", 0),
        ("training.agent_settings", {"x": [[1]]}),
        ("federation.member", -1),
    ],
)
def test_a_wrong_field_is_named(path: str, value: Any) -> None:
    with pytest.raises(BadDocument) as error:
        documents.parse(Manifest, changed(path, value), "jobs/pending/g-m0001/manifest.json")
    message = str(error.value)
    assert message.startswith("jobs/pending/g-m0001/manifest.json: ")
    assert "\n" not in message
    # The validator over the whole document speaks for the document.
    assert path.split(".")[-1] in message or path == "job_id"


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b'{"version": 1e999}'])
def test_what_is_no_document_is_refused_in_one_line(body: bytes) -> None:
    with pytest.raises(BadDocument, match=r"\Aname: "):
        documents.parse(Manifest, body, "name")


@given(st.binary(max_size=300))
def test_no_bytes_get_through_or_break_the_parser(body: bytes) -> None:
    with pytest.raises(BadDocument):
        documents.parse(Manifest, body, "name")


def test_a_federation_cannot_ask_for_more_participants_than_members() -> None:
    with pytest.raises(ValueError, match="min_participants 3 is more than the 2 of a round"):
        federation(2, min_participants=3)
