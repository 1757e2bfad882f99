"""What the docs show as the output of a command is what it prints, spaces at the ends of lines aside."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
import tomllib
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path

import msgpack
import pytest

from env.problems.generate import generate_scenario
from infra.commands import app
from runner.commands.console import run

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
LISTED = tomllib.loads((ROOT / "tests/docs_not_run.toml").read_text(encoding="utf-8"))
NOT_RUN = [pattern for patterns in LISTED["not_run"].values() for pattern in patterns]
EXIT_CODES: dict[str, int] = LISTED["exit"]
COMMAND = re.compile(r"(?:\S+\$ +|\$ )?(?:\.venv/bin/)?((?:sim-arena|dispatch|worker|sync-server|ec2-workers) .*)")
OWN_FILES = {
    "deploy/shop.yaml": "shop.yaml",
    "web.yaml": "too-large.yaml",
    "nodes.yaml": "nodes.yaml",
    "now.sktrace": "oom-loop.sktrace",
    "web.sktrace": "small-pool.sktrace",
    "use.csv": "shop-use.csv",
    "usage.csv": "shop-use.csv",
}
COMPARED = ("gym.md", "agents.md", "plan.md", "suggest.md", "../README.md")
QUICK = re.compile(r"sim-arena (episode|plan|step|suggest|trace) ")

Printed = Callable[..., list[str]]


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Printed:
    """Runs a command line in a folder with the files that the docs take for granted; the lines that it prints."""
    monkeypatch.chdir(tmp_path)
    for folder in ("agents", "docs"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    events = generate_scenario("combined", 13).trace.events
    (tmp_path / "old.msgpack").write_bytes(msgpack.packb({"version": 1, "metadata": {}, "events": events}))

    def call(line: str, code: int | None = None) -> list[str]:
        monkeypatch.setattr(sys, "argv", shlex.split(line, comments=True))
        with pytest.raises(SystemExit) as left:
            run(app)
        captured = capfd.readouterr()
        assert code is None or left.value.code == code, captured.err
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


@pytest.mark.parametrize("page", COMPARED)
def test_commands_print_what_the_docs_show(page: str, printed: Printed) -> None:
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


def commands() -> list[str]:
    """Every command line of our programs in the fenced blocks of all pages, without prompts and comments."""
    found = {}
    for page in PAGES:
        text = re.sub(r"^```diff\n.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for block in re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                if command := COMMAND.match(line):
                    found[uncommented(command[1])] = page.name
    return list(found)


def uncommented(line: str) -> str:
    return " ".join(re.split(r" # | > | >> | \| ", f"{line} ")[0].split())


def run_here() -> list[str]:
    """Those that no pattern names, and whose output is not compared above."""
    shown = {uncommented(line) for page in COMPARED for line, _ in transcripts(page) if QUICK.match(f"{line} ")}
    return [line for line in commands() if line not in shown and not any(fnmatchcase(line, each) for each in NOT_RUN)]


def test_every_pattern_of_commands_that_are_not_run_names_one_that_the_docs_show() -> None:
    assert [pattern for pattern in NOT_RUN if not any(fnmatchcase(line, pattern) for line in commands())] == []
    assert [line for line in EXIT_CODES if line not in run_here()] == []


@pytest.fixture
def with_files(tmp_path: Path) -> Path:
    """A folder with what the docs call one's own: manifests, nodes, a trace, use."""
    (tmp_path / "deploy").mkdir()
    for name, sample in OWN_FILES.items():
        shutil.copy(ROOT / "docs/samples" / sample, tmp_path / name)
    small = (tmp_path / "web.yaml").read_text().replace('"17"', '"1"').replace("33Gi", "1Gi")
    (tmp_path / "deploy/web.yaml").write_text(small)
    return tmp_path


@pytest.mark.parametrize("line", run_here())
def test_a_command_of_the_docs_runs(line: str, printed: Printed, with_files: Path) -> None:
    assert printed(line.replace("$B", "my-bucket"), EXIT_CODES.get(line, 0))
