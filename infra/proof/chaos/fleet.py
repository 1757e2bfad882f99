"""The processes of a federation under chaos: started, struck, woken, replaced; an end without cause is a finding."""

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
from infra.proof.chaos.journal import Journal
from infra.proof.chaos.plan import SUBMIT, Strike
from infra.proof.chaos.proxy import Ambush, Proxy

AMBUSH_S = 4.0  # a victim that makes no request for so long is struck all the same
LEAVE_S = 75.0  # from SIGTERM to the end: the episode's grace, and one request that hangs until it times out
_AT_WORK = re.compile(rb"working on|watching")  # what a daemon says once it has found its bucket fit
_DEFECT = re.compile(r"Traceback \(most recent call last\)|a defect of ")


class Blow:
    """A strike on its way to one process. It lands once: at a request, or when that takes too long."""

    def __init__(self, strike: Strike, child: subprocess.Popen[bytes], journal: Journal) -> None:
        self.strike = strike
        self.child = child
        self.journal = journal
        self.laid = time.monotonic()
        self.landed: float | None = None
        self.missed = False
        self._lock = threading.Lock()

    def land(self, request: str | None = None) -> float | None:
        """Send the signal; what becomes of the request at which it fell (see `Ambush`)."""
        with self._lock:
            if self.landed is not None or self.missed:
                return 0.0
            if self.child.poll() is not None:
                self.missed = True
                return 0.0
            self.child.send_signal(self.strike.signal)
            self.landed = time.monotonic()
        where = {"moment": self.strike.moment, "request": request} if request else {"moment": "between requests"}
        pause = {"pause_s": round(self.strike.pause_s, 2)} if self.strike.signal is signal.SIGSTOP else {}
        self.journal.signal(self.strike.signal.name, self.strike.whom, pid=self.child.pid, **where, **pause)
        # A stopped process's request is on its way all the same, and arrives when it wakes or before.
        return {signal.SIGKILL: None, signal.SIGSTOP: self.strike.pause_s}.get(self.strike.signal, 0.0)


@dataclass
class Post:
    """A place in the fleet, held by one process after the other.

    Attributes:
        command: of the process that holds it.
        proxy: its way to the endpoint; None: straight.
        daemon: whether there is always to be one; else it is started until it has succeeded once.
        waiting: strikes that are due.
        killed: whether the present process was sent SIGKILL.
        told: when it was sent SIGTERM.
        wakes: when it is to be continued.
        log_from: where in the log its own lines begin.
    """

    name: str
    command: list[str]
    proxy: Proxy | None
    daemon: bool
    waiting: deque[Strike] = field(default_factory=deque)
    child: subprocess.Popen[bytes] | None = None
    blow: Blow | None = None
    killed: bool = False
    told: float | None = None
    wakes: float | None = None
    log_from: int = 0


