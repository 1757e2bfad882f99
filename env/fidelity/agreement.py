"""How far simulated outcomes agree with recorded ones. The unit is one outcome: one step of one scenario."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields

from env.errors import SimArenaError
from env.fidelity.truth import RecordedOutcome, RecordedScenario, WorkloadOutcome
from env.words import count


@dataclass(frozen=True)
class Agreement:
    """On what two outcomes agree.

    Attributes:
        counts: Each workload's pods that are pending, ready, succeeded, and in all; and how many of which revision.
        spread: Each workload's pods per node, sorted: the same numbers, on whichever nodes.
        messages: The set of FailedScheduling messages.
    """

    counts: bool
    spread: bool
    messages: bool

    @property
    def complete(self) -> bool:
        """Whether they agree on everything."""
        return self.counts and self.spread and self.messages


ASPECTS = tuple(field.name for field in fields(Agreement))

# Per cent of all outcomes. A real cluster, recorded twice, agrees with itself on 120 of 121: rollouts race.
GOALS: Mapping[str, float] = {"counts": 99.0, "spread": 97.0, "messages": 95.0}


@dataclass(frozen=True)
class OutcomeComparison:
    """One outcome, recorded and simulated.

    Attributes:
        scenario: Its id.
        kind: Its kind.
        step: From 0.
        recorded: What the control plane decided.
        simulated: What the engine decided; None: it refused the scenario.
        refusal: Why it did.
    """

    scenario: str
    kind: str
    step: int
    recorded: RecordedOutcome
    simulated: RecordedOutcome | None
    refusal: str = ""

    @property
    def agreement(self) -> Agreement:
        """On what the two outcomes agree."""
        if self.simulated is None:
            return Agreement(False, False, False)
        return compare(self.recorded, self.simulated)


@dataclass(frozen=True)
class Tally:
    """Outcomes of one kind, and how many of them agree on each aspect."""

    n: int
    agreeing: Mapping[str, int]

    def percent(self, aspect: str) -> float | None:
        """None for no outcomes at all."""
        return 100 * self.agreeing[aspect] / self.n if self.n else None


def compare(recorded: RecordedOutcome, simulated: RecordedOutcome) -> Agreement:
    """On what the two agree. Node names do not count: of nodes with equal score the scheduler takes any."""
    ours, theirs = _with_pods(recorded), _with_pods(simulated)
    return Agreement(
        counts=_map(_counts, ours) == _map(_counts, theirs),
        spread=_map(_spread, ours) == _map(_spread, theirs),
        messages=_messages(recorded) == _messages(simulated),
    )


def differences(recorded: RecordedOutcome, simulated: RecordedOutcome) -> list[str]:
    """What differs, a line each, recorded first; empty where `compare` finds full agreement."""
    ours, theirs = _with_pods(recorded), _with_pods(simulated)
    lines = []
    for name in sorted({*ours, *theirs}):
        for what, value in (("", _counts), ("pods per node ", _spread)):
            left, right = (value(side[name]) if name in side else "no pods" for side in (ours, theirs))
            if left != right:
                lines.append(f"{name}: {what}recorded {_shown(left)}, simulated {_shown(right)}")
    said, expected = _messages(simulated), _messages(recorded)
    lines += [f"recorded only: {message}" for message in sorted(expected - said)]
    lines += [f"simulated only: {message}" for message in sorted(said - expected)]
    return lines


def comparisons(
    scenario: RecordedScenario, simulate: Callable[[RecordedScenario], list[RecordedOutcome]]
) -> Iterator[OutcomeComparison]:
    """A comparison of every step; if the engine refuses the scenario, all of them disagree."""
    try:
        simulated: list[RecordedOutcome | None] = [*simulate(scenario)]
        refusal = "" if len(simulated) == len(scenario.steps) else count(len(simulated), "outcome")
    except (SimArenaError, ValueError) as error:
        simulated, refusal = [], str(error) or type(error).__name__
    simulated += [None] * (len(scenario.steps) - len(simulated))
    for step, (recorded, outcome) in enumerate(zip(scenario.outcome, simulated, strict=False)):
        yield OutcomeComparison(scenario.id, scenario.kind, step, recorded, outcome, refusal)


def tally(rows: Iterable[OutcomeComparison]) -> Tally:
    """How many outcomes agree on what."""
    agreements = [row.agreement for row in rows]
    return Tally(len(agreements), {name: sum(getattr(a, name) for a in agreements) for name in ASPECTS})


def missed_goals(over_all: Tally) -> list[str]:
    """The aspects that stay below their goal; all of them for no outcomes at all."""
    return [name for name, goal in GOALS.items() if (over_all.percent(name) or 0.0) < goal]


def _map(value: Callable[[WorkloadOutcome], object], workloads: Mapping[str, WorkloadOutcome]) -> dict[str, object]:
    return {name: value(workload) for name, workload in workloads.items()}


def _shown(value: object) -> str:
    return ", ".join(f"{name} {count}" for name, count in value.items()) if isinstance(value, dict) else str(value)


def _with_pods(outcome: RecordedOutcome) -> dict[str, WorkloadOutcome]:
    return {name: workload for name, workload in outcome.workloads.items() if workload.total}


def _counts(workload: WorkloadOutcome) -> dict[str, object]:
    revisions = {name: count for name, count in sorted(workload.revisions.items()) if count}
    names = ("total", "ready", "pending", "succeeded")
    return {**{name: getattr(workload, name) for name in names}, "revisions": revisions}


def _spread(workload: WorkloadOutcome) -> list[int]:
    return sorted(count for count in workload.nodes.values() if count)


def _messages(outcome: RecordedOutcome) -> frozenset[str]:
    """Without full stops at the end: some releases print two."""
    return frozenset(message.rstrip(". ") for message in outcome.failed_scheduling)
