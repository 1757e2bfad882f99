"""Every module of the engine says which file of Kubernetes it follows, as docs/engine.md claims."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import env.engine

ENGINE = Path(env.engine.__file__).parent
MODULES = sorted(path for path in ENGINE.rglob("*.py") if path.name != "__init__.py")
SOURCE = re.compile(r"kubernetes\s+1\.36\s+`(pkg|staging|plugin)/[\w./-]+`")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ENGINE)))
def test_a_module_names_the_source_that_it_follows_or_says_that_there_is_none(path: Path) -> None:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert SOURCE.search(text) or "Follows no Kubernetes source" in text
    assert not SOURCE.search(text) or ".go" in text
