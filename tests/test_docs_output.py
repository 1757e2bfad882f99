"""What the docs show as the output of a command is what it prints, spaces at the ends of lines aside."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import msgpack
import pytest

from env.problems.generate import generate_scenario
from infra.commands import app
from runner.commands.console import run

ROOT = Path(__file__).parent.parent
QUICK = re.compile(r"sim-arena (episode|plan|step|suggest|trace) ")
NEEDS_TRACES = ("suggest.md",)

Printed = Callable[[str], list[str]]


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Printed:
    """Runs a command line in a folder with the files that the docs take for granted; the lines that it prints."""
    monkeypatch.chdir(tmp_path)
    for folder in ("agents", "docs"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    events = generate_scenario("combined", 13).trace.events
    (tmp_path / "old.msgpack").write_bytes(msgpack.packb({"version": 1, "metadata": {}, "events": events}))
    if "SIM_ARENA_DATA" in os.environ:
        for path in Path(os.environ["SIM_ARENA_DATA"], "traces").glob("**/*.*"):
            (tmp_path / path.name).symlink_to(path)

    def call(line: str) -> list[str]:
        monkeypatch.setattr(sys, "argv", shlex.split(line, comments=True))
        with pytest.raises(SystemExit):
            run(app)
        captured = capfd.readouterr()
        return stripped(captured.out + captured.err)

    return call


def stripped(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]


def transcripts(page: str) -> list[tuple[str, list[str]]]:
    """Commands of fenced blocks, each with the lines shown under it."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    parts = [re.split(r"^\$ (.*)\n", block, flags=re.MULTILINE) for block in blocks]
    return [(line, stripped(shown)) for part in parts for line, shown in zip(part[1::2], part[2::2], strict=True)]


def is_part(shown: list[str], lines: list[str]) -> bool:
    """Whether the lines shown are among those printed, in their order."""
    left = iter(lines)
    return all(line in left for line in shown)


@pytest.mark.parametrize("page", ["gym.md", "agents.md", "plan.md", "suggest.md", "../README.md"])
def test_commands_print_what_the_docs_show(page: str, printed: Printed) -> None:
    if page in NEEDS_TRACES and "SIM_ARENA_DATA" not in os.environ:
        pytest.skip("needs recorded traces")
    quick = [(line, shown) for line, shown in transcripts(page) if QUICK.match(f"{line} ")]
    assert quick
    for line, shown in quick:
        lines = printed(line)
        in_part = "…" in shown or "#" in line or not shown
        assert is_part([text for text in shown if text != "…"], lines) if in_part else shown == lines, line


def test_the_benchmark_prints_what_the_docs_show(printed: Printed) -> None:
    ((line, shown),) = transcripts("llm-benchmark.md")
    assert shown.pop() == "…"
    assert printed(line)[: len(shown)] == shown


def test_the_default_model_scores_what_the_docs_show(printed: Printed) -> None:
    shown = (ROOT / "docs" / "evaluation.md").read_text()
    cells = [re.split(" {2,}", line.strip()) for line in stripped(shown)]
    scores = [re.split(" {2,}", line.strip()) for line in printed("sim-arena evaluate --no-baselines")]
    assert [score for score in scores if score not in cells] == []
    assert len(scores) == 13
