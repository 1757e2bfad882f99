"""The recipes of CONTRIBUTING.md, followed in a copy of the source tree: what they add is there everywhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("agents", "env", "infra", "protocol", "runner")
RECIPES = (ROOT / "CONTRIBUTING.md").read_text().split("\n## How to add\n")[1].split("\n## ")[0]

HELP = """
from typer.testing import CliRunner
from infra.commands import app as sim_arena
from protocol.commands.dispatch import app as dispatch

def run(app, *words):
    done = CliRunner().invoke(app, [*words], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return done.output

def in_help(name):
    assert name in run(sim_arena, "train", "--help"), name
    assert name in run(dispatch, "submit", "--help"), name
"""

ALIKE = """
import gymnasium, numpy as np
import env

def play_alike(action, reward="shaped"):
    # The vector environment, which is compiled, and the single one agree; its spaces hold what it returns.
    single = gymnasium.make("env:" + env.ENV_ID, reward=reward)
    many = gymnasium.make_vec("env:" + env.ENV_ID, 1, vectorization_mode="vector_entry_point", reward=reward)
    state, _ = single.reset(seed=3)
    states, _ = many.reset(seed=3)
    for _ in range(5):
        assert np.array_equal(state, states[0]) and single.observation_space.contains(state)
        state, paid, ended, _, _ = single.step(action)
        states, rewards, _, _, _ = many.step(np.array([action]))
        assert paid == rewards[0], (paid, rewards)
        if ended:
            break
    return state
"""

PROGRAMS = {
    "an action": r"""
import re

from agents.default_model import default_model_path
from agents.kinds import agent_kind
from agents.load import load_agent
from env.errors import AgentError

play_alike(7)
assert agent_kind("dqn").tensors({})["q_net.4.bias"] == (8,)
shown = run(sim_arena, "step", "--problem", "cpu", "--seed", "1", "--action", "bump_cpu_large")
assert "bump_cpu_large" in shown
try:
    load_agent(default_model_path())
except AgentError as error:
    # The layers before the last are those of the shipped model, whatever their width.
    refusal = r"q_net\.4\.weight: float32 \[7, (\d+)\], this model has float32 \[8, \1\]"
    assert re.search(refusal, str(error)), error
else:
    raise AssertionError("an older checkpoint was taken")
""",
    "a reward": """
in_help("thrifty")
play_alike(1, reward="thrifty")
run(sim_arena, "episode", "--agent", "heuristic", "--problem", "cpu", "--seed", "1", "--reward", "thrifty")
""",
    "an observation feature": """
from agents.kinds import agent_kind

state = play_alike(1)
assert state.shape == (28,) and 0 < state[-1] <= 1
assert agent_kind("dqn").tensors({})["q_net.0.weight"] == (64, 28)
""",
    "a hand-written policy": """
in_help("shrink")
run(sim_arena, "episode", "--agent", "shrink", "--problem", "cpu", "--seed", "1")
assert "shrink" in run(sim_arena, "evaluate", "--agent", "shrink", "--scenarios", "2")
""",
    "an agent that learns": """
from agents.kinds import agent_kind
from env.errors import AgentError

in_help("bandit")
assert agent_kind("bandit").filled({}) == {"epsilon": 0.1}
for name, settings, message in (("bandti", {}, "'bandit'"), ("bandit", {"epsilom": 1}, "'epsilon'")):
    try:
        agent_kind(name).filled(settings)
    except AgentError as error:
        assert message in str(error), error
    else:
        raise AssertionError(message)
run(sim_arena, "episode", "--agent", "bandit", "--problem", "cpu", "--seed", "1", "--steps", "5")
""",
    "a cluster backend": """
in_options = run(sim_arena, "episode", "--help")
assert "--log-as" in in_options and "--kube-context" in in_options
run(sim_arena, "episode", "--cluster", "logged", "--log-as", "seen", "--problem", "cpu", "--seed", "1")
refused = CliRunner().invoke(sim_arena, ["episode", "--log-as", "seen", "--problem", "cpu"])
assert "needs --cluster logged" in str(refused.exception) + refused.output, refused
""",
    "a strategy": """
from infra.proof.standin import federation
from agents.saved import checkpoint
from protocol.rounds.averaging import RoundAggregate
from protocol.rounds.aggregate import RoundInputs
from protocol.strategies.table import Strategy
from protocol.wire.federation_documents import TensorSpec

assert "midrange" in run(dispatch, "submit", "--help")
model = (TensorSpec(name="q_net.0.bias", shape=(2,)),)
aggregate = RoundAggregate(federation(3, 1, model=model, strategy=Strategy("midrange")), RoundInputs())
for values in ([0, 4], [1, 1], [8, 2]):
    aggregate.add(checkpoint.write({"q_net.0.bias": np.array(values, np.float32)}), 1)
found = checkpoint.loads(aggregate.finish().weights, "weights")
assert found["q_net.0.bias"].tolist() == [4, 2.5]
""",
}
ALSO = {"an agent that learns": ("tests/agents/test_agents.py", "-k", "bandit or docs_tables")}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What a recipe may edit, and the tests that look at it; with the machine code of what no recipe changes."""
    for room in ROOMS:
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("*.pyc"))
    for path in (
        "docs/agents.md",
        "docs/doctor.md",
        "docs/gym.md",
        "docs/protocol.md",
        "tests/test_docs_tables.py",
        "tests/agents/test_agents.py",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    return tmp_path


def follow(recipe: str, root: Path) -> None:
    """Apply the diffs of a recipe: `--- PATH` edits a file, `+++ PATH` begins one, `@@` parts two places."""
    for block in re.findall(r"^```diff\n(.*?)^```$", recipe, re.MULTILINE | re.DOTALL):
        _, *parts = re.split(r"^(---|\+\+\+) (\S+)\n", block, flags=re.MULTILINE)
        for sign, name, edit in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
            path = root / name
            path.parent.mkdir(exist_ok=True)
            text = path.read_text() if sign == "---" else ""
            for place in edit.split("@@\n"):
                before, after = _side(place, "-"), _side(place, "+")
                assert sign == "+++" or text.count(before) == 1, f"{name} has {text.count(before)} times:\n{before}"
                text = text.replace(before, after) if before else after
            path.write_text(text)


def _side(place: str, sign: str) -> str:
    """The lines of a diff as they are before (-) or after it (+)."""
    return "".join(line[1:] for line in place.splitlines(keepends=True) if line[0] in f" {sign}")


def run(root: Path, *words: str) -> None:
    variables = {**os.environ, "PYTHONPATH": str(root), "HOME": str(root)}
    command = [sys.executable, *words]
    done = subprocess.run(command, cwd=root, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_recipe_is_followed() -> None:
    assert set(re.findall("^### (.+)$", RECIPES, re.MULTILINE)) == set(PROGRAMS)


@pytest.mark.parametrize("title", PROGRAMS)
def test_what_a_recipe_adds_is_there_everywhere(title: str, copy: Path) -> None:
    follow(RECIPES.split(f"### {title}\n")[1].split("\n### ")[0], copy)
    run(copy, "-c", HELP + ALIKE + PROGRAMS[title])
    tests = ("tests/test_docs_tables.py", *ALSO.get(title, ()))
    run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", *tests)
