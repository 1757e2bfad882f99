"""The documents of a job: what to run, who runs it, how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from protocol.wire import keys
from protocol.wire.choices import Closers, JobType
from protocol.wire.documents import Document, Finite, GroupId, Id, Name, Part, Setting, Sha256, Text
from protocol.wire.sampling import EVERY_ROUND, Sampling, Turns


class Nodes(Part):
    """A pool of identical virtual nodes, without anything that tells them from other nodes."""

    count: int = Field(ge=1, le=10_000)
    cpu_m: int = Field(ge=1, le=10_000_000)
    memory_bytes: int = Field(ge=1, le=1 << 50)
    pods: int = Field(ge=1, le=100_000)


class NodeTaint(Part):
    """A taint of a node's spec."""

    key: Name
    value: str = Field(default="", max_length=63)
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]


class Pool(Nodes):
    """A pool of identical virtual nodes, with everything that the scheduler looks at; see `env.problems.nodes`."""

    resources: dict[Name, Annotated[int, Field(ge=0, lt=1 << 63)]] = Field(default_factory=dict, max_length=1000)
    labels: dict[Annotated[str, Field(max_length=317)], Annotated[str, Field(max_length=63)]] = Field(
        default_factory=dict, max_length=1000
    )
    taints: tuple[NodeTaint, ...] = Field(default=(), max_length=1000)
    unschedulable: bool = False
    names: tuple[Name, ...] = Field(default=(), max_length=5000)


class Membership(Part):
    """Which federation a job belongs to, as which member, how often it averages, and who does."""

    group: GroupId
    member: int = Field(ge=0, lt=keys.MAX_MEMBERS)
    size: int = Field(ge=1, le=keys.MAX_MEMBERS)
    sample: int | None = Field(default=None, ge=1, le=keys.MAX_MEMBERS, description="members that a round draws")
    episodes_per_round: int = Field(default=1, ge=1, le=keys.MAX_ROUNDS)
    barrier: Closers = Closers.SYNC_SERVER

    @model_serializer(mode="wrap")
    def _without_what_is_new(self, write: SerializerFunctionWrapHandler) -> dict[str, object]:
        return without_sample(write(self))


def require_sampling(version: int, size: int, sample: int | None) -> None:
    """ValueError if a document of that version cannot say that a round draws so many of `size` members."""
    if sample is not None and version < SAMPLING_VERSION:
        raise ValueError(f"version {version}: knows no sample of members; must be {SAMPLING_VERSION}")
    if sample is not None and sample > size:
        raise ValueError(f"sample {sample} is more than size {size}")


def without_sample(fields: dict[str, object]) -> dict[str, object]:
    """The fields of a document in which every round takes all members, as releases that know of no draws write it."""
    return {name: value for name, value in fields.items() if name != "sample" or value is not None}


SAMPLING_VERSION: Final = 7
"""Of documents of a federation whose rounds draw members."""


class EpochsSpec(Part):
    """An environment that is trained by epochs, in which many of it are stepped together.

    What it is, is its learner's to know: here are a name and what bounds an epoch.

    Attributes:
        environments: Stepped together.
        epoch_steps: Environment steps of an epoch, of all environments together.
        kinds: Of what is generated there; none: any.
        series: Recorded data to train on in place of what is generated, by content hash.
        settings: Of the environment.
    """

    name: Name
    environments: int = Field(ge=1, le=1 << 16)
    epoch_steps: int = Field(ge=1, le=1 << 24)
    kinds: tuple[Name, ...] = Field(default=(), max_length=64)
    series: tuple[Sha256, ...] = Field(default=(), max_length=10_000)
    settings: dict[Name, Setting] = Field(default_factory=dict, max_length=16)


class LearnerSpec(Part):
    """A learner that a job names. It is looked up in what a worker has installed; nothing of it is in the bucket.

    Attributes:
        settings: Those that were given, for the learner's own model to check.
        epoch_steps: At most so many steps (environment steps, examples) count of an epoch.
    """

    name: Id
    settings: dict[Name, Setting] = Field(default_factory=dict, max_length=64)
    epoch_steps: int = Field(default=1 << 24, ge=1, le=1 << 40)


