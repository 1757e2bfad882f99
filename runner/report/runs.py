"""The page of one training, or of several side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from env.words import count
from runner.evaluation.intervals import share
from runner.report.cells import duration
from runner.report.cells import number as digits
from runner.report.documents import number
from runner.report.page import Facts, Page, Part, Section
from runner.report.run_charts import charts
from runner.report.run_data import RunData, capitalized, solved_words
from runner.report.run_tables import again, by_problem, evaluations, settings
from runner.training.validation import best


def runs_page(runs: Sequence[RunData], made: str) -> Page:
    """The page of some trainings, of which there is at least one."""
    if len(runs) == 1:
        title = f"{_agent(runs[0])} in {runs[0].config.get('env', 'cluster').capitalize()}-v0: {runs[0].name}"
        result: list[Part] = [_result(runs[0])]
    else:
        title, result = f"{count(len(runs), 'training')} side by side", []
    sections = [
        Section("learning", "Learning", [*result, *charts(runs)]),
        Section("evaluation", "Evaluation", [*evaluations(runs), *by_problem(runs)]),
        Section("settings", "Settings", settings(runs)),
        Section("again", "Make it again", again(runs)),
    ]
    return Page(title, verdict(runs), [section for section in sections if section.parts], made)


def verdict(runs: Sequence[RunData]) -> str:
    """What came of it, in one sentence."""
    scored = [(run, run.metrics.evaluations[-1]) for run in runs if run.metrics.evaluations]
    if not scored:
        done = ", ".join(f"{run.name} has trained for {_progress(run)}" for run in runs[:3])
        return f"Nothing was evaluated: {done}{' …' if len(runs) > 3 else ''}."
    if len(runs) == 1:
        run, row = scored[0]
        state = "" if run.summary else "Not finished: "
        return f"{state}{_agent(run)} {_score(run, row)} after {_progress(run)}{_better_before(run, row)}."
    ranked = sorted(scored, key=lambda pair: (pair[1]["solved_rate"], pair[1]["mean_return"]))
    (last, least), (first, top) = ranked[0], ranked[-1]
    if least["solved_rate"] == top["solved_rate"]:
        return f"All of {count(len(scored), 'training')} come to the same share: {first.name} {_score(first, top)}."
    return (
        f"{first.name} comes out best of {count(len(scored), 'training')}: it {_score(first, top)}; "
        f"{last.name} comes out last, with {_percent(least['solved_rate'])}."
    )


def _score(run: RunData, row: Mapping[str, Any]) -> str:
    if meant := run.solved_as:
        played = count(int(row["n"]), meant.problem)
        return f"{meant.verb} {meant.words} on {_percent(row['solved_rate'])} of {played} that it never trained on"
    fewest = run.fewest_steps
    beside = f" (the fewest possible are {fewest:.2f})" if fewest is not None else ""
    problems = count(int(row["n"]), "validation problem")
    return f"solves {_percent(row['solved_rate'])} of {problems} in {row['mean_steps']:.2f} steps on average{beside}"


def _better_before(run: RunData, row: Mapping[str, Any]) -> str:
    top = best(run.metrics.evaluations)
    if top["solved_rate"] <= row["solved_rate"]:
        return ""
    return f"; its best evaluation, after {run.unit} {top['episode']:,}, came to {_percent(top['solved_rate'])}"


def _progress(run: RunData) -> str:
    done = int(run.number[-1]) if len(run.number) else 0
    total = run.config.get(f"{run.unit}s", "")
    if not run.summary and total.isdecimal() and len(total) < 16:
        return f"{done:,} of {count(int(total), run.unit)}"
    return count(done, run.unit)


def _percent(value: float) -> str:
    return f"{100 * value:.1f}\u202f%"


def _agent(run: RunData) -> str:
    return run.config.get("agent", "agent")


def _result(run: RunData) -> Facts:
    summary = run.summary
    pairs = [("Trained for", _progress(run))]
    if run.metrics.evaluations:
        row = run.metrics.evaluations[-1]
        found = share(round(row["solved_rate"] * row["n"]), int(row["n"]))
        reach = f" ({_percent(found.low or 0.0)} to {_percent(found.high or 1.0)})" if found else ""
        pairs.append((capitalized(solved_words([run])), f"{_percent(row['solved_rate'])}{reach}"))
        pairs.append(("Mean return, greedy", digits(row["mean_return"])))
        if run.fewest_steps is not None:
            pairs.append(("Steps over optimum", digits(row["mean_steps"] - run.fewest_steps)))
    if "env_steps" in summary:
        pairs.append(("Environment steps", digits(number(summary["env_steps"]))))
    if "wall_s" in summary:
        pairs.append(("Time", duration(number(summary["wall_s"]))))
    if "env_steps_per_s" in summary:
        pairs.append(("Environment steps a second", digits(number(summary["env_steps_per_s"]))))
    if summary.get("stopped_early"):
        pairs.append(("Ended early", str(summary["stopped_early"])))
    return Facts("Result", pairs)
