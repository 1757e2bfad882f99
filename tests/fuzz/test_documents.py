"""Every document of the bucket, mutated: it is read as what it says, or refused in one line."""

from __future__ import annotations

import json

import hostile
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.proof.standin import federation, training
from protocol.wire import documents
from protocol.wire.documents import Document
from protocol.wire.federation_documents import Decision, LeftOut, Outcome, OutcomeStatus, Participant
from protocol.wire.job_documents import (
    Cancel,
    Claim,
    Heartbeat,
    Manifest,
    Membership,
    Nodes,
    Released,
    Result,
    ResultStatus,
)

NOW = "2026-01-01T00:00:00Z"
DOCUMENTS: list[Document] = [
    Manifest(
        job_id="g-m0001",
        created_at=NOW,
        training=training(
            nodes=Nodes(count=1, cpu_m=1, memory_bytes=1, pods=1), agent_settings={"hidden": [8], "double": True}
        ),
        federation=Membership(group="g", member=1, size=2),
    ),
    federation(3),
    Claim(worker="w", failures=1, progress=2, claimed_at=NOW),
    Released(worker="w", failed=True, reason="so"),
    Heartbeat(worker="w", seq=1, episode=1, reward=-0.5, phase="trains"),
    Cancel(by="me", at=NOW),
    Result(
        job_id="j", status=ResultStatus.SUCCESS, finished_at=NOW, artifacts={"train.log": "k"}, fingerprint={"cpu": "x"}
    ),
    Decision(
        round=1,
        reason="full",
        participants=(Participant(member=0, weight=5, reward=0.5, solved=1),),
        left_out=(LeftOut(member=1, reason="so"),),
        departed=(2,),
    ),
    Outcome(status=OutcomeStatus.FINISHED, rounds=3, reason="so", finished_at=NOW, weights_sha256="a" * 64),
]
of_each_kind = pytest.mark.parametrize("valid", DOCUMENTS, ids=lambda document: type(document).__name__)


def read(valid: Document, body: bytes) -> None:
    kind = type(valid)
    target = f"documents: {kind.__name__}"
    found = hostile.answered(target, len(body), lambda: documents.parse(kind, body, "jobs/x.json"))
    if found is not None:
        assert documents.parse(kind, found.to_bytes(), "again") == found


@of_each_kind
@settings(settings.get_profile("fuzz"))
@given(data=st.data())
def test_a_mutated_document_is_read_or_refused_in_one_line(valid: Document, data: st.DataObject) -> None:
    read(valid, hostile.loose_json(data.draw(hostile.mutants(json.loads(valid.to_bytes())))))


@of_each_kind
@settings(settings.get_profile("fuzz"))
@given(seed=st.integers(0, 2**64))
def test_damaged_bytes_are_read_or_refused_in_one_line(valid: Document, seed: int) -> None:
    for chance in hostile.chances(seed):
        read(valid, hostile.damaged(valid.to_bytes(), chance))


@of_each_kind
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[" * 1_000_000,
        b'{"a":' * 200_000,
        b'{"version": ' + b"9" * 1_000_000 + b"}",
        b'{"version": 1, "version": 1}',
        b'{"version": true}',
        b'{"version": NaN}',
        b'{"version": 1e999}',
        b'{"' + b"k" * 1_000_000 + b'": 1}',
        b'{"\\ud800": 1}',
        b'{"a\\nb\\u001b[31m": 1}',
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf{}",
        b"{" + b",".join(b'"%d": 0' % i for i in range(100_000)) + b"}",
    ],
    ids=range(14),
)
def test_what_is_huge_deep_or_twisted_is_refused_in_one_line(valid: Document, body: bytes) -> None:
    read(valid, body)
