"""The journal of a chaos run: signals, faults and requests, written as they happen."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urlsplit

from infra.proof.chaos.faults import Exchange
from infra.proof.chaos.schedule import role_of

_MAY_BE_OVERWRITTEN = "/heartbeat-"
_MAY_BE_DELETED = ("jobs/", "federations/active/", "probe/")


class Journal:
    """`journal.jsonl`: signals, processes, network faults; `requests.jsonl`: all requests. Times are seconds so far.

    Attributes:
        signals: delivered, by kind and by whom.
        faults: of the network, by kind.
        requests: by role.
        violations: requests that the protocol forbids and a process sent.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal.jsonl"
        self.signals: Counter[tuple[str, str]] = Counter()
        self.faults: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self.violations: list[str] = []
        self._created: set[str] = set()
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._file = self.path.open("a", encoding="utf-8", buffering=1)
        self._requests = (folder / "requests.jsonl").open("a", encoding="utf-8", buffering=1)

    def note(self, what: str, whom: str, **facts: object) -> None:
        """Something happened to a process."""
        self._write({"t": self._now(), "what": what, "whom": whom, **facts})

    def signal(self, name: str, whom: str, **facts: object) -> None:
        """A signal was delivered."""
        with self._lock:
            self.signals[name, role_of(whom)] += 1
        self.note(name, whom, **facts)

    def exchange(self, exchange: Exchange) -> None:
        """A request passed a proxy; called from the proxies' thread only."""
        fault = exchange.fault.value if exchange.fault else None
        row = {
            "t": self._now(),
            "who": exchange.client,
            "method": exchange.method,
            "path": exchange.path,
            "create_only": exchange.create_only,
            "status": exchange.status,
            "fault": fault,
        }
        self._requests.write(json.dumps(row) + "\n")
        self.requests[role_of(exchange.client)] += 1
        if fault:
            self.faults[fault] += 1
            self.note(fault, exchange.client, request=f"{exchange.method} {exchange.path}", status=exchange.status)
        if violation := self._violation(exchange):
            self.violations.append(f"{exchange.client}: {violation}")

    def close(self) -> None:
        self._file.close()
        self._requests.close()

    def _violation(self, exchange: Exchange) -> str | None:
        """What is wrong with a request that was granted: committed objects are created once and stay as they are."""
        if exchange.status not in (200, 204):
            return None
        key = unquote(urlsplit(exchange.path).path).partition("/")[2].partition("/")[2]
        if exchange.method == "DELETE" and not key.startswith(_MAY_BE_DELETED):
            return f"deleted {key}"
        if exchange.method == "PUT" and not exchange.create_only and _MAY_BE_OVERWRITTEN not in key:
            return f"wrote {key} without a condition"
        if exchange.method == "PUT" and exchange.create_only and not key.startswith(_MAY_BE_DELETED):
            if key in self._created:
                return f"created {key} a second time"
            self._created.add(key)
        return None

    def _now(self) -> float:
        return round(time.monotonic() - self._began, 3)

    def _write(self, row: dict[str, object]) -> None:
        with self._lock:
            self._file.write(json.dumps(row) + "\n")
