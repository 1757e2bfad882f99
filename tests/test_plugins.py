"""Rewards and problems of an installed package, as docs/plugins.md shows them, work wherever ours do."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
from typer.testing import CliRunner

from env import plugins
from env.errors import ConfigError, ScenarioError
from env.gym import reward
from env.gym.search import least_actions
from env.problems import generate
from infra.commands import app

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "plugins.md").read_text()
REWARDS, PROBLEMS = "sim_arena.rewards", "sim_arena.problems"

Install = Callable[..., Path]


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def my_arena(install: Install) -> Path:
    """The package of the docs, installed."""
    project = tomllib.loads(block("toml"))["project"]
    return install(project["name"], block("python"), project["entry-points"], project["version"])


@pytest.fixture
def sim_arena(my_arena: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs sim-arena; what it prints."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> str:
        done = CliRunner().invoke(app, words, catch_exceptions=False, env={"COLUMNS": "300"})
        assert done.exit_code == 0, done.output
        return done.stdout

    return call


def single(**settings: str) -> gymnasium.Env:
    return gymnasium.make("env:SimArena/Cluster-v0", **settings).unwrapped


def test_the_example_is_shorter_than_forty_lines() -> None:
    assert len(block("python").splitlines()) < 40


def test_an_episode_of_the_docs_problem_pays_the_docs_reward(my_arena: Path) -> None:
    env = single(reward="lean", problem="beside")
    _, info = env.reset(seed=1)
    assert info["problem"] == "beside"
    assert info["scenario"] == f"beside-{env.scenario.name.partition('-')[2]}"
    _, paid, _, _, info = env.step(np.int64(0))
    asked = info["observation"].resources
    assert paid == -0.01 * asked.replicas * asked.cpu_m / 1000


def test_the_docs_problems_can_be_solved(my_arena: Path) -> None:
    from env.embedded.cluster import EmbeddedCluster

    for seed in range(5):
        assert least_actions(generate.generate_scenario("beside", seed), EmbeddedCluster(), 10)


def test_the_vector_environment_pays_a_packages_reward_to_the_same_bit(my_arena: Path) -> None:
    many = gymnasium.make_vec("env:SimArena/Cluster-v0", 3, vectorization_mode="vector_entry_point", reward="lean")
    singles = [single(reward="lean") for _ in range(3)]
    many.reset(seed=5)
    for number, env in enumerate(singles):
        env.reset(seed=5 + number)
    actions = np.array([1, 4, 6])
    _, rewards, _, _, _ = many.step(actions)
    assert rewards.tolist() == [env.step(action)[1] for env, action in zip(singles, actions, strict=True)]


def test_commands_take_a_packages_reward_and_problem(sim_arena: Callable[..., str]) -> None:
    chosen = ("--reward", "lean", "--problem", "beside")
    episode = json.loads(sim_arena("episode", "--json", *chosen))
    assert episode["scenario"] == "beside-0"
    trained = json.loads(
        sim_arena(
            "train", "--json", *chosen, "--agent", "random", "--episodes", "2", "--to", "run", "--evaluate-every", "0"
        )
    )
    assert trained["episodes"] == 2
    compared = json.loads(sim_arena("evaluate", "--json", *chosen, "--scenarios", "3", "--agent", "heuristic"))
    assert compared["agents"]["heuristic"][0]["problem"] == "beside"


def test_written_traces_give_the_problem_back(sim_arena: Callable[..., str], tmp_path: Path) -> None:
    sim_arena("trace", "generate", "--problem", "beside", "--to", "traces")
    made = json.loads(sim_arena("episode", "--json", "--trace", "traces/beside-0.msgpack"))
    drawn = json.loads(sim_arena("episode", "--json", "--problem", "beside"))
    assert made["records"] == [{**record, "scenario": "beside-0.msgpack"} for record in drawn["records"]]


@pytest.mark.parametrize("command", ["train", "evaluate", "episode"])
def test_help_imports_no_package(sim_arena: Callable[..., str], command: str) -> None:
    assert "or an installed package's" in sim_arena(command, "--help")
    assert "my_arena" not in sys.modules


def test_completion_lists_names_without_an_import(my_arena: Path) -> None:
    from runner.options import completion

    assert completion.or_plugin("reward", reward.REWARDS)("le") == ["lean"]
    assert completion.or_plugin("problem", ())("") == ["beside"]
    assert "my_arena" not in sys.modules


def test_an_unknown_name_shows_the_nearest_of_a_package(my_arena: Path) -> None:
    with pytest.raises(ConfigError, match="reward 'leen' is unknown; did you mean 'lean'"):
        single(reward="leen")


def test_a_name_of_ours_is_refused_while_a_package_adds_it(install: Install) -> None:
    install("clashing", "shaped = 1", {REWARDS: {"shaped": "clashing:shaped"}})
    with pytest.raises(ConfigError, match=r"'shaped': package clashing 1\.0 adds this name, but it is Sim-Arena's"):
        single()


def test_a_name_of_two_packages_names_both(install: Install) -> None:
    for name in ("first", "second"):
        install(name, "", {PROBLEMS: {"own": f"{name}:own"}})
    with pytest.raises(ConfigError, match=r"problem 'own': packages (first|second) 1\.0 and (first|second) 1\.0 both"):
        single(problem="own")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("", "AttributeError: module 'broken' has no attribute 'own'"),
    ],
)
def test_a_package_that_cannot_be_imported_is_one_line(install: Install, source: str, message: str) -> None:
    install("broken", source, {REWARDS: {"own": "broken:own"}})
    with pytest.raises(ConfigError) as refused:
        single(reward="own")
    what = "reward 'own' of package broken 1.0: broken:own cannot be imported"
    assert str(refused.value) == f"{what}: {message}; mend the package, or uninstall it"


def test_what_is_no_function_is_refused(install: Install) -> None:
    install("broken", "own = 0.5", {REWARDS: {"own": "broken:own"}})
    with pytest.raises(ConfigError, match="broken:own is a float; must be a function"):
        single(reward="own")


@pytest.mark.parametrize("returned", ["None", "'much'", "float('nan')", "float('inf')"])
def test_a_reward_that_is_no_finite_number_is_refused(install: Install, returned: str) -> None:
    install("broken", f"def own(seen, target, blocked): return {returned}", {REWARDS: {"own": "broken:own"}})
    env = single(reward="own")
    env.reset(seed=1)
    with pytest.raises(ConfigError, match=r"reward 'own': returned .* must be a finite number"):
        env.step(np.int64(0))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def own(seen, target, blocked): return open('/dev/null').fileno()", "Untyped global name 'open'"),
        ("def own(seen, target, blocked): return None", "it returns none, no number"),
        ("def own(seen, target): return 1.0", "Signature mismatch"),
    ],
)
def test_a_reward_that_numba_cannot_compile_is_refused_by_the_vector_environment(
    install: Install, source: str, message: str
) -> None:
    install("broken", source, {REWARDS: {"own": "broken:own"}})
    with pytest.raises(ConfigError, match=f"reward 'own' of package broken 1.0: numba cannot compile it .*{message}"):
        gymnasium.make_vec("env:SimArena/Cluster-v0", 2, vectorization_mode="vector_entry_point", reward="own")


def test_a_problem_that_is_no_scenario_is_refused(install: Install) -> None:
    install("broken", "def own(seed): return {}", {PROBLEMS: {"own": "broken:own"}})
    with pytest.raises(ScenarioError, match=r"problem 'own' of package broken 1\.0: made a dict of seed 7"):
        generate.generate_scenario("own", 7)


def test_a_slow_import_is_said_with_the_packages_name_while_it_goes_on(
    install: Install, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(plugins, "SAY_AFTER_S", 0.0)
    said = Event()
    caplog.handler.addFilter(lambda record: said.set() or True)
    monkeypatch.setitem(sys.modules, "gate", SimpleNamespace(said=said))
    source = "import gate\nassert gate.said.wait(60)\ndef own(seen, target, blocked): return 1.0"
    install("slow", source, {REWARDS: {"own": "slow:own"}})
    single(reward="own")
    assert caplog.messages == ["reward 'own' of package slow 1.0: still being imported"]
