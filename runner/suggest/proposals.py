"""What is proposed for each workload that is not whole, so that all of it fits together.

Proposals are made one after the other, each in the trace with those before it in place. So each is made beside the
others and spares what they made whole. Where the first ones leave too little room for a later one, which would fit
alone, all of them share: of what is short, the largest request among them goes down, again and again, until all fit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from agents.agent import Agent
from env.actions import Action, apply_action
from env.embedded.cluster import EmbeddedCluster
from env.embedded.left_out import LeftOut
from env.embedded.survey import WorkloadState
from env.engine.manifests.objects import read_workload
from env.errors import ClusterError, ScenarioError
from env.problems.nodes import NodePools
from env.problems.scenario import Scenario, ceiling_of, edited_trace, recorded_manifest
from env.quantity import format_cpu, format_memory
from env.trace.document import Manifest, Trace
from env.usage.enough import enough
from env.usage.usage import ContainerKey, Usage
from env.workload import KINDS, Resources
from runner.suggest.rows import Key
from runner.suggest.suggestion import SEARCHED, Suggestion, SuggestionEnd, suggest

_FEW_PODS = 200
_SEARCHED_OF_MANY = 4  # actions, where a replay takes long: some 90 replays
_SHARED = 200  # steps of sharing at most

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Reply:
    """What came of one workload.

    Attributes:
        asked: What is proposed that it requests; None: nothing.
        note: Why nothing is, in a few words.
        left_out: What concerns it and was not simulated.
        why_not: Why no action helps it, or what any would break, in whole sentences.
        is_hopeless: No action helps it, wherever the others are.
    """

    asked: Resources | None = None
    note: str = ""
    left_out: tuple[LeftOut, ...] = ()
    why_not: tuple[str, ...] = ()
    is_hopeless: bool = False


@dataclass(frozen=True)
class Proposals:
    """All of them, and the trace with them in place.

    Attributes:
        asked: What each workload requests instead of what is given.
        replies: What came of each that was not whole.
    """

    trace: Trace
    asked: Mapping[Key, Resources]
    replies: Mapping[Key, Reply]


@dataclass(frozen=True)
class Planner:
    """Makes proposals; see `runner.suggest.answer.answer` for what it takes."""

    trace: Trace
    nodes: NodePools
    duration_s: float | None
    agent: Agent
    max_steps: int
    usage: Usage
    lower: bool
    should_stop: Callable[[], bool]
    on_progress: Progress
    cluster: EmbeddedCluster = field(default_factory=EmbeddedCluster)

    def survey(self, trace: Trace) -> tuple[WorkloadState, ...]:
        """Every workload at the end of a replay."""
        return self.cluster.survey(trace, self.nodes, self.duration_s)

    def manifest(self, trace: Trace, state: WorkloadState) -> Manifest:
        """The manifest of a workload at the end of a replay."""
        return recorded_manifest(trace, state.workload, self.duration_s)

    def proposals(self, states: Iterable[WorkloadState], asked: Collection[Key]) -> Proposals:
        """What is proposed for those of the workloads that are not whole, and about which is `asked`."""
        states = list(states)
        failing = [state for state in states if state.lacking and state.key in asked]
        failing.sort(key=lambda state: state.badness)
        search = SEARCHED if sum(state.wanted for state in states) <= _FEW_PODS else _SEARCHED_OF_MANY
        trace, replies = self.trace, dict[Key, Reply]()
        for number, state in enumerate(failing):
            self.on_progress(number, len(failing), str(state.workload))
            replies[state.key] = reply = self._reply(trace, state, search)
            if reply.asked is not None:
                trace = edited_trace(self._scenario(trace, state), reply.asked)
        made = Proposals(trace, {key: each.asked for key, each in replies.items() if each.asked is not None}, replies)
        return self._shared(states, failing, made, search) or made

    def _reply(self, trace: Trace, state: WorkloadState, search: int) -> Reply:
        """What comes of a workload in a trace."""
        if state.kind not in KINDS:
            return Reply(note=f"requests of a {state.kind} are not proposed")
        scenario = self._scenario(trace, state)
        try:
            found = suggest(
                scenario, self.agent, self.max_steps, self.cluster, search=search, should_stop=self.should_stop
            )
        except (ScenarioError, ClusterError) as error:
            return Reply(note=str(error))
        reply = Reply(left_out=found.left_out)
        if found.ending is not SuggestionEnd.SOLVED:
            why_not, is_hopeless = found.unmendable or found.breaks, bool(found.unmendable)
            return replace(reply, note=_note(found), why_not=why_not, is_hopeless=is_hopeless)
        asked = found.after.resources
        against = self._against(state, found.before.resources, asked)
        if not against:
            return replace(reply, asked=asked)
        return replace(reply, note=f"{_lower(found.before.resources, asked)} would do, but {against}")

    def _shared(
        self, states: list[WorkloadState], failing: list[WorkloadState], made: Proposals, search: int
    ) -> Proposals | None:
        """Proposals with which all those fit together that would fit alone; None where none are found."""
        alone = {
            state.key: self._reply(self.trace, state, search)
            for state in failing
            if state.key not in made.asked and made.asked and not made.replies[state.key].is_hopeless
        }
        asked = {**made.asked, **{key: each.asked for key, each in alone.items() if each.asked is not None}}
        if len(asked) == len(made.asked):
            return None
        given = {state.key: state for state in failing if state.key in asked}
        should = {*asked, *(state.key for state in states if not state.lacking)}
        for _ in range(_SHARED):
            trace = self._with(given, asked)
            left = [state for state in self.survey(trace) if state.lacking and state.key in should]
            if not left:
                replies = {key: replace(made.replies[key], asked=asked[key], note="") for key in asked}
                return Proposals(trace, asked, {**made.replies, **replies})
            lowered = self._lowered(given, asked, left[0])
            if lowered is None:
                return None
            asked = {**asked, **lowered}
        return None

    def _lowered(
        self, given: Mapping[Key, WorkloadState], asked: Mapping[Key, Resources], left: WorkloadState
    ) -> dict[Key, Resources] | None:
        """The largest request of what a workload is short of, one step lower; None where none may go down."""
        for is_short, action, amount in (
            (left.short_of_cpu, Action.REDUCE_CPU_SMALL, 0),
            (left.short_of_memory, Action.REDUCE_MEM_SMALL, 1),
        ):
            for key in sorted(asked, key=lambda key: asked[key][amount], reverse=True) if is_short else ():
                outcome = apply_action(asked[key], action, ceiling_of(self._scenario(self.trace, given[key])))
                if not outcome.blocked and not self._against(given[key], asked[key], outcome.resources):
                    return {key: outcome.resources}
        return None

    def _with(self, given: Mapping[Key, WorkloadState], asked: Mapping[Key, Resources]) -> Trace:
        """The trace with all this in place."""
        trace = self.trace
        for key, resources in asked.items():
            trace = edited_trace(self._scenario(trace, given[key]), resources)
        return trace

    def _scenario(self, trace: Trace, state: WorkloadState) -> Scenario:
        ref = state.workload
        return Scenario(trace, ref, state.wanted, self.nodes, self.duration_s, trace.name, None)

    def _against(self, state: WorkloadState, old: Resources, new: Resources) -> str:
        """Why requests may not go down; "" where they may.

        Not below what is enough; where that is not known, only if no pod is Ready.
        """
        edited = read_workload(self.manifest(self.trace, state)).source.edited
        cpu, memory = (
            enough(self.usage.of(ContainerKey(state.kind, state.namespace, state.name, slot.name)))
            for slot in (edited.cpu, edited.memory)
        )
        for was, here, least in (
            (old.cpu_m, new.cpu_m, cpu.cpu_m),
            (old.memory_bytes, new.memory_bytes, memory.memory_bytes),
        ):
            if here < was and least is None and state.ready and not self.lower:
                return "pods run and their use is not known: see --lower"
            if here < was and least is not None and here < least:
                return "it uses more"
        return ""


def _lower(old: Resources, new: Resources) -> str:
    """Which requests go down, in words."""
    said = [f"cpu {format_cpu(old.cpu_m)} -> {format_cpu(new.cpu_m)}"] if new.cpu_m < old.cpu_m else []
    if new.memory_bytes < old.memory_bytes:
        said.append(f"memory {format_memory(old.memory_bytes)} -> {format_memory(new.memory_bytes)}")
    return ", ".join(said)


def _note(found: Suggestion) -> str:
    """Why there is no proposal, in a few words."""
    match found.ending:
        case SuggestionEnd.HEALTHY:
            return "Ready with the other proposals"
        case SuggestionEnd.UNMENDABLE:
            return found.unmendable[0]
        case SuggestionEnd.AUTOSCALED:
            owner = next(f"{each.kind} {each.name}" for each in found.left_out if each.owns_replicas)
            return f"needs other replicas, which {owner} sets"
        case SuggestionEnd.CROWDED:
            return found.why[-1]
        case SuggestionEnd.HARMFUL:
            return f"only at the cost of neighbours: {found.breaks[0]}"
    return f"nothing found in {found.steps} steps"
