"""An in-memory S3 with virtual time: what tests and simulations put in place of a real one.

`MemoryS3` is the server; each process talks to it through its own `MemoryStore`. Before every request the store calls
`on_request`, and after it took effect `on_answer`; what these raise is what the process sees. That is where a
simulation loses requests or answers, returns 503s, kills processes, and lets others go first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from protocol.errors import Exists, TooLarge
from protocol.store import Blob, Entry, Page


@dataclass(frozen=True)
class Request:
    """A row of the request log. `verb` is PUT, CREATE, GET, HEAD, LIST or DELETE."""

    who: str
    verb: str
    key: str
    size: int = 0


@dataclass
class _Object:
    body: bytes
    metadata: Mapping[str, str]
    modified: float


def _nothing(request: Request) -> None:
    return None


@dataclass
class MemoryS3:
    """The server: objects, a clock (seconds since the epoch, virtual) and the log of all requests."""

    time: float = 1_700_000_000.0
    page_size: int = 1000
    objects: dict[str, _Object] = field(default_factory=dict)
    log: list[Request] = field(default_factory=list)

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


@dataclass
class MemoryStore:
    """One process's view of a MemoryS3; a `protocol.store.Store`."""

    server: MemoryS3
    who: str
    on_request: Callable[[Request], None]
    on_answer: Callable[[Request], None]

    @property
    def name(self) -> str:
        return "memory://"

    def put(self, key: str, body: bytes, metadata: Mapping[str, str], *, create_only: bool) -> None:
        request = self._begin("CREATE" if create_only else "PUT", key, len(body))
        if create_only and key in self.server.objects:
            self.on_answer(request)
            raise Exists(f"memory: {key}: 412")
        self.server.objects[key] = _Object(bytes(body), dict(metadata), self._second())
        self.on_answer(request)

    def get(self, key: str, max_bytes: int) -> Blob | None:
        request = self._begin("GET", key)
        found = self.server.objects.get(key)
        self.on_answer(request)
        if found is None:
            return None
        if len(found.body) > max_bytes:
            raise TooLarge(f"memory: {key}: {len(found.body)} bytes, at most {max_bytes} are read")
        return Blob(found.body, found.metadata)

    def metadata(self, key: str) -> Mapping[str, str] | None:
        request = self._begin("HEAD", key)
        found = self.server.objects.get(key)
        self.on_answer(request)
        return None if found is None else found.metadata

    def page(self, prefix: str, after: str) -> Page:
        request = self._begin("LIST", prefix)
        found = sorted(key for key in self.server.objects if key.startswith(prefix) and key > after)
        rows = tuple(self._entry(key) for key in found[: self.server.page_size])
        page = Page(rows, len(found) > len(rows), self._second())
        self.on_answer(request)
        return page

    def delete(self, key: str) -> None:
        request = self._begin("DELETE", key)
        self.server.objects.pop(key, None)
        self.on_answer(request)

    def _begin(self, verb: str, key: str, size: int = 0) -> Request:
        request = Request(self.who, verb, key, size)
        self.on_request(request)
        self.server.log.append(request)
        return request

    def _entry(self, key: str) -> Entry:
        thing = self.server.objects[key]
        return Entry(key, len(thing.body), thing.modified)

    def _second(self) -> float:
        return float(int(self.server.time))  # S3's Date and Last-Modified know whole seconds only
