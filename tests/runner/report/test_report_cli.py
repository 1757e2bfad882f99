"""`sim-arena report`: where the page goes, what is printed, what is refused."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from typer.testing import CliRunner

from env.errors import ConfigError
from infra.commands import app
from runner.report import library

from .conftest import MakeRun

cli = CliRunner()


def test_the_page_of_a_run_goes_into_its_folder_and_replaces_an_older_one(make_run: MakeRun) -> None:
    folder = make_run()
    (folder / "report.html").write_text("old")
    result = cli.invoke(app, ["report", str(folder)])
    assert result.exit_code == 0
    assert result.stdout.startswith("dqn solves 98.0")
    assert (folder / "report.html").read_text().startswith("<!doctype html>")


def test_json_names_the_file_and_the_verdict(make_run: MakeRun, tmp_path: Path) -> None:
    to = tmp_path / "page.html"
    result = cli.invoke(app, ["report", str(make_run("one")), str(make_run("two", seed=1)), "--to", str(to), "--json"])
    document = json.loads(result.stdout)
    assert document["report"] == str(to)
    assert document["bytes"] == to.stat().st_size
    assert document["title"] == "2 trainings side by side"


def test_what_a_report_cannot_be_of_is_refused(make_run: MakeRun, tmp_path: Path) -> None:
    for paths in (["nowhere"], [str(tmp_path)], [str(make_run()), "nowhere"]):
        assert isinstance(cli.invoke(app, ["report", *paths, "--to", str(tmp_path / "x.html")]).exception, ConfigError)
    assert not (tmp_path / "x.html").exists()


def test_without_the_chart_library_the_error_says_what_to_install(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    library.chart_library.cache_clear()
    monkeypatch.setattr(library, "distribution", missing)
    error = cli.invoke(app, ["report", str(make_run())]).exception
    assert str(error) == "reports need the package plotly: pip install 'sim-arena[report]'"
