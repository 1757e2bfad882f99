"""What a federation's newest global model does greedily, by type of problem, beside rules: played where it is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.report.page import Cell, Column, Section, Table

if TYPE_CHECKING:
    from agents.agent import Agent
    from runner.evaluation.evaluate import Score
    from runner.training.trainee import Evaluator


@dataclass(frozen=True)
class Evaluation:
    """Greedy episodes on fixed problems.

    Attributes:
        problems, solved: what was played, and what counts as solved, in words.
        scores: of the global model, by type of problem; the last one is of all.
        baselines: of rules and, where it is known, the optimum: solved share, mean steps and mean return by name.
    """

    problems: str
    solved: str
    scores: Sequence[Score]
    baselines: Mapping[str, tuple[float, float, float]]

    @property
    def returns(self) -> dict[str, float]:
        """The baselines' mean returns."""
        return {name: values[2] for name, values in self.baselines.items()}


def play(agent: Agent, evaluator: Evaluator, problems: str) -> Evaluation:
    """Play the model and the baselines, some seconds in all; errors as of `runner.evaluation.evaluate`."""
    rows = {name: evaluator.baseline(name, lambda: False) for name in evaluator.baselines}
    shown = {name: (row["solved_rate"], row["mean_steps"], row["mean_return"]) for name, row in rows.items()}
    return Evaluation(problems, evaluator.solved, _scores(agent, evaluator), shown)


def _scores(agent: Agent, evaluator: Evaluator) -> Sequence[Score]:
    """By type of problem, where there are several; then of all."""
    from runner.evaluation.evaluate import TOTAL, Score, evaluate
    from runner.training.validation import SEED, Validation

    if isinstance(evaluator, Validation):
        return evaluate(agent, evaluator.scenarios, evaluator.max_steps, SEED, reward=evaluator.reward)
    row = evaluator.score(agent, lambda: False)
    solved = round(row["n"] * row["solved_rate"])
    return [Score(TOTAL, row["n"], solved, row["mean_steps"], row["mean_return"])]


def section(found: Evaluation) -> Section:
    """The evaluation as a section of a page."""
    columns = [
        Column("type of problem"),
        Column("problems", "number"),
        Column("solved", "share"),
        Column("mean steps", "number", "an unsolved one counts with the limit"),
        Column("mean return", "number"),
    ]
    rows: list[list[Cell]] = [
        [score.problem, score.n, score.solved_rate, score.mean_steps, score.mean_return] for score in found.scores
    ]
    about = f"Greedy episodes on {found.problems}. Solved: {found.solved}."
    by_type = Table("Global model by type of problem", columns, rows, about)
    return Section("evaluation", "Evaluation", [by_type, _beside(found)])


def _beside(found: Evaluation) -> Table:
    total = found.scores[-1]
    values = {"global model": (total.solved_rate, total.mean_steps, total.mean_return), **found.baselines}
    best = found.baselines.get("optimum")
    columns = [
        Column("who"),
        Column("solved", "share"),
        Column("mean steps", "number"),
        *([Column("steps over optimum", "number", "mean steps, less those of the shortest solutions")] if best else []),
        Column("mean return", "number"),
    ]
    rows: list[list[Cell]] = [
        [name, solved, steps, *([None if steps is None else steps - best[1]] if best else []), reward]
        for name, (solved, steps, reward) in values.items()
    ]
    return Table("Beside others, on the same problems", columns, rows)
