"""A bad network in front of an S3 endpoint: proxies that refuse, cut, lose, delay, repeat and break answers on purpose.

Each client process gets a proxy of its own, so that one can be cut off while the others go on. A request is read whole
before anything is done with it, so every fault falls on a known side of its effect: before the server saw it, or after
it was applied and before the client knew. Plain HTTP/1.1 only: requests are signed for their host, so it stays.
"""

from __future__ import annotations

import asyncio
import math
import socket
import struct
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from env.errors import ConfigError
from infra.proof.chaos.http import Message, error_answer, read_answer, read_request

T = TypeVar("T")

HOST = "127.0.0.1"
DELAY_S = (0.05, 0.5)
HEAD_BYTES = 1 << 16


class Fault(StrEnum):
    """What becomes of a request and its answer."""

    CUT_BEFORE = "cut before"  # the connection is reset, the server never sees the request
    CUT_AFTER = "cut after"  # applied, then the connection is reset: the client cannot know
    ERROR_BEFORE = "500 before"
    ERROR_AFTER = "500 after"  # applied all the same
    BUSY_BEFORE = "503 before"
    BUSY_AFTER = "503 after"
    HALF_ANSWER = "half an answer"  # the connection ends in the middle of it, headers or body
    HANG = "hang"  # applied, and not answered: the client gives up, or is reset after a long silence
    DELAY = "delay"
    TWICE = "twice"  # delivered two times; the client sees the second answer
    LATE = "late"  # the client sees a reset; the server gets the request long afterwards


_NEVER_ARRIVES = frozenset({Fault.CUT_BEFORE, Fault.ERROR_BEFORE, Fault.BUSY_BEFORE})
_ANSWERS = {
    Fault.ERROR_BEFORE: (500, "InternalError"),
    Fault.ERROR_AFTER: (500, "InternalError"),
    Fault.BUSY_BEFORE: (503, "SlowDown"),
    Fault.BUSY_AFTER: (503, "SlowDown"),
}


@dataclass(frozen=True)
class Phase:
    """How a network is for a while.

    Attributes:
        seconds: how long.
        cut: connections are refused, and those that were open are reset.
        rates: the share of requests that meet each fault.
        late_s: how long a request with the fault LATE is under way.
        hang_s: how long a request with the fault HANG waits before its connection is reset, if the client still does.
    """

    seconds: float = math.inf
    cut: bool = False
    rates: Mapping[Fault, float] = field(default_factory=dict)
    late_s: float = 0.0
    hang_s: float = 120.0

    def draw(self, random: Random) -> Fault | None:
        """A request's fault."""
        left = random.random()
        for fault, rate in self.rates.items():
            left -= rate
            if left < 0:
                return fault
        return None


CALM = Phase()


@dataclass(frozen=True)
class Exchange:
    """A request that passed a proxy; `status` is the server's, None where it got no request or gave no answer."""

    client: str
    method: str
    path: str
    create_only: bool
    status: int | None
    fault: Fault | None


class Moment(StrEnum):
    """The side of a request's effect on which an ambush waits."""

    BEFORE = "before a request"
    AFTER = "after a request"


@dataclass
class Ambush:
    """Something that is to happen at a client's next request but `skip`.

    Attributes:
        strike: told the request; answers how many seconds to hold it (or its answer), or None to let it vanish.
    """

    moment: Moment
    skip: int
    strike: Callable[[str], float | None]


# -- one client's network ------------------------------------------------------------------------------


