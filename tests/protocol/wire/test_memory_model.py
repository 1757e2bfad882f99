"""The in-memory S3 is a plain dict, with the errors of S3: for all requests in any order."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from protocol.wire.errors import Exists, TooLarge
from protocol.wire.memory import MemoryS3, Request, Shelf
from protocol.wire.store import Blob, ObjectSummary, Page

KEYS = st.sampled_from(["a", "a/", "a/b", "a/b/c", "a/c", "ab", "b", "b/a", "é", "z/"])
PREFIXES = st.sampled_from(["", "a", "a/", "a/b", "b", "c", "z", "é"])
BODIES = st.binary(max_size=6)
METADATA = st.dictionaries(st.sampled_from(["nonce", "facts"]), st.text(max_size=3), max_size=2)


class LikeADict(RuleBasedStateMachine):
    """Each rule does the same to a MemoryStore and to a dict of (body, metadata, second of the last change)."""

    @initialize(page_size=st.integers(1, 4))
    def begin(self, page_size: int) -> None:
        self.s3 = MemoryS3(page_size=page_size)
        self.store = self.s3.store("test")
        self.model: dict[str, tuple[bytes, dict[str, str], int]] = {}
        self.requests = 0

    @rule(seconds=st.floats(0.0, 3.0))
    def time_passes(self, seconds: float) -> None:
        self.s3.time += seconds

    @rule(key=KEYS, body=BODIES, metadata=METADATA)
    def put(self, key: str, body: bytes, metadata: dict[str, str]) -> None:
        self.store.put(key, body, metadata, create_only=False)
        self.model[key] = (body, metadata, int(self.s3.time))
        self.requests += 1

    @rule(key=KEYS, body=BODIES, metadata=METADATA)
    def create(self, key: str, body: bytes, metadata: dict[str, str]) -> None:
        self.requests += 1
        if key in self.model:
            with pytest.raises(Exists, match="412"):
                self.store.put(key, body, metadata, create_only=True)
        else:
            self.store.put(key, body, metadata, create_only=True)
            self.model[key] = (body, metadata, int(self.s3.time))

    @rule(key=KEYS, max_bytes=st.integers(0, 6))
    def get(self, key: str, max_bytes: int) -> None:
        self.requests += 1
        if key not in self.model:
            assert self.store.get(key, max_bytes) is None
        elif len(self.model[key][0]) > max_bytes:
            with pytest.raises(TooLarge, match=f"at most {max_bytes}"):
                self.store.get(key, max_bytes)
        else:
            assert self.store.get(key, max_bytes) == Blob(*self.model[key][:2])

    @rule(key=KEYS)
    def head(self, key: str) -> None:
        self.requests += 1
        assert self.store.metadata(key) == (self.model[key][1] if key in self.model else None)

    @rule(prefix=PREFIXES, after=st.one_of(st.just(""), KEYS))
    def list_a_page(self, prefix: str, after: str) -> None:
        self.requests += 1
        found = sorted(key for key in self.model if key.startswith(prefix) and key > after)
        shown = found[: self.s3.page_size]
        rows = tuple(ObjectSummary(key, len(self.model[key][0]), float(self.model[key][2])) for key in shown)
        assert self.store.page(prefix, after) == Page(rows, len(found) > len(shown), float(int(self.s3.time)))

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        self.requests += 1
        self.store.delete(key)
        self.model.pop(key, None)

    @rule(key=KEYS)
    def a_key_is_deleted_on_the_server(self, key: str) -> None:
        if key in self.model:
            del self.s3.objects[key], self.model[key]

    @invariant()
    def the_same_is_there(self) -> None:
        assert self.s3.bodies() == {key: body for key, (body, _, _) in self.model.items()}

    @invariant()
    def every_request_is_in_the_log(self) -> None:
        assert len(self.s3.log) == self.requests


TestTheInMemoryS3 = LikeADict.TestCase
TestTheInMemoryS3.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)


def test_what_a_caller_does_to_its_bytes_later_does_not_change_what_is_stored() -> None:
    s3 = MemoryS3()
    metadata, body = {"nonce": "1"}, bytearray(b"one")
    s3.store("test").put("a", body, metadata, create_only=True)
    metadata["nonce"], body[:] = "2", b"two"
    assert s3.store("test").get("a", 10) == Blob(b"one", {"nonce": "1"})


def test_a_refused_create_changes_nothing_and_the_sender_hears_of_it_after_it_took_effect() -> None:
    seen: list[str] = []
    s3 = MemoryS3(witness=lambda request, answer: seen.append(f"{request.verb} {type(answer).__name__}"))
    store = s3.store("test", lambda request: seen.append("sent"), lambda request: seen.append("answered"))
    store.put("a", b"1", {}, create_only=True)
    with pytest.raises(Exists):
        store.put("a", b"2", {}, create_only=True)
    assert seen == ["sent", "CREATE NoneType", "answered", "sent", "CREATE Exists", "answered"]
    assert s3.bodies() == {"a": b"1"}


def test_a_verb_that_s3_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="verb 'POST'"):
        MemoryS3().apply(Request("test", "POST", "a"))


def test_a_shelf_knows_its_keys_in_order() -> None:
    s3 = MemoryS3()
    for key in ("b", "a", "c", "ab"):
        s3.store("test").put(key, b"", {}, create_only=True)
    assert isinstance(s3.objects, Shelf)
    assert s3.objects.below("a", "", 1) == (["a"], True)
    assert s3.objects.below("a", "a", 9) == (["ab"], False)
