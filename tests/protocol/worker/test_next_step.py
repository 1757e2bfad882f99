"""What must be true of every step that `next_step` can choose, and of every way through them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.jobs.lease import EndReason
from protocol.rounds.participation import Participation
from protocol.wire.choices import Closers
from protocol.wire.job_documents import ResultStatus
from protocol.wire.sampling import EVERY_ROUND, Sampling, Turns
from protocol.wire.schedule import Schedule
from protocol.worker.attempt import METHODS
from protocol.worker.next_step import (
    Close,
    Conclude,
    End,
    Finish,
    Join,
    Leave,
    Load,
    Look,
    Publish,
    Release,
    Resume,
    Review,
    Save,
    Step,
    Switch,
    Train,
    View,
    Wait,
    next_step,
)

ROUNDS = st.integers(0, 5)
SCHEDULES = st.builds(Schedule, st.integers(1, 12), st.integers(1, 4)).filter(lambda s: s.rounds <= 5)

TURNS = st.just(EVERY_ROUND) | st.builds(
    Turns, st.builds(Sampling, st.integers(0, 9), st.just(4), st.none() | st.integers(1, 3)), st.integers(0, 3)
)

VIEWS = st.builds(
    View,
    schedule=SCHEDULES,
    closers=st.none() | st.sampled_from(Closers),
    keeps_state=st.booleans(),
    resumed_at=st.none() | ROUNDS,
    joined=st.booleans(),
    trained=ROUNDS,
    saved=ROUNDS,
    delivered=ROUNDS,
    closed=ROUNDS,
    loaded=ROUNDS,
    concluded=st.booleans(),
    unsaved_s=st.sampled_from([0.0, 29.9, 30.0, 1e6]),
    close_due=st.booleans(),
    look_due=st.booleans(),
    sibling=st.booleans(),
    stopping=st.booleans(),
    interrupted=st.booleans(),
    timed_out=st.none() | st.just("episode 3 took longer than 1 s"),
    failure=st.none() | st.just("federation g: cancelled by a user"),
    end_reason=st.none() | st.sampled_from(EndReason),
    part=st.none() | st.builds(Participation, none=st.booleans()),
    turns=TURNS,
)
CALM = VIEWS.map(
    lambda view: replace(view, sibling=False, interrupted=False, timed_out=None, failure=None, end_reason=None)
)
views = settings(max_examples=400, deadline=None)


def test_every_step_can_be_carried_out() -> None:
    assert set(METHODS) == set(get_args(Step))


@views
@given(VIEWS)
def test_there_is_always_one_step_and_always_the_same(view: View) -> None:
    step = next_step(view)
    assert type(step) in METHODS
    assert next_step(replace(view)) == step


@views
@given(CALM)
def test_a_round_is_trained_only_from_the_weights_of_the_one_before(view: View) -> None:
    step = next_step(view)
    if isinstance(step, Train):
        assert 1 <= step.round <= view.schedule.rounds
        assert step.round == view.position + 1
        assert view.turns.has(step.round)
        assert view.resumed_at is not None
        if view.closers is not None:
            assert step.round == view.loaded + 1


@views
@given(CALM)
def test_an_update_is_published_only_after_its_state_and_before_anything_replaces_it(view: View) -> None:
    step = next_step(view)
    if isinstance(step, Publish):
        assert view.closers is not None
        assert view.delivered < step.round == view.trained <= view.saved
    if isinstance(step, Train | Wait | Load | Look | Close | Conclude | Resume | Join) and view.closers is not None:
        assert view.delivered >= view.trained
    if isinstance(step, Save):
        assert step.round == view.trained > view.saved


@views
@given(CALM)
def test_only_a_whole_job_ends_well(view: View) -> None:
    step = next_step(view)
    if isinstance(step, Finish) and step.status is ResultStatus.SUCCESS:
        rounds = view.schedule.rounds
        last = view.turns.last(rounds)
        assert view.position >= (rounds if view.closers is Closers.WORKERS else last)
        assert view.trained > 0 or not last
        if view.closers is not None:
            assert view.delivered >= view.trained
        if view.closers is Closers.WORKERS:
            assert view.concluded
            assert max(view.closed, view.loaded) >= rounds


def test_a_member_that_came_too_late_for_every_round_is_no_success() -> None:
    for closers in Closers:
        late = View(Schedule(4, 1), closers, resumed_at=4, joined=True, closed=4, loaded=4, concluded=True)
        assert next_step(late) == Finish(
            ResultStatus.FAILED, "left out of every round: all 4 were closed before it had trained any"
        )


def test_a_member_that_no_round_draws_ends_well_and_has_done_nothing() -> None:
    everyone = [Turns(Sampling(0, 9, 1), member) for member in range(9)]
    turns = next(each for each in everyone if not each.last(4))
    drawn = Finish(ResultStatus.SUCCESS, "drawn in none of 4 rounds")
    assert next_step(View(Schedule(4, 1), Closers.SYNC_SERVER, turns=turns)) == drawn
    waits = View(Schedule(4, 1), Closers.WORKERS, resumed_at=0, joined=True, turns=turns)
    assert next_step(waits) == Wait(1)  # it may have to close rounds whose members died
    assert next_step(replace(waits, closed=1)) == Load(1)
    assert next_step(replace(waits, closed=4, loaded=4, concluded=True)) == drawn


REASON = "rounds 1, 2: no update when the round closed"


def test_a_member_that_trained_and_had_no_part_in_any_round_is_no_success() -> None:
    for closers in Closers:
        late = View(Schedule(2, 1), closers, resumed_at=2, joined=True, trained=2, saved=2, delivered=2, concluded=True)
        late = replace(late, closed=2, loaded=2)
        assert next_step(late) == Review()
        none, some = Participation((REASON,), none=True), Participation((REASON,))
        failed = Finish(ResultStatus.FAILED, f"left out of every round: {REASON}")
        assert next_step(replace(late, part=none)) == failed
        assert next_step(replace(late, part=some)) == Finish(ResultStatus.SUCCESS, f"left out of {REASON}")
        assert next_step(replace(late, part=Participation())) == Finish(ResultStatus.SUCCESS)


@views
@given(VIEWS)
def test_an_attempt_that_must_end_ends(view: View) -> None:
    step = next_step(view)
    if view.sibling:
        assert step == Switch()
    elif view.end_reason is EndReason.LOST:
        assert step == Leave()
    elif view.failure or view.end_reason or view.timed_out:
        assert isinstance(step, Finish)
        assert step.status is not ResultStatus.SUCCESS
    elif view.interrupted:
        assert step == Release()
    elif view.stopping:
        assert isinstance(step, Save | Publish | Conclude | Review | Finish | Release)
    else:
        assert not isinstance(step, Release | Leave | Switch)


@views
@given(CALM)
def test_only_a_member_that_waits_asks_and_only_who_may_close_closes(view: View) -> None:
    step = next_step(view)
    if isinstance(step, Wait | Look | Close):
        assert view.closers is not None
        assert view.joined
        assert step.round == view.awaited > view.loaded
        assert step.round == view.trained or not view.turns.has(step.round)
        assert step.round > view.closed or view.closed <= view.loaded
    if isinstance(step, Close):
        assert view.closers is Closers.WORKERS
        assert view.close_due
    if isinstance(step, Look):
        assert view.look_due


@views
@given(CALM)
def test_nothing_is_saved_for_a_job_that_cannot_be_resumed(view: View) -> None:
    if view.closers is None and not view.keeps_state:
        assert not isinstance(next_step(view), Save)


# -- ways through the steps --------------------------------------------------------------------------


@dataclass
class TinyBucket:
    """The rounds of a federation as one member sees them.

    Attributes:
        state: the round of the newest state.
        updates: rounds whose update is there.
        closed: rounds that are closed.
    """

    state: int = 0
    updates: frozenset[int] = frozenset()
    closed: int = 0

    def note(self, step: Step) -> None:
        if isinstance(step, Save):
            self.state = max(self.state, step.round)
        if isinstance(step, Publish):
            assert self.state >= step.round  # the state first
            self.updates |= {step.round}


SETS = {Train: "trained", Save: "saved", Publish: "delivered", Load: "loaded"}


def carried_out(step: Step, view: View, bucket: TinyBucket) -> View:
    """What an attempt knows after a step that nothing disturbs."""
    match step:
        case Resume():
            newer = bucket.state > view.trained and view.keeps_state
            found = replace(view, trained=bucket.state, saved=bucket.state, loaded=0) if newer else view
            return replace(found, resumed_at=view.closed)
        case Join():
            return replace(view, joined=True, closed=0 if view.trained else bucket.closed)
        case Wait(round_):
            return replace(view, closed=max(view.closed, bucket.closed)) if bucket.closed >= round_ else view
        case Conclude():
            return replace(view, concluded=True)
        case Review():
            return replace(view, part=Participation())
        case Look() | Close():
            bucket.closed = max(bucket.closed, step.round) if isinstance(step, Close) else bucket.closed
            return replace(view, close_due=False, look_due=False)
        case Train() | Save() | Publish() | Load():
            bucket.note(step)
            return replace(view, **{SETS[type(step)]: step.round})
    raise AssertionError(f"{step} ends the attempt")


@settings(max_examples=100, deadline=None)
@given(SCHEDULES, st.none() | st.sampled_from(Closers), st.booleans(), TURNS, st.data())
def test_every_way_ends_within_a_bound_and_does_nothing_twice(
    schedule: Schedule, closers: Closers | None, keeps_state: bool, turns: Turns, data: st.DataObject
) -> None:
    """Others close rounds, and an attempt before this one writes states, at any moment; the step count is bounded."""
    turns = turns if closers else EVERY_ROUND
    began = turns.last(data.draw(st.integers(0, schedule.rounds))) if keeps_state or closers else 0
    closed = data.draw(st.integers(max(0, began - 1), schedule.rounds)) if closers else 0
    view, bucket = (
        View(schedule, closers, keeps_state=keeps_state or closers is not None, turns=turns),
        TinyBucket(began, closed=closed),
    )
    done: list[Step] = []
    idle = 0
    while not isinstance(step := next_step(view), End):
        view = carried_out(step, view, bucket)
        idle = idle + 1 if isinstance(step, Wait) else 0
        if not isinstance(step, Wait):
            done.append(step)
        if closers and (idle > 3 or data.draw(st.booleans(), "others go on")):
            bucket.closed = min(schedule.rounds, bucket.closed + data.draw(st.integers(int(idle > 3), 2)))
            overtaken = data.draw(st.booleans(), "an attempt before this one went further")
            bucket.state = max(bucket.state, turns.last(bucket.closed)) if overtaken else bucket.state
        if isinstance(step, Wait):
            closes = closers is Closers.WORKERS and data.draw(st.booleans(), "it is time to close")
            view = replace(view, close_due=closes, look_due=data.draw(st.booleans(), "it is time to look"))
        assert len(done) < 10 * schedule.rounds + 10
        assert idle < 10
    assert isinstance(step, Finish)
    last = turns.last(schedule.rounds)
    assert step.status is (ResultStatus.SUCCESS if view.trained or not last else ResultStatus.FAILED)
    assert view.position >= last
    if closers and last and view.trained == last:
        assert last in bucket.updates
    once = [step for step in done if isinstance(step, Train | Save | Publish | Join | Load | Conclude)]
    assert len(once) == len(set(once))
    trained = [step.round for step in done if isinstance(step, Train)]
    assert trained == sorted(trained)
    assert all(map(turns.has, trained))


@settings(max_examples=100, deadline=None)
@given(VIEWS, st.data())
def test_a_process_that_was_told_to_stop_ends_within_five_steps(view: View, data: st.DataObject) -> None:
    view = replace(view, stopping=True)
    for _ in range(5):
        step = next_step(view)
        if isinstance(step, End):
            return
        view = carried_out(step, view, TinyBucket(state=5, closed=5))
    raise AssertionError("it still goes on")
