"""An in-memory S3 with virtual time: what tests and simulations put in place of a real one.

`MemoryS3` is the server: a dict, and one function that carries a request out. Each process talks to it through its own
`MemoryStore`. Before every request the store calls `on_request`, and after it took effect `on_answer`; what these raise
is what the process sees. That is where a simulation loses requests or answers, returns 503s, kills processes, and lets
others go first.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import UserDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

from protocol.wire.errors import Exists, StoreError, TooLarge
from protocol.wire.store import Blob, ObjectSummary, Page


@dataclass(frozen=True, slots=True)
class Request:
    """A row of the request log. `verb` is PUT, CREATE, GET, HEAD, LIST or DELETE; a LIST's key is its prefix."""

    who: str
    verb: str
    key: str
    size: int = 0
    body: bytes = field(default=b"", repr=False, compare=False)
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    after: str = ""


@dataclass(slots=True)
class _Object:
    body: bytes
    metadata: Mapping[str, str]
    modified: float


class Shelf(UserDict[str, _Object]):
    """A dict that also knows its keys in order."""

    def __init__(self) -> None:
        super().__init__()
        self._ordered: list[str] = []

    def __setitem__(self, key: str, value: _Object) -> None:
        if key not in self.data:
            insort(self._ordered, key)
        self.data[key] = value

    def __delitem__(self, key: str) -> None:
        del self.data[key]
        del self._ordered[bisect_left(self._ordered, key)]

    def below(self, prefix: str, after: str, at_most: int) -> tuple[list[str], bool]:
        """The first keys with this prefix and greater than `after`, and whether there are more."""
        start = max(bisect_left(self._ordered, prefix), bisect_right(self._ordered, after))
        found = []
        for index in range(start, min(start + at_most + 1, len(self._ordered))):
            if not self._ordered[index].startswith(prefix):
                break
            found.append(self._ordered[index])
        return found[:at_most], len(found) > at_most


Answer = Blob | Mapping[str, str] | Page | None
Witness = Callable[[Request, Answer | StoreError], None]


def _nothing(request: Request) -> None:
    return None


def _unseen(request: Request, answer: Answer | StoreError) -> None:
    return None


@dataclass
class MemoryS3:
    """The server.

    Attributes:
        time: its clock, virtual seconds since the epoch.
        page_size: entries that one LIST answers at most.
        objects: what is stored.
        log: all requests that arrived, in the order in which they took effect.
        witness: told of each of them at that moment, with the answer.
    """

    time: float = 1_700_000_000.0
    page_size: int = 1000
    objects: Shelf = field(default_factory=Shelf)
    log: list[Request] = field(default_factory=list)
    witness: Witness = _unseen

    def store(
        self,
        who: str,
        on_request: Callable[[Request], None] = _nothing,
        on_answer: Callable[[Request], None] = _nothing,
    ) -> MemoryStore:
        """A client of this server for one process."""
        return MemoryStore(self, who, on_request, on_answer)

    def bodies(self) -> dict[str, bytes]:
        """All objects, for assertions."""
        return {key: thing.body for key, thing in sorted(self.objects.items())}

    def apply(self, request: Request) -> Answer:
        """Carry a request out, at once and as a whole.

        Raises:
            Exists: a CREATE of a key that is taken.
        """
        self.log.append(request)
        try:
            answer = self._answer(request)
        except StoreError as refusal:
            self.witness(request, refusal)
            raise
        self.witness(request, answer)
        return answer

    def _answer(self, request: Request) -> Answer:
        match request.verb:
            case "PUT" | "CREATE":
                if request.verb == "CREATE" and request.key in self.objects:
                    raise Exists(f"memory: {request.key}: 412")
                self.objects[request.key] = _Object(request.body, request.metadata, self._second())
                return None
            case "GET":
                found = self.objects.get(request.key)
                return None if found is None else Blob(found.body, found.metadata, found.modified)
            case "HEAD":
                found = self.objects.get(request.key)
                return None if found is None else found.metadata
            case "LIST":
                listed, more = self.objects.below(request.key, request.after, self.page_size)
                return Page(tuple(self._entry(key) for key in listed), more, self._second())
            case "DELETE":
                if request.key in self.objects:
                    del self.objects[request.key]
                return None
        raise ValueError(f"verb {request.verb!r}: not one of S3's")

    def _entry(self, key: str) -> ObjectSummary:
        thing = self.objects[key]
        return ObjectSummary(key, len(thing.body), thing.modified)

    def _second(self) -> float:
        return float(int(self.time))  # S3's Date and Last-Modified know whole seconds only


@dataclass
class MemoryStore:
    """One process's view of a MemoryS3; a `protocol.wire.store.Store`."""

    server: MemoryS3
    who: str
    on_request: Callable[[Request], None]
    on_answer: Callable[[Request], None]

    @property
    def name(self) -> str:
        return "memory://"

    def put(self, key: str, body: bytes, metadata: Mapping[str, str], *, create_only: bool) -> None:
        verb = "CREATE" if create_only else "PUT"
        self.send(Request(self.who, verb, key, len(body), bytes(body), dict(metadata)))

    def get(self, key: str, max_bytes: int) -> Blob | None:
        found = cast(Blob | None, self.send(Request(self.who, "GET", key)))
        if found is not None and len(found.body) > max_bytes:
            raise TooLarge(f"memory: {key}: {len(found.body)} bytes, at most {max_bytes} are read")
        return found

    def metadata(self, key: str) -> Mapping[str, str] | None:
        return cast(Mapping[str, str] | None, self.send(Request(self.who, "HEAD", key)))

    def page(self, prefix: str, after: str) -> Page:
        return cast(Page, self.send(Request(self.who, "LIST", prefix, after=after)))

    def delete(self, key: str) -> None:
        self.send(Request(self.who, "DELETE", key))

    def send(self, request: Request) -> Answer:
        """One request there and its answer back."""
        self.on_request(request)
        try:
            answer = self.server.apply(request)
        except StoreError:
            self.on_answer(request)
            raise
        self.on_answer(request)
        return answer
