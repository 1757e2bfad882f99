"""What tools return: the models behind their output schemas. What they hold was cleaned before: see `env.untrusted`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    """What a tool returns, or a part of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Total = Annotated[int, Field(ge=0, description="How many there are.")]
Shown = Annotated[int, Field(ge=0, description="How many of them are in this answer.")]
Count = Annotated[int, Field(ge=0)]


class ContainerState(Answer):
    """What a container does, or did before."""

    state: Literal["running", "waiting", "terminated", "unknown"]
    reason: str | None = None
    message: str | None = None
    exit_code: int | None = None


class ContainerStatus(Answer):
    """A container of a pod."""

    name: str
    ready: bool
    restarts: Count
    now: ContainerState
    before: Annotated[ContainerState | None, Field(description="How its last run ended.")] = None


class PodStatus(Answer):
    """A pod."""

    name: str
    phase: str
    status: Annotated[str, Field(description="One word, as the STATUS column of kubectl get pods.")]
    ready: Annotated[str, Field(description="Ready containers of all, such as 1/2.")]
    restarts: Count
    node: Annotated[str | None, Field(description="Without one, it has no node yet.")] = None
    owner: Annotated[str | None, Field(description="Its controller, such as ReplicaSet/web-5d9c.")] = None
    created: str | None = None
    message: Annotated[str | None, Field(description="Why it has no node, or why it failed.")] = None
    containers: list[ContainerStatus]


class Pods(Answer):
    """The pods of a namespace, those that are not Ready first."""

    namespace: str
    total: Total
    shown: Shown
    pods: list[PodStatus]


class ContainerSpec(Answer):
    """A container of a pod template."""

    name: str
    init: bool
    image: str | None = None
    requests: dict[str, str]
    limits: dict[str, str]


class Condition(Answer):
    """A condition of an object."""

    type: str
    status: str
    reason: str | None = None
    message: str | None = None


class Deployment(Answer):
    """A Deployment: what it asks for, and what it has."""

    namespace: str
    name: str
    desired: Annotated[int, Field(ge=0, description="Replicas that are asked for.")]
    current: Annotated[int, Field(ge=0, description="Pods that there are.")]
    updated: Annotated[int, Field(ge=0, description="Pods of the newest template.")]
    ready: Count
    available: Count
    paused: bool
    strategy: str
    selector: dict[str, str]
    annotations: dict[str, str]
    containers: list[ContainerSpec]
    conditions: list[Condition]


class Event(Answer):
    """An Event; several equal ones are counted."""

    type: Annotated[str, Field(description="Warning or Normal.")]
    reason: str
    object: Annotated[str, Field(description="What it is about, such as Pod/web-5d9c-x7k2p.")]
    count: Count
    last_seen: str | None = None
    source: str | None = None
    message: str


class Events(Answer):
    """The Events about a Deployment, its ReplicaSets and its pods, newest last."""

    namespace: str
    deployment: str
    total: Total
    shown: Shown
    events: list[Event]


class PodLog(Answer):
    """The end of a container's log."""

    namespace: str
    pod: str
    container: str
    other_containers: list[str]
    lines: Count
    cut: Annotated[bool, Field(description="Whether the beginning of these lines was left out, being too long.")]
    log: str


class Node(Answer):
    """A node."""

    name: str
    ready: bool
    schedulable: bool
    cpu: Annotated[str, Field(description="What pods may use.")]
    memory: Annotated[str, Field(description="What pods may use.")]
    pods: Annotated[str, Field(description="How many pods it takes.")]
    other_resources: dict[str, str]
    taints: list[str]
    problems: Annotated[list[str], Field(description="Conditions that are not as they should be.")]


class Nodes(Answer):
    """The nodes of the cluster, those that are not Ready first."""

    total: Total
    shown: Shown
    nodes: list[Node]


class Score(Answer):
    """How an episode ended."""

    solved: bool
    steps: int
    least_steps: Annotated[int | None, Field(description="Of the shortest solution, where it is known.")] = None
    reward: Annotated[float, Field(description="Sum over the steps.")]


class Turn(Answer):
    """Where an episode stands."""

    step: Annotated[int, Field(description="The next one, from 1 on.")]
    max_steps: int
    target: Annotated[int, Field(description="Pods that should be Ready.")]
    ready: int
    pending: int
    oom_killed: int
    cpu_starved: int
    broken: Annotated[int, Field(description="Pods that other workloads lack, which were whole at the start.")]
    total: int
    over: bool
    score: Score | None = None
    text: Annotated[str, Field(description="The same in words, with the actions.")]
