"""What the documents of a federation say, in a form that stays small with a thousand members and rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from protocol.rounds.participation import left_out_lines
from protocol.wire.federation_documents import Decision, Federation, Outcome

REASONS_SHOWN, REASON_CHARACTERS = 8, 300


class Part(IntEnum):
    """A member's part in a closed round."""

    AVERAGED = 0
    LATE = 1  # or silent: no update when the round closed
    LEFT_OUT = 2  # it delivered what may not be averaged
    ENDED = 3  # its job had ended
    NOT_DRAWN = 4  # the round drew others


@dataclass(frozen=True)
class RoundRecord:
    """A closed round, or the one that ended the federation.

    Attributes:
        closed_at: when round.json was written, by S3's clock, epoch seconds; 0: not known.
        reason: why it closed then.
        error: why it failed, or cannot be read.
        episodes: of each member.
        parts: a `Part` for each member.
        rewards: each member's mean return; not a number where it has none.
        solved: how many of the participants' episodes reached the goal; None: not counted.
        weight: sum of the participants' weights, which with most strategies are transitions.
        left_out: who has no part and why, a line for each reason.
    """

    number: int
    closed_at: float = 0.0
    reason: str = ""
    error: str | None = None
    episodes: int = 0
    parts: NDArray[np.int8] = field(default_factory=lambda: np.zeros(0, np.int8))
    rewards: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    solved: int | None = None
    weight: int = 0
    left_out: tuple[str, ...] = ()

    @property
    def participants(self) -> int:
        """Members that were averaged; none of a round that failed."""
        return 0 if self.error else int((self.parts == Part.AVERAGED).sum())

    @property
    def solved_share(self) -> float | None:
        """Of the participants' episodes; None where that is not counted."""
        episodes = self.participants * self.episodes
        return None if self.solved is None or not episodes else min(1.0, self.solved / episodes)

    @property
    def reward(self) -> float | None:
        """The participants' mean return."""
        known = self.rewards[~np.isnan(self.rewards)]
        return float(known.mean()) if known.size else None


def round_record(decision: Decision, federation: Federation, closed_at: float) -> RoundRecord:
    """What round.json says; members that the federation does not have are passed over."""
    size, sampling = federation.size, federation.sampling
    parts = np.full(size, Part.NOT_DRAWN, np.int8)
    parts[list(sampling.members(decision.round))] = Part.LATE
    parts[[member for member in decision.departed if 0 <= member < size]] = Part.ENDED
    parts[[item.member for item in decision.left_out if item.member < size]] = Part.LEFT_OUT
    rewards = np.full(size, np.nan, np.float32)
    solved, weight = None, 0
    for participant in decision.participants:
        if participant.member >= size:
            continue
        parts[participant.member] = Part.AVERAGED
        weight += participant.weight
        if participant.reward is not None:
            rewards[participant.member] = np.clip(participant.reward, -1e30, 1e30)
        if participant.solved is not None:
            solved = (solved or 0) + min(participant.solved, decision.episodes)
    lines = left_out_lines(decision, sampling)
    return RoundRecord(
        number=decision.round,
        closed_at=closed_at,
        reason=decision.reason,
        error=decision.error and decision.error[:REASON_CHARACTERS],
        episodes=decision.episodes,
        parts=parts,
        rewards=rewards,
        solved=solved,
        weight=weight,
        left_out=tuple(line[:REASON_CHARACTERS] for line in lines[:REASONS_SHOWN]),
    )


@dataclass(frozen=True)
class MemberRecord:
    """A member's job.

    Attributes:
        state: waiting, running, free (its attempt ended; the next worker takes it), or how it ended.
        worker: who ran its last attempt; on EC2 an instance.
        attempts: those after the first are take-overs.
        fingerprint: what its numbers may depend on, by its result.
    """

    member: int
    state: str
    worker: str | None = None
    attempts: int = 0
    error: str | None = None
    env_steps: int | None = None
    fingerprint: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """A federation as far as it is.

    Attributes:
        closed: how many rounds have global weights.
        rounds: those that were read, in order.
        skipped: how many closed rounds were not read: the others stand for them.
        members: those that were asked for.
        opened_at: when it began, by S3's clock, epoch seconds; 0: not known.
        trouble: what could not be read, a line each.
        requests: how many requests reading it has taken, by kind.
    """

    federation: Federation
    outcome: Outcome | None
    closed: int
    rounds: Sequence[RoundRecord]
    skipped: int
    members: Sequence[MemberRecord]
    opened_at: float
    trouble: Sequence[str]
    requests: Mapping[str, int]

    @property
    def averaged(self) -> Sequence[RoundRecord]:
        """The rounds that were read and have an average."""
        return [round_ for round_ in self.rounds if round_.error is None]

    def parts(self) -> NDArray[np.int8]:
        """A row for each round of `averaged`, a column for each member."""
        rows = [round_.parts for round_ in self.averaged]
        return np.array(rows, np.int8).reshape(len(rows), self.federation.size)

    def rewards(self) -> NDArray[np.float32]:
        """The same of mean returns."""
        rows = [round_.rewards for round_ in self.averaged]
        return np.array(rows, np.float32).reshape(len(rows), self.federation.size)

    @property
    def seconds(self) -> float | None:
        """From the beginning to the last round that closed, by S3's clock."""
        last = max((round_.closed_at for round_ in self.rounds), default=0.0)
        return last - self.opened_at if last and self.opened_at else None

    def seconds_each(self) -> list[float | None]:
        """How long each round that was read took."""
        return seconds_each(self.rounds, self.opened_at)


def seconds_each(rounds: Sequence[RoundRecord], opened_at: float = 0.0) -> list[float | None]:
    """How long each round took, by S3's clock; of rounds between which others were not read, the mean. None where that
    is not known.

    Args:
        opened_at: when the first round opened; 0: not known.
    """
    before, number = opened_at, 0
    found: list[float | None] = []
    for round_ in rounds:
        known = round_.closed_at > 0 and before > 0 and round_.number > number
        found.append(max(0.0, round_.closed_at - before) / (round_.number - number) if known else None)
        before, number = round_.closed_at, round_.number
    return found
