"""The proxies in front of one S3 server, in a thread of their own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from random import Random
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from env.errors import ConfigError
from infra.proof.chaos.faults import Exchange
from infra.proof.chaos.http import Message
from infra.proof.chaos.proxy import Proxy

T = TypeVar("T")


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

    def drain(self, limit_s: float) -> bool:
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
