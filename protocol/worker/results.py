"""How an attempt ended, and the job's result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from env.words import count
from protocol.jobs.lease import Lease
from protocol.jobs.queue import ClaimedJob
from protocol.wire import documents
from protocol.wire.job_documents import Result, ResultStatus
from protocol.worker.learner import Episode, Learner


class AttemptEnd(Enum):
    """How an attempt ended."""

    DONE = "done"  # the job has a result
    STOPPED = "stopped"  # the process was told to stop; the attempt was released
    LOST = "lost"  # another attempt owns the job now, or may
    SWITCHED = "switched"  # released for a sibling that no worker ran


@dataclass(frozen=True)
class AttemptResult:
    """`status` with DONE, `next` with SWITCHED."""

    end: AttemptEnd
    status: ResultStatus | None = None
    next: ClaimedJob | None = None


def job_result(
    learner: Learner, lease: Lease, status: ResultStatus, error: str | None, artifacts: Mapping[str, str]
) -> Result:
    """The result of the job that this attempt ends.

    Args:
        artifacts: the key of each file that was uploaded, by name.
    """
    history = learner.history
    return Result(
        job_id=lease.job_id,
        status=status,
        error=error[:4000] if error else None,
        worker=lease.worker,
        attempt=lease.attempt,
        finished_at=documents.timestamp(),
        episodes_completed=len(history),
        env_steps=sum(episode.steps for episode in history),
        total_reward=float(sum(episode.reward for episode in history)) if history else None,
        final_reward=float(history[-1].reward) if history else None,
        solved_episodes=solved(history),
        artifacts=dict(artifacts),
        transitions=artifacts.get("transitions.msgpack"),
        fingerprint=learner.fingerprint(),
    )


def mean_reward(episodes: Sequence[Episode]) -> float:
    """The mean undiscounted return; of at least one episode."""
    return sum(episode.reward for episode in episodes) / len(episodes)


def solved(episodes: Sequence[Episode]) -> int:
    """How many reached the goal."""
    return sum(bool(episode.solved) for episode in episodes)


def in_words(episodes: Sequence[Episode]) -> str:
    """How they went, for the log."""
    if len(episodes) == 1:
        [only] = episodes
        return f"reward {only.reward:+.2f} in {count(only.steps, 'step')}{', solved' if only.solved else ''}"
    return f"mean reward {mean_reward(episodes):+.2f}, {solved(episodes)} of {len(episodes)} episodes solved"
