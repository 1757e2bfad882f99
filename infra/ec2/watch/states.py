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
from infra.ec2.watch.reports import SPOT_NOTICE, InstanceReport, ReportedState, ReportedStatus, short

SILENT_S = 600.0  # machines write their logs about once a minute
OVERDUE_S = 300.0  # what ending may take


class InstanceState(StrEnum):
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
class RunningJob:
    """A job that a worker has now; `touched` is its newest sign of life by S3's clock."""

    job_id: str
    phase: str
    episode: int
    touched: float


@dataclass(frozen=True)
class MachineView:
    """What is known of a machine.

    Attributes:
        report: None: its bucket cannot be read.
        now: S3's clock, seconds since the epoch; this machine's own where no bucket can be read.
    """

    instance: Instance
    report: InstanceReport | None
    work: RunningJob | None
    now: float


def state_of(observation: MachineView) -> tuple[InstanceState, str]:
    """The state, and what there is to say about it: one line, cut and printable."""
    state, detail = _state(observation)
    return state, short(detail)


def _state(observation: MachineView) -> tuple[InstanceState, str]:
    instance = observation.instance
    if instance.state in GONE:
        return _gone(instance, observation.report)
    if instance.state in ("stopping", "stopped"):
        return InstanceState.STOPPED, "stopped by a user; its disk still costs"
    if instance.expires is not None and (late := observation.now - instance.expires) > OVERDUE_S:
        return (
            InstanceState.OVERDUE,
            f"should have ended {duration(late)} ago; run: ec2-workers terminate {instance.id}",
        )
    if instance.state == "pending":
        return InstanceState.STARTING, ""
    if observation.report is None:
        return InstanceState.RUNNING, ""
    return _running(observation, observation.report)


def _running(observation: MachineView, report: InstanceReport) -> tuple[InstanceState, str]:
    status = report.status
    said = progress(status) if status else report.problem
    silence = observation.now - max(
        observation.instance.launched,
        report.heard or 0.0,
        observation.work.touched if observation.work is not None else 0.0,
    )
    if silence > SILENT_S:
        return InstanceState.LOST, f"silent for {duration(silence)}" + (f"; last: {said}" if said else "")
    if status is None or status.state is ReportedState.WORKING:
        if observation.work is not None:
            return InstanceState.WORKING, report.problem
        return (InstanceState.IDLE, "") if status else (InstanceState.STARTING, said or "no word from it yet")
    return InstanceState(status.state.value), said


def _gone(instance: Instance, report: InstanceReport | None) -> tuple[InstanceState, str]:
    status = report.status if report else None
    why = instance.why
    if "Server.Spot" in why:
        return InstanceState.INTERRUPTED, why
    if status is not None and status.doing.startswith(SPOT_NOTICE):  # it obeyed before EC2 had to end it
        return InstanceState.INTERRUPTED, status.doing
    if status is not None and status.state is ReportedState.FAILED:
        return InstanceState.FAILED, progress(status)
    if _on_purpose(why):
        return InstanceState.TERMINATED, why
    if why.startswith(("Server.", "Client.")) and not _by_itself(why):
        return InstanceState.FAILED, why
    if report is not None and (status is None or status.state is ReportedState.BOOTING):
        said = f"ended while booting: {progress(status)}" if status else "ended without a word"
        return InstanceState.FAILED, said + (f" ({why})" if why else "")
    return InstanceState.TERMINATED, status.doing if status and status.state is ReportedState.ENDING else why


def _on_purpose(why: str) -> bool:
    """Whether a user asked EC2 to end it, by EC2's reasons (API reference: StateReason, StateTransitionReason)."""
    return "User initiated" in why or "Client.UserInitiated" in why


def _by_itself(why: str) -> bool:
    """Whether it was shut down from within."""
    return why.startswith("Client.InstanceInitiatedShutdown")


def progress(status: ReportedStatus) -> str:
    """What a machine says it does, with the step of how many while it boots."""
    if status.state is not ReportedState.BOOTING or not status.steps:
        return status.doing
    return f"step {status.step} of {status.steps}" + (f": {status.doing}" if status.doing else "")


def duration(seconds: float) -> str:
    """Such as 42 s, 12 min, 3.4 h."""
    if seconds < 100:
        return f"{max(0.0, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
