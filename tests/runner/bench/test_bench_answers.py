"""`bench suggest`: that every tenth workload fails, and that the answer mends them."""

from __future__ import annotations

from runner.bench.answers import measure


def test_every_tenth_workload_fails_and_is_mended() -> None:
    measured = measure(20, 6)
    assert (measured.workloads, measured.failing, measured.staying) == (20, 2, 0)
    assert measured.cpu_s > 0
