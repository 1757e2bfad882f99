"""In which state a machine is: a pure function of what EC2, its own report and its job's heartbeats say.

pending ▶ starting ▶ booting ▶ idle ⇄ working ▶ ending ▶ terminated       as planned
          failed: the boot, or EC2, did not get through
          interrupted: EC2 took a spot instance back
          lost: EC2 says running, but nothing has been heard for SILENT_S
          overdue: it runs past the time at which it should have ended itself
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from infra.ec2.fleet import GONE, Instance
from infra.ec2.watch.machines import SPOT_NOTICE, MachineState, MachineStatus, Report, short

SILENT_S = 600.0  # machines write their logs about once a minute
OVERDUE_S = 300.0  # what ending may take


class State(StrEnum):
    """See the picture above. RUNNING: its bucket cannot be read, so no more is known."""

    STARTING = "starting"
    BOOTING = "booting"
    IDLE = "idle"
    WORKING = "working"
    ENDING = "ending"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    LOST = "lost"
    OVERDUE = "overdue"
    RUNNING = "running"
    STOPPED = "stopped"
    TERMINATED = "terminated"


@dataclass(frozen=True)
class Work:
    """A job that a worker has now; `touched` is its newest sign of life by S3's clock."""

    job_id: str
    phase: str
    episode: int
    touched: float


@dataclass(frozen=True)
class Seen:
    """What is known of a machine.

    Attributes:
        report: None: its bucket cannot be read.
        now: S3's clock, seconds since the epoch; this machine's own where no bucket can be read.
    """

    instance: Instance
    report: Report | None
    work: Work | None
    now: float


def state_of(seen: Seen) -> tuple[State, str]:
    """The state, and what there is to say about it: one line, whoever wrote it."""
    state, detail = _state(seen)
    return state, short(detail)


def _state(seen: Seen) -> tuple[State, str]:
    instance = seen.instance
    if instance.state in GONE:
        return _gone(instance, seen.report)
    if instance.state in ("stopping", "stopped"):
        return State.STOPPED, "somebody stopped it; its disk still costs"
    if instance.expires is not None and (late := seen.now - instance.expires) > OVERDUE_S:
        return State.OVERDUE, f"should have ended {duration(late)} ago; run: ec2-workers terminate {instance.id}"
    if instance.state == "pending":
        return State.STARTING, ""
    if seen.report is None:
        return State.RUNNING, ""
    return _running(seen, seen.report)


def _running(seen: Seen, report: Report) -> tuple[State, str]:
    status = report.status
    said = progress(status) if status else report.problem
    silence = seen.now - max(
        seen.instance.launched, report.heard or 0.0, seen.work.touched if seen.work is not None else 0.0
    )
    if silence > SILENT_S:
        return State.LOST, f"silent for {duration(silence)}" + (f"; last: {said}" if said else "")
    if status is None or status.state is MachineState.WORKING:
        if seen.work is not None:
            return State.WORKING, report.problem
        return (State.IDLE, "") if status else (State.STARTING, said or "no word from it yet")
    return State(status.state.value), said


def _gone(instance: Instance, report: Report | None) -> tuple[State, str]:
    status = report.status if report else None
    why = instance.why
    if "Server.Spot" in why:
        return State.INTERRUPTED, why
    if status is not None and status.doing.startswith(SPOT_NOTICE):  # it obeyed before EC2 had to end it
        return State.INTERRUPTED, status.doing
    if status is not None and status.state is MachineState.FAILED:
        return State.FAILED, progress(status)
    if _on_purpose(why):
        return State.TERMINATED, why
    if why.startswith(("Server.", "Client.")) and not _by_itself(why):
        return State.FAILED, why
    if report is not None and (status is None or status.state is MachineState.BOOTING):
        said = f"ended while booting: {progress(status)}" if status else "ended without a word"
        return State.FAILED, said + (f" ({why})" if why else "")
    return State.TERMINATED, status.doing if status and status.state is MachineState.ENDING else why


def _on_purpose(why: str) -> bool:
    """Whether somebody asked EC2 to end it, by EC2's reasons (API reference: StateReason, StateTransitionReason)."""
    return "User initiated" in why or "Client.UserInitiated" in why


def _by_itself(why: str) -> bool:
    """Whether it was shut down from within."""
    return why.startswith("Client.InstanceInitiatedShutdown")


def progress(status: MachineStatus) -> str:
    """What a machine says it does, with the step of how many while it boots."""
    if status.state is not MachineState.BOOTING or not status.steps:
        return status.doing
    return f"step {status.step} of {status.steps}" + (f": {status.doing}" if status.doing else "")


def duration(seconds: float) -> str:
    """Such as 42 s, 12 min, 3.4 h."""
    if seconds < 100:
        return f"{max(0.0, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
