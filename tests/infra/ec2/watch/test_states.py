"""In which state a machine is, for everything that EC2, its bucket and its job may say."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.ec2.fleet import GONE, LIVING, Instance
from infra.ec2.watch.machines import LINE, SPOT_NOTICE, MachineState, MachineStatus, Report
from infra.ec2.watch.states import OVERDUE_S, SILENT_S, Seen, State, Work, duration, state_of

LAUNCHED = 1_000_000.0
NOW = LAUNCHED + 3600
RUNNING = Instance(
    id="i-0123456789abcdef0",
    region="us-east-1",
    zone="us-east-1a",
    type="m6i.large",
    spot=False,
    state="running",
    launched=LAUNCHED,
    bucket="b",
    expires=NOW + 3600,
)


def says(state: str, doing: str = "", step: int = 0, steps: int = 0, heard: float = NOW - 5) -> Report:
    return Report(MachineStatus(state=MachineState(state), doing=doing, step=step, steps=steps), heard)


def job(touched: float = NOW - 3) -> Work:
    return Work("shop-m0001", "training", 4, touched)


def at(report: Report | None, work: Work | None = None, now: float = NOW, **changes: Any) -> tuple[State, str]:
    return state_of(Seen(replace(RUNNING, **changes), report, work, now))


GONE_WHY = {
    "user": "Client.UserInitiatedShutdown: User initiated shutdown",
    "itself": "Client.InstanceInitiatedShutdown: Instance initiated shutdown",
    "spot": "Server.SpotInstanceTermination: Spot instance termination",
    "capacity": "Server.InsufficientInstanceCapacity: Insufficient capacity",
    "key": "Client.InternalError: Client error on launch",
}


@pytest.mark.parametrize(
    ("seen", "state", "detail"),
    [
        (at(Report(), state="pending"), State.STARTING, ""),
        (at(Report(), now=LAUNCHED + 60), State.STARTING, "no word from it yet"),
        (at(says("booting", "kind", 3, 9)), State.BOOTING, "step 3 of 9: kind"),
        (at(says("booting", "kind")), State.BOOTING, "kind"),
        (at(says("working")), State.IDLE, ""),
        (at(says("working"), job()), State.WORKING, ""),
        (at(says("ending", "idle for 30 min")), State.ENDING, "idle for 30 min"),
        (at(says("failed", "doctor: no KWOK")), State.FAILED, "doctor: no KWOK"),
        (at(None), State.RUNNING, ""),
        (at(says("working"), state="stopped"), State.STOPPED, "somebody stopped it; its disk still costs"),
        (at(Report(problem="status.json: no JSON", heard=NOW)), State.STARTING, "status.json: no JSON"),
        (at(Report(problem="status.json: no JSON", heard=NOW), job()), State.WORKING, "status.json: no JSON"),
    ],
)
def test_a_machine_that_is_there(seen: tuple[State, str], state: State, detail: str) -> None:
    assert seen == (state, detail)


@pytest.mark.parametrize(
    ("seen", "state", "detail"),
    [
        (at(says("failed", "docker"), state="terminated", why=GONE_WHY["itself"]), State.FAILED, "docker"),
        (
            at(says("booting", "kind", 3, 9), state="terminated", why=GONE_WHY["itself"]),
            State.FAILED,
            f"ended while booting: step 3 of 9: kind ({GONE_WHY['itself']})",
        ),
        (at(Report(), state="terminated"), State.FAILED, "ended without a word"),
        (at(Report(), state="terminated", why=GONE_WHY["capacity"]), State.FAILED, GONE_WHY["capacity"]),
        (at(None, state="terminated", why=GONE_WHY["key"]), State.FAILED, GONE_WHY["key"]),
        (at(says("working"), state="shutting-down", why=GONE_WHY["spot"]), State.INTERRUPTED, GONE_WHY["spot"]),
        (
            at(says("ending", "spot interruption: soon"), state="terminated", why=GONE_WHY["itself"]),
            State.INTERRUPTED,
            "spot interruption: soon",
        ),
        (at(says("booting"), state="terminated", why=GONE_WHY["user"]), State.TERMINATED, GONE_WHY["user"]),
        (
            at(says("booting"), state="terminated", why="User initiated (2026-03-01 12:00:00 GMT)"),
            State.TERMINATED,
            "User initiated (2026-03-01 12:00:00 GMT)",
        ),
        (at(says("ending", "idle"), state="terminated", why=GONE_WHY["itself"]), State.TERMINATED, "idle"),
        (at(None, state="terminated", why=GONE_WHY["itself"]), State.TERMINATED, GONE_WHY["itself"]),
    ],
)
def test_a_machine_that_is_gone(seen: tuple[State, str], state: State, detail: str) -> None:
    assert seen == (state, detail)


def test_machines_call_an_interruption_what_is_looked_for_here() -> None:
    assert f'ending "{SPOT_NOTICE}: ' in files("infra.ec2").joinpath("boot/spot.sh").read_text()


@pytest.mark.parametrize("status", ["booting", "working", "ending", "failed"])
def test_one_that_falls_silent_is_lost_whatever_it_said_last(status: str) -> None:
    assert at(says(status, "something", heard=NOW - SILENT_S))[0] is not State.LOST
    state, detail = at(says(status, "something", heard=NOW - SILENT_S - 1))
    assert (state, detail) == (State.LOST, "silent for 10 min; last: something")


def test_one_that_never_said_a_word_is_lost_after_a_while() -> None:
    assert at(Report(), now=LAUNCHED + SILENT_S)[0] is State.STARTING
    assert at(Report(), now=LAUNCHED + SILENT_S + 1) == (State.LOST, "silent for 10 min")


def test_a_heartbeat_is_a_sign_of_life() -> None:
    assert at(says("working", heard=NOW - 2 * SILENT_S), job())[0] is State.WORKING
    assert at(Report(), job())[0] is State.WORKING


@pytest.mark.parametrize("report", [None, Report(), says("working"), says("ending", "max hours"), says("failed")])
@pytest.mark.parametrize("ec2", ["pending", "running"])
def test_past_its_time_outranks_everything_that_a_machine_says(report: Report | None, ec2: str) -> None:
    assert at(report, job(), expires=NOW - OVERDUE_S, state=ec2)[0] is not State.OVERDUE
    state, detail = at(report, job(), expires=NOW - OVERDUE_S - 1, state=ec2)
    assert state is State.OVERDUE
    assert detail == "should have ended 5 min ago; run: ec2-workers terminate i-0123456789abcdef0"


TEXT = st.text(max_size=40) | st.sampled_from(["\x1b[2J", "a\nb", "\u202eabc", "x" * 1000])
TIMES = st.floats(0, 3e6)
STATUSES = st.builds(
    lambda state, doing, step: MachineStatus(state=state, doing=doing, step=step, steps=9),
    st.sampled_from(MachineState),
    TEXT,
    st.integers(0, 9),
)
REPORTS = st.builds(
    lambda status, heard, problem: Report(status, heard, "", problem), st.none() | STATUSES, st.none() | TIMES, TEXT
)
WORKS = st.builds(lambda touched: Work("a-job", "training", 1, touched), TIMES)
SEEN = st.builds(
    lambda ec2, launched, expires, why, spot, report, work, now: Seen(
        replace(RUNNING, state=ec2, launched=launched, expires=expires, why=why, spot=spot), report, work, now
    ),
    st.sampled_from(LIVING + GONE),
    TIMES,
    st.none() | TIMES,
    TEXT | st.sampled_from(list(GONE_WHY.values())),
    st.booleans(),
    st.none() | REPORTS,
    st.none() | WORKS,
    TIMES,
)
OVER = {State.FAILED, State.INTERRUPTED, State.TERMINATED}


@given(SEEN)
def test_every_machine_has_a_state_that_fits_what_ec2_says(seen: Seen) -> None:
    state, detail = state_of(seen)
    assert detail.isprintable()
    assert len(detail) <= LINE
    if seen.instance.state in GONE:
        assert state in OVER
    else:
        assert state not in OVER - {State.FAILED}
    if state is State.WORKING:
        assert seen.work is not None
    if state is State.RUNNING:
        assert seen.report is None


@given(SEEN, st.floats(0, 1e6))
def test_a_living_machine_never_seems_better_for_falling_silent(seen: Seen, later_s: float) -> None:
    if seen.instance.state == "running":
        worse = (State.LOST, State.OVERDUE)
        before, after = state_of(seen)[0], state_of(replace(seen, now=seen.now + later_s))[0]
        assert before not in worse or after in worse


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0 s"), (42, "42 s"), (99, "99 s"), (750, "12 min"), (5999, "100 min"), (12_240, "3.4 h")],
)
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text
