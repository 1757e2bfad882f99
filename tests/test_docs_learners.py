"""The examples of docs/learners.md run as they stand, but for their number of steps, each where its library is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = dict(
    re.findall(
        r"^## (.+?)\n(?:(?!## ).*\n)*?```python\n((?:.*\n)*?)```$",
        (ROOT / "docs/learners.md").read_text(),
        re.MULTILINE,
    )
)


@pytest.mark.parametrize(
    ("name", "module", "steps", "printed"),
    [
        ("Stable-Baselines3", "stable_baselines3", 300, r"solved \d+ of 50"),
        ("A loop after CleanRL", "torch", 4_096, r"solved \d+ of the last \d+ episodes"),
        ("RLlib", "ray", 4_096, r"after \d+ steps a mean return of -?\d+"),
    ],
)
def test_the_example_of_each_library_trains(name: str, module: str, steps: int, printed: str, tmp_path: Path) -> None:
    if find_spec(module) is None:
        pytest.skip(f"needs {module}")
    program, changed = re.subn(r"^STEPS = .*", f"STEPS = {steps}", EXAMPLES[name], flags=re.MULTILINE)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (changed, done.returncode) == (1, 0), done.stderr
    assert re.search(printed, done.stdout)
