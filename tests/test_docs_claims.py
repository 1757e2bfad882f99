"""What the docs name exists: files that are linked or named, commands and their options."""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest
from typer.main import get_command

from infra.scripts import MODULES
from runner.commands.program import load

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
ROOMS = ("agents", "docs", "env", "infra", "protocol", "runner", "tests")
IN_RECIPES = re.compile(r"```diff\n.*?```", re.S)
PROGRAM = re.compile(rf"(?:^|\s)(?:\.venv/bin/)?({'|'.join(sorted(MODULES, key=len, reverse=True))}) (.*)")

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def command_lines(text: str) -> list[str]:
    """Lines of fenced blocks and code in tables or text, each joined with the lines that continue it."""
    text = IN_RECIPES.sub("", text)
    fenced = [
        line
        for block in re.findall(r"```\w*\n(.*?)```", text, re.S)
        for line in block.replace("\\\n", " ").splitlines()
    ]
    inline = re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.S).replace("\n", " "))
    return [re.split(r"\s#\s|\s>\s", line)[0] for line in [*fenced, *inline]]


@cache
def loaded(program: str, path: str) -> Any:
    """A command of a program with its options; nothing runs."""
    module = import_module(MODULES[program])
    return load(module.COMMANDS, path) if path else get_command(module.app)


def options(program: str, path: str) -> set[str]:
    names = {name for p in loaded(program, path).params for name in (*p.opts, *p.secondary_opts)}
    return names | {"-h", "--help", "--version", "--install-completion", "--show-completion"}


def unknown(line: str) -> list[str]:
    """What a line names that its program does not have."""
    found = PROGRAM.search(line)
    if found is None:
        return []
    program, path, wrong = found[1], "", []
    commands = getattr(import_module(MODULES[program]), "COMMANDS", {})
    in_path = True
    for word in found[2].replace("[", " ").replace("]", " ").split():
        if word in ("|", "\\|", "&&", ";", "&"):
            break
        if word.startswith("--"):
            name = word.split("=")[0].rstrip(".,;:)")
            wrong += [name] if name not in options(program, path) else []
            in_path = False
        elif in_path and f"{path} {word}".strip() in commands:
            path = f"{path} {word}".strip()
        elif in_path and any(name.startswith(f"{path} ".lstrip()) for name in commands):
            return [word] if re.fullmatch("[a-z][a-z-]+", word) else []
    return wrong


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub names them in links."""
    titles = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M), re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def is_importable(name: str) -> bool:
    """Whether it is a module, or something in one."""
    try:
        return bool(resolve_name(name))
    except (ImportError, AttributeError):
        return False


@pages
def test_every_file_that_is_linked_exists(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    assert [
        to for to in links if "://" not in to and not to.startswith("mailto:") and not (page.parent / to).exists()
    ] == []


@pages
def test_every_python_file_that_is_named_exists(page: Path) -> None:
    named = re.findall(rf"(?<![\w/.])(?:{'|'.join(ROOMS)})/[\w/]+\.py\b", IN_RECIPES.sub("", page.read_text()))
    assert [name for name in named if not (ROOT / name).is_file()] == []


@pages
def test_every_heading_that_is_linked_exists(page: Path) -> None:
    links = re.findall(r"\]\(([^):\s]*)#([^)]+)\)", page.read_text())
    assert [anchor for to, anchor in links if anchor not in anchors(page.parent / to if to else page)] == []


@pages
def test_every_name_with_dots_is_importable(page: Path) -> None:
    code = IN_RECIPES.sub("", page.read_text())
    named = re.findall(rf"`((?:{'|'.join(ROOMS)})(?:\.\w+)+)[`(]", code)
    assert [name for name in named if not is_importable(name)] == []


@pages
def test_every_command_and_option_that_is_shown_exists(page: Path) -> None:
    wrong = {line: names for line in command_lines(page.read_text()) if (names := unknown(line))}
    assert wrong == {}


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("sim-arena train --runs here", ["--runs"]),
        ("dispatch send --bucket b", ["send"]),
        ("sim-arena bench nothing", ["nothing"]),
        ("AWS_REGION=x worker --bucket b --run-once", []),
        ("dispatch submit | list", []),
    ],
)
def test_a_wrong_name_is_found(line: str, wrong: list[str]) -> None:
    assert unknown(line) == wrong
