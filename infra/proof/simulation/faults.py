"""The faults of a simulated run, injected at requests and into the processes that send them."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from infra.proof.simulation.history import LATE, History
from infra.proof.simulation.scenario import ATTACKER, PROCESS_FAULTS, Fault, SimulationScenario
from infra.proof.virtual_threads import Killed, Process
from infra.proof.virtual_time import World
from protocol.wire.bucket import PATIENCE_S
from protocol.wire.errors import Conflict, Exists, StoreError, Transient
from protocol.wire.memory import Request

MOST = {  # in a run
    Fault.KILL_BEFORE: 6,
    Fault.KILL_AFTER: 6,
    Fault.PAUSE: 5,
    Fault.STOP: 4,
    Fault.SLEEP_THROUGH: 2,
    Fault.CUT_OFF: 2,
}
LONGEST_CUT_S = 3 * PATIENCE_S
LONGEST_TTLS = 4.0  # no pause, no slow request and no request given up on lasts longer than so many leases
TIME_OUT_S = 10.0
UNTOUCHED = ("canceller-2", "dispatch-3", "fresh", "fresh-sync", ATTACKER)  # most join when faults have ended
WRITES = ("CREATE", "PUT", "DELETE")

HOT = 4.0  # so many times as often where processes contend for something
_DECIDES = re.compile(r"/claim-|/round\.json|/global_weights|/outcome|/result\.json")

_BEFORE = (
    Fault.KILL_BEFORE,
    Fault.PAUSE,
    Fault.STOP,
    Fault.SLEEP_THROUGH,
    Fault.CUT_OFF,
    Fault.LOST_REQUEST,
    Fault.ERROR_500,
    Fault.SLOW_DOWN,
    Fault.CONFLICT,
    Fault.TIME_OUT,
    Fault.ZOMBIE,
    Fault.SLOW,
)
_AFTER = (Fault.KILL_AFTER, Fault.PAUSE, Fault.LOST_ANSWER, Fault.LANDED_500, Fault.OWN_412, Fault.SLOW)


@dataclass
class FaultInjector:
    """Called before and after every request of a world; raises what the process is to see. What happens to a process
    may come on top of what happens to its request: paused, and then the request is lost.

    Args:
        again: called with a process that ended by a fault, so that it may be started again.
    """

    scenario: SimulationScenario
    history: History
    again: Callable[[Process], None]
    counts: Counter[Fault] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.random = random.Random(f"weather of {self.scenario.seed}")  # another text: other faults for every seed
        self.lasts_until = 0.0
        self._cut_off: dict[str, float] = {}  # by process, until when
        self.world: World

    def __call__(self, process: Process, request: Request, after: bool) -> None:
        if self.world.now >= self.scenario.calm_s or process.name in UNTOUCHED:
            return
        if not after and self.world.now < self._cut_off.get(process.name, 0.0):
            self.world.pause(self.random.random() * TIME_OUT_S)
            raise Transient("no route to host")
        hot = HOT if request.verb == "CREATE" and _DECIDES.search(request.key) else 1.0
        for fault in _AFTER if after else _BEFORE:
            rate = self.scenario.faults.get(fault, 0.0)
            if rate and self.random.random() < hot * rate and self._fits(fault, request):
                self.counts[fault] += 1
                self.history.note(self.world.now, process.name, f"{request.verb} {request.key}: {fault}")
                self._inject(fault, process, request)

    def _fits(self, fault: Fault, request: Request) -> bool:
        if fault in MOST and self.counts[fault] >= MOST[fault]:
            return False
        if fault is Fault.OWN_412:
            created = self.history.created.get(request.key)
            return request.verb == "CREATE" and created is not None and created[-1].request is request
        if fault is Fault.CONFLICT:
            return request.verb == "CREATE"
        return fault is not Fault.ZOMBIE or request.verb in WRITES

    def _inject(self, fault: Fault, process: Process, request: Request) -> None:
        if fault in PROCESS_FAULTS or fault is Fault.SLEEP_THROUGH:
            self._inject_into_process(fault, process)
        elif fault is Fault.SLOW:
            self.world.pause(self._long())
        elif fault is Fault.CONFLICT:
            raise Conflict("409 ConditionalRequestConflict")
        elif fault is Fault.OWN_412:
            raise Exists("412 PreconditionFailed")
        elif fault in (Fault.TIME_OUT, Fault.ZOMBIE, Fault.LOST_ANSWER):
            if fault is Fault.ZOMBIE:
                self.world.at(self._long(), lambda: self._land(request))
            self.world.pause(self.random.random() * TIME_OUT_S)
            raise Transient("no answer in time")
        else:
            raise Transient(fault.value)

    def _inject_into_process(self, fault: Fault, process: Process) -> None:
        if fault is Fault.CUT_OFF:
            until = self._cut_off[process.name] = self.world.now + self.random.random() * LONGEST_CUT_S
            self.lasts_until = max(self.lasts_until, until)
            raise Transient("no route to host")
        if fault is Fault.STOP:
            self.world.stop(process)
            self.again(process)
        elif fault in (Fault.KILL_BEFORE, Fault.KILL_AFTER):
            process.kill()
            self.again(process)
            raise Killed
        else:
            through = fault is Fault.SLEEP_THROUGH
            self.world.freeze(process, 1e9 if through else self._long())
            self.world.pause(0.0)

    def _long(self) -> float:
        """So many seconds that leases may run out."""
        seconds = self.random.random() * LONGEST_TTLS * self.scenario.ttl_s
        self.lasts_until = max(self.lasts_until, self.world.now + seconds)
        return seconds

    def _land(self, request: Request) -> None:
        with suppress(StoreError):  # no client waits for the answer
            self.world.s3.apply(replace(request, who=request.who + LATE))
