"""The history of a simulated run: every request as it took effect at the server, and everything that went wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from protocol.wire.errors import StoreError
from protocol.wire.memory import Answer, Request
from protocol.wire.store import Page

LATE = " (given up)"  # after the name of a sender that does not wait for the answer any more


@dataclass(frozen=True, slots=True)
class AppliedRequest:
    """A request at the moment it took effect. `place` is its place in the history, `at` virtual seconds.

    Attributes:
        changed: whether it wrote or deleted something.
        found: whether a read found its object; with LIST how many entries it showed.
    """

    place: int
    at: float
    request: Request
    changed: bool
    found: int

    @property
    def who(self) -> str:
        return self.request.who.removesuffix(LATE)

    @property
    def late(self) -> bool:
        """Whether its sender had given it up."""
        return self.request.who.endswith(LATE)

    @property
    def key(self) -> str:
        return self.request.key

    def line(self) -> str:
        match self.request.verb:
            case "CREATE":
                outcome = "created" if self.changed else "412, it exists"
            case "GET" | "HEAD":
                outcome = "found" if self.found else "absent"
            case "LIST":
                outcome = f"{self.found} entries" + (f" after {self.request.after}" if self.request.after else "")
            case _:
                outcome = "done" if self.changed else "there was none"
        return f"{self.request.verb:6} {self.key}: {outcome}"


@dataclass(frozen=True, slots=True)
class Note:
    """Something that happened to a process or to one of its requests."""

    at: float
    who: str
    text: str

    def line(self) -> str:
        return f"   *** {self.text}"


@dataclass
class History:
    """What happened, in order.

    Attributes:
        created: per key the creations that succeeded.
        writes: every change, in order: creations, plain PUTs, deletions of what was there.
    """

    events: list[AppliedRequest | Note] = field(default_factory=list)
    created: dict[str, list[AppliedRequest]] = field(default_factory=lambda: defaultdict(list))
    writes: list[AppliedRequest] = field(default_factory=list)
    _there: set[str] = field(default_factory=set)

    def landed(self, at: float, request: Request, answer: Answer | StoreError) -> None:
        """Take a request down, as it takes effect."""
        refused = isinstance(answer, StoreError)
        writes = request.verb in ("PUT", "CREATE") and not refused
        changed = writes or (request.verb == "DELETE" and request.key in self._there)
        found = len(answer.entries) if isinstance(answer, Page) else int(answer is not None and not refused)
        event = AppliedRequest(len(self.events), at, request, changed, found)
        self.events.append(event)
        if changed:
            (self._there.add if writes else self._there.discard)(request.key)
            self.writes.append(event)
            if request.verb == "CREATE":
                self.created[request.key].append(event)

    def note(self, at: float, who: str, text: str) -> None:
        self.events.append(Note(at, who, text))

    def requests(self) -> Iterator[AppliedRequest]:
        return (event for event in self.events if isinstance(event, AppliedRequest))

    def first(self, key: str) -> AppliedRequest | None:
        """The creation of a key, None if there was none."""
        found = self.created.get(key)
        return found[0] if found else None

    def lines(self) -> list[str]:
        """The history for people to read."""
        return [f"{event.at:10.3f}  {_sender(event):12} {event.line()}" for event in self.events]


def _sender(event: AppliedRequest | Note) -> str:
    return event.request.who if isinstance(event, AppliedRequest) else event.who
