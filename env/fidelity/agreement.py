"""On what two outcomes agree. The unit is one outcome: one step of one scenario."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields

from env.fidelity.truth import RecordedOutcome, WorkloadOutcome


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
MEASURES = (*ASPECTS, "complete")


def compare(recorded: RecordedOutcome, simulated: RecordedOutcome) -> Agreement:
    """On what the two agree. Node names do not count: of nodes with equal score the scheduler takes any."""
    ours, theirs = _with_pods(recorded), _with_pods(simulated)
    return Agreement(
        counts=_map(_counts, ours) == _map(_counts, theirs),
        spread=_map(_spread, ours) == _map(_spread, theirs),
        messages=_messages(recorded) == _messages(simulated),
    )


def agreement_with_any(outcome: RecordedOutcome, others: Iterable[RecordedOutcome]) -> dict[str, bool]:
    """For each of MEASURES whether one of the others agrees on it; not always the same one."""
    agreements = [compare(other, outcome) for other in others]
    return {name: any(getattr(each, name) for each in agreements) for name in MEASURES}


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


def _map(value: Callable[[WorkloadOutcome], object], workloads: Mapping[str, WorkloadOutcome]) -> dict[str, object]:
    return {name: value(workload) for name, workload in workloads.items()}


def _shown(value: object) -> str:
    match value:
        case dict():
            return ", ".join(f"{name} {_shown(each)}" for name, each in value.items() if each != {})
        case list():
            return " and ".join(map(str, value)) or "none"
    return str(value)


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
