"""Runs of the simulation with one thing done wrong, until an invariant is violated."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from infra.proof.simulation.invariants import Invariant
from infra.proof.simulation.run import Implementations, SimulationReport, simulate
from infra.proof.simulation.scenario import SimulationScenario, draw

SEEDS = 200  # within which a mutant must be caught; most are within ten


Focus = Callable[[SimulationScenario], SimulationScenario]


def as_drawn(scenario: SimulationScenario) -> SimulationScenario:
    return scenario


def caught(implementations: Implementations | None = None, focus: Focus = as_drawn) -> SimulationReport:
    """The first run in which an invariant is violated.

    Args:
        focus: makes a scenario rich in what the mutant does wrong, so that few seeds suffice.
    """
    for seed in range(SEEDS):
        report = simulate(focus(draw(seed)), implementations=implementations)
        if report.violations:
            print(f"caught by seed {seed}: {report.violations[0].invariant}: {report.violations[0].text}")
            return report
    pytest.fail(f"{SEEDS} seeds saw nothing")


def violated(report: SimulationReport) -> set[Invariant]:
    return {violation.invariant for violation in report.violations}
