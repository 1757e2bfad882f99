"""docs/protocol.md's table of files is made from the docstrings of protocol/, so that it cannot go stale.

After a change: python tests/protocol/test_docs_files.py
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "protocol.md"
FOLDERS = ("wire", "jobs", "rounds", "worker", "strategies", "learners", "report", "commands")  # as they are read
HEAD = "| file | idea |\n|---|---|\n"


def idea(path: Path) -> str:
    """The first sentence of a module's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    paragraph = " ".join(text.split("\n\n")[0].split())
    return re.split(r"(?<=[.?!]) (?=[A-Z`])", paragraph)[0].rstrip(".")


def table() -> str:
    rows = []
    for folder in FOLDERS:
        files = sorted((ROOT / "protocol" / folder).glob("*.py"))
        rows += [
            f"| **`{folder}/`** | {idea(path)} |" if path.stem == "__init__" else f"| `{path.name}` | {idea(path)} |"
            for path in files
        ]
    return HEAD + "\n".join(rows) + "\n"


def page_with(table_: str) -> str:
    """The page with this table in place of its own."""
    before, _, after = PAGE.read_text().partition(HEAD)
    rows = re.match(r"(\|[^\n]*\n)*", after)
    assert rows
    return before + table_ + after[rows.end() :]


def test_the_table_of_files_is_that_of_the_docstrings() -> None:
    assert PAGE.read_text() == page_with(table()), f"make it anew: python {Path(__file__).relative_to(ROOT)}"


def test_every_folder_of_the_protocol_is_in_the_table() -> None:
    folders = {path.parent.name for path in (ROOT / "protocol").glob("*/*.py")}
    assert folders == set(FOLDERS)


if __name__ == "__main__":
    PAGE.write_text(page_with(table()))
