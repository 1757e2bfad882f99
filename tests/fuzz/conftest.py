"""How many cases the fuzzers run, and the count of those that ran.

SIM_ARENA_FUZZ_CASES=N runs N examples of each property, of 25 cases where only bytes are damaged; without it as many
as a test run has time for.
"""

from __future__ import annotations

import os
from collections import Counter

import hostile
import pytest
from hypothesis import HealthCheck, settings

# Slow cases are the point, and a case that failed once is worth a test of its own rather than a database.
settings.register_profile(
    "fuzz",
    max_examples=int(os.environ.get("SIM_ARENA_FUZZ_CASES", "30")),
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

_OF_WORKERS: Counter[str] = Counter()
_PEAKS: dict[str, int] = {}


@pytest.fixture(autouse=True, scope="session")
def _count_for_xdist(request: pytest.FixtureRequest) -> object:
    yield
    if hasattr(request.config, "workeroutput"):
        request.config.workeroutput["fuzz"] = (dict(hostile.CASES), dict(hostile.PEAKS))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    cases, peaks = getattr(node, "workeroutput", {}).get("fuzz", ({}, {}))
    _OF_WORKERS.update(cases)
    for target, peak in peaks.items():
        _PEAKS[target] = max(_PEAKS.get(target, 0), peak)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    cases, peaks = _OF_WORKERS + hostile.CASES, _PEAKS | hostile.PEAKS
    if cases:
        terminalreporter.section("fuzzing")
        for target, count in sorted(cases.items()):
            terminalreporter.write_line(
                f"{count:9,} cases  {target}  (at most {peaks[target] / 2**20:.1f} MiB for one)"
            )
        terminalreporter.write_line(f"{cases.total():9,} cases")
