"""What the benchmark found: rows, the shares that answer its questions, the table and the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

from infra.bench.season.choices import Found, with_choices
from infra.bench.season.plan import Planned, Row
from infra.bench.season.scores import Score
from infra.bench.season.trainings import Member

ENOUGH = 0.75
"""The share of what pooling gives that a federation is to recover."""
_SHOWN = (
    *(Row.ALONE, Row.FEDAVG, Row.FEDPROX, Row.PERSONAL, Row.CHOSEN, Row.POOLED, Row.POOLED_ALL),
    *(Row.OTHERS, Row.NEWCOMER),
)


@dataclass(frozen=True)
class Spread:
    """Over seeds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """None of nothing."""
        return cls(median(values), min(values), max(values)) if values else None


@dataclass(frozen=True)
class Line:
    """A row: cost above the bound, as shares; each seed counts with the mean over members.

    Attributes:
        own: On a member's own workloads; for models of several members the mean over these.
        all: Over all members' workloads alike; of recorded series on those that no member has.
        exceeded: Windows with use above the request, in the exams of `all`.
        held: Request over typical peak, in the exams of `all`.
    """

    row: Row
    seeds: int
    own: Spread | None
    all: Spread | None
    exceeded: Spread | None
    held: Spread | None


@dataclass(frozen=True)
class Difference:
    """A member's own model in a seed: by how much its cost above the bound, on own workloads, is above that alone."""

    seed: int
    member: str
    above_alone: float


@dataclass(frozen=True)
class Report:
    """Everything that is shown.

    Attributes:
        recovered: Share of what pooling with all members' budget gives over being alone, on `all`, that a federation's
            model has; by its row. Of seeds in which pooling gives anything.
        against_alone: Members' own models compared with being alone, by their row.
    """

    members: Sequence[str]
    lines: Sequence[Line]
    recovered: Mapping[Row, Spread]
    against_alone: Mapping[Row, Sequence[Difference]]

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "members": list(self.members),
            "rows": [asdict(line) for line in self.lines],
            "recovered": {row: asdict(share) for row, share in self.recovered.items()},
            "against_alone": {row: [asdict(each) for each in found] for row, found in self.against_alone.items()},
        }


class Scores:
    """Looks up scores of what has ended.

    Args:
        found: By row.
        members: All of them.
        unseen: The exam that stands for all workloads; None: the mean over all members' exams does.
    """

    def __init__(self, found: Found, members: Sequence[Member], unseen: str | None) -> None:
        self._found = found
        self._names = [member.name for member in members]
        self._everywhere = [unseen] if unseen else self._names

    def seeds(self, row: Row) -> list[int]:
        """For which there is any."""
        return sorted({planned.seed for planned, _ in self._found.get(row, ())})

    def own(self, row: Row, seed: int) -> dict[str, float]:
        """Cost above the bound on own workloads, by member; of those that a model was made for."""
        found = {}
        for planned, scores in self._of(row, seed):
            mine = [planned.left_out] if row is Row.OTHERS else planned.members
            found.update({self._names[each]: scores[self._names[each]].above for each in mine})
        return found

    def everywhere(self, row: Row, seed: int, part: str = "above") -> float:
        """The mean over all workloads and models."""
        of_models = (fmean(getattr(scores[e], part) for e in self._everywhere) for _, scores in self._of(row, seed))
        return fmean(of_models)

    def _of(self, row: Row, seed: int) -> list[tuple[Planned, Mapping[str, Score]]]:
        return [each for each in self._found.get(row, ()) if each[0].seed == seed]


def report_of(found: Found, members: Sequence[Member], unseen: str | None) -> Report:
    """The report on what has ended so far; a seed counts in a row once all its models are there."""
    names = [member.name for member in members]
    scores = Scores(with_choices(found, names), members, unseen)
    whole = {row: [seed for seed in scores.seeds(row) if _is_whole(scores, row, seed, names)] for row in _SHOWN}
    lines = [
        Line(
            row,
            len(whole[row]),
            Spread.of([fmean(scores.own(row, seed).values()) for seed in whole[row]]),
            *(
                Spread.of([scores.everywhere(row, seed, part) for seed in whole[row]])
                for part in ("above", "exceeded", "held")
            ),
        )
        for row in _SHOWN
        if whole[row]
    ]
    both = [seed for seed in whole[Row.ALONE] if seed in whole[Row.POOLED_ALL]]
    base = [seed for seed in both if scores.everywhere(Row.ALONE, seed) > scores.everywhere(Row.POOLED_ALL, seed)]
    recovered = {
        row: spread
        for row in (Row.FEDAVG, Row.FEDPROX, Row.POOLED)
        if (spread := Spread.of([_recovered(scores, row, seed) for seed in base if seed in whole[row]]))
    }
    against_alone = {
        row: [
            Difference(seed, name, scores.own(row, seed)[name] - scores.own(Row.ALONE, seed)[name])
            for seed in whole[row]
            if seed in whole[Row.ALONE]
            for name in names
        ]
        for row in (Row.PERSONAL, Row.CHOSEN)
        if whole[row]
    }
    return Report(names, lines, recovered, against_alone)


def _is_whole(scores: Scores, row: Row, seed: int, names: Sequence[str]) -> bool:
    return len(scores.own(row, seed)) == (1 if row in (Row.OTHERS, Row.NEWCOMER) else len(names))


def _recovered(scores: Scores, row: Row, seed: int) -> float:
    alone, pooled = scores.everywhere(Row.ALONE, seed), scores.everywhere(Row.POOLED_ALL, seed)
    return (alone - scores.everywhere(row, seed)) / (alone - pooled)


def draw(report: Report, scores: Scores, path: Path, bound: str) -> None:
    """Draw every row's cost on own and on all workloads, and every member's own cost in four rows.

    Raises:
        AgentError: The file cannot be written.
    """
    from matplotlib.figure import Figure

    from runner.training.curves import save

    figure = Figure(figsize=(11, 5), dpi=120, layout="constrained")
    left, right = figure.subplots(1, 2)
    for place, line in enumerate(reversed(report.lines)):
        for spread, colour, label in ((line.own, "C0", "own workloads"), (line.all, "C1", "all workloads")):
            if spread is not None:
                low, middle, high = (100 * each for each in (spread.least, spread.median, spread.most))
                left.plot([low, high], [place, place], color=colour, linewidth=2, alpha=0.5)
                left.plot(middle, place, "o", color=colour, label=label if place == 0 else None)
    left.set_yticks(range(len(report.lines)), [line.row.value for line in reversed(report.lines)])
    left.set_xlim(left=0)
    left.set_xlabel(f"cost above {bound} (%): median and range of seeds")
    left.grid(alpha=0.3)
    left.legend(fontsize="small")
    rows = [row for row in (Row.ALONE, Row.FEDAVG, Row.PERSONAL, Row.POOLED_ALL) if scores.seeds(row)]
    for number, row in enumerate(rows):
        own = [scores.own(row, seed) for seed in scores.seeds(row)]
        for place, name in enumerate(report.members):
            values = [100 * each[name] for each in own if name in each]
            if values:
                right.bar(
                    place + 0.2 * (number - 1.5),
                    median(values),
                    0.19,
                    color=f"C{number}",
                    label=row.value if place == 0 else None,
                )
    right.set_xticks(range(len(report.members)), list(report.members), rotation=30)
    right.set_ylabel(f"on own workloads, above {bound} (%)")
    right.grid(alpha=0.3, axis="y")
    right.legend(fontsize="small")
    save(figure, path)
