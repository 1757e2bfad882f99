"""The documents of a federation: what its members share, how a round closed, how it all ended."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from protocol.strategies.table import ROBUST_SIZE, Strategy
from protocol.wire import keys
from protocol.wire.choices import Closers
from protocol.wire.documents import Document, Finite, GroupId, Name, Part, Sha256, Text
from protocol.wire.job_documents import TrainingSpec, require_sampling, without_sample
from protocol.wire.sampling import Sampling
from protocol.wire.schedule import Schedule

MODEL_ELEMENTS = 1 << 28  # a closer holds one model in memory, in float64
ROBUST_BYTES = 4 << 30  # with a robust strategy it holds a round's updates, in float32


class TensorSpec(Part):
    """Name and shape of one float32 tensor of the shared model."""

    name: Name
    shape: tuple[Annotated[int, Field(ge=1, le=1 << 24)], ...] = Field(max_length=8)

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


class Federation(Document):
    """A group of jobs that share one model. Immutable.

    `training` is what all members have in common: of a heterogeneous federation each sees only its share of the
    problems, see `protocol.jobs.submit.share_of`. Version 2: updates, global weights and server states are safetensors.
    Version 3: the nodes are pools. Version 4: the reward or the kind of problems are of packages. Version 5:
    the workload is of another kind than Deployment. Version 6: it is counted in epochs of another environment.
    Version 7: each round draws some of the members, or it names a learner.
    """

    max_bytes: ClassVar[int] = 16 << 20
    older: ClassVar[Mapping[int, str]] = {1: "sim-arena 0.1"}

    version: Literal[1, 2, 3, 4, 5, 6, 7] = 2  # type: ignore[assignment]
    group: GroupId
    created_at: Text
    size: int = Field(ge=1, le=keys.MAX_MEMBERS)
    sample: int | None = Field(default=None, ge=1, le=keys.MAX_MEMBERS, description="members that a round draws")
    training: TrainingSpec
    episodes_per_round: int = Field(default=1, ge=1, le=keys.MAX_ROUNDS)
    heterogeneous: bool = False
    strategy: Strategy = Strategy.FEDAVG
    barrier: Closers = Closers.SYNC_SERVER
    min_participants: int = Field(default=1, ge=1)
    round_timeout_s: Finite = Field(default=3600.0, gt=0)
    model: tuple[TensorSpec, ...] = Field(min_length=1, max_length=10_000)

    @property
    def owner(self) -> str:
        return self.group

    @model_validator(mode="after")
    def _enough_members(self) -> Self:
        self.training.require_version(self.version)
        require_sampling(self.version, self.size, self.sample)
        if self.strategy.robust and self.round_size < ROBUST_SIZE:
            raise ValueError(f"strategy {self.strategy} needs at least {ROBUST_SIZE} members, not {self.round_size}")
        if self.min_participants > self.round_size:
            raise ValueError(f"min_participants {self.min_participants} is more than the {self.round_size} of a round")
        return self

    @model_validator(mode="after")
    def _fits_into_memory(self) -> Self:
        elements = sum(spec.elements for spec in self.model)
        if elements > MODEL_ELEMENTS:
            raise ValueError(f"model: more than {MODEL_ELEMENTS} numbers")
        held = 4 * elements * self.round_size
        if self.strategy.robust and held > ROBUST_BYTES:
            raise ValueError(
                f"strategy {self.strategy} holds all updates of a round: {self.round_size} are {held >> 20} MiB, "
                f"more than {ROBUST_BYTES >> 20} MiB; use fedavg, or fewer members"
            )
        return self

    @model_serializer(mode="wrap")
    def _without_what_is_new(self, write: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Federations that draw nobody stay readable for releases that know of no draws."""
        return without_sample(write(self))

    @property
    def round_size(self) -> int:
        """Members that take part in a round."""
        return self.sample or self.size

    @property
    def sampling(self) -> Sampling:
        """Which ones."""
        return Sampling(self.training.seed, self.size, self.sample)

    @property
    def schedule(self) -> Schedule:
        return Schedule(self.training.episodes, self.episodes_per_round)

    @property
    def rounds(self) -> int:
        return self.schedule.rounds


class Participant(Part):
    """A member whose update is averaged.

    Attributes:
        weight: its share's numerator.
        reward: mean return of its episodes in the round.
        solved: how many of them reached the goal.
    """

    member: int = Field(ge=0)
    weight: int = Field(ge=1)
    reward: Finite | None = None
    solved: int | None = Field(default=None, ge=0)


class LeftOut(Part):
    """A member that delivered something that may not be averaged."""

    member: int = Field(ge=0)
    reason: Text


class Decision(Document):
    """round.json: who is averaged, with which weights, and why the round closed then; `episodes` are those of each.

    `error` says why a round failed; then no update is averaged, and the federation ends.
    """

    max_bytes: ClassVar[int] = 8 << 20

    round: int = Field(ge=1, le=keys.MAX_ROUNDS)
    episodes: int = Field(default=1, ge=1)
    reason: Literal["full", "deadline", "failed"]
    error: Text | None = None
    participants: tuple[Participant, ...] = ()
    left_out: tuple[LeftOut, ...] = Field(default=())
    departed: tuple[int, ...] = Field(default=())

    @model_validator(mode="after")
    def _is_closed_or_failed(self) -> Self:
        failed = self.reason == "failed"
        if failed != (self.error is not None) or failed != (not self.participants):
            raise ValueError("a round is closed with participants, or failed with an error")
        return self


class OutcomeStatus(StrEnum):
    """How a federation ended."""

    FINISHED = "finished"
    FAILED = "failed"


class Outcome(Document):
    """outcome.json: how a federation ended."""

    status: OutcomeStatus
    rounds: int = Field(ge=0)
    reason: Text
    finished_at: Text
    weights_sha256: Sha256 | None = None