class Fleet:
    """All posts.

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
        self, processes: Processes, environment: Mapping[str, str], endpoint: str, journal: Journal, posts: list[Post]
    ) -> None:
        self.processes = processes
        self.environment = environment
        self.endpoint = endpoint
        self.journal = journal
        self.posts = {post.name: post for post in posts}
        self.landed: list[float] = []
        self.restarts = 0
        self.false_starts = 0
        self.findings: list[str] = []
        self._parting = False
        for post in posts:
            self._start(post)

    @property
    def submitted(self) -> bool:
        """Whether the submit has succeeded and none is under way."""
        return self.posts[SUBMIT].child is None

    @property
    def unstruck(self) -> bool:
        """Whether strikes that are due have not been delivered."""
        return any(post.waiting or post.blow for post in self.posts.values())

    def strike(self, strikes: Iterable[Strike]) -> None:
        """Deliver these signals as soon as their victims can take them."""
        for strike in strikes:
            self.posts[strike.whom].waiting.append(strike)

    def tend(self) -> None:
        """Do what is due: look at blows, wake sleepers, replace the dead, lay new ambushes."""
        now = time.monotonic()
        for post in self.posts.values():
            self._follow_blow(post, now)
            if post.wakes is not None and now >= post.wakes:
                self._wake(post)
            self._see_to(post, now)
            if post.waiting and post.blow is None and post.wakes is None:
                self._lay(post)

    def part(self) -> None:
        """Wake and dismiss everyone, and see that they leave as they should."""
        self._parting = True
        for post in self.posts.values():
            if post.wakes is not None:
                self._wake(post)
            if post.child is not None and post.told is None:
                post.child.terminate()
                post.told = time.monotonic()
        while any(post.child is not None for post in self.posts.values()) and not self.findings:
            for post in self.posts.values():
                self._see_to(post, time.monotonic())
            time.sleep(0.05)

    # -- one post --------------------------------------------------------------------------------------

    def _start(self, post: Post) -> None:
        log = self.processes.log(post.name)
        post.log_from = log.stat().st_size if log.exists() else 0
        endpoint = post.proxy.url if post.proxy else self.endpoint
        post.child = self.processes.start(
            post.name, post.command, added={**self.environment, "AWS_ENDPOINT_URL": endpoint}
        )
        post.killed, post.told, post.wakes = False, None, None
        self.journal.note("start", post.name, pid=post.child.pid)

    def _lay(self, post: Post) -> None:
        if post.child is None:
            self._start(post)  # a submit, once more
        assert post.child is not None  # noqa: S101 (just started)
        strike = post.waiting.popleft()
        post.blow = blow = Blow(strike, post.child, self.journal)
        if strike.moment and post.proxy:
            post.proxy.lay(Ambush(strike.moment, strike.skip, blow.land))
        else:
            blow.land()

    def _follow_blow(self, post: Post, now: float) -> None:
        blow = post.blow
        if blow is None:
            return
        if now - blow.laid > AMBUSH_S:
            blow.land()
        if blow.missed:
            post.waiting.appendleft(blow.strike)  # it had ended by itself
        elif blow.landed is None:
            return
        else:
            self.landed.append(blow.landed)
            if blow.strike.signal is signal.SIGSTOP:
                post.wakes = blow.landed + blow.strike.pause_s
            elif blow.strike.signal is signal.SIGTERM:
                post.told = post.told or blow.landed
            else:
                post.killed = True
        if post.proxy:
            post.proxy.lay(None)
        post.blow = None

    def _wake(self, post: Post) -> None:
        if post.child is not None:
            post.child.send_signal(signal.SIGCONT)
            self.journal.note("SIGCONT", post.name, pid=post.child.pid)
        post.wakes = None

    def _see_to(self, post: Post, now: float) -> None:
        """Judge a process that has ended, and fill its place."""
        if post.child is None:
            return
        code = post.child.poll()
        if code is None:
            if post.told is not None and post.wakes is None and now - post.told > LEAVE_S:
                self._find(post, f"is still there {LEAVE_S:.0f} s after SIGTERM")
            return
        self._follow_blow(post, now)
        self.journal.note("end", post.name, pid=post.child.pid, code=code)
        self._judge(post, code)
        post.child = None
        if not self._parting and (post.daemon or code != 0):
            self.restarts += 1
            self._start(post)

    def _judge(self, post: Post, code: int) -> None:
        said = self._said(post)
        if found := _DEFECT.search(said.decode(errors="replace")):
            self._find(post, f"{found[0]!r} in its log")
        told = post.told is not None
        if (code == -signal.SIGKILL and post.killed) or (code == -signal.SIGTERM and told):
            return
        if code == 0 and (told or not post.daemon):
            return
        if post.proxy and code == 1 and not _AT_WORK.search(said):
            self.false_starts += 1
            return
        self._find(post, f"ended with exit code {code}: {self.processes.log_tail(post.name, 1)}")

    def _said(self, post: Post) -> bytes:
        with self.processes.log(post.name).open("rb") as log:
            log.seek(post.log_from)
            return log.read()

    def _find(self, post: Post, what: str) -> None:
        self.findings.append(f"{post.name}: {what}")
        self.journal.note("finding", post.name, finding=what)
