"""The documents in the bucket: strict, versioned, bounded. Whoever reads one validates it first."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from env.errors import one_line
from protocol.wire import keys
from protocol.wire.errors import BadDocument, BadId, UsageError
from protocol.wire.schedule import Schedule


def _id(text: str) -> str:
    if not keys.is_id(text):
        raise ValueError("use 1 to 63 of a-z, 0-9 and '-', not starting with '-'")
    return text


def _sha256(text: str) -> str:
    try:
        return keys.valid_sha256(text)
    except BadId as error:
        raise ValueError("not a SHA-256 in lower-case hex") from error


def _group(text: str) -> str:
    if not keys.is_group(text):
        raise ValueError("use 1 to 57 of a-z, 0-9 and '-', not starting with '-', and not 'active'")
    return text


Id = Annotated[str, AfterValidator(_id)]
GroupId = Annotated[str, AfterValidator(_group)]
Sha256 = Annotated[str, AfterValidator(_sha256)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Text = Annotated[str, Field(max_length=4000)]
Name = Annotated[str, Field(min_length=1, max_length=253)]
Setting = str | bool | int | Finite | list[int]


MODEL_ELEMENTS = 1 << 28  # a closer holds one model in memory, in float64
ROBUST_BYTES = 4 << 30  # with a robust strategy it holds a round's updates, in float32
ROBUST_SIZE = 3  # of two that differ nobody can tell which one lies


class Document(BaseModel):
    """Base of everything in the bucket: unknown keys and loose types are refused, nothing is changed in place."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    version: Literal[1] = 1

    def to_bytes(self) -> bytes:
        return self.model_dump_json(indent=1).encode()


class JobType(StrEnum):
    TRAINING = "training"
    EXPERIENCE_COLLECTION = "experience_collection"


class Closers(StrEnum):
    """Who closes a federation's rounds: a sync-server, or the members among themselves."""

    SYNC_SERVER = "sync-server"
    WORKERS = "workers"


class Nodes(BaseModel):
    """A pool of identical virtual nodes."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    count: int = Field(ge=1, le=10_000)
    cpu_m: int = Field(ge=1, le=10_000_000)
    memory_bytes: int = Field(ge=1, le=1 << 50)
    pods: int = Field(ge=1, le=100_000)


class Membership(BaseModel):
    """Which federation a job belongs to, as which member, how often it averages, and who does."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    group: GroupId
    member: int = Field(ge=0, lt=keys.MAX_MEMBERS)
    size: int = Field(ge=1, le=keys.MAX_MEMBERS)
    episodes_per_round: int = Field(default=1, ge=1, le=keys.MAX_ROUNDS)
    barrier: Closers = Closers.SYNC_SERVER


class Training(BaseModel):
    """What one job trains on, with which agent and how long; without traces every episode generates a fresh problem."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    job_type: JobType = JobType.TRAINING
    traces: tuple[Sha256, ...] = Field(default=(), max_length=10_000)
    problem: Name | None = Field(default=None, description="generate this kind only")
    deploy: Name | None = None
    namespace: Name | None = None
    target: int | None = Field(default=None, ge=1, le=100)
    nodes: Nodes | None = None
    duration_s: Finite | None = Field(default=None, gt=0)
    agent: Name
    agent_settings: dict[Name, Setting] = Field(default_factory=dict, max_length=64)
    reward: Name
    episodes: int = Field(ge=1, le=keys.MAX_ROUNDS)
    steps: int = Field(ge=1, le=100_000, description="at most so many env steps an episode")
    seed: int = Field(ge=0, lt=1 << 63)
    weights: Sha256 | None = None
    max_attempts: int = Field(default=10, ge=1, le=1000)
    episode_timeout_s: Finite = Field(default=3600.0, gt=0)


class Manifest(Document):
    """What one job is to run."""

    job_id: Id
    created_at: Text
    training: Training
    federation: Membership | None = None
    retry_of: Id | None = None

    @model_validator(mode="after")
    def _member_has_its_name(self) -> Self:
        member = self.federation
        if member and self.job_id != keys.member_job(member.group, member.member):
            raise ValueError(f"job_id {self.job_id!r} is not that of member {member.member} of {member.group!r}")
        return self


class Strategy(StrEnum):
    """How a round's updates become the global weights; docs/protocol.md has the formulas."""

    FEDAVG = "fedavg"
    UNIFORM = "uniform"
    FEDPROX = "fedprox"
    FEDADAM = "fedadam"
    TRIMMED_MEAN = "trimmed-mean"
    MEDIAN = "median"

    @property
    def by_transitions(self) -> bool:
        """Whether updates weigh as much as the member's transitions in the round, else all alike."""
        return self in (Strategy.FEDAVG, Strategy.FEDPROX, Strategy.FEDADAM)

    @property
    def robust(self) -> bool:
        """Whether a minority that sends anything at all does no harm."""
        return self in (Strategy.TRIMMED_MEAN, Strategy.MEDIAN)

    @property
    def min_participants(self) -> int:
        """Updates a round needs unless the user says how many: of fewer, a robust strategy makes a plain mean."""
        return ROBUST_SIZE if self.robust else 1

    @property
    def keeps_state(self) -> bool:
        """Whether the server carries something from round to round."""
        return self is Strategy.FEDADAM


