"""A whole run: every attempt that has no row yet, each in its turn, until all are there or something ends it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from env.errors import SimArenaError
from runner.benchmark.attempt import Contestant, Rules
from runner.benchmark.budget import Amounts
from runner.benchmark.families import Family
from runner.benchmark.folder import BenchmarkFolder, RunConfig
from runner.benchmark.markdown import markdown
from runner.benchmark.players import LLM
from runner.benchmark.report import Document, report
from runner.benchmark.rows import AttemptRow, append_rows
from runner.benchmark.scenarios import AnyScenario
from runner.benchmark.threads import in_threads
from runner.benchmark.transcript import Transcript

Attempt = tuple[AnyScenario, int]
OnProgress = Callable[[str, int, int], object]

MOST_AWAY = 8
"""Infrastructure errors one after the other that end a run: each may have waited for minutes."""


class StaysAway(SimArenaError):
    """Provider or cluster do not come back; what is missing can be played later."""


def players(family: Family, config: RunConfig) -> list[str]:
    """Who plays beside the model, in order."""
    return [*family.players, *([family.model] if family.model is not None and config.agent is not None else [])]


def planned(scenarios: Sequence[AnyScenario], attempts: int) -> list[Attempt]:
    """All attempts of an agent: the first at every scenario, then the second, so that a run that ends early has as many
    of each."""
    return [(scenario, number) for number in range(1, attempts + 1) for scenario in scenarios]


def missing(rows: Sequence[AttemptRow], agent: str, scenarios: Sequence[AnyScenario], attempts: int) -> list[Attempt]:
    """The attempts of an agent that say nothing of it yet: without a row, or ended by something that was away."""
    there = {row.key for row in rows if row.counts}
    return [(scenario, number) for scenario, number in planned(scenarios, attempts)
            if (agent, scenario.name, number) not in there]  # fmt: skip


def already_spent(folder: BenchmarkFolder, scenarios: Sequence[AnyScenario], attempts: int) -> Amounts:
    """What earlier times have spent, see `Transcript.spent`."""
    spent = (
        Transcript(folder.transcript(scenario.name, number)).spent for scenario, number in planned(scenarios, attempts)
    )
    return sum(spent, Amounts())


def play_missing(
    folder: BenchmarkFolder,
    scenarios: Sequence[AnyScenario],
    contestant: Contestant,
    rules: Rules,
    jobs: int,
    on_progress: OnProgress = lambda what, done, total: None,
) -> None:
    """Play all attempts that are missing, the other agents' first, and write a row of each as it ends.

    Args:
        folder: Locked.
        jobs: Attempts of the model at the same time.

    Raises:
        ProviderRefused: The provider does not take such requests.
        BudgetSpent: The next request could exceed the budget.
        StaysAway: `MOST_AWAY` attempts one after the other ended with an infrastructure error.
        Stopped: `rules.should_stop` turned true.
        OutputError: A row cannot be written.
    """
    rows, family, config = folder.rows(), folder.family(), folder.config()
    file = None if config.agent is None else Path(config.agent)
    # Other agents cost seconds in this process, and would cost hours in real time.
    here = replace(rules, cluster=None)
    for name in players(family, config):
        todo = missing(rows, name, scenarios, rules.attempts)
        if todo:
            play_other = family.player(name, file if name == family.model else None)
            append_rows(folder.rows_file, [play_other(each, number, here) for each, number in todo])
    todo = missing(rows, LLM, scenarios, rules.attempts)
    total = len(scenarios) * rules.attempts
    ended = threading.Event()
    obeying = replace(rules, should_stop=lambda: ended.is_set() or rules.should_stop())

    def play(attempt: Attempt) -> AttemptRow:
        scenario, number = attempt
        return family.play_model(contestant, scenario, number, obeying, folder.transcript(scenario.name, number))

    on_progress("attempts", total - len(todo), total)
    away = 0
    with closing(in_threads(play, todo, jobs, ended)) as played:
        for done, row in enumerate(played, start=total - len(todo) + 1):
            append_rows(folder.rows_file, [row])
            on_progress("attempts", done, total)
            away = 0 if row.counts else away + 1
            if away == MOST_AWAY and done < total:
                raise StaysAway(f"{MOST_AWAY} attempts one after the other could not be played: {row.error}")


def report_of(folder: BenchmarkFolder) -> Document:
    """The report of what is in the folder; there is at least one row.

    Raises:
        ConfigError: Rows, transcripts or what was asked for hold something else.
    """
    rows, config = folder.rows(), folder.config()
    there = {(row.scenario, row.attempt) for row in rows if row.agent == LLM}
    begun = (
        folder.transcript(name, number)
        for name in config.scenarios
        for number in range(1, config.attempts + 1)
        if (name, number) not in there
    )
    return report(rows, [Transcript(path).cost for path in begun if path.exists()], folder.family().reported)


def write_report(folder: BenchmarkFolder) -> None:
    """Make report and pictures, if there are any rows.

    Raises:
        OutputError: A file cannot be written.
    """
    rows = folder.rows()
    if not rows:
        return
    document, family = report_of(folder), folder.family()
    folder.write_report(document, markdown(document, family.wording))
    family.draw(folder.path, document, rows)
