"""Deterministic simulation: many processes, one thread at a time, virtual time, an in-memory S3.

The protocol's own code runs unchanged on threads that hand one baton round. Every request and every sleep gives the
baton back; who has it next follows from virtual time, and virtual latencies follow from one seed. A run is a function
of its seed, hours pass in milliseconds, and a process can be killed between any two of its requests.

    world = World(seed=1)
    world.process("worker-1", lambda machine, store: Workshop(Bucket(store, machine), …).run_until_stopped())
    world.run(until=lambda: keys.outcome("g") in world.s3.objects)
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from protocol.machine import Machine
from protocol.memory import MemoryS3, MemoryStore, Request

SLOW_S = 300.0  # far beyond any lease

Main = Callable[[Machine, MemoryStore], None]


class Killed(BaseException):
    """Ends a killed process's threads; no `except Exception` of the code under test catches it."""


class _Thread:
    """A thread that runs only while it holds the baton."""

    def __init__(self, world: World, process: Process, work: Callable[[], None]) -> None:
        self.world = world
        self.process = process
        self.wakes = world.now
        self.order = next(world.numbers)
        self.done = False
        self.request = 0  # the number of its last request among its process's
        self._mine = threading.Semaphore(0)
        self._returned = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    def resume(self) -> None:
        """Hand over the baton; returns when the thread gives it back."""
        self._mine.release()
        self._returned.acquire()

    def pause(self, seconds: float) -> None:
        """Give the baton back until virtual time has gone on so far."""
        self.wakes = self.world.now + seconds
        self.order = next(self.world.numbers)
        self._returned.release()
        self._mine.acquire()
        if self.process.dead:
            raise Killed

    def _run(self, work: Callable[[], None]) -> None:
        self._mine.acquire()
        try:
            if not self.process.dead:
                work()
        except Killed:
            pass
        except BaseException as error:
            self.process.error = error
        self.done = True
        self._returned.release()


@dataclass
class Process:
    """A simulated process. `requests` counts those it has sent; `error` is what ended it, if anything did."""

    name: str
    dead: bool = False
    stopping: bool = False
    requests: int = 0
    error: BaseException | None = None
    kill_before: int | None = None
    kill_after: int | None = None
    threads: list[_Thread] = field(default_factory=list)

    def kill(self) -> None:
        """As by SIGKILL: it sends no further request."""
        self.dead = True

    @property
    def ended(self) -> bool:
        return self.dead or self.threads[0].done


class World:
    """Processes over one in-memory S3.

    Args:
        seed: of all latencies and jitter.
        latency_s: a request takes up to twice as long.
        slow: the share of requests, and of answers, that take up to SLOW_S longer.
        fault: called before and after every request (`after` tells which) with the process and the request; what it
            raises is what the process sees.
    """

    def __init__(
        self,
        seed: int,
        *,
        latency_s: float = 0.02,
        slow: float = 0.0,
        fault: Callable[[Process, Request, bool], None] = lambda process, request, after: None,
    ) -> None:
        self.random = random.Random(seed)
        self.latency_s = latency_s
        self.slow = slow
        self.fault = fault
        self.s3 = MemoryS3()
        self.now = 0.0
        self.processes: list[Process] = []
        self.numbers: Iterator[int] = iter(range(1 << 62))
        self.current: _Thread | None = None
        self._epoch = self.s3.time

    def process(self, name: str, main: Main, *, at: float = 0.0) -> Process:
        """Start a process `at` so many seconds from now."""
        process = Process(name)
        machine = self._machine(process)
        store = self.s3.store(name, lambda r: self._before(process, r), lambda r: self._after(process, r))
        thread = _Thread(self, process, lambda: main(machine, store))
        thread.wakes = self.now + at
        process.threads.append(thread)
        self.processes.append(process)
        return process

    def run(self, until: Callable[[], bool], *, limit_s: float = 86_400.0) -> None:
        """Let everything happen until the condition holds or all processes have ended.

        Raises:
            TimeoutError: virtual time passed the limit: something waits for ever.
        """
        while not until():
            ready = [thread for process in self.processes for thread in process.threads if not thread.done]
            if not ready:
                return
            thread = min(ready, key=lambda t: (t.wakes, t.order))
            self.now = max(self.now, thread.wakes)
            if self.now > limit_s:
                raise TimeoutError(f"nothing ended within {limit_s:.0f} s of virtual time")
            self.s3.time = self._epoch + self.now
            self.current = thread
            thread.resume()

    def close(self) -> None:
        """End all threads."""
        for process in self.processes:
            process.kill()
        self.run(until=lambda: False, limit_s=float("inf"))

    def _machine(self, process: Process) -> Machine:
        return Machine(
            now=lambda: self.now,
            sleep=lambda seconds: self.pause(0.0 if process.stopping else seconds),
            stopping=lambda: process.stopping,
            jitter=self.random.random,
            nonce=lambda: f"{self.random.getrandbits(128):032x}",
            spawn=lambda work: process.threads.append(_Thread(self, process, work)),
        )

    def pause(self, seconds: float) -> None:
        """Work so long in virtual time; unlike a machine's `sleep`, being told to stop does not end it early."""
        self._running().pause(seconds)

    def _running(self) -> _Thread:
        assert self.current is not None  # noqa: S101 (only a world's own threads send requests and sleep)
        return self.current

    def _before(self, process: Process, request: Request) -> None:
        process.requests += 1
        thread = self._running()
        thread.request = process.requests
        self.pause(self._latency())
        if process.kill_before == thread.request:
            process.kill()
            raise Killed
        self.fault(process, request, False)

    def _after(self, process: Process, request: Request) -> None:
        if process.kill_after == self._running().request:
            process.kill()
            raise Killed
        self.fault(process, request, True)
        self.pause(self._latency())

    def _latency(self) -> float:
        late = self.random.random() * SLOW_S if self.slow and self.random.random() < self.slow else 0.0
        return self.random.random() * self.latency_s + late
