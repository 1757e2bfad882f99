"""The protocol under fire: fresh seeds each time, and those that found something once."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from env.errors import UsageError
from infra.commands import app
from infra.proof.simulation.checks_updates import reference
from infra.proof.simulation.history import LATE, History
from infra.proof.simulation.many import SimulationTotals, reports
from infra.proof.simulation.run import simulate
from infra.proof.simulation.scenario import Fault, draw
from infra.proof.standin import undisturbed
from protocol.strategies.table import Strategy
from protocol.wire.choices import Closers
from protocol.wire.errors import Exists
from protocol.wire.memory import Request

FRESH = 200  # seeds in each run of the tests; CI runs ten times as many after them

PAST = {  # seeds that found something, and what; a change of what seeds draw moves them
    38: "a worker that slept through a purge claimed a job again, and every worker asked about its marks without end",
    237: "the same of a mark that landed after a purge",
    244: "a submit that slept through a purge queued members again, whose workers waited without end",
    452: "the same",
    500222: "a report told of rounds as an attacker's outcome did, and the check asked for more than is promised",
    500693: "a member that the last round did not draw ended as a success, though left out of those that drew it",
    696391571467096: "a member was cancelled before it was queued, and a late sweep took the mark after it was",
}


def test_fresh_seeds_keep_every_invariant() -> None:
    first = time.time_ns() // 1_000_000 % 2**40 * 1000
    tally = SimulationTotals()
    for report in reports(range(first, first + FRESH), None, None, multiprocessing.cpu_count()):
        tally.add(report)
    for report in tally.failed:
        print(f"sim-arena simulate --seed {report.seed}: {report.violations}")
    assert [report.seed for report in tally.failed] == []
    assert set(tally.faults) == set(Fault)  # every kind of fault had its turn


@pytest.mark.parametrize("seed", PAST)
def test_a_seed_that_found_something_stays_clean(seed: int) -> None:
    assert simulate(draw(seed)).violations == ()


def test_a_seed_replays_exactly_in_another_process() -> None:
    program = (
        "import sys; from infra.scripts import sim_arena; "
        "sys.argv = ['sim-arena', 'simulate', '--seed', '11', '--json']; sim_arena()"
    )
    found = [
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed, "PATH": ""}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert found[0] == found[1]
    assert len(json.loads(found[0])["history"]) > 100


def test_the_reference_is_what_an_undisturbed_run_of_the_protocol_gives() -> None:
    for size, episodes, per_round, strategy in (
        (1, 3, 1, Strategy.FEDAVG),
        (3, 5, 2, Strategy.FEDADAM),
        (4, 4, 3, Strategy.UNIFORM),
    ):
        told = {"episodes_per_round": per_round, "strategy": strategy}
        assert reference(size, episodes, per_round, strategy) == undisturbed(size, episodes, **told)


def test_without_faults_nothing_is_trained_twice() -> None:
    for seed in range(20):
        drawn = draw(seed)
        calm = replace(drawn, faults={}, attacked=None, cancel=None, cut=None, defects={}, twins=0, workers=(0.0,) * 3)
        report = simulate(replace(calm, wanted=drawn.wanted.model_copy(update={"round_timeout_s": 1e6})))
        assert report.violations == ()
        assert report.trained == report.needed


def test_seeds_differ_in_everything_that_is_drawn() -> None:
    scenarios = [draw(seed) for seed in range(400)]
    assert {s.wanted.size for s in scenarios} == set(range(1, 7))
    assert {s.wanted.rounds for s in scenarios} == set(range(1, 6))
    assert {len(s.workers) for s in scenarios} == set(range(1, 7))
    assert {s.wanted.barrier for s in scenarios} == set(Closers)
    assert {fault for s in scenarios for fault in s.faults} == set(Fault)
    assert any(len(s.workers) < s.wanted.size for s in scenarios)
    assert any(len(s.workers) > s.wanted.size for s in scenarios)
    assert all({s.wanted.size, s.wanted.rounds} == {2, 9} for s in (draw(seed, 2, 9) for seed in range(20)))


# -- the history -------------------------------------------------------------------------------------


def test_a_history_tells_what_changed_from_what_did_not() -> None:
    history = History()
    history.landed(1.0, Request("w", "CREATE", "a"), None)
    history.landed(2.0, Request("v", "CREATE", "a"), Exists("412"))
    history.landed(3.0, Request("w" + LATE, "DELETE", "a"), None)
    history.landed(4.0, Request("w", "DELETE", "a"), None)
    history.note(5.0, "w", "killed")
    assert [(event.who, event.late) for event in history.writes] == [("w", False), ("w", True)]
    assert [line.split(maxsplit=1)[1] for line in history.lines()] == [
        "w            CREATE a: created",
        "v            CREATE a: 412, it exists",
        "w (given up) DELETE a: done",
        "w            DELETE a: there was none",
        "w               *** killed",
    ]


# -- the command -------------------------------------------------------------------------------------


def test_the_command_sums_up_what_happened() -> None:
    done = CliRunner().invoke(app, ["simulate", "--seeds", "0:5", "--jobs", "1", "--json"])
    told = json.loads(done.stdout)
    assert (done.exit_code, told["seeds"], told["failed"]) == (0, 5, [])
    assert told["requests"] > 1000
    assert set(told["faults"]) == {str(fault) for fault in Fault}


def test_a_violation_is_told_with_its_history_and_how_to_replay_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("protocol.worker.barrier.poll_delay", lambda *how: 0.01)
    done = CliRunner().invoke(app, ["simulate", "--seeds", "0:4", "--members", "2", "--rounds", "3", "--jobs", "1"])
    assert done.exit_code == 1
    assert "violated by seed 3: 8 nothing is asked for or trained without need" in done.stdout
    assert "sim-arena simulate --seed 3 --members 2 --rounds 3" in done.stdout
    assert "CREATE federations/g/federation.json: created" in done.stdout


@pytest.mark.parametrize("seeds", ["5", "5:5", "a:b", "3:2", ":", "0:99999999999999999999"])
def test_a_range_that_is_none_is_refused(seeds: str) -> None:
    with pytest.raises(UsageError, match="expected FROM:TO"):
        app(["simulate", "--seeds", seeds], standalone_mode=False)


@pytest.mark.parametrize("other", [["--seeds", "0:5"], ["--jobs", "2"]])
def test_a_replay_is_of_one_seed(other: list[str]) -> None:
    with pytest.raises(UsageError, match="replays one run"):
        app(["simulate", "--seed", "1", *other], standalone_mode=False)


def test_who_stops_listening_ends_the_processes() -> None:
    arriving = reports(range(1_000_000), None, None, 2)
    assert next(arriving).violations == ()
    arriving.close()
    assert multiprocessing.active_children() == []


def test_no_more_episodes_come_to_use_than_are_trained() -> None:
    found = [simulate(draw(seed)) for seed in range(15)]
    assert all(report.needed <= report.trained for report in found)
