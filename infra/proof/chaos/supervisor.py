"""The processes of a federation under chaos: started, signalled, woken, replaced; an end without cause is a finding."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from infra.local.processes import Processes
from infra.proof.chaos.faults import Trigger
from infra.proof.chaos.journal import Journal
from infra.proof.chaos.proxy import Proxy
from infra.proof.chaos.schedule import SUBMIT, PlannedSignal

TRIGGER_S = 4.0  # a victim that makes no request for so long gets its signal all the same
LEAVE_S = 75.0  # from SIGTERM to the end: the episode's grace, and one request that hangs until it times out
_AT_WORK = re.compile(rb"working on|watching")  # what a daemon says once it has found its bucket fit
_DEFECT = re.compile(r"Traceback \(most recent call last\)|a defect of ")


class PendingSignal:
    """A signal on its way to one process. It lands once: at a request, or when that takes too long."""

    def __init__(self, planned: PlannedSignal, child: subprocess.Popen[bytes], journal: Journal) -> None:
        self.planned = planned
        self.child = child
        self.journal = journal
        self.armed_at = time.monotonic()
        self.landed: float | None = None
        self.missed = False
        self._lock = threading.Lock()

    def land(self, request: str | None = None) -> float | None:
        """Send the signal; returns what `Trigger.fire` returns for the request at which it was sent."""
        with self._lock:
            if self.landed is not None or self.missed:
                return 0.0
            if self.child.poll() is not None:
                self.missed = True
                return 0.0
            self.child.send_signal(self.planned.signal)
            self.landed = time.monotonic()
        where = {"moment": self.planned.moment, "request": request} if request else {"moment": "between requests"}
        pause = {"pause_s": round(self.planned.pause_s, 2)} if self.planned.signal is signal.SIGSTOP else {}
        self.journal.signal(self.planned.signal.name, self.planned.victim, pid=self.child.pid, **where, **pause)
        # A stopped process's request is on its way all the same, and arrives when it wakes or before.
        return {signal.SIGKILL: None, signal.SIGSTOP: self.planned.pause_s}.get(self.planned.signal, 0.0)


@dataclass
class Slot:
    """A place in the supervisor, held by one process after the other.

    Attributes:
        command: of the process that holds it.
        proxy: its way to the endpoint; None: straight.
        daemon: whether there is always to be one; else it is started until it has succeeded once.
        waiting: signals that are due.
        killed: whether the present process was sent SIGKILL.
        told: when it was sent SIGTERM.
        wakes: when it is to be continued.
        log_from: where in the log its own lines begin.
    """

    name: str
    command: list[str]
    proxy: Proxy | None
    daemon: bool
    waiting: deque[PlannedSignal] = field(default_factory=deque)
    child: subprocess.Popen[bytes] | None = None
    pending: PendingSignal | None = None
    killed: bool = False
    told: float | None = None
    wakes: float | None = None
    log_from: int = 0


class Supervisor:
    """All slots.

    Args:
        environment: of the processes, without the endpoint's URL.
        endpoint: where processes without a proxy go.

    Attributes:
        landed: when each signal was delivered, seconds of `time.monotonic`.
        restarts: processes that took the place of another.
        false_starts: daemons that gave up before they had begun, since the network was away.
        findings: what should not have happened, one line each.
    """

    def __init__(
        self, processes: Processes, environment: Mapping[str, str], endpoint: str, journal: Journal, slots: list[Slot]
    ) -> None:
        self.processes = processes
        self.environment = environment
        self.endpoint = endpoint
        self.journal = journal
        self.slots = {slot.name: slot for slot in slots}
        self.landed: list[float] = []
        self.restarts = 0
        self.false_starts = 0
        self.findings: list[str] = []
        self._dismissing = False
        for slot in slots:
            self._start(slot)

    @property
    def submitted(self) -> bool:
        """Whether the submit has succeeded and none is under way."""
        return self.slots[SUBMIT].child is None

    @property
    def undelivered(self) -> bool:
        """Whether signals that are due have not been delivered."""
        return any(slot.waiting or slot.pending for slot in self.slots.values())

    def deliver(self, planned_signals: Iterable[PlannedSignal]) -> None:
        """Deliver these signals as soon as their victims can take them."""
        for planned in planned_signals:
            self.slots[planned.victim].waiting.append(planned)

    def step(self) -> None:
        """Do what is due: check signals, continue stopped processes, replace ended ones, arm new triggers."""
        now = time.monotonic()
        for slot in self.slots.values():
            self._follow_pending(slot, now)
            if slot.wakes is not None and now >= slot.wakes:
                self._wake(slot)
            self._see_to(slot, now)
            if slot.waiting and slot.pending is None and slot.wakes is None:
                self._arm(slot)

    def dismiss(self) -> None:
        """Wake all processes, send them SIGTERM, and check that they end in time."""
        self._dismissing = True
        for slot in self.slots.values():
            if slot.wakes is not None:
                self._wake(slot)
            if slot.child is not None and slot.told is None:
                slot.child.terminate()
                slot.told = time.monotonic()
        while any(slot.child is not None for slot in self.slots.values()) and not self.findings:
            for slot in self.slots.values():
                self._see_to(slot, time.monotonic())
            time.sleep(0.05)

    # -- one slot --------------------------------------------------------------------------------------

    def _start(self, slot: Slot) -> None:
        log = self.processes.log(slot.name)
        slot.log_from = log.stat().st_size if log.exists() else 0
        endpoint = slot.proxy.url if slot.proxy else self.endpoint
        slot.child = self.processes.start(
            slot.name, slot.command, added={**self.environment, "AWS_ENDPOINT_URL": endpoint}
        )
        slot.killed, slot.told, slot.wakes = False, None, None
        self.journal.note("start", slot.name, pid=slot.child.pid)

    def _arm(self, slot: Slot) -> None:
        if slot.child is None:
            self._start(slot)  # a submit, once more
        assert slot.child is not None  # noqa: S101 (just started)
        planned = slot.waiting.popleft()
        slot.pending = pending = PendingSignal(planned, slot.child, self.journal)
        if planned.moment and slot.proxy:
            slot.proxy.arm(Trigger(planned.moment, planned.skip, pending.land))
        else:
            pending.land()

    def _follow_pending(self, slot: Slot, now: float) -> None:
        pending = slot.pending
        if pending is None:
            return
        if now - pending.armed_at > TRIGGER_S:
            pending.land()
        if pending.missed:
            slot.waiting.appendleft(pending.planned)  # it had ended by itself
        elif pending.landed is None:
            return
        else:
            self.landed.append(pending.landed)
            if pending.planned.signal is signal.SIGSTOP:
                slot.wakes = pending.landed + pending.planned.pause_s
            elif pending.planned.signal is signal.SIGTERM:
                slot.told = slot.told or pending.landed
            else:
                slot.killed = True
        if slot.proxy:
            slot.proxy.arm(None)
        slot.pending = None

    def _wake(self, slot: Slot) -> None:
        if slot.child is not None:
            slot.child.send_signal(signal.SIGCONT)
            self.journal.note("SIGCONT", slot.name, pid=slot.child.pid)
        slot.wakes = None

    def _see_to(self, slot: Slot, now: float) -> None:
        """Judge a process that has ended, and fill its place."""
        if slot.child is None:
            return
        code = slot.child.poll()
        if code is None:
            if slot.told is not None and slot.wakes is None and now - slot.told > LEAVE_S:
                self._find(slot, f"is still there {LEAVE_S:.0f} s after SIGTERM")
            return
        self._follow_pending(slot, now)
        self.journal.note("end", slot.name, pid=slot.child.pid, code=code)
        self._judge(slot, code)
        slot.child = None
        if not self._dismissing and (slot.daemon or code != 0):
            self.restarts += 1
            self._start(slot)

    def _judge(self, slot: Slot, code: int) -> None:
        said = self._said(slot)
        if found := _DEFECT.search(said.decode(errors="replace")):
            self._find(slot, f"{found[0]!r} in its log")
        told = slot.told is not None
        if (code == -signal.SIGKILL and slot.killed) or (code == -signal.SIGTERM and told):
            return
        if code == 0 and (told or not slot.daemon):
            return
        if slot.proxy and code == 1 and not _AT_WORK.search(said):
            self.false_starts += 1
            return
        self._find(slot, f"ended with exit code {code}: {self.processes.log_tail(slot.name, 1)}")

    def _said(self, slot: Slot) -> bytes:
        with self.processes.log(slot.name).open("rb") as log:
            log.seek(slot.log_from)
            return log.read()

    def _find(self, slot: Slot, what: str) -> None:
        self.findings.append(f"{slot.name}: {what}")
        self.journal.note("finding", slot.name, finding=what)