class TrainingSpec(Part):
    """What one job trains on, with which agent and how long; without traces every episode generates a fresh problem.

    Its units are episodes on one cluster, or the epochs of `environment` or of `learner`; `episodes` counts them. With
    a learner there is neither agent nor reward.
    """

    job_type: JobType = JobType.TRAINING
    traces: tuple[Sha256, ...] = Field(default=(), max_length=10_000)
    problem: Name | None = Field(default=None, description="generate this kind only")
    workload_kind: Literal["StatefulSet", "DaemonSet", "ReplicaSet"] | None = Field(
        default=None, description="without it the workload is a Deployment"
    )
    deploy: Name | None = None
    namespace: Name | None = None
    target: int | None = Field(default=None, ge=1, le=100)
    nodes: Nodes | Annotated[tuple[Pool, ...], Field(min_length=1, max_length=5000)] | None = None
    duration_s: Finite | None = Field(default=None, gt=0)
    agent: str = Field(default="", max_length=253)
    agent_settings: dict[Name, Setting] = Field(default_factory=dict, max_length=64)
    environment: EpochsSpec | None = None
    learner: LearnerSpec | None = None
    reward: str = Field(default="", max_length=253)
    packages: dict[Name, Name] = Field(
        default_factory=dict,
        max_length=2,
        description="that add the reward, the kind of problem or the learner: versions by name",
    )
    episodes: int = Field(ge=1, le=keys.MAX_ROUNDS)
    steps: int = Field(ge=1, le=100_000, description="at most so many env steps an episode")
    seed: int = Field(ge=0, lt=1 << 63)
    weights: Sha256 | None = None
    max_attempts: int = Field(default=10, ge=1, le=1000)
    episode_timeout_s: Finite = Field(default=3600.0, gt=0)

    @property
    def version(self) -> Literal[2, 3, 4, 5, 6, 7]:
        """The version of a document that holds it."""
        if self.learner:
            return 7
        if self.environment:
            return 6
        if self.workload_kind:
            return 5
        if self.packages:
            return 4
        return 3 if isinstance(self.nodes, tuple) else 2

    def require_version(self, version: int) -> None:
        """ValueError if a document of that version cannot hold it."""
        if version < self.version and self.version > 2:
            raise ValueError(f"version {version}: knows no {_NEW_IN[self.version]}; must be {self.version}")

    @property
    def unit(self) -> Literal["episode", "epoch"]:
        """What it is counted in."""
        return "epoch" if self.environment or self.learner else "episode"

    @property
    def unit_steps(self) -> int:
        """At most so many env steps count of a unit."""
        by_epochs = self.environment or self.learner
        return by_epochs.epoch_steps if by_epochs else self.steps

    @model_validator(mode="after")
    def _has_a_learner_or_an_agent(self) -> Self:
        """Refuse neither, and what only our own agents have beside a learner."""
        if self.learner is None:
            if missing := [name for name in ("agent", "reward") if not getattr(self, name)]:
                raise ValueError(f"{missing[0]}: Field required")
            return self
        own = ("agent", "agent_settings", "reward", "environment", *_OF_CLUSTERS)
        given = [name for name in own if getattr(self, name) and name != "packages"]
        if given or self.job_type is not JobType.TRAINING:
            raise ValueError(f"learner {self.learner.name}: has no {given[0] if given else self.job_type}")
        return self

    @model_validator(mode="after")
    def _is_of_one_environment(self) -> Self:
        """Refuse what only a cluster has beside another environment."""
        if self.environment is None:
            return self
        given = [name for name in _OF_CLUSTERS if getattr(self, name)]
        if given or self.job_type is not JobType.TRAINING:
            raise ValueError(f"environment {self.environment.name}: has no {given[0] if given else self.job_type}")
        return self

    @model_serializer(mode="wrap")
    def _without_what_is_new(self, write: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Jobs that need no package, kind, environment or learner stay readable for releases that know of none."""
        fields: dict[str, object] = write(self)
        new = ("packages", "workload_kind", "environment", "learner")
        unused = {name for name in (*new, "agent", "reward") if not getattr(self, name)}
        return {name: value for name, value in fields.items() if name not in unused}


_NEW_IN = {3: "pools of nodes", 4: "packages", 5: "kinds of workloads", 6: "epochs", 7: "learners of packages"}
"""What documents of each version know and those before do not."""

_OF_CLUSTERS = (
    "traces",
    "problem",
    "workload_kind",
    "deploy",
    "namespace",
    "target",
    "nodes",
    "duration_s",
    "packages",
)
"""Fields of a training that say what happens on a cluster."""


class Manifest(Document):
    """What one job is to run.

    Version 2: the weights, states and updates of the job are safetensors. Version 3: the nodes are pools. Version 4:
    its reward or its kind of problems are of packages. Version 5: its workload is of another kind than Deployment.
    Version 6: it is counted in epochs of another environment than a cluster. Version 7: each round of its federation
    draws some of the members, or it names a learner.
    """

    max_bytes: ClassVar[int] = 8 << 20
    older: ClassVar[Mapping[int, str]] = {1: "sim-arena 0.1"}

    version: Literal[1, 2, 3, 4, 5, 6, 7] = 2  # type: ignore[assignment]
    job_id: Id
    created_at: Text
    training: TrainingSpec
    federation: Membership | None = None
    retry_of: Id | None = None

    @property
    def owner(self) -> str:
        return self.job_id

    @property
    def turns(self) -> Turns:
        """The rounds in which it trains: all of a job without a federation."""
        member = self.federation
        if member is None:
            return EVERY_ROUND
        return Turns(Sampling(self.training.seed, member.size, member.sample), member.member)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        self.training.require_version(self.version)
        member = self.federation
        if member:
            require_sampling(self.version, member.size, member.sample)
        if member and self.job_id != keys.member_job(member.group, member.member):
            raise ValueError(f"job_id {self.job_id!r} is not that of member {member.member} of {member.group!r}")
        return self


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


class Released(Document):
    """The owner gave the attempt up. `failed`: something went wrong, count it."""

    worker: Id
    failed: bool
    reason: Text


class Cancel(Document):
    by: Text
    at: Text


class ResultStatus(StrEnum):
    """How a job ended."""

    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


class Result(Document):
    """The one result of a job. Rewards are undiscounted episode returns, of an epoch the mean over its episodes."""

    max_bytes: ClassVar[int] = 8 << 20

    job_id: Id
    status: ResultStatus
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

    @property
    def owner(self) -> str:
        return self.job_id
