"""A small Prometheus over real HTTP: evaluates the forms of queries that `env.usage` asks, and answers as the real one.

Answers have the shapes of Prometheus 3.16's (`recorded/` has some). `break_with` makes it answer what others do.
"""

from __future__ import annotations

import gzip
import json
import re
import ssl
import threading
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

NOW = 1_800_000_000.0
DAY_S = 86_400
LOOKBACK_S = 300

Labels = dict[str, str]
Points = list[tuple[float, float]]


@dataclass
class Reply:
    """What the server answers instead of a vector."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def error(cls, status: int, kind: str, message: str) -> Reply:
        """As Prometheus refuses."""
        return cls(status, json.dumps({"status": "error", "errorType": kind, "error": message}).encode())

    @classmethod
    def json(cls, document: Any) -> Reply:
        return cls(200, json.dumps(document).encode(), {"Content-Type": "application/json"})


Break = Callable[[str, float], Reply | None]


class FakePrometheus:
    """Holds series and answers queries about them.

    Attributes:
        queries: The queries asked, with their times.
        headers: Those of the last request, in small letters.
        most_samples: The server's limit of samples in one query; None: none.
        extra: Fields that are added to each answer, such as warnings.
        break_with: What it answers instead to a query, if anything.
    """

    def __init__(self) -> None:
        self.queries: list[tuple[str, float]] = []
        self.headers: dict[str, str] = {}
        self.most_samples: int | None = None
        self.extra: dict[str, Any] = {}
        self.break_with: Break = lambda query, at: None
        self._series: list[tuple[Labels, Points]] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                reply = fake._reply(self.path, {key.lower(): value for key, value in self.headers.items()})
                self.send_response(reply.status)
                for key, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                    self.send_header(key, value)
                self.end_headers()
                self.wfile.write(reply.body)

            def log_message(self, *args: Any) -> None: ...

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        scheme = "https" if isinstance(self._server.socket, ssl.SSLSocket) else "http"
        return f"{scheme}://127.0.0.1:{self._server.server_address[1]}"

    def encrypt(self, certificate: Path, key: Path) -> None:
        """Answer over TLS from now on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    def ready(self) -> None:
        """It always is; the real one has to be started."""

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def add(self, metric: str, labels: Labels, points: Iterable[tuple[float, float]]) -> None:
        """A series; times are seconds before NOW."""
        self._series.append(({"__name__": metric, **labels}, sorted((NOW - before, value) for before, value in points)))

    def gauge(self, metric: str, labels: Labels, value: float, since_s: float = DAY_S, until_s: float = 0.0) -> None:
        """A series of one value each minute, from `since_s` to `until_s` before now."""
        self.add(metric, labels, ((before, value) for before in minutes(since_s, until_s)))

    def cpu(self, labels: Labels, cores: float, since_s: float = DAY_S, until_s: float = 0.0) -> None:
        """A counter of CPU seconds that grows by so many cores."""
        points = ((before, cores * (since_s - before)) for before in minutes(since_s, until_s))
        self.add("container_cpu_usage_seconds_total", labels, points)

    def _reply(self, path: str, headers: dict[str, str]) -> Reply:
        self.headers = headers
        parts = urlsplit(path)
        fields = parse_qs(parts.query)
        if not parts.path.endswith("/api/v1/query") or "query" not in fields:
            return Reply(404, b"404 page not found\n", {"Content-Type": "text/plain"})
        query, at = fields["query"][0], float(fields["time"][0])
        self.queries.append((query, at))
        broken = self.break_with(query, at)
        if broken is not None:
            return broken
        try:
            result = self._evaluate(query, at)
        except OverflowError:
            what = "query processing would load too many samples into memory in query execution"
            return Reply.error(422, "execution", what)
        vector = [{"metric": labels, "value": [at, repr(value)]} for labels, value in result]
        document = {"status": "success", "data": {"resultType": "vector", "result": vector}, **self.extra}
        return Reply(
            200,
            gzip.compress(json.dumps(document).encode(), 1),
            {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        )

    def _evaluate(self, query: str, at: float) -> list[tuple[Labels, float]]:
        if match := re.fullmatch(r"(max|count) by \((.*?)\) \(max_over_time\((\w+)(\{.*\})?\[(\d+)s\]\)\)", query):
            window = float(match[5])
            found = (
                (labels, [value for _, value in points])
                for labels, points in self._selected(match[3], match[4] or "{}", at - window, at)
            )
            each = [(labels, max(values)) for labels, values in found if values]
            return _by(match[2], each, max if match[1] == "max" else len)
        if match := re.fullmatch(
            r"quantile_over_time\(([\d.]+), max by \((.*)\) \(rate\((\w+)(\{.*\})\[(\d+)s\]\)\)\[(\d+)s:(\d+)s\]\)",
            query,
        ):
            steps = self._steps(at, int(match[6]), int(match[7]), match[2], lambda t: self._rates(match, t))
            return [(labels, _quantile(values, float(match[1]))) for labels, values in steps]
        if match := re.fullmatch(r"count_over_time\(\(max by \((.*)\) \((\w+)(\{.*\})\)\)\[(\d+)s:(\d+)s\]\)", query):
            steps = self._steps(at, int(match[4]), int(match[5]), match[1], lambda t: self._now(match, t))
            return [(labels, float(len(values))) for labels, values in steps]
        if match := re.fullmatch(
            r"max by \((.*)\) \(increase\((\w+)(\{.*\})\[(\d+)s\]\) / increase\((\w+)\{.*\}\[\d+s\]\)\) > ([\d.]+)",
            query,
        ):
            return self._ratios(match, at)
        if match := re.fullmatch(r'count by \(__name__\) \(\{__name__=~"(.*)"\}\)', query):
            names = {labels["__name__"] for labels, _ in self._series if re.fullmatch(match[1], labels["__name__"])}
            return [({"__name__": each}, 1.0) for each in sorted(names)]
        raise AssertionError(f"the fake knows no such query: {query}")

    def _rates(self, match: re.Match[str], at: float) -> list[tuple[Labels, float]]:
        length = float(match[5])
        found = self._selected(match[3], match[4], at - length, at)
        return [
            (labels, _extrapolated(points, at - length, at) / length) for labels, points in found if len(points) > 1
        ]

    def _now(self, match: re.Match[str], at: float) -> list[tuple[Labels, float]]:
        return [(labels, points[-1][1]) for labels, points in self._selected(match[2], match[3], at - LOOKBACK_S, at)]

    def _ratios(self, match: re.Match[str], at: float) -> list[tuple[Labels, float]]:
        window = float(match[4])
        parts, wholes = (
            {_rest(labels): _increase(points) for labels, points in self._selected(metric, match[3], at - window, at)}
            for metric in (match[2], match[5])
        )
        each = [(dict(key), parts[key] / wholes[key]) for key in parts if wholes.get(key)]
        return [(labels, value) for labels, value in _by(match[1], each, max) if value > float(match[6])]

    def _steps(
        self, at: float, window: int, step: int, by: str, look: Callable[[float], list[tuple[Labels, float]]]
    ) -> list[tuple[Labels, list[float]]]:
        found: dict[tuple[tuple[str, str], ...], list[float]] = defaultdict(list)
        first = int((at - window) // step + 1) * step
        for t in range(first, int(at) + 1, step):
            for labels, value in _by(by, look(float(t)), max):
                found[tuple(labels.items())].append(value)
        return [(dict(key), values) for key, values in found.items()]

    def _selected(self, metric: str, selector: str, after: float, until: float) -> list[tuple[Labels, Points]]:
        matchers = re.findall(r'(\w+)(=~|!=|=)"([^"]*)"', selector)
        found, count = [], 0
        for labels, points in self._series:
            if labels["__name__"] == metric and all(_matches(labels.get(key, ""), *rest) for key, *rest in matchers):
                inside = points[
                    bisect_right(points, (after, float("inf"))) : bisect_right(points, (until, float("inf")))
                ]
                count += len(inside)
                if inside:
                    found.append((labels, inside))
        if self.most_samples is not None and count > self.most_samples:
            raise OverflowError
        return found


class _Server(ThreadingHTTPServer):
    """Says nothing of clients that went away."""

    def handle_error(self, request: Any, client_address: Any) -> None: ...


def _matches(value: str, operator: str, wanted: str) -> bool:
    if operator == "=~":
        return re.fullmatch(wanted, value) is not None
    return (value == wanted) == (operator == "=")


def _by(
    names: str, each: list[tuple[Labels, float]], combine: Callable[[list[float]], float]
) -> list[tuple[Labels, float]]:
    groups: dict[tuple[tuple[str, str], ...], list[float]] = defaultdict(list)
    for labels, value in each:
        groups[tuple((key, labels[key]) for key in names.split(", ") if labels.get(key))].append(value)
    return [(dict(key), float(combine(values))) for key, values in groups.items()]


def _rest(labels: Labels) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((key, value) for key, value in labels.items() if key != "__name__"))


def _increase(points: Points) -> float:
    return sum(new - old if new >= old else new for (_, old), (_, new) in pairwise(points))


def _extrapolated(points: Points, start: float, end: float) -> float:
    """The increase in all of a span, as Prometheus' `extrapolatedRate` does it."""
    increase, covered = _increase(points), points[-1][0] - points[0][0]
    between = covered / (len(points) - 1)
    before, after = points[0][0] - start, end - points[-1][0]
    before = between / 2 if before >= 1.1 * between else before
    if increase > 0:
        before = min(before, covered * points[0][1] / increase)
    after = between / 2 if after >= 1.1 * between else after
    return increase * (covered + before + after) / covered


def _quantile(values: list[float], q: float) -> float:
    ordered = sorted(values)
    rank = q * (len(ordered) - 1)
    low, part = int(rank), rank - int(rank)
    return ordered[low] + (ordered[min(low + 1, len(ordered) - 1)] - ordered[low]) * part


def minutes(since_s: float, until_s: float) -> list[float]:
    return [until_s + each for each in range(0, int(since_s - until_s) + 1, 60)]
