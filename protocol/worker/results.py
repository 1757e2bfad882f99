"""How an attempt ended, and the job's result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256

from env.words import count
from protocol.jobs.lease import Lease
from protocol.jobs.queue import ClaimedJob
from protocol.wire import documents
from protocol.wire.bucket import WEIGHTS_BYTES, Bucket
from protocol.wire.job_documents import Result, ResultStatus
from protocol.worker.learner import Episode, JobLearner


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
    learner: JobLearner,
    lease: Lease,
    status: ResultStatus,
    error: str | None,
    artifacts: Mapping[str, str],
    differs: str | None = None,
) -> Result:
    """The result of the job that this attempt ends.

    Args:
        artifacts: the key of each file that was uploaded, by name.
        differs: how a state of this attempt differs from another's, see `difference`.
    """
    history = learner.history
    rewards = _rewards(history)
    return Result(
        job_id=lease.job_id,
        status=status,
        error=error[:4000] if error else None,
        worker=lease.worker,
        attempt=lease.attempt,
        finished_at=documents.timestamp(),
        episodes_completed=len(history),
        env_steps=sum(episode.steps for episode in history),
        total_reward=float(sum(rewards)) if rewards else None,
        final_reward=float(rewards[-1]) if rewards else None,
        solved_episodes=solved(history) or 0,
        artifacts=dict(artifacts),
        transitions=artifacts.get("transitions.msgpack"),
        fingerprint={**learner.fingerprint(), **({"differs": differs} if differs else {})},
    )


def difference(bucket: Bucket, key: str, state: bytes) -> str | None:
    """How a state differs from the one that another attempt has saved; None if it does not.

    Equal manifests give equal bits, so a difference is the learner's: it is no function of its seeds, or of other bits
    on another processor.
    """
    first = bucket.get(key, WEIGHTS_BYTES)
    if first is None or first == state:
        return None
    mine, theirs = (sha256(body).hexdigest()[:12] for body in (state, first))
    return f"{key}: another attempt saved the state {theirs}, this one has {mine}"


def mean_reward(episodes: Sequence[Episode]) -> float | None:
    """The mean undiscounted return; None where none is known."""
    rewards = _rewards(episodes)
    return sum(rewards) / len(rewards) if rewards else None


def solved(episodes: Sequence[Episode]) -> int | None:
    """How many reached the goal; None of epochs, which tell no number."""
    told = [episode.solved for episode in episodes if episode.solved is not None]
    return sum(map(bool, told)) if told or not episodes else None


def _rewards(episodes: Sequence[Episode]) -> list[float]:
    return [episode.reward for episode in episodes if episode.reward is not None]


def in_words(episodes: Sequence[Episode]) -> str:
    """How they went, for the log."""
    mean, reached = mean_reward(episodes), solved(episodes)
    reward = "not known" if mean is None else f"{mean:+.2f}"
    if len(episodes) == 1:
        [only] = episodes
        return f"reward {reward} in {count(only.steps, 'step')}{', solved' if only.solved else ''}"
    return f"mean reward {reward}" + ("" if reached is None else f", {reached} of {len(episodes)} episodes solved")
