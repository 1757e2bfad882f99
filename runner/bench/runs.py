"""Many trainings, a few at a time in processes of their own; what was finished is kept, and not done again."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from itertools import count, islice
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from agents.saved.files import read_bounded, write_atomic
from env.errors import ConfigError
from runner.bench.exam import ExamResult, Summary
from runner.commands.console import Exit, fail, progress_bars

R = TypeVar("R")
_OUTCOME = TypeAdapter(ExamResult)


def run_all(
    train: Callable[[R], ExamResult],
    runs: Sequence[R],
    *,
    jobs: int = 1,
    results: Path | None = None,
    on_done: Callable[[], None] = lambda: None,
) -> list[ExamResult]:
    """The outcome of every run, in their order.

    Args:
        train: Does one; a function of a module, so that another process can import it.
        runs: Frozen dataclasses that hold all that an outcome depends on, but for the program itself.
        jobs: How many at a time. With 1 they run in this process.
        results: A JSON Lines file of outcomes. Those in it are taken from there, and new ones are added.
        on_done: Called once for each of `runs` that is known, equal ones together once.

    Raises:
        ConfigError: a damaged file of results.
    """
    known = read_results(results) if results is not None and results.exists() else {}
    wanted = {key_of(run): run for run in runs}
    todo = {key: run for key, run in wanted.items() if key not in known}
    for _ in range(len(wanted) - len(todo)):
        on_done()
    for key, outcome in _each(train, todo, jobs):
        known[key] = outcome
        if results is not None:
            write_results(results, known)
        on_done()
    return [known[key_of(run)] for run in runs]


def run_groups(
    train: Callable[[R], ExamResult], groups: Mapping[str, Sequence[R]], jobs: int, results: Path | None
) -> dict[str, list[ExamResult]]:
    """The outcomes of named groups of runs, see `run_all`; with a progress bar on stderr, where that is a terminal."""
    runs = [run for group in groups.values() for run in group]
    total, done = len({key_of(run) for run in runs}), count(1)
    with progress_bars() as tell:
        tell("training", 0, total)
        try:
            outcomes = iter(
                run_all(train, runs, jobs=jobs, results=results, on_done=lambda: tell("training", next(done), total))
            )
        except KeyboardInterrupt:
            hint = "nothing was kept; see --results" if results is None else f"the same command goes on from {results}"
            fail(f"interrupted; {hint}", Exit.INTERRUPTED)
    return {name: list(islice(outcomes, len(group))) for name, group in groups.items()}


def as_json(groups: Mapping[str, Sequence[Any]], outcomes: Mapping[str, Sequence[ExamResult]]) -> dict[str, Any]:
    """By name: the summary of the group's outcomes, and every run with its own."""
    return {
        name: {
            **asdict(Summary.of(outcomes[name])),
            "trainings": [
                {**asdict(run), **asdict(outcome), "env_steps_to_95": outcome.env_steps_to_95}
                for run, outcome in zip(group, outcomes[name], strict=True)
            ],
        }
        for name, group in groups.items()
    }


def key_of(run: Any) -> str:
    """What tells a run from all others: its fields, as one line of JSON."""
    return json.dumps({"run": type(run).__name__, **asdict(run)}, sort_keys=True)


def read_results(path: Path) -> dict[str, ExamResult]:
    """Outcomes by `key_of`, from a file that `write_results` wrote.

    Raises:
        ConfigError: naming the first line that is anything else.
    """
    known = {}
    for number, line in enumerate(read_bounded(path).splitlines(), start=1):
        try:
            row = json.loads(line)
            known[json.dumps(row["of"], sort_keys=True)] = _OUTCOME.validate_python(row["outcome"])
        except (ValueError, TypeError, KeyError, RecursionError, ValidationError) as error:
            raise ConfigError(f"--results {path}: line {number} holds no outcome; name another file") from error
    return known


def write_results(path: Path, known: dict[str, ExamResult]) -> None:
    """Replace the file; a line for each outcome. AgentError if it cannot be written."""
    rows = ({"of": json.loads(key), "outcome": asdict(outcome)} for key, outcome in known.items())
    write_atomic(path, "".join(json.dumps(row) + "\n" for row in rows).encode())


def _each(train: Callable[[R], ExamResult], todo: dict[str, R], jobs: int) -> Iterator[tuple[str, ExamResult]]:
    """Keys and outcomes as they come."""
    if jobs == 1:
        for key, run in todo.items():
            yield key, train(run)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy the threads' locks, not the threads
    with ProcessPoolExecutor(min(jobs, max(1, len(todo))), context, initializer=_child) as pool:
        futures = {pool.submit(train, run): key for key, run in todo.items()}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()  # it would go on for minutes
            raise


def _child() -> None:
    """Leave Ctrl-C to the parent, and end with it however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
