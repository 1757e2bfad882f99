"""The benchmark beside Flower: what it measures, and what it kills. Flower itself is not needed here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.bench.flower.engines import Measured, Work, training_s
from infra.bench.flower.environment import set_up
from infra.bench.flower.measure import Peak, marked
from infra.bench.flower.runs import Killing
from infra.local.processes import Processes


def test_the_seconds_of_a_round_are_a_median_without_the_first_round() -> None:
    assert Measured("x", ended=[0.0, 2.0, 3.0, 9.0]).seconds_a_round == 2.0
    assert Measured("x", ended=[0.0]).seconds_a_round is None


def test_memory_is_that_of_the_processes_with_the_mark(tmp_path: Path) -> None:
    mark = f"SIM_ARENA_BENCH={tmp_path}"
    environment = {**os.environ, "SIM_ARENA_BENCH": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        peak = Peak()
        peak.look(mark)
        assert marked(mark) == [child.pid]
        assert (peak.processes, peak.bytes > 1_000_000) == (1, True)
        child.communicate(b"\n")
    assert marked(mark) == []


def test_a_process_is_killed_once_after_so_many_rounds_and_another_started(tmp_path: Path) -> None:
    started = list[str]()
    processes = Processes(tmp_path, {})
    child = processes.start("worker-0", [sys.executable, "-c", "input()"])
    killing = Killing("worker-0", lambda all_of_them: started.append("again"), at=2)
    for closed in (0, 1, 2, 3):
        killing(processes, closed)
    assert (child.returncode, started, killing.done) == (-9, ["again"], True)


def test_the_training_itself_is_measured_alone() -> None:
    pytest.importorskip("sklearn")
    assert 0 < training_s(Work(members=5, rounds=2, seed=0)) < 60


def test_an_environment_that_is_whole_is_not_made_again(tmp_path: Path) -> None:
    site = tmp_path / "lib/python3.11/site-packages"
    site.mkdir(parents=True)
    (site / "sim-arena.pth").touch()
    set_up(tmp_path, pytest.fail)
