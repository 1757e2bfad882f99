"""In which state a machine is, for all that EC2, its bucket and its job may say."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.ec2.fleet import GONE, LIVING, Instance
from infra.ec2.watch.reports import LINE, SPOT_NOTICE, InstanceReport, ReportedState, ReportedStatus
from infra.ec2.watch.states import OVERDUE_S, SILENT_S, InstanceState, MachineView, RunningJob, duration, state_of

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


def says(state: str, doing: str = "", step: int = 0, steps: int = 0, heard: float = NOW - 5) -> InstanceReport:
    return InstanceReport(ReportedStatus(state=ReportedState(state), doing=doing, step=step, steps=steps), heard)


def job(touched: float = NOW - 3) -> RunningJob:
    return RunningJob("shop-m0001", "training", 4, touched)


def at(
    report: InstanceReport | None, work: RunningJob | None = None, now: float = NOW, **changes: Any
) -> tuple[InstanceState, str]:
    return state_of(MachineView(replace(RUNNING, **changes), report, work, now))


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
        (at(InstanceReport(), state="pending"), InstanceState.STARTING, ""),
        (at(InstanceReport(), now=LAUNCHED + 60), InstanceState.STARTING, "no word from it yet"),
        (at(says("booting", "kind", 3, 9)), InstanceState.BOOTING, "step 3 of 9: kind"),
        (at(says("booting", "kind")), InstanceState.BOOTING, "kind"),
        (at(says("working")), InstanceState.IDLE, ""),
        (at(says("working"), job()), InstanceState.WORKING, ""),
        (at(says("ending", "idle for 30 min")), InstanceState.ENDING, "idle for 30 min"),
        (at(says("failed", "doctor: no KWOK")), InstanceState.FAILED, "doctor: no KWOK"),
        (at(None), InstanceState.RUNNING, ""),
        (at(says("working"), state="stopped"), InstanceState.STOPPED, "stopped by a user; its disk still costs"),
        (at(InstanceReport(problem="status.json: no JSON", heard=NOW)), InstanceState.STARTING, "status.json: no JSON"),
        (
            at(InstanceReport(problem="status.json: no JSON", heard=NOW), job()),
            InstanceState.WORKING,
            "status.json: no JSON",
        ),
    ],
)
def test_a_machine_that_is_there(seen: tuple[InstanceState, str], state: InstanceState, detail: str) -> None:
    assert seen == (state, detail)


@pytest.mark.parametrize(
    ("seen", "state", "detail"),
    [
        (at(says("failed", "docker"), state="terminated", why=GONE_WHY["itself"]), InstanceState.FAILED, "docker"),
        (
            at(says("booting", "kind", 3, 9), state="terminated", why=GONE_WHY["itself"]),
            InstanceState.FAILED,
            f"ended while booting: step 3 of 9: kind ({GONE_WHY['itself']})",
        ),
        (at(InstanceReport(), state="terminated"), InstanceState.FAILED, "ended without a word"),
        (
            at(InstanceReport(), state="terminated", why=GONE_WHY["capacity"]),
            InstanceState.FAILED,
            GONE_WHY["capacity"],
        ),
        (at(None, state="terminated", why=GONE_WHY["key"]), InstanceState.FAILED, GONE_WHY["key"]),
        (at(says("working"), state="shutting-down", why=GONE_WHY["spot"]), InstanceState.INTERRUPTED, GONE_WHY["spot"]),
        (
            at(says("ending", "spot interruption: soon"), state="terminated", why=GONE_WHY["itself"]),
            InstanceState.INTERRUPTED,
            "spot interruption: soon",
        ),
        (at(says("booting"), state="terminated", why=GONE_WHY["user"]), InstanceState.TERMINATED, GONE_WHY["user"]),
        (
            at(says("booting"), state="terminated", why="User initiated (2026-03-01 12:00:00 GMT)"),
            InstanceState.TERMINATED,
            "User initiated (2026-03-01 12:00:00 GMT)",
        ),
        (at(says("ending", "idle"), state="terminated", why=GONE_WHY["itself"]), InstanceState.TERMINATED, "idle"),
        (at(None, state="terminated", why=GONE_WHY["itself"]), InstanceState.TERMINATED, GONE_WHY["itself"]),
    ],
)
def test_a_machine_that_is_gone(seen: tuple[InstanceState, str], state: InstanceState, detail: str) -> None:
    assert seen == (state, detail)


def test_machines_call_an_interruption_what_is_looked_for_here() -> None:
    assert f'ending "{SPOT_NOTICE}: ' in files("infra.ec2").joinpath("boot/spot.sh").read_text()


@pytest.mark.parametrize("status", ["booting", "working", "ending", "failed"])
def test_one_that_falls_silent_is_lost_after_every_last_report(status: str) -> None:
    assert at(says(status, "something", heard=NOW - SILENT_S))[0] is not InstanceState.LOST
    state, detail = at(says(status, "something", heard=NOW - SILENT_S - 1))
    assert (state, detail) == (InstanceState.LOST, "silent for 10 min; last: something")


def test_one_that_never_said_a_word_is_lost_after_a_while() -> None:
    assert at(InstanceReport(), now=LAUNCHED + SILENT_S)[0] is InstanceState.STARTING
    assert at(InstanceReport(), now=LAUNCHED + SILENT_S + 1) == (InstanceState.LOST, "silent for 10 min")


def test_a_heartbeat_is_a_sign_of_life() -> None:
    assert at(says("working", heard=NOW - 2 * SILENT_S), job())[0] is InstanceState.WORKING
    assert at(InstanceReport(), job())[0] is InstanceState.WORKING


@pytest.mark.parametrize(
    "report", [None, InstanceReport(), says("working"), says("ending", "max hours"), says("failed")]
)
@pytest.mark.parametrize("ec2", ["pending", "running"])
def test_past_its_time_outranks_everything_that_a_machine_says(report: InstanceReport | None, ec2: str) -> None:
    assert at(report, job(), expires=NOW - OVERDUE_S, state=ec2)[0] is not InstanceState.OVERDUE
    state, detail = at(report, job(), expires=NOW - OVERDUE_S - 1, state=ec2)
    assert state is InstanceState.OVERDUE
    assert detail == "should have ended 5 min ago; run: ec2-workers terminate i-0123456789abcdef0"


TEXT = st.text(max_size=40) | st.sampled_from(["\x1b[2J", "a\nb", "\u202eabc", "x" * 1000])
TIMES = st.floats(0, 3e6)
STATUSES = st.builds(
    lambda state, doing, step: ReportedStatus(state=state, doing=doing, step=step, steps=9),
    st.sampled_from(ReportedState),
    TEXT,
    st.integers(0, 9),
)
REPORTS = st.builds(
    lambda status, heard, problem: InstanceReport(status, heard, "", problem),
    st.none() | STATUSES,
    st.none() | TIMES,
    TEXT,
)
WORKS = st.builds(lambda touched: RunningJob("a-job", "training", 1, touched), TIMES)
SEEN = st.builds(
    lambda ec2, launched, expires, why, spot, report, work, now: MachineView(
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
OVER = {InstanceState.FAILED, InstanceState.INTERRUPTED, InstanceState.TERMINATED}


@given(SEEN)
def test_every_machine_has_a_state_that_fits_what_ec2_says(observation: MachineView) -> None:
    state, detail = state_of(observation)
    assert detail.isprintable()
    assert len(detail) <= LINE
    if observation.instance.state in GONE:
        assert state in OVER
    else:
        assert state not in OVER - {InstanceState.FAILED}
    if state is InstanceState.WORKING:
        assert observation.work is not None
    if state is InstanceState.RUNNING:
        assert observation.report is None


@given(SEEN, st.floats(0, 1e6))
def test_a_living_machine_never_seems_better_for_falling_silent(observation: MachineView, later_s: float) -> None:
    if observation.instance.state == "running":
        worse = (InstanceState.LOST, InstanceState.OVERDUE)
        before, after = state_of(observation)[0], state_of(replace(observation, now=observation.now + later_s))[0]
        assert before not in worse or after in worse


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0 s"), (42, "42 s"), (99, "99 s"), (750, "12 min"), (5999, "100 min"), (12_240, "3.4 h")],
)
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text
