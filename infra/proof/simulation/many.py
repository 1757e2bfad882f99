"""Many seeds, on all cores: what went wrong, and what it cost."""

from __future__ import annotations

import multiprocessing
import signal
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from infra.proof.simulation.run import SimulationReport, simulate
from infra.proof.simulation.scenario import Fault, draw


@dataclass
class SimulationTotals:
    """The sum of many reports; of those that went wrong, all."""

    seeds: int = 0
    requests: int = 0
    virtual_s: float = 0.0
    trained: int = 0
    needed: int = 0
    faults: Counter[Fault] = field(default_factory=Counter)
    failed: list[SimulationReport] = field(default_factory=list)

    def add(self, report: SimulationReport) -> None:
        self.seeds += 1
        self.requests += report.requests
        self.virtual_s += report.virtual_s
        self.trained += report.trained
        self.needed += report.needed
        self.faults += report.faults
        if report.violations:
            self.failed.append(report)

    def as_json(self) -> dict[str, Any]:
        return {
            "seeds": self.seeds,
            "failed": [
                {"seed": report.seed, "violations": [f"{v.invariant}: {v.text}" for v in report.violations]}
                for report in sorted(self.failed, key=lambda report: report.seed)
            ],
            "requests": self.requests,
            "virtual_s": round(self.virtual_s),
            "episodes_trained": self.trained,
            "episodes_needed": self.needed,
            "faults": {str(fault): self.faults[fault] for fault in Fault},
        }


def judged(seed: int, members: int | None = None, rounds: int | None = None) -> SimulationReport:
    """Draw a seed's scenario and run it."""
    return simulate(draw(seed, members, rounds))


def reports(seeds: Sequence[int], members: int | None, rounds: int | None, jobs: int) -> Generator[SimulationReport]:
    """The report of each seed, as they come in. Closing the iterator ends the processes."""
    work = partial(judged, members=members, rounds=rounds)
    if jobs == 1:
        yield from map(work, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(jobs, _ignore_interrupts) as pool:
        yield from pool.imap_unordered(work, seeds)


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
