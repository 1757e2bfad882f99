"""What `sim-arena suggest` says about all workloads: a table, worst first, and the verdict of all proposals."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from env.errors import UsageError
from env.printable import one_line
from env.words import count
from runner.commands import tables
from runner.commands.console import Exit, err, fail, note, out, print_json, print_lines
from runner.commands.fitted import FittedTable
from runner.commands.interrupt import interruptible
from runner.commands.suggest_tests import draw_tests, requests_now, show_tests, tests_of

if TYPE_CHECKING:
    from agents.agent import Agent
    from env.trace.document import Manifest
    from env.workload import WorkloadRef
    from runner.commands.suggest_source import Source
    from runner.options.workload import ReplayChoice
    from runner.suggest.kustomization import Change
    from runner.suggest.rows import Answer, Row

_MOST_LINES = 12  # of what is no part of the verdict
_MOST_SHOWN = 8_000  # characters of rows, and of commands, on a terminal: more would scroll the worst away
_LONGEST_NAME = 80  # of a workload in a message


@dataclass(frozen=True)
class Printed:
    """How the answer is told.

    Attributes:
        as_json: As one JSON document.
        markdown: As Markdown.
        patch_dir: A new folder that patches are written to; None: none are.
        fail_on_not_ready: The exit code says whether all is Ready as given.
        picture: A .png file that weeks of use are drawn in; None: none is.
    """

    as_json: bool = False
    markdown: bool = False
    patch_dir: Path | None = None
    fail_on_not_ready: bool = False
    picture: Path | None = None

    @property
    def is_plain(self) -> bool:
        """Whether one workload can be told like this, too."""
        return not (self.markdown or self.patch_dir or self.fail_on_not_ready or self.picture)


def suggest_all(
    source: Source,
    replay: ReplayChoice,
    player: Agent,
    steps: int,
    printed: Printed,
    *,
    only: WorkloadRef | None,
    lower: bool,
) -> None:
    """Find what would make all workloads Ready, print it, and leave with its exit code.

    Args:
        source: The workloads.
        replay: How long is replayed, and of which namespace.
        player: Who proposes.
        steps: The most steps for one workload.
        printed: How it is told.
        only: Of which workload alone; None: of all.
        lower: See `runner.suggest.answer.Question`.
    """
    from rich.markup import escape

    from env.problems.scenario import assumed_nodes
    from runner.suggest.answer import Question, answer
    from runner.suggest.backtest.texts import document as tests_document
    from runner.suggest.backtest.texts import markdown as tests_markdown
    from runner.suggest.texts import document, markdown

    question = Question(
        source.trace,
        source.nodes or assumed_nodes(source.trace),
        replay.duration,
        source.usage,
        {(each.key.kind, each.key.namespace, each.key.name): each for each in source.now},
        replay.namespace,
        only,
        lower,
    )
    with (
        quiet(source.trace.name),
        interruptible("nothing was found by then") as should_stop,
        err.status("replaying", refresh_per_second=4) as status,
    ):

        def tell(done: int, total: int, title: str) -> None:
            status.update(f"{done + 1} of {total}: {escape(one_line(title, _LONGEST_NAME))}")

        found = answer(question, player, steps, should_stop=should_stop, on_progress=tell)
    if not found.rows:
        where = f" in namespace {replay.namespace}" if replay.namespace is not None else ""
        raise UsageError(f"{source.name}: no workloads{where}")
    said, tests = _facts(found, source), tests_of(found.rows, source.tests)
    if printed.as_json:
        skipped = [{"kind": each.kind, "name": each.name, "why": each.why} for each in source.skipped]
        notes = list(source.usage.notes)
        print_json(
            {
                **document(found),
                **said,
                "assumed_nodes": source.nodes is None,
                "backtests": tests_document(tests),
                "skipped": skipped,
                "notes": notes,
            }
        )
    elif printed.markdown:
        beside = _beside(found, source)
        print_lines(markdown(found, said, beside) + tests_markdown(tests, requests_now(source.trace)))
    else:
        _show(found, said, source)
    draw_tests(printed.picture, tests, requests_now(source.trace))
    if printed.patch_dir is not None and found.proposals:
        _write(printed.patch_dir, found, source)
    _leave(found, source, fail_on_not_ready=printed.fail_on_not_ready)


@contextmanager
def quiet(trace: str) -> Iterator[None]:
    """Keep a log line of every trace that is tried out of the way: the answer says what was not simulated."""
    logger, start = logging.getLogger("env.embedded.cluster"), f"trace {trace}: not simulated: "

    def is_else(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith(start)

    logger.addFilter(is_else)
    try:
        yield
    finally:
        logger.removeFilter(is_else)


def _facts(found: Answer, source: Source) -> dict[str, str]:
    """Where the workloads are from, where they run, and how many are not Ready."""
    from runner.suggest.texts import requested

    facts = {
        "source": source.name,
        "nodes": str(found.nodes) + ("; assumed, give yours with --nodes" if source.nodes is None else ""),
        "requested": requested(found),
        "not ready": f"{len(found.failing)} of {count(len(found.rows), 'workload')}",
    }
    if source.usage.uses:
        known = ", ".join(sorted({each.source for each in source.usage.uses.values()}))
        few = f"; of {count(len(found.unknown), 'container')} not known" if found.unknown else ""
        facts["use"] = f"by {known}{few}"
    return facts


def _show(found: Answer, facts: Mapping[str, str], source: Source) -> None:
    tables.show_facts(facts)
    for line in _beside(found, source):
        out.print(line, markup=False, highlight=False)
    told = [row for row in found.rows if row.has_something]
    if told:
        from runner.suggest.texts import cells

        most = _most([" ".join(cells(row)) for row in told])
        out.print()
        tables.show(_table(told[:most]))
        _say_more(len(told) - most, "workload")
    show_tests(tests_of(found.rows, source.tests), requests_now(source.trace))
    if found.proposals:
        from runner.suggest.texts import caution, commands, verdict

        out.print()
        for line in filter(None, (verdict(found), caution(found))):
            out.print(line, markup=False, highlight=False)
        every = commands(found)
        most = _most(every)
        for command in every[:most]:
            out.print(command, markup=False, highlight=False, soft_wrap=True)
        _say_more(len(every) - most, "command")


def _most(texts: Sequence[str]) -> int:
    """How many of them are shown."""
    if not out.is_terminal:
        return len(texts)
    return max(1, sum(length <= _MOST_SHOWN for length in accumulate(map(len, texts))))


def _say_more(number: int, noun: str) -> None:
    if number > 0:
        out.print(f"and {count(number, noun)} more; a pipe, --json and --patch-dir have all", highlight=False)


def _beside(found: Answer, source: Source) -> list[str]:
    """What is no part of the verdict, a line each."""
    lines = [f"left out: {each}" for each in source.skipped if each.matters]
    lines += [f"not simulated: {each}" for each in found.left_out]
    lines += [f"use: {each}" for each in source.usage.notes]
    more = len(lines) - _MOST_LINES
    return lines if more <= 0 else [*lines[:_MOST_LINES], f"and {more} more; --json has all"]


def _table(rows: Sequence[Row]) -> FittedTable:
    from rich.markup import escape

    from runner.suggest.texts import TITLES, cells, short_cells

    table = FittedTable(*TITLES)
    for row in rows:
        forms = zip(map(escape, cells(row)), map(escape, short_cells(row)), strict=True)
        table.add_row(*(long if long == short else (long, short) for long, short in forms))
    return table


def _write(folder: Path, found: Answer, source: Source) -> None:
    """Write the patches for `kubectl apply -k`, and say how to apply them."""
    from runner.suggest.kustomization import Change, apply_command, files, write

    changes = [Change(row.before.workload, row.patch) for row in found.proposals if row.patch is not None]
    given = _originals(source.files, changes)
    try:
        write(folder, files(changes, given))
    except OSError as error:
        raise UsageError(f"--patch-dir {folder}: cannot be written ({error.strerror})") from error
    note(f"wrote {folder}; to apply it: {apply_command(shlex.quote(str(folder)), changes, given)}", whole=True)


def _originals(paths: Sequence[str], changes: Sequence[Change]) -> dict[WorkloadRef, Manifest]:
    """The manifests of the workloads that change, as they were written; standard input cannot be read again."""
    from env.snapshot.files import STDIN, read_texts
    from env.snapshot.manifests import DEFAULT_NAMESPACE
    from env.snapshot.placed import placed_objects

    if not paths or STDIN in paths:
        return {}
    wanted = {(ref.kind, ref.namespace, ref.name): ref for ref, _ in changes}
    found: dict[WorkloadRef, Manifest] = {}
    for placed in placed_objects(read_texts(paths)[0], []):
        name, namespace = placed.metadata.get("name"), placed.metadata.get("namespace") or DEFAULT_NAMESPACE
        ref = wanted.get((placed.kind, str(namespace), str(name)))
        if ref is not None:
            found[ref] = placed.manifest
    return found


def _leave(found: Answer, source: Source, *, fail_on_not_ready: bool) -> None:
    """Leave with the exit code, and say why where it is not 0."""
    if fail_on_not_ready:
        if found.failing:
            fail(f"{count(len(found.failing), 'workload')} not Ready as given: {_names(found.failing)}")
        return
    if found.staying:
        beside = " with all that is proposed" if found.proposals else ""
        fail(f"{count(len(found.staying), 'workload')} not Ready{beside}: {_names(found.staying)}")
    if not found.failing and not found.proposals:
        was = [
            *(["left out"] if any(each.matters for each in source.skipped) else []),
            *(["not simulated"] if found.left_out else []),
        ]
        but = f"; what was {' or '.join(was)} may be" if was else ""
        fail(f"{count(len(found.rows), 'workload')}: nothing is wrong{but}; nothing to do", Exit.NOTHING_TO_DO)


def _names(rows: Sequence[Row]) -> str:
    names = [one_line(str(row.before.workload), _LONGEST_NAME) for row in rows]
    return ", ".join(names[:_MOST_LINES]) + (
        f" and {len(names) - _MOST_LINES} more" if len(names) > _MOST_LINES else ""
    )
