"""Deterministic simulation: many processes, one thread at a time, virtual time, an in-memory S3.

The protocol's own code runs unchanged on threads of which one runs at a time: the one that holds the baton. Every
request and every sleep hands the baton on. The next holder follows from virtual time, and virtual latencies follow from
one seed. A run is a function of its seed, hours pass in milliseconds, and a process can be killed between any two of
its requests.

    world = World(seed=1)
    world.process("worker-1", lambda clock, store: WorkerLoop(Bucket(store, clock), …).run_until_stopped())
    world.run(until=lambda: keys.outcome("g") in world.s3.objects)
"""

from __future__ import annotations

import heapq
import random
import threading
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import TypeVar

from infra.proof.virtual_threads import DriftingClock, Killed, Process, SimulatedThread
from protocol.wire.clock import Clock
from protocol.wire.memory import MemoryS3, MemoryStore, Request

T = TypeVar("T")

SLOW_S = 300.0  # far beyond any lease

Main = Callable[[Clock, MemoryStore], None]


def _nothing() -> None:
    return None


class World:
    """Processes over one in-memory S3.

    Args:
        seed: of all latencies and jitter.
        latency_s: how long a request takes on average; up to twice as long.
        latency: in place of that, the seconds of one request, asked for each.
        answers_at_once: whether all of that passes before the request takes effect, instead of part of it after. A
            third less work, and what happens while an answer is under way looks the same to every process.
        slow: the share of requests, and of answers, that take up to SLOW_S longer.
        fault: called before and after every request (`after` tells which) with the process and the request; what it
            raises is what the process sees.
        s3: the server; by default an empty one.
    """

    def __init__(
        self,
        seed: int,
        *,
        latency_s: float = 0.02,
        latency: Callable[[], float] | None = None,
        answers_at_once: bool = False,
        slow: float = 0.0,
        fault: Callable[[Process, Request, bool], None] = lambda process, request, after: None,
        s3: MemoryS3 | None = None,
    ) -> None:
        self.random = random.Random(seed)
        self.latency = latency or (lambda: 2 * latency_s * self.random.random())
        self.answers_at_once = answers_at_once
        self.slow = slow
        self.fault = fault
        self.s3 = s3 or MemoryS3()
        self.now = 0.0
        self.processes: list[Process] = []
        self.current: SimulatedThread | None = None
        self._numbers = count()
        self._due: list[tuple[float, int, SimulatedThread | Callable[[], None]]] = []  # a heap
        self._mine = threading.Lock()  # the baton of the thread that called `run`
        self._mine.acquire()
        self._until: Callable[[], bool] = lambda: True
        self._limit_s = 0.0
        self._failure: BaseException | None = None
        self._epoch = self.s3.time

    def process(self, name: str, main: Main, *, at: float = 0.0, clock: DriftingClock = DriftingClock()) -> Process:  # noqa: B008 (frozen)
        """Start a process `at` so many seconds from now."""
        process = Process(name, clock)
        own_clock = self._clock_of(process)
        store = self.s3.store(name, lambda r: self._before(process, r), lambda r: self._after(process, r))
        self._start(process, lambda: main(own_clock, store), self.now + at)
        self.processes.append(process)
        return process

    def at(self, seconds: float, call: Callable[[], None]) -> None:
        """Call a function so many seconds from now; it may neither wait nor send requests as a process."""
        heapq.heappush(self._due, (self.now + seconds, next(self._numbers), call))

    def stop(self, process: Process) -> None:
        """As by SIGTERM: the process is told to stop, which ends its sleeps."""
        process.stopping = True
        for thread in process.threads:
            if thread.sleeping and not thread.done:
                self._schedule(thread, self.now)

    def freeze(self, process: Process, seconds: float) -> None:
        """As by SIGSTOP, and SIGCONT so many seconds later: until then none of its threads goes on."""
        process.frozen_until = max(process.frozen_until, self.now + seconds)

    def thaw(self, process: Process) -> None:
        """As by SIGCONT now."""
        process.frozen_until = self.now
        for thread in process.threads:
            if thread.number >= 0 and not thread.done:
                self._schedule(thread, max(self.now, thread.wakes))

    def run(self, until: Callable[[], bool], *, limit_s: float = 86_400.0) -> None:
        """Let everything happen until the condition holds or all processes have ended.

        Raises:
            TimeoutError: virtual time passed the limit: something waits without end.
        """
        self._until, self._limit_s, self._failure = until, limit_s, None
        first = self._next()
        if first is not None:
            self.current = first
            first.carrier.baton.release()
            self._mine.acquire()
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """End all threads."""
        for process in self.processes:
            process.kill()
            process.frozen_until = 0.0
        self._due = [entry for entry in self._due if isinstance(entry[2], SimulatedThread)]
        heapq.heapify(self._due)
        self.run(until=lambda: False, limit_s=float("inf"))

    def pause(self, seconds: float) -> None:
        """Work so long in virtual time; unlike `Clock.sleep`, being told to stop does not end it early."""
        thread = self._running()
        self._schedule(thread, self.now + seconds)
        self.hand_on(thread)
        if thread.process.dead:
            raise Killed

    # -- who goes next -------------------------------------------------------------------------------

    def hand_on(self, me: SimulatedThread | None) -> None:
        """Give the baton to whose turn it is; returns when it has come back to `me` (None: never)."""
        after = self._next()
        self.current = after
        if after is me and me is not None:
            return
        (self._mine if after is None else after.carrier.baton).release()
        if me is not None:
            me.carrier.baton.acquire()

    def _next(self) -> SimulatedThread | None:
        """The thread whose turn it is; None ends the run: what it waited for is here, or nothing is left, or failed."""
        try:
            while not self._until():
                due = self._pop()
                if due is None or isinstance(due, SimulatedThread):
                    return due
                due()
        except BaseException as failure:  # raised again by `run`, in the thread of its caller
            self._failure = failure
        return None

    def _pop(self) -> SimulatedThread | Callable[[], None] | None:
        while self._due:
            when, number, due = self._due[0]
            if isinstance(due, SimulatedThread):
                if number != due.number:  # it was called earlier
                    heapq.heappop(self._due)
                    continue
                wakes = due.wakes
                if wakes < due.process.frozen_until:
                    wakes = due.process.frozen_until
                if wakes > when:  # it was put off
                    due.number = next(self._numbers)
                    heapq.heapreplace(self._due, (wakes, due.number, due))
                    continue
            if when > self._limit_s:
                raise TimeoutError(f"nothing ended within {self._limit_s:.0f} s of virtual time")
            heapq.heappop(self._due)
            if when > self.now:
                self.now = when
            self.s3.time = self._epoch + self.now
            return due
        return None

    def _schedule(self, thread: SimulatedThread, when: float) -> None:
        thread.wakes, thread.number = when, next(self._numbers)
        heapq.heappush(self._due, (when, thread.number, thread))

    def _start(
        self, process: Process, work: Callable[[], None], at: float, then: Callable[[], None] = _nothing
    ) -> None:
        thread = SimulatedThread(self, process, work, then)
        process.threads.append(thread)
        self._schedule(thread, at)

    def _running(self) -> SimulatedThread:
        assert self.current is not None  # noqa: S101 (only a world's own threads send requests and sleep)
        return self.current

    # -- what a process lives on -----------------------------------------------------------------------

    def _clock_of(self, process: Process) -> Clock:
        clock = process.clock
        return Clock(
            now=lambda: clock.origin_s + clock.rate * self.now,
            sleep=lambda seconds: self._sleep(seconds / clock.rate),
            stopping=lambda: process.stopping,
            jitter=self.random.random,
            nonce=lambda: f"{self.random.getrandbits(128):032x}",
            spawn=lambda work: self._start(process, work, self.now),
            together=partial(self._together, process),
        )

    def _sleep(self, seconds: float) -> None:
        thread = self._running()
        thread.sleeping = True
        self.pause(0.0 if thread.process.stopping else seconds)
        thread.sleeping = False

    def _together(self, process: Process, works: Sequence[Callable[[], T]]) -> list[T]:
        caller = self._running()
        found: list[T] = [None] * len(works)  # type: ignore[list-item]
        errors: list[Exception | None] = [None] * len(works)
        left = len(works)

        def one(index: int) -> None:
            try:
                found[index] = works[index]()
            except Exception as error:  # the caller's to handle
                errors[index] = error

        def ended() -> None:
            nonlocal left
            left -= 1
            if not left:
                self._schedule(caller, self.now)

        for index in range(len(works)):
            self._start(process, partial(one, index), self.now, ended)
        if works:
            caller.number = -1  # until the last one has ended
            self.hand_on(caller)
            if process.dead:
                raise Killed
        for error in errors:
            if error is not None:
                raise error
        return found

    def _before(self, process: Process, request: Request) -> None:
        process.requests += 1
        thread = self._running()
        thread.request = process.requests
        there, thread.way_back_s = self._latency()
        self.pause(there + self._late())
        if process.kill_before == thread.request:
            process.kill()
            raise Killed
        self.fault(process, request, False)

    def _after(self, process: Process, request: Request) -> None:
        thread = self._running()
        if process.kill_after == thread.request:
            process.kill()
            raise Killed
        self.fault(process, request, True)
        back = thread.way_back_s + self._late()
        if back:
            self.pause(back)

    def _latency(self) -> tuple[float, float]:
        seconds = self.latency()
        there = seconds if self.answers_at_once else seconds * self.random.random()
        return there, seconds - there

    def _late(self) -> float:
        return self.random.random() * SLOW_S if self.slow and self.random.random() < self.slow else 0.0
