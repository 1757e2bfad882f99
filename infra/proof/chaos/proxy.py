"""One client's way to an S3 server: it refuses, cuts, loses, delays, repeats and breaks answers on purpose.

Each client process gets a proxy of its own, so that one can be cut off while the others continue. A request is read
whole before anything is done with it. Plain HTTP/1.1 only: a request is signed for its host, so the host stays.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING

from infra.proof.chaos.faults import CALM, Exchange, Moment, NetworkFault, NetworkPhase, Trigger
from infra.proof.chaos.http import Message, error_answer, read_answer, read_request

if TYPE_CHECKING:
    from infra.proof.chaos.network import Network

HOST = "127.0.0.1"
DELAY_S = (0.05, 0.5)
HEAD_BYTES = 1 << 16


_NEVER_ARRIVES = frozenset({NetworkFault.CUT_BEFORE, NetworkFault.ERROR_BEFORE, NetworkFault.BUSY_BEFORE})
_ANSWERS = {
    NetworkFault.ERROR_BEFORE: (500, "InternalError"),
    NetworkFault.ERROR_AFTER: (500, "InternalError"),
    NetworkFault.BUSY_BEFORE: (503, "SlowDown"),
    NetworkFault.BUSY_AFTER: (503, "SlowDown"),
}


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
        self._trigger: Trigger | None = None
        self._schedule: asyncio.Task[None] | None = None
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        # Bound and never listening: it keeps the port while connections are refused.
        self._place = _bound(0)
        self.url = f"http://{HOST}:{self._place.getsockname()[1]}"
        network.call(self._listen())

    def follow(self, phases: Iterable[NetworkPhase]) -> None:
        """Go through phases, one after the other, then be calm."""
        self._network.call(self._start_following(phases))

    def calm(self) -> None:
        self.follow(())

    def arm(self, trigger: Trigger | None) -> None:
        """Set the trigger, in place of the one before; None removes it."""
        self._trigger = trigger

    async def _start_following(self, phases: Iterable[NetworkPhase]) -> None:
        if self._schedule:
            self._schedule.cancel()
        await self._set(CALM)
        self._schedule = asyncio.create_task(self._follow(phases))

    async def _follow(self, phases: Iterable[NetworkPhase]) -> None:
        for phase in phases:
            await self._set(phase)
            await asyncio.sleep(min(phase.seconds, 1e6))
        await self._set(CALM)

    async def _set(self, phase: NetworkPhase) -> None:
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
        if self._schedule:
            self._schedule.cancel()
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
        trigger = self._due()
        if trigger and trigger.moment is Moment.BEFORE and not await _fired(trigger, request):
            _reset(writer)
            return False
        if fault is NetworkFault.DELAY:
            await asyncio.sleep(self._random.uniform(*DELAY_S))
        if fault is NetworkFault.LATE:
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
        if trigger and trigger.moment is Moment.AFTER and not await _fired(trigger, request):
            _reset(writer)
            return False
        return await self._reply(request, answer, fault, reader, writer)

    async def _deliver(self, request: Message, upstream: _Upstream, fault: NetworkFault | None) -> Message:
        for again in (True, False) if fault is NetworkFault.TWICE else (False,):
            answer = await upstream.exchange(request)
            self._record(request, answer.status, None if again else fault)
        if fault is NetworkFault.LATE:
            upstream.close()
        return answer

    async def _reply(
        self,
        request: Message,
        answer: Message | None,
        fault: NetworkFault | None,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        if fault is NetworkFault.HANG:
            with suppress(TimeoutError):
                await asyncio.wait_for(reader.read(1), self.phase.hang_s)  # b"" once the client has left
            return False
        if fault in _ANSWERS:
            writer.write(error_answer(*_ANSWERS[fault], request.method))
        elif fault is NetworkFault.HALF_ANSWER and answer:
            writer.write(answer.wire[: self._random.randrange(1, len(answer.wire))])
        elif fault in (NetworkFault.CUT_BEFORE, NetworkFault.CUT_AFTER) or answer is None:
            _reset(writer)
            return False
        else:
            writer.write(answer.wire)
        await writer.drain()
        return fault is not NetworkFault.HALF_ANSWER

    def _due(self) -> Trigger | None:
        """The trigger, if this request is the one that it waits for."""
        trigger = self._trigger
        if trigger is None:
            return None
        if trigger.skip > 0:
            trigger.skip -= 1
            return None
        self._trigger = None
        return trigger

    def _record(self, request: Message, status: int | None, fault: NetworkFault | None) -> None:
        create_only = request.headers.get("if-none-match") == "*"
        self._network.record(Exchange(self.client, request.method, request.path, create_only, status, fault))


async def _fired(trigger: Trigger, request: Message) -> bool:
    """Carry a trigger out; whether the request goes on."""
    hold_s = trigger.fire(f"{request.method} {request.path.partition('?')[0]}")
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