class _Upstream:
    """A connection to the server, opened when it is needed and again when it was closed."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def exchange(self, request: Message) -> Message:
        if self._streams is None or self._streams[0].at_eof():
            self.close()
            self._streams = await asyncio.open_connection(*self._address, limit=HEAD_BYTES)
        reader, writer = self._streams
        writer.write(request.wire)
        answer = await read_answer(reader, request.method)
        if answer.headers.get("connection", "").lower() == "close":
            self.close()
        return answer

    def close(self) -> None:
        if self._streams:
            self._streams[1].close()
            self._streams = None


class Proxy:
    """The way of one client to the server. Its methods may be called from any thread, `url` is where it listens."""

    def __init__(self, network: Network, client: str, random: Random) -> None:
        self.client = client
        self.phase = CALM
        self._network = network
        self._random = random
        self._ambush: Ambush | None = None
        self._weather: asyncio.Task[None] | None = None
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        # Bound and never listening: it keeps the port while connections are refused.
        self._place = _bound(0)
        self.url = f"http://{HOST}:{self._place.getsockname()[1]}"
        network.call(self._listen())

    def play(self, phases: Iterable[Phase]) -> None:
        """Go through phases, one after the other, then be calm."""
        self._network.call(self._play(phases))

    def calm(self) -> None:
        self.play(())

    def lay(self, ambush: Ambush | None) -> None:
        """Lay an ambush in place of the one before, or none."""
        self._ambush = ambush

    async def _play(self, phases: Iterable[Phase]) -> None:
        if self._weather:
            self._weather.cancel()
        await self._set(CALM)
        self._weather = asyncio.create_task(self._follow(phases))

    async def _follow(self, phases: Iterable[Phase]) -> None:
        for phase in phases:
            await self._set(phase)
            await asyncio.sleep(min(phase.seconds, 1e6))
        await self._set(CALM)

    async def _set(self, phase: Phase) -> None:
        self.phase = phase
        if not phase.cut:
            await self._listen()
            return
        if self._server:
            self._server.close()
            self._server = None
        for writer in list(self._open):
            _reset(writer)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(
                self._serve, sock=_bound(self._place.getsockname()[1]), limit=HEAD_BYTES
            )

    def end(self) -> None:
        """For `Network` only: nothing listens any more."""
        if self._weather:
            self._weather.cancel()
        if self._server:
            self._server.close()
        self._place.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        upstream = _Upstream(self._network.upstream)
        try:
            while request := await read_request(reader, writer):
                if not await self._pass_on(request, upstream, reader, writer):
                    break
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            _reset(writer)  # one of the two ends has gone, or the proxy itself ends
        finally:
            self._open.discard(writer)
            upstream.close()
            writer.close()

    async def _pass_on(
        self, request: Message, upstream: _Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """One request and its answer; whether the connection goes on."""
        fault = self.phase.draw(self._random)
        ambush = self._due()
        if ambush and ambush.moment is Moment.BEFORE and not await _sprung(ambush, request):
            _reset(writer)
            return False
        if fault is Fault.DELAY:
            await asyncio.sleep(self._random.uniform(*DELAY_S))
        if fault is Fault.LATE:
            self._network.later(
                self.phase.late_s, lambda: self._deliver(request, _Upstream(self._network.upstream), fault)
            )
            _reset(writer)
            return False
        answer = None
        if fault in _NEVER_ARRIVES:
            self._record(request, None, fault)
        else:
            answer = await self._deliver(request, upstream, fault)
        if ambush and ambush.moment is Moment.AFTER and not await _sprung(ambush, request):
            _reset(writer)
            return False
        return await self._reply(request, answer, fault, reader, writer)

    async def _deliver(self, request: Message, upstream: _Upstream, fault: Fault | None) -> Message:
        for again in (True, False) if fault is Fault.TWICE else (False,):
            answer = await upstream.exchange(request)
            self._record(request, answer.status, None if again else fault)
        if fault is Fault.LATE:
            upstream.close()
        return answer

    async def _reply(
        self,
        request: Message,
        answer: Message | None,
        fault: Fault | None,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        if fault is Fault.HANG:
            with suppress(TimeoutError):
                await asyncio.wait_for(reader.read(1), self.phase.hang_s)  # b"" once the client has left
            return False
        if fault in _ANSWERS:
            writer.write(error_answer(*_ANSWERS[fault], request.method))
        elif fault is Fault.HALF_ANSWER and answer:
            writer.write(answer.wire[: self._random.randrange(1, len(answer.wire))])
        elif fault in (Fault.CUT_BEFORE, Fault.CUT_AFTER) or answer is None:
            _reset(writer)
            return False
        else:
            writer.write(answer.wire)
        await writer.drain()
        return fault is not Fault.HALF_ANSWER

    def _due(self) -> Ambush | None:
        """The ambush, if this request is the one that it waits for."""
        ambush = self._ambush
        if ambush is None:
            return None
        if ambush.skip > 0:
            ambush.skip -= 1
            return None
        self._ambush = None
        return ambush

    def _record(self, request: Message, status: int | None, fault: Fault | None) -> None:
        create_only = request.headers.get("if-none-match") == "*"
        self._network.record(Exchange(self.client, request.method, request.path, create_only, status, fault))


async def _sprung(ambush: Ambush, request: Message) -> bool:
    """Carry an ambush out; whether the request goes on."""
    hold_s = ambush.strike(f"{request.method} {request.path.partition('?')[0]}")
    if hold_s is None:
        return False
    await asyncio.sleep(hold_s)
    return True


def _bound(port: int) -> socket.socket:
    place = socket.socket()
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    place.bind((HOST, port))
    return place


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection as a crash or a firewall does: RST instead of an orderly end."""
    with suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


# -- all of them ---------------------------------------------------------------------------------------


def plain_address(endpoint: str) -> tuple[str, int]:
    """Host and port of an `http://` endpoint; raises ConfigError for any other."""
    parts = urlsplit(endpoint)
    if parts.scheme != "http" or not parts.hostname:
        raise ConfigError(
            f"{endpoint}: faults can only be put in front of a plain http:// endpoint (requests are signed "
            "for their host); set AWS_ENDPOINT_URL to one"
        )
    return parts.hostname, parts.port or 80


class Network:
    """The proxies in front of one endpoint, in a thread of their own until the `with` block ends.

    Args:
        endpoint: `http://host:port`.
        record: told every request; called from that thread.

    Raises:
        ConfigError: the endpoint is not plain HTTP.
    """

    def __init__(self, endpoint: str, record: Callable[[Exchange], None]) -> None:
        self.upstream = plain_address(endpoint)
        self.record = record
        self._proxies: list[Proxy] = []
        self._late: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault proxies", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def proxy(self, client: str, random: Random) -> Proxy:
        """A client's way to the server, calm at first; `random` decides about each of its requests."""
        proxy = Proxy(self, client, random)
        self._proxies.append(proxy)
        return proxy

    def ensure_created(self, limit_s: float) -> bool:
        """Calm all proxies and wait for the requests that are still under way; whether all have arrived."""
        for proxy in self._proxies:
            proxy.calm()
        ends = time.monotonic() + limit_s
        while self._late and time.monotonic() < ends:
            time.sleep(0.05)
        return not self._late

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """For `Proxy` only: run something among the connections, from another thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def later(self, seconds: float, delivery: Callable[[], Coroutine[Any, Any, Message]]) -> None:
        """For `Proxy` only: deliver a request after the client has forgotten it."""

        async def deliver() -> None:
            await asyncio.sleep(seconds)
            with suppress(OSError, asyncio.IncompleteReadError):
                await delivery()

        task = asyncio.create_task(deliver())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _end(self) -> None:
        for proxy in self._proxies:
            proxy.end()
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
