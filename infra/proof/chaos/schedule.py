"""What goes wrong in a chaos run: every signal and all network faults, drawn from the seed before anything starts."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from infra.proof.chaos.faults import Moment, NetworkFault, NetworkPhase

SUBMIT = "submit"
SYNC_SERVERS = 2  # more than one, so that they compete
SKIP = 8  # a planned signal may let so many requests of its victim pass
_SIGNALS = {signal.SIGKILL: 0.5, signal.SIGSTOP: 0.25, signal.SIGTERM: 0.25}
_WEIGHTS = {"worker": 3.0, "sync-server": 2.0, SUBMIT: 1.0}  # of one process, by what it is
_PAUSE_LEASES = (0.5, 2.5)  # how long a process is stopped; most have lost their lease then
_LONGER_THAN_TIME_OUT_S = 60.0  # of a client's read
_LAST = 0.9  # no signal waits for more than this share of the rounds, so that all of them find something to hit


@dataclass(frozen=True)
class PlannedSignal:
    """One signal.

    Attributes:
        round: due once so many rounds have closed: a run that stands still gets no further signal.
        delay_s: and so many seconds later.
        victim: the process's name.
        pause_s: with SIGSTOP, the seconds until SIGCONT.
        moment: at a request of the victim, or None: at once.
        skip: requests of the victim that pass before the one at which it gets the signal.
    """

    round: int
    delay_s: float
    victim: str
    signal: signal.Signals
    pause_s: float
    moment: Moment | None
    skip: int


def names(workers: int, sync_servers: int) -> list[str]:
    """The processes of a run that may get signals, besides `SUBMIT`."""
    return [
        *(f"worker-{number}" for number in range(1, workers + 1)),
        *(f"sync-server-{number}" for number in range(1, sync_servers + 1)),
    ]


def role_of(name: str) -> str:
    """What a process is: worker, sync-server or submit."""
    return name.rstrip("0123456789").rstrip("-")


def signal_schedule(seed: int, kills: int, rounds: int, victims: list[str], lease_s: float) -> list[PlannedSignal]:
    """All signals of a run, in the order in which they fall due; half of those to the submit before anything runs."""
    random = Random(f"{seed} strikes")
    weights = [_WEIGHTS[role_of(name)] for name in victims]

    def draw(victim: str, round_: int) -> PlannedSignal:
        [number] = random.choices(list(_SIGNALS), list(_SIGNALS.values()))
        return PlannedSignal(
            round=round_,
            delay_s=random.uniform(0, 1),
            victim=victim,
            signal=number,
            pause_s=lease_s * random.uniform(*_PAUSE_LEASES),
            moment=random.choice((None, Moment.BEFORE, Moment.AFTER)),
            skip=random.randrange(SKIP),
        )

    last = int(_LAST * rounds)
    drawn = [
        draw(victim, 0 if victim == SUBMIT and random.random() < 0.5 else random.randint(0, last))
        for victim in random.choices(victims, weights, k=kills)
    ]
    return sorted(drawn, key=lambda one: (one.round, one.delay_s))


def fault_schedule(seed: int, name: str, lease_s: float) -> Iterator[NetworkPhase]:
    """The phases of a process's network, without end."""
    random = Random(f"{seed} weather {name}")
    while True:
        kind = random.choice(("calm", "calm", "calm", "flaky", "flaky", "busy", "slow", "cut"))
        seconds = random.uniform(1, 6)
        if kind == "cut":
            yield NetworkPhase(seconds=lease_s * random.uniform(0.1, 1.5), cut=True)
        else:
            yield NetworkPhase(
                seconds=seconds,
                rates=_RATES[kind],
                late_s=lease_s * random.uniform(0.5, 2),
                hang_s=random.choice((1.5 * lease_s, 1.5 * lease_s, _LONGER_THAN_TIME_OUT_S)),
            )


_RATES: dict[str, dict[NetworkFault, float]] = {
    "calm": {},
    "flaky": {
        NetworkFault.CUT_BEFORE: 0.03,
        NetworkFault.CUT_AFTER: 0.05,
        NetworkFault.ERROR_BEFORE: 0.02,
        NetworkFault.ERROR_AFTER: 0.03,
        NetworkFault.HALF_ANSWER: 0.03,
        NetworkFault.TWICE: 0.03,
        NetworkFault.LATE: 0.03,
        NetworkFault.HANG: 0.002,  # costs the client up to its whole time-out
    },
    "busy": {NetworkFault.BUSY_BEFORE: 0.4, NetworkFault.BUSY_AFTER: 0.1},
    "slow": {NetworkFault.DELAY: 1.0},
}
