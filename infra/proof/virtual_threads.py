"""Simulated processes and their threads, of which one at a time runs: the one that holds the baton.

A baton is a lock on which a thread waits until `World` hands control to it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from infra.proof.virtual_time import World


class Killed(BaseException):
    """Ends a killed process's threads; no `except Exception` of the code under test catches it."""


@dataclass(frozen=True)
class DriftingClock:
    """The clock of a simulated host: seconds from an origin of its own, at a rate of its own."""

    origin_s: float = 0.0
    rate: float = 1.0


@dataclass
class Process:
    """A simulated process. `requests` counts those it has sent; `error` is what ended it, if anything did."""

    name: str
    clock: DriftingClock = DriftingClock()
    dead: bool = False
    stopping: bool = False
    frozen_until: float = 0.0
    requests: int = 0
    error: BaseException | None = None
    kill_before: int | None = None
    kill_after: int | None = None
    threads: list[SimulatedThread] = field(default_factory=list)

    def kill(self) -> None:
        """As by SIGKILL: it sends no further request."""
        self.dead = True

    @property
    def ended(self) -> bool:
        return self.dead or self.threads[0].done


class Carrier:
    """An OS thread that carries simulated ones, one after the other: starting one costs as much as ten requests."""

    idle: ClassVar[list[Carrier]] = []

    def __init__(self) -> None:
        self.baton = threading.Lock()
        self.baton.acquire()
        self.task: Callable[[], None] = lambda: None
        threading.Thread(target=self._carry, daemon=True).start()

    @classmethod
    def of(cls, task: Callable[[], None]) -> Carrier:
        carrier = cls.idle.pop() if cls.idle else cls()
        carrier.task = task
        return carrier

    def _carry(self) -> None:
        while True:
            self.baton.acquire()
            self.task()


class SimulatedThread:
    """A thread that runs only while it holds the baton. `wakes` is when it wants to have it next."""

    def __init__(self, world: World, process: Process, work: Callable[[], None], then: Callable[[], None]) -> None:
        self.world = world
        self.process = process
        self.work = work
        self.then = then
        self.wakes = 0.0
        self.number = -1  # of its valid entry among those that are due
        self.done = False
        self.sleeping = False  # in `Clock.sleep`, which a request to stop ends early
        self.request = 0  # the number of its last request among its process's
        self.way_back_s = 0.0  # how long that one's answer will take
        self.carrier = Carrier.of(self._run)

    def _run(self) -> None:
        try:
            if not self.process.dead:
                self.work()
        except Killed:
            pass
        except BaseException as error:
            self.process.error = error
        self.done = True
        self.then()
        self.process.threads[1:] = [thread for thread in self.process.threads[1:] if thread is not self]
        Carrier.idle.append(self.carrier)
        self.world.hand_on(None)
