"""What an attempt does next: a pure function of what is known of it.

    Resume ─▶ Join ─▶ Train ─▶ Save ─▶ Publish ─▶ Wait ─▶ Load ─▶ Train … ─▶ Review ─▶ Finish
                                                   ├▶ Close   the round, where members close them
                                                   ├▶ Look    at the federation and the siblings ─▶ Switch
                                                   └▶ Resume  more rounds are closed: another attempt may be further

A job without a federation only trains, saves now and then, and finishes; each of its episodes counts as a round.
A member that a round does not draw (`--sample`) waits for its average and loads it, as one that came too late for it.
At every step the attempt may have to end early: Leave (lost), Finish (failed, cancelled, timed out) or Release (stop).

What must be true of every answer is tested in tests/protocol/worker/test_next_step.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from env.words import count
from protocol.jobs.lease import EndReason
from protocol.rounds.participation import Participation
from protocol.wire.choices import Closers
from protocol.wire.job_documents import ResultStatus
from protocol.wire.sampling import EVERY_ROUND, Turns
from protocol.wire.schedule import Schedule

SAVE_EVERY_S = 30.0  # a job without a federation saves its state this often; an embedded episode takes milliseconds


@dataclass(frozen=True)
class View:
    """What an attempt knows of its job, its federation and itself. Rounds count from 1; 0 stands for none.

    Attributes:
        schedule: the rounds of the job.
        closers: who closes the federation's rounds; None for a job without a federation.
        keeps_state: whether the job can be resumed from a state.
        resumed_at: the value of `closed` when the job's states were last looked at; None: never.
        joined: whether it is known how far the federation is.
        trained: the last round whose episodes the learner has behind it.
        saved: the last round whose state is in the bucket.
        delivered: the last round whose update this attempt has put into the bucket.
        closed: the newest round whose global weights are at hand.
        loaded: the round of the global weights that the learner goes on from, 0 after it was restored.
        concluded: whether the federation's outcome is in the bucket.
        turns: the rounds in which the member trains.
        part: what the closed rounds say of this member; None until they were asked.
        unsaved_s: seconds since the last state, or the start.
        close_due: whether it is time to look whether the awaited round can be closed.
        look_due: whether it is time to look at the federation and the siblings.
        sibling: whether another member was claimed, to be run instead of this one.
        stopping: whether the process was told to stop.
        interrupted: whether an episode was broken off; what the learner holds is no whole round then.
        timed_out: what took too long; None if nothing did.
        failure: why the federation ended without a result; None if it did not.
        end_reason: why the lease is over; None while it is not.
    """

    schedule: Schedule
    closers: Closers | None
    keeps_state: bool = True
    resumed_at: int | None = None
    joined: bool = False
    trained: int = 0
    saved: int = 0
    delivered: int = 0
    closed: int = 0
    loaded: int = 0
    concluded: bool = False
    turns: Turns = EVERY_ROUND
    part: Participation | None = None
    unsaved_s: float = 0.0
    close_due: bool = False
    look_due: bool = False
    sibling: bool = False
    stopping: bool = False
    interrupted: bool = False
    timed_out: str | None = None
    failure: str | None = None
    end_reason: EndReason | None = None

    @property
    def position(self) -> int:
        """The last round that lies behind the learner, trained by it or skipped."""
        return max(self.trained, self.loaded)

    @property
    def awaited(self) -> int:
        """The round whose weights the learner needs before it can train again; 0 if it can."""
        if self.loaded < self.trained:
            return self.trained
        return 0 if self.turns.has(self.position + 1) else self.position + 1


# -- the steps ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Resume:
    """Restore the newest state of the job, if it is further than the learner."""


@dataclass(frozen=True)
class Join:
    """Find out how far the federation is."""


@dataclass(frozen=True)
class Train:
    """Run the episodes of a round."""

    round: int


@dataclass(frozen=True)
class Save:
    """Create the state at the end of a round."""

    round: int


@dataclass(frozen=True)
class Publish:
    """Create the update of a round."""

    round: int


@dataclass(frozen=True)
class Wait:
    """Ask once for the global weights of a round."""

    round: int


@dataclass(frozen=True)
class Close:
    """Close a round, if it can be closed."""

    round: int


@dataclass(frozen=True)
class Look:
    """Look whether the federation has ended, and whether a sibling owes its update of a round and has no worker."""

    round: int


@dataclass(frozen=True)
class Load:
    """Go on from the global weights of a round."""

    round: int


@dataclass(frozen=True)
class Conclude:
    """Record the federation's outcome."""


