"""What is proposed for each workload that is not whole, so that all of it fits together.

Proposals are made one after the other, each in the trace with those before it in place. So each is made beside the
others and spares what they made whole. Where the first ones leave too little room for a later one, all of them share
(`sharing.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from agents.agent import Agent
from env.embedded.cluster import EmbeddedCluster
from env.embedded.left_out import LeftOut
from env.embedded.survey import WorkloadState
from env.engine.manifests.objects import read_workload
from env.errors import ClusterError, ScenarioError
from env.problems.nodes import NodePools
from env.problems.scenario import Scenario, edited_trace, recorded_manifest, recorded_resources
from env.trace.document import Manifest, Trace
from env.usage.enough import enough
from env.usage.usage import ContainerKey, Usage
from env.words import count
from env.workload import KINDS, Resources
from runner.suggest.patch import changes
from runner.suggest.rows import Key, lacking_more
from runner.suggest.sharing import Asked, shared
from runner.suggest.suggestion import SEARCHED, Suggestion, SuggestionEnd, suggest

_FEW_PODS = 200  # in more, a search for what spares neighbours would take minutes
_LEAST_TRIED = 3  # workloads for which proposals are made, however many pods there are
_PODS_REPLAYED = 250_000  # proposals times pods; each proposal takes some ten replays of all pods

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
    """Makes proposals; see `runner.suggest.answer` for what it takes.

    Attributes:
        cluster: Where traces are replayed.
        given: The workloads as given, whatever they are in `trace`. None of them may come to lack more pods.
    """

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
    given: Mapping[Key, WorkloadState] = field(default_factory=dict)

    def survey(self, trace: Trace) -> tuple[WorkloadState, ...]:
        """Every workload at the end of a replay."""
        return self.cluster.survey(trace, self.nodes, self.duration_s)

    def quick_survey(self, trace: Trace) -> tuple[WorkloadState, ...]:
        """The same without sentences."""
        return self.cluster.survey(trace, self.nodes, self.duration_s, explained=False)

    def _robbed(self, states: Iterable[WorkloadState]) -> list[str]:
        """Workloads that lack more pods than as given."""
        return lacking_more(states, self.given)

    def manifest(self, trace: Trace, state: WorkloadState) -> Manifest:
        """The manifest of a workload at the end of a replay."""
        return recorded_manifest(trace, state.workload, self.duration_s)

    def proposals(self, states: Iterable[WorkloadState], asked: Collection[Key]) -> Proposals:
        """What is proposed for those of the workloads that are not whole, and about which is `asked`."""
        states = list(states)
        failing = [state for state in states if state.lacking and state.key in asked]
        failing.sort(key=lambda state: state.badness)
        pods = sum(state.wanted for state in states)
        search = SEARCHED if pods <= _FEW_PODS else 0
        most = max(_LEAST_TRIED, _PODS_REPLAYED // max(1, pods))
        not_tried = f"not tried: proposals are made for the worst {most} of {len(failing)}; see --workload"
        trace, replies = self.trace, {state.key: Reply(note=not_tried) for state in failing[most:]}
        failing = failing[:most]
        for number, state in enumerate(failing):
            self.on_progress(number, len(failing), str(state.workload))
            replies[state.key] = reply = self._reply(trace, state, search)
            if reply.asked is None:
                continue
            tried = edited_trace(self._scenario(trace, state), reply.asked)
            robbed = self._robbed(self.quick_survey(tried))
            if robbed:
                replies[state.key] = replace(reply, asked=None, note=f"would take {robbed[0]} pods that run")
            else:
                trace = tried
        made = Proposals(trace, {key: each.asked for key, each in replies.items() if each.asked is not None}, replies)
        return self._shared(states, failing, made) or made

    def _reply(self, trace: Trace, state: WorkloadState, search: int) -> Reply:
        """What comes of a workload in a trace."""
        if state.kind not in KINDS:
            return Reply(note=f"requests of a {state.kind} are not proposed")
        scenario = self._scenario(trace, state)
        try:
            found = suggest(
                scenario,
                self.agent,
                self.max_steps,
                self.cluster,
                search=search,
                explained=False,
                should_stop=self.should_stop,
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
        edited = self.manifest(edited_trace(scenario, asked), state)
        would_do = ", ".join(changes(self.manifest(trace, state), edited))
        return replace(reply, note=f"{would_do} would do, but {against}")

    def _shared(self, states: list[WorkloadState], failing: list[WorkloadState], made: Proposals) -> Proposals | None:
        """Proposals with which all those fit together that lack room; None where there are none, or none is needed."""
        crowded = [
            state.key
            for state in failing
            if state.kind in KINDS
            and state.key not in made.asked
            and (state.short_of_cpu or state.short_of_memory)
            and not made.replies[state.key].is_hopeless
        ]
        if not crowded:
            return None
        recorded = {
            state.key: recorded_resources(self.trace, state.workload, self.duration_s, self.nodes)
            for state in failing
            if state.key in made.asked or state.key in crowded
        }
        asked = {
            key: Resources(*map(max, each, made.asked.get(key, each)))._replace(
                replicas=made.asked.get(key, each).replicas
            )
            for key, each in recorded.items()
        }
        given = {state.key: state for state in failing if state.key in asked}
        should = {*asked, *(state.key for state in states if not state.lacking)}

        def left(asked: Asked) -> list[WorkloadState]:
            surveyed = self.quick_survey(self._with(given, asked))
            robbed = self._robbed(surveyed)
            return [
                state for state in surveyed if (state.lacking and state.key in should) or str(state.workload) in robbed
            ]

        found = shared(asked, {key: self._floor(given[key], asked[key]) for key in asked}, left)
        if found is None:
            return None
        replies = {key: replace(made.replies[key], asked=found[key], note="") for key in found}
        changed = {key: each for key, each in found.items() if each != recorded[key]}
        return Proposals(self._with(given, changed), changed, {**made.replies, **replies})

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
        """Why requests may not go down so far; "" where they may."""
        floor = self._floor(state, old)
        lowered = [(here, least) for was, here, least in zip(old, new, floor, strict=True) if here < min(was, least)]
        if not lowered:
            return ""
        is_unknown = any(least in old[:2] for _, least in lowered)
        return "pods run and their use is not known: see --lower" if is_unknown else "it uses more"

    def _floor(self, state: WorkloadState, asked: Resources) -> Resources:
        """How far requests may go down: to what is enough; where that is not known, to nothing if no pod is Ready."""
        edited = read_workload(self.manifest(self.trace, state)).source.edited
        cpu, memory = (
            enough(self.usage.of(ContainerKey(state.kind, state.namespace, state.name, slot.name)))
            for slot in (edited.cpu, edited.memory)
        )
        is_free = self.lower or not (state.ready or self.given.get(state.key, state).ready)
        return Resources(
            cpu.cpu_m if cpu.cpu_m is not None else 0 if is_free else asked.cpu_m,
            memory.memory_bytes if memory.memory_bytes is not None else 0 if is_free else asked.memory_bytes,
            0,
        )


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
    return f"nothing found in {count(found.steps, 'step')}"
