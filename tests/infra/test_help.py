"""Help, versions and completion of all five programs, as a user meets them first."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from infra.scripts import MODULES
from runner.commands.program import Entry

HEAVY = {"boto3", "botocore", "kubernetes", "matplotlib", "msgpack", "numba", "pydantic", "torch"}
README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def entries() -> dict[str, Entry]:
    """Every command that is in a table, as a user types it."""
    tables = {name: getattr(import_module(module), "COMMANDS", {}) for name, module in MODULES.items()}
    return {f"{name} {path}": entry for name, table in tables.items() for path, entry in table.items()}


COMMANDS = [*MODULES, *entries()]


def run(words: str, columns: int = 80) -> Any:
    program, *arguments = words.split()
    app = import_module(MODULES[program]).app
    environment = {"COLUMNS": str(columns), "TERMINAL_WIDTH": str(columns)}
    return CliRunner().invoke(app, arguments, prog_name=program, env=environment)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_80_columns_and_cuts_no_word(command: str) -> None:
    narrow, wide = run(f"{command} -h"), run(f"{command} --help", columns=400)
    assert (narrow.exit_code, wide.exit_code) == (0, 0)
    assert max(map(len, narrow.output.splitlines())) <= 80
    cut = [line for line in narrow.output.splitlines() if re.search(r"\w…", line)]
    assert not cut
    assert words_of(narrow.output) == words_of(wide.output)


def words_of(text: str) -> list[str]:
    return sorted(re.findall(r"[\w-]+", text))


@pytest.mark.parametrize("words", [*MODULES, "dispatch submit", "ec2-workers launch", "sim-arena train"])
def test_help_imports_nothing_heavy(words: str) -> None:
    program, *arguments = words.split()
    code = (
        "import sys; from infra.scripts import start; sys.argv = sys.argv[1:]\n"
        "try: start(sys.argv[0])\n"
        f"finally: print(*sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, program, *arguments, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Usage" in done.stdout
    assert done.stderr.strip() == ""


@pytest.mark.parametrize("program", MODULES)
def test_every_program_says_its_version(program: str) -> None:
    assert re.fullmatch(r"sim-arena \d+\.\d+\.\d+\n", run(f"{program} --version").output)


@pytest.mark.parametrize("program", MODULES)
def test_every_program_shows_and_installs_completion(program: str) -> None:
    assert {"--show-completion", "--install-completion"} <= set(re.findall(r"--[a-z-]+", run(f"{program} -h").output))


@pytest.mark.parametrize(("command", "entry"), [item for item in entries().items() if item[1].where])
def test_the_table_says_what_the_command_itself_says_first(command: str, entry: Entry) -> None:
    module, _, name = entry.where.partition(":")
    said = inspect.getdoc(getattr(import_module(module), name)) or ""
    assert said.startswith(entry.help.removesuffix(".")), command


def test_the_readme_names_every_command() -> None:
    rows = re.findall(r"^\| (`.*?`) \|", README, re.MULTILINE)
    named = " ".join(rows)
    for command in entries():
        assert re.search(rf"\b{re.escape(command.split()[-1])}\b", named), command


def completed(program: str, line: str) -> list[str]:
    variable = f"_{program.replace('-', '_')}_COMPLETE".upper()
    environment = {**os.environ, variable: "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    for name in ("SIM_ARENA_BUCKET", "AWS_ENDPOINT_URL"):
        environment.pop(name, None)
    code = "import sys; from infra.scripts import start; sys.argv = sys.argv[1:]; start(sys.argv[0])"
    done = subprocess.run([sys.executable, "-c", code, program], env=environment, capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("program", "line", "found"),
    [
        ("sim-arena", "sim-arena tra", ["train", "trace"]),
        ("sim-arena", "sim-arena train --reward sh", ["shaped"]),
        ("sim-arena", "sim-arena step --problem replica", ["replica-deficit"]),
        ("sim-arena", "sim-arena episode --agent heur", ["heuristic"]),
        ("dispatch", "dispatch submit --strategy trim", ["trimmed-mean"]),
        ("dispatch", "dispatch status sh", []),
    ],
)
def test_a_shell_completes_values_and_is_told_nothing_where_there_is_no_bucket(
    program: str, line: str, found: list[str]
) -> None:
    assert completed(program, line) == found
