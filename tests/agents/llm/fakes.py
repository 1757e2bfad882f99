"""Small models, tools and clocks that tests give the agent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from agents.llm.conversation import Reply, Request, Stop, ToolCall, ToolOutcome, ToolSpec, Usage
from agents.llm.situation import Situation
from env.actions import NO_CEILING, Action, ActionOutcome, Ceiling
from env.observation import Observation
from env.quantity import GIB, MIB
from env.workload import Resources, WorkloadRef


class Clock:
    """Time that passes by sleeping only."""

    def __init__(self) -> None:
        self.now = 0.0
        self.on_sleep: Callable[[], None] = lambda: None

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.on_sleep()


class Saying:
    """A model that says these things in turn, the last one again and again; an error is raised."""

    provider = "scripted"
    name = "saying"

    def __init__(self, *things: str | Reply | Exception) -> None:
        self.things = list(things)
        self.requests: list[Request] = []

    def complete(self, request: Request) -> Reply:
        self.requests.append(request)
        thing = self.things.pop(0) if len(self.things) > 1 else self.things[0]
        if isinstance(thing, Exception):
            raise thing
        return said(thing) if isinstance(thing, str) else thing

    def close(self) -> None:
        pass


def said(text: str, *calls: ToolCall, stop: Stop | None = None) -> Reply:
    return Reply(text, calls, Usage(100, 10, 5), "saying-1", stop or (Stop.TOOLS if calls else Stop.END))


def calling(name: str = "get_pods", arguments: dict[str, Any] | None = None, number: int = 1) -> ToolCall:
    return ToolCall(f"call-{number}", name, {} if arguments is None else arguments)


class Tools:
    """Tools that return a text, and remember how they were called."""

    def __init__(self, *texts: str, names: Sequence[str] = ("get_pods",)) -> None:
        self.specs = [ToolSpec(name, "Lists pods.", {"type": "object", "properties": {}}) for name in names]
        self.texts = list(texts or ("web-1 Running",))
        self.called: list[ToolCall] = []

    def call(self, call: ToolCall) -> ToolOutcome:
        self.called.append(call)
        text = self.texts.pop(0) if len(self.texts) > 1 else self.texts[0]
        return ToolOutcome(call.id, call.name, text, is_error=False)


SEEN = Observation(
    ready=2, pending=3, total=5, resources=Resources(2500, 512 * MIB, 5), node_cpu_m=4000, node_memory_bytes=8 * GIB,
    cluster_cpu_m=12_000, cluster_memory_bytes=24 * GIB, nodes=3, insufficient_cpu=3, insufficient_memory=0,
    too_many_pods=0,
)  # fmt: skip


def situation(
    step: int = 1,
    *,
    tools: Any = None,
    last: ActionOutcome | None = None,
    seen: Observation = SEEN,
    ceiling: Ceiling = NO_CEILING,
    workload: WorkloadRef = WorkloadRef("default", "web"),  # noqa: B008 (it is frozen)
    max_steps: int = 10,
) -> Situation:
    if last is None and step > 1:
        last = ActionOutcome(Action.NOOP, seen.resources, changed=False, blocked=False, reason=None)
    return Situation(workload, 5, step, max_steps, seen, ceiling, last, Tools() if tools is None else tools)
