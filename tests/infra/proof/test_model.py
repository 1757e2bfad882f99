"""The formal model of claim, lease and round: no run of it goes wrong, and it sees what is broken on purpose."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from infra import proof

MODEL = Path(proof.__file__).parent / "model" / "rounds.pml"
PAGE = Path(proof.__file__).parents[2] / "docs" / "model.md"
FAULTS = {"CRASHES": "crash", "ZOMBIES": "zombie", "UNCLEAR": "unclear", "DEADLINES": "deadline"}
"""Budgets, and what the docs call them."""

pytestmark = pytest.mark.skipif(
    not (shutil.which("spin") and shutil.which("gcc")), reason="needs spin and gcc (Debian: apt-get install spin gcc)"
)


def checked(folder: Path, faults: str | None, *broken: str, cycles: bool = False) -> str:
    """What the model checker says after a search of the whole state space.

    Args:
        faults: what goes wrong once in a run; everything else never does.
        broken: parts of the protocol that are broken on purpose.
        cycles: look for runs without end instead of runs that end wrongly.
    """
    budgets = [f"-D{name}={int(name == faults)}" for name in FAULTS]
    run(folder, "spin", *budgets, *(f"-D{name}" for name in broken), "-a", str(MODEL))
    # The processes share everything and wait for each other's death, so that there is no order to reduce.
    speed = "-O0" if broken else "-O2"  # what is broken is found soon
    run(folder, "gcc", speed, "-w", "-DNOREDUCE", "-DNP" if cycles else "-DSAFETY", "-o", "pan", "pan.c")
    return run(folder, str(folder / "pan"), "-m100000", *(["-l"] if cycles else []))


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def is_sound(report: str) -> bool:
    whole = "max search depth too small" not in report and "Search not completed" not in report
    return whole and "Full statespace search" in report and "errors: 0" in report


@pytest.mark.parametrize("faults", [None, *FAULTS])
def test_every_run_is_safe_and_ends_well_with_any_one_fault(tmp_path: Path, faults: str | None) -> None:
    report = checked(tmp_path, faults)
    assert is_sound(report), report
    [states] = re.findall(r"(\d+) states, stored", report)
    assert f"| {FAULTS[faults] if faults else 'none'} | {int(states):,} |" in PAGE.read_text()


def test_no_run_goes_on_for_ever(tmp_path: Path) -> None:
    report = checked(tmp_path, "ZOMBIES", cycles=True)
    assert is_sound(report), report
    assert "non-progress cycles \t+" in report


@pytest.mark.parametrize(
    ("broken", "faults", "found"),
    [
        ("PLAIN_CLAIM", None, "assertion violated"),
        ("TAKEN_IS_WON", None, "assertion violated"),
        ("UPDATE_FIRST", None, "assertion violated"),
        ("AVERAGE_FIRST", "DEADLINES", "assertion violated"),
        ("PLAIN_DECISION", "DEADLINES", "assertion violated"),
        ("OWN_LIST", "DEADLINES", "assertion violated"),
        ("NO_TAKEOVER", "CRASHES", "invalid end state"),
        ("NO_SIBLINGS", "CRASHES", "invalid end state"),
    ],
)
def test_what_is_broken_on_purpose_is_found(tmp_path: Path, broken: str, faults: str | None, found: str) -> None:
    report = checked(tmp_path, faults, broken)
    assert not is_sound(report)
    assert re.search(rf"pan:\d+: {found}", report), report