@dataclass(frozen=True)
class Review:
    """Ask the closed rounds which of them this member was left out of."""


@dataclass(frozen=True)
class Finish:
    """Record the result of the job. Ends the attempt.

    Attributes:
        error: why it did not end well; with a success the rounds that the member was left out of.
    """

    status: ResultStatus
    error: str | None = None


@dataclass(frozen=True)
class Switch:
    """Release the job and go on with the sibling. Ends the attempt."""


@dataclass(frozen=True)
class Release:
    """Give the job up cleanly. Ends the attempt."""


@dataclass(frozen=True)
class Leave:
    """Stop at once, writing nothing: the job is another's. Ends the attempt."""


End = Finish | Switch | Release | Leave
Step = Resume | Join | Train | Save | Publish | Wait | Close | Look | Load | Conclude | Review | End


# -- the decision ------------------------------------------------------------------------------------


def next_step(view: View) -> Step:
    """The first of these that applies: end early, keep what is whole, end, follow the federation, train."""
    return _cut_short(view) or _keep(view) or _end(view) or _follow(view) or Train(view.position + 1)


def _cut_short(view: View) -> Step | None:
    """What ends an attempt at any point."""
    if view.sibling:
        return Switch()  # first: the sibling is claimed already
    if view.end_reason is EndReason.LOST:
        return Leave()
    if view.failure is not None:
        return Finish(ResultStatus.FAILED, view.failure)
    if view.end_reason is EndReason.CANCELLED:
        return Finish(ResultStatus.CANCELLED, "cancelled by a user")
    if view.timed_out is not None:
        return Finish(ResultStatus.FAILED, view.timed_out)
    return Release() if view.interrupted else None


def _keep(view: View) -> Step | None:
    """The state first: an attempt that dies between the two resumes there and only publishes again."""
    federated = view.closers is not None
    due = federated or (view.keeps_state and (view.stopping or view.unsaved_s >= SAVE_EVERY_S))
    if view.saved < view.trained and due:
        return Save(view.trained)
    return Publish(view.trained) if federated and view.delivered < view.trained else None


def _end(view: View) -> Step | None:
    """A job that needs only its result gets it, even from a process that was told to stop."""
    closes = view.closers is Closers.WORKERS
    last = view.schedule.rounds if closes else view.turns.last(view.schedule.rounds)
    # Where members close the rounds, none ends before the last one is closed and the outcome recorded: no other would.
    if view.position >= last and (max(view.closed, view.loaded) >= last or not closes):
        return Conclude() if closes and not view.concluded else _finish(view)
    return Release() if view.stopping else None


def _finish(view: View) -> Step:
    """A member that came too late for every round has done nothing that could count as a success."""
    if not view.turns.last(view.schedule.rounds):
        return Finish(ResultStatus.SUCCESS, f"drawn in none of {count(view.schedule.rounds, 'round')}")
    if view.trained == 0:
        reason = f"left out of every round: all {view.schedule.rounds:,} were closed before it had trained any"
        return Finish(ResultStatus.FAILED, reason)
    if view.closers is None:
        return Finish(ResultStatus.SUCCESS)
    if view.part is None:
        return Review()
    lines = "; ".join(view.part.left_out)
    if view.part.none:
        return Finish(ResultStatus.FAILED, f"left out of every round: {lines}")
    return Finish(ResultStatus.SUCCESS, f"left out of {lines}" if lines else None)


def _follow(view: View) -> Step | None:
    """What comes between two rounds."""
    if view.resumed_at is None or view.turns.any(range(max(view.trained, view.resumed_at) + 1, view.closed + 1)):
        return Resume()
    if view.closers is None:
        return None
    if not view.joined:
        return Join()
    if view.closed > view.loaded and view.closed >= view.trained:
        return Load(view.closed)
    return _await(view, view.awaited) if view.awaited else None


def _await(view: View, round_: int) -> Step:
    if view.close_due and view.closers is Closers.WORKERS:
        return Close(round_)
    return Look(round_) if view.look_due else Wait(round_)
