"""`sim-arena report`: trainings, a benchmark or an evaluation as one HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from env.errors import ConfigError
from runner.commands.console import check_place, note, out, print_json
from runner.options import completion
from runner.options.flatten import flattened
from runner.options.output import OutputChoice

if TYPE_CHECKING:
    from runner.report.page import Page

_FILE = "report.html"


@flattened
def report(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            help="Folders of trainings, compared if there are several; or one folder of a benchmark; or one file that "
            "evaluate --json has printed.",
            autocompletion=completion.files,
        ),
    ],
    output: OutputChoice,
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help=f"The page. Default: {_FILE} in the one folder that is named, else in this one. It is replaced.",
        ),
    ] = None,
) -> None:
    """Write trainings, a benchmark or an evaluation as one HTML page.

    The page needs nothing else: no server, no network. On it are learning curves beside baselines, evaluations by kind
    of problem, settings that differ, and the commands and hashes to make it again. Needs the package plotly:
    pip install 'sim-arena[report]'.
    """
    from agents.saved.files import write_atomic
    from runner.report.html import render

    place = to if to is not None else _beside(paths)
    check_place(place, "--to")
    page = _page(paths)
    data = render(page).encode()
    write_atomic(place, data)
    if output.as_json:
        print_json({"report": str(place), "bytes": len(data), "title": page.title, "verdict": page.verdict})
    else:
        out.print(page.verdict, markup=False, highlight=False)
        note(f"report {place}: {len(data) / 1e6:.1f} MB; open it in a browser", whole=True)


def _beside(paths: Sequence[Path]) -> Path:
    """In the folder that is named, or beside the file."""
    if len(paths) != 1:
        return Path(_FILE)
    return paths[0] / _FILE if paths[0].is_dir() else paths[0].parent / _FILE


def _page(paths: Sequence[Path]) -> Page:
    """By what is there.

    Raises:
        ConfigError: None of what a report can be of.
    """
    from runner.benchmark import folder as benchmark
    from runner.report.benchmark import benchmark_page
    from runner.report.evaluation import evaluation_page
    from runner.report.made import made
    from runner.report.run_data import read_run
    from runner.report.runs import runs_page

    for path in paths:
        if not path.exists():
            raise ConfigError(f"{path}: is not there")
    first = paths[0]
    is_benchmark = (first / benchmark.CONFIG).is_file()
    is_evaluation = first.is_file() and first.suffix == ".json"
    if not (is_benchmark or is_evaluation):
        return runs_page([read_run(path) for path in paths], made())
    if len(paths) > 1:
        raise ConfigError(f"{first}: only trainings can be compared; name one benchmark or one evaluation alone")
    return benchmark_page(first, made()) if is_benchmark else evaluation_page(first, made())