class TensorSpec(BaseModel):
    """Name and shape of one float32 tensor of the shared model."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    name: Name
    shape: tuple[Annotated[int, Field(ge=1, le=1 << 24)], ...] = Field(max_length=8)

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


class Federation(Document):
    """A group of jobs that share one model. Immutable.

    `training` is what all members have in common: of a heterogeneous federation each sees only its share of the
    problems, see `protocol.jobs.submit.share_of`.
    """

    group: GroupId
    created_at: Text
    size: int = Field(ge=1, le=keys.MAX_MEMBERS)
    training: Training
    episodes_per_round: int = Field(default=1, ge=1, le=keys.MAX_ROUNDS)
    heterogeneous: bool = False
    strategy: Strategy = Strategy.FEDAVG
    barrier: Closers = Closers.SYNC_SERVER
    min_participants: int = Field(default=1, ge=1)
    round_timeout_s: Finite = Field(default=3600.0, gt=0)
    model: tuple[TensorSpec, ...] = Field(min_length=1, max_length=10_000)

    @model_validator(mode="after")
    def _enough_members(self) -> Self:
        if self.strategy.robust and self.size < ROBUST_SIZE:
            raise ValueError(f"strategy {self.strategy} needs at least {ROBUST_SIZE} members, there are {self.size}")
        if self.min_participants > self.size:
            raise ValueError(f"min_participants {self.min_participants} is more than size {self.size}")
        return self

    @model_validator(mode="after")
    def _fits_into_memory(self) -> Self:
        elements = sum(spec.elements for spec in self.model)
        if elements > MODEL_ELEMENTS:
            raise ValueError(f"model: more than {MODEL_ELEMENTS} numbers")
        held = 4 * elements * self.size
        if self.strategy.robust and held > ROBUST_BYTES:
            raise ValueError(
                f"strategy {self.strategy} holds all updates of a round: {self.size} are {held >> 20} MiB, "
                f"more than {ROBUST_BYTES >> 20} MiB; use fedavg, or fewer members"
            )
        return self

    @property
    def schedule(self) -> Schedule:
        return Schedule(self.training.episodes, self.episodes_per_round)

    @property
    def rounds(self) -> int:
        return self.schedule.rounds


class Claim(Document):
    """An attempt and its owner.

    `progress` is the episode of the job's newest state when it was claimed; `failures` counts the attempts before it
    that ended uncleanly without getting further.
    """

    worker: Id
    failures: int = Field(ge=0)
    progress: int = Field(ge=0)
    claimed_at: Text


class Heartbeat(Document):
    """What the owner is doing; nothing that must be right depends on it."""

    worker: Id
    seq: int = Field(ge=0)
    episode: int = Field(ge=0)
    reward: Finite | None = None
    phase: Text = ""


class Release(Document):
    """The owner gave the attempt up. `failed`: something went wrong, count it."""

    worker: Id
    failed: bool
    reason: Text


class Cancel(Document):
    by: Text
    at: Text


class Status(StrEnum):
    """How a job ended."""

    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


class Result(Document):
    """The one result of a job. Rewards are undiscounted episode returns."""

    job_id: Id
    status: Status
    error: Text | None = None
    worker: Id | None = None
    attempt: int = Field(default=0, ge=0)
    finished_at: Text
    episodes_completed: int = Field(default=0, ge=0)
    env_steps: int = Field(default=0, ge=0)
    total_reward: Finite | None = None
    final_reward: Finite | None = None
    solved_episodes: int = Field(default=0, ge=0)
    artifacts: dict[Name, Text] = Field(default_factory=dict, max_length=32)
    transitions: Text | None = None
    fingerprint: dict[Name, Text] = Field(default_factory=dict, max_length=32)


class Participant(BaseModel):
    """A member whose update is averaged.

    Attributes:
        weight: its share's numerator.
        reward: mean return of its episodes in the round.
        solved: how many of them reached the goal.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    member: int = Field(ge=0)
    weight: int = Field(ge=1)
    reward: Finite | None = None
    solved: int | None = Field(default=None, ge=0)


class LeftOut(BaseModel):
    """A member that delivered something that may not be averaged."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    member: int = Field(ge=0)
    reason: Text


class Decision(Document):
    """round.json: who is averaged, with which weights, and why the round closed then; `episodes` are those of each.

    `error` says why a round failed; then nobody is averaged, and the federation ends.
    """

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


class Ending(StrEnum):
    FINISHED = "finished"
    FAILED = "failed"


class Outcome(Document):
    """outcome.json: how a federation ended."""

    status: Ending
    rounds: int = Field(ge=0)
    reason: Text
    finished_at: Text
    weights_sha256: Sha256 | None = None


MAX_ERRORS = 100  # pydantic describes all or none, and a description takes a hundred times what it describes

D = TypeVar("D", bound=Document)


def parse(kind: type[D], body: bytes, name: str) -> D:
    """A document from its bytes.

    Raises:
        BadDocument: not JSON, or not of this kind; one line that names the field.
    """
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        if (count := error.error_count()) > MAX_ERRORS:
            raise BadDocument(f"{name}: document: {count} things are wrong with it") from None
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        raise BadDocument(f"{name}: {one_line(where, 300)}: {one_line(first['msg'])}") from error
    except RecursionError as error:
        raise BadDocument(f"{name}: nested too deeply") from error


M = TypeVar("M", bound=BaseModel)

_OPTIONS = {"count": "nodes", "cpu_m": "node-cpu", "memory_bytes": "node-memory", "pods": "node-pods"}


def build(kind: type[M], **values: object) -> M:
    """A model of a user's own values.

    Raises:
        UsageError: one of them is out of range; one line that names it as an option.
    """
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = str(first["loc"][0]) if first["loc"] else ""
        option = _OPTIONS.get(field, field.removesuffix("_s").replace("_", "-"))
        message = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"--{option}: {message}" if option else message) from error


def timestamp() -> str:
    """Now, UTC, for people to read; nothing is decided by it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
