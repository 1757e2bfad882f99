"""Traces: MessagePack from anywhere, on its way into a scenario, as it is and through the bucket."""

from __future__ import annotations

import hashlib
import random
from typing import Any

import hostile
import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from env.errors import SimArenaError
from env.problems.scenario import scenario_from_trace
from env.trace.document import read_trace, upgrade_trace
from infra.proof.standin import bucket_of, training
from infra.proof.virtual_time import World
from protocol.learners.materials import Scenarios
from protocol.wire import keys
from protocol.wire.job_documents import Manifest

DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "replicas": 3,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "containers": [{"name": "c", "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}],
                "nodeSelector": {"a": "b"},
            },
        },
    },
}
VALID: dict[Any, Any] = {
    "version": 2,
    "config": {"trackedObjects": {"apps/v1.Deployment": {"podSpecTemplatePath": "/spec/template"}}},
    "events": [{"ts": 100, "applied_objs": [DEPLOYMENT], "deleted_objs": []}],
    "index": {"apps/v1.Deployment": {"default/web": 5}},
    "pod_lifecycles": {},
}
packable = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | hostile.text
    | st.binary(max_size=8)
    | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=8))
    | st.just(msgpack.Timestamp(1)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(hostile.text | st.integers(0, 9), inner, max_size=3),
    max_leaves=8,
)


def packed(value: Any) -> bytes:
    body: bytes = msgpack.packb(value, unicode_errors="surrogatepass")
    return body


def use(body: bytes) -> None:
    """As a worker does, and `sim-arena trace upgrade`."""
    hostile.answered("traces: read", len(body), lambda: scenario_from_trace(read_trace(body, "t"), name="t"))
    hostile.answered("traces: upgraded", len(body), lambda: upgrade_trace(body, "t"))


def test_the_valid_trace_is_one() -> None:
    scenario_from_trace(read_trace(packed(VALID), "t"), name="t")


@settings(settings.get_profile("fuzz"))
@given(document=hostile.mutants(VALID, packable))
def test_a_mutated_trace_is_read_or_refused_in_one_line(document: Any) -> None:
    use(packed(document))


@settings(settings.get_profile("fuzz"))
@given(seed=st.integers(0, 2**64))
def test_a_damaged_trace_is_read_or_refused_in_one_line(seed: int) -> None:
    for chance in hostile.chances(seed):
        use(hostile.damaged(packed(VALID), chance))


@settings(settings.get_profile("fuzz"))
@given(seed=st.integers(0, 2**64), honest=st.booleans())
def test_a_worker_refuses_a_trace_of_the_bucket_that_is_not_one(seed: int, honest: bool) -> None:
    body = hostile.damaged(packed(VALID), random.Random(seed))
    sha256 = hashlib.sha256(body if honest else b"").hexdigest()
    world = World(seed=0)
    bucket = bucket_of(world)
    bucket.ensure_created(keys.trace(sha256), body)
    manifest = Manifest(job_id="j", created_at="now", training=training(traces=(sha256,)))
    read = hostile.answered("traces: through the bucket", len(body), lambda: Scenarios(bucket).read(manifest))
    assert honest or read is None


@pytest.mark.parametrize(
    "body",
    [
        b"\x91" * 1_000_000,
        b"\x81\xa1a" * 300_000,
        b"\x81\x91" * 300_000,
        b"\xdd\xff\xff\xff\xff" * 1000,
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x01",
        b"\xd7\xff" + bytes(8),
        b"\xdc\xff\xff" + b"\x80" * 65_535,
        b"\xdd\x00\x40\x00\x00" + b"\x80" * (1 << 22),
        packed({**VALID, "config": {"trackedObjects": {"a\nb\x1b[31m": 1}}}),
        packed({**VALID, "config": {"trackedObjects": {"k" * 1_000_000: 1}}}),
        packed({**VALID, "config": {"trackedObjects": {"k": {"x\ny" * 10_000: 1}}}}),
        packed({**VALID, "version": 2**64 - 1}),
    ],
    ids=range(15),
)
def test_what_is_huge_deep_or_twisted_is_refused_in_one_line(body: bytes) -> None:
    with pytest.raises(SimArenaError):
        read_trace(body, "t")
    use(body)
