"""The engine's outcomes of a scenario beside all recordings of it, step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from env.errors import SimArenaError
from env.fidelity.agreement import ASPECTS, compare
from env.fidelity.cron_jobs import ticked
from env.fidelity.truth import RecordedOutcome, RecordedScenario
from env.words import count

Simulate = Callable[[RecordedScenario, int | None], list[RecordedOutcome]]
"""The outcomes of a scenario's steps, by the seed of a draw; None: as the engine always decides."""


@dataclass(frozen=True)
class OutcomeComparison:
    """One outcome, recorded once or several times, and simulated.

    Attributes:
        scenario: Its id.
        kind: Its kind.
        step: From 0.
        recorded: What the control plane decided, each time; not empty.
        simulated: What the engine decided; None: it refused the scenario.
        draws: What it decided with lots drawn, each time.
        refusal: Why it refused the scenario.
        ticked: CronJobs that ticked while it was recorded, so that it cannot be compared.
    """

    scenario: str
    kind: str
    step: int
    recorded: tuple[RecordedOutcome, ...]
    simulated: RecordedOutcome | None
    draws: tuple[RecordedOutcome, ...] = ()
    refusal: str = ""
    ticked: tuple[str, ...] = ()

    @property
    def agreeing(self) -> dict[str, int]:
        """With how many of the recordings the engine agrees on each aspect, and completely."""
        found = [compare(each, self.simulated) for each in self.recorded] if self.simulated else []
        return {name: sum(getattr(each, name) for each in found) for name in (*ASPECTS, "complete")}

    @property
    def nearest(self) -> RecordedOutcome:
        """The recording that the engine agrees with on most aspects; the first one of several."""
        if self.simulated is None:
            return self.recorded[0]
        simulated = self.simulated
        return max(self.recorded, key=lambda each: sum(getattr(compare(each, simulated), name) for name in ASPECTS))


def comparisons(
    recordings: Sequence[RecordedScenario], simulate: Simulate, draws: int = 0
) -> Iterator[OutcomeComparison]:
    """A comparison of every step; if the engine refuses the scenario, all of them disagree.

    Args:
        recordings: Of one scenario, at least one (see `recorded_sets`).
        simulate: The engine.
        draws: How often it is asked with lots drawn.
    """
    scenario = recordings[0]
    drawn: list[list[RecordedOutcome]] = []
    try:
        simulated: list[RecordedOutcome | None] = [*simulate(scenario, None)]
        refusal = "" if len(simulated) == len(scenario.steps) else count(len(simulated), "outcome")
        drawn = [simulate(scenario, seed) for seed in range(draws)]
    except (SimArenaError, ValueError) as error:
        simulated, refusal = [], str(error) or type(error).__name__
    simulated += [None] * (len(scenario.steps) - len(simulated))
    for step in range(len(scenario.steps)):
        recorded = tuple(recording.outcome[step] for recording in recordings)
        yield OutcomeComparison(
            scenario=scenario.id,
            kind=scenario.kind,
            step=step,
            recorded=recorded,
            simulated=simulated[step],
            draws=tuple(outcomes[step] for outcomes in drawn),
            refusal=refusal,
            ticked=tuple(ticked(scenario.steps[: step + 1], recorded)),
        )
