"""The loop of a training: what its folder holds, and that a stop or a kill anywhere leaves the same bits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from agents.load import load_agent
from agents.saved import pt_file
from agents.saved.formats import read_state
from env.errors import AgentError, ConfigError
from env.interrupt import Stopped
from env.problems.generate import generate_scenario
from runner.training.json_lines import JsonLines, records
from runner.training.loop import LoopPlan, train
from runner.training.run_folder import RunFolder
from runner.training.summary import log_lines, summarise
from runner.training.training import Training, TrainingConfig
from runner.training.validation import StopRule, Validation

PLAN = LoopPlan(evaluate_every=7, checkpoint_every=20)
SMALL = {"hidden": [8], "batch_size": 8, "learning_starts": 8}


class Killed(BaseException):
    """What no handler saves from."""


class Clock:
    """Goes on by `second` with every episode, and kills after one."""

    def __init__(self, second: float, kill_after: int | None = None) -> None:
        self._second, self._kill_after, self._now = second, kill_after, 0.0

    def __call__(self) -> float:
        return self._now

    def tick(self, summary: dict[str, Any]) -> None:
        self._now += self._second
        if summary["episode"] == self._kill_after:
            raise Killed


def training(agent: str = "dqn", episodes: int = 23) -> Training:
    settings = SMALL if agent == "dqn" else {}
    return Training(TrainingConfig(agent, settings, episodes=episodes, steps=10, seed=3), None)


def validation() -> Validation:
    return Validation([generate_scenario(None, seed) for seed in range(4)], max_steps=10, reward="shaped")


def new_run(folder: Path) -> RunFolder:
    return RunFolder.create(folder / f"run-{len(list(folder.iterdir()))}", "dqn", ["sim-arena", "train"], {"a": 1})


def go_on(run: RunFolder, trainee: Training, **options: Any) -> dict[str, Any]:
    trainee.load_state_dict(read_state(run.latest))
    return train(trainee, run, PLAN, validation(), **options)


def contents(run: RunFolder) -> dict[str, str]:
    """Digests of all that must not depend on where a run was stopped."""
    paths = [path for suffix in ("jsonl", "pt", "json", "png") for path in run.path.glob(f"*.{suffix}")]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths if path.name != "summary.json"}


def at_call(number: int) -> Callable[[], bool]:
    """Asks for an end from so many questions on."""
    calls = count(1)
    return lambda: next(calls) >= number


def rows(run: RunFolder, kind: str) -> list[dict[str, Any]]:
    return [row for row in records(run.metrics) if row["kind"] == kind]


class Whole(NamedTuple):
    """A run that nothing disturbed: its contents, and how often it asked whether to stop."""

    contents: dict[str, str]
    asked: int


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    run, calls = new_run(tmp_path_factory.mktemp("whole")), count()
    train(training(), run, PLAN, validation(), should_stop=lambda: next(calls) < 0, clock=Clock(0.0))
    return Whole(contents(run), next(calls))


def test_a_run_leaves_everything_in_its_folder(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    result = train(training(), run, PLAN, validation())
    names = {path.name for path in run.path.iterdir()}
    assert names >= {
        "command.txt", "config.json", "train.log", "metrics.jsonl", "step.jsonl", "summary.json", "learning_curve.png",
        "actions.png", "q_values.png", "checkpoint_latest.pt", "checkpoint_ep20.pt", "checkpoint_best.pt",
        "checkpoint_final.pt",
    }  # fmt: skip
    assert not [name for name in names if name.startswith(".")]
    assert json.loads((run.path / "summary.json").read_text()) == result
    assert result["episodes"] == 23
    assert result["wall_s"] > 0
    assert len(list(records(run.steps))) == result["env_steps"]
    assert (run.path / "train.log").read_text().count("INFO runner.training.loop: episode ") == 23


def test_metrics_have_every_episode_the_baselines_the_evaluations_and_snapshots(tmp_path: Path) -> None:
    run, trainee = new_run(tmp_path), training()
    train(trainee, run, PLAN, validation())
    assert [{"kind": "episode", **summary} for summary in trainee.history] == rows(run, "episode")
    assert [row["agent"] for row in rows(run, "baseline")] == [
        "random",
        "autoscaler",
        "reactive",
        "heuristic",
        "optimum",
    ]
    assert [row["episode"] for row in rows(run, "evaluation")] == [7, 14, 21]
    snapshots, steps = rows(run, "snapshot"), [summary["steps"] for summary in trainee.history]
    assert [row["episode"] for row in snapshots] == list(range(2, 23, 2))
    assert [sum(row["actions"]) for row in snapshots] == [sum(steps[at : at + 2]) for at in range(0, 22, 2)]


def test_evaluations_leave_no_trace_in_the_training(tmp_path: Path) -> None:
    evaluated, plain = training(), training()
    train(evaluated, new_run(tmp_path), LoopPlan(7, 100), validation())
    train(plain, new_run(tmp_path), LoopPlan(0, 100))
    assert evaluated.state() == plain.state()


@pytest.mark.parametrize(
    ("share", "second"), [(0.0, 0.0), (0.35, 11.0), (0.5, 0.0), (0.6, 11.0), (0.7, 0.0), (0.9, 11.0), (0.99, 0.0)]
)
def test_a_run_that_was_stopped_anywhere_ends_in_the_same_bits(
    share: float, second: float, whole: Whole, tmp_path: Path
) -> None:
    calls = 1 + int(share * whole.asked)
    clock = Clock(second)  # saved as seldom as can be, or after every episode
    run = new_run(tmp_path)
    with pytest.raises(Stopped):
        train(training(), run, PLAN, validation(), should_stop=at_call(calls), on_unit=clock.tick, clock=clock)
    go_on(run, training())
    assert contents(run) == whole.contents


@pytest.mark.parametrize(("episode", "second"), [(1, 11.0), (7, 0.0), (20, 11.0), (22, 0.0)])
def test_a_run_that_was_killed_anywhere_ends_in_the_same_bits(
    episode: int, second: float, whole: Whole, tmp_path: Path
) -> None:
    run, clock = new_run(tmp_path), Clock(second, kill_after=episode)
    with pytest.raises(Killed):
        train(training(), run, PLAN, validation(), on_unit=clock.tick, clock=clock)
    with run.metrics.open("a") as metrics, run.steps.open("a") as steps:
        metrics.write('{"kind":"episode","epis')
        steps.write('{"episode":9,"st')
    go_on(run, training())
    assert contents(run) == whole.contents


def test_a_stop_saves_the_state_after_the_last_whole_episode(tmp_path: Path) -> None:
    run, trainee = new_run(tmp_path), training()
    with pytest.raises(Stopped):
        train(trainee, run, PLAN, should_stop=lambda: trainee.done == 5, clock=Clock(0.0))
    assert training().load_state_dict(read_state(run.latest)) == 5


@pytest.mark.parametrize(("second", "saved"), [(0.0, 0), (11.0, 4)])
def test_the_latest_state_is_saved_by_the_clock(second: float, saved: int, tmp_path: Path) -> None:
    run, clock = new_run(tmp_path), Clock(second, kill_after=5)
    with pytest.raises(Killed):
        train(training(), run, PLAN, on_unit=clock.tick, clock=clock)
    assert training().load_state_dict(read_state(run.latest)) == saved


def test_half_of_the_episodes_and_then_the_others_end_in_the_same_bits(whole: Whole, tmp_path: Path) -> None:
    run = new_run(tmp_path)
    train(training(episodes=11), run, PLAN, validation())
    go_on(run, training())
    assert contents(run) == whole.contents


def test_a_run_that_goes_on_from_an_earlier_state_forgets_what_came_after_it(whole: Whole, tmp_path: Path) -> None:
    run, trainee = new_run(tmp_path), training()
    train(training(), run, PLAN, validation())
    trainee.load_state_dict(read_state(run.path / "checkpoint_ep20.pt"))
    train(trainee, run, PLAN, validation())
    assert contents(run) == whole.contents


def test_the_best_agent_of_a_later_episode_is_gone_when_an_earlier_state_is_loaded(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    for episode, rate in ((3, 0.5), (6, 0.75)):
        score = {"n": 4, "solved_rate": rate, "mean_steps": 5.0, "mean_return": -1.0}
        with JsonLines(run.metrics, 100) as metrics:
            metrics.add({"kind": "evaluation", "episode": episode, **score})
    best = run.checkpoint("best", "dqn")
    best.write_bytes(b"of episode 6")
    trainee = training(episodes=4)
    for episode in range(1, 5):
        trainee.run_episode(episode)
    summary = train(trainee, run, PLAN, validation())
    assert not best.exists()
    assert summary["best_checkpoint"] is None
    assert summary["best_episode"] == 3


def test_the_checkpoint_of_the_best_is_the_agent_of_the_best_evaluation(tmp_path: Path) -> None:
    run, trainee = new_run(tmp_path), training()
    summary = train(trainee, run, LoopPlan(evaluate_every=1, checkpoint_every=100), validation())
    scores = rows(run, "evaluation")
    top = max(scores, key=lambda row: (row["solved_rate"], -row["mean_steps"]))
    assert summary["best_episode"] == top["episode"]
    replayed = training(episodes=top["episode"])
    other = new_run(tmp_path)
    train(replayed, other, LoopPlan(0, 100))
    best = dict(read_state(run.checkpoint("best", "dqn")))
    (row, *_) = best.pop("evaluation")
    assert (row["agent"], row["solved_rate"]["value"]) == ("dqn", top["solved_rate"])
    assert pt_file.dumps(best) == other.checkpoint("final", "dqn").read_bytes()


def test_models_are_without_the_replay_buffer_and_play_as_the_agent_does(tmp_path: Path) -> None:
    run, trainee = new_run(tmp_path), training()
    train(trainee, run, PLAN, validation())
    sizes = {name: run.checkpoint(name, "dqn").stat().st_size for name in ("best", "final")}
    assert trainee.agent.state_dict()["replay"]["size"] > 200
    assert max(sizes.values()) < run.latest.stat().st_size - 200 * 250
    model, state = load_agent(run.checkpoint("final", "dqn")), trainee.agent.state_dict()
    played = model.state_dict()
    assert played["replay"]["size"] == 0
    assert pt_file.dumps({**state, "replay": None}) == pt_file.dumps({**played, "replay": None})


def test_a_run_ends_once_an_evaluation_solves_enough(tmp_path: Path) -> None:
    plan = LoopPlan(evaluate_every=2, checkpoint_every=100, stop=StopRule(solved=0.5))
    summary = train(training("heuristic"), new_run(tmp_path), plan, validation())
    assert summary["episodes"] == 2
    assert "50 % were asked for" in summary["stopped_early"]


def test_a_run_ends_when_evaluations_no_longer_get_better(tmp_path: Path) -> None:
    plan = LoopPlan(evaluate_every=1, checkpoint_every=100, stop=StopRule(patience=3))
    summary = train(training("noop"), new_run(tmp_path), plan, validation())
    assert summary["episodes"] == 4
    assert summary["best_episode"] == 1
    assert summary["counts_as_solved"] == "as many pods Ready as wanted"


def test_agents_of_other_kinds_run_in_the_same_loop(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    summary = train(training("greedy"), run, PLAN, validation())
    assert Path(summary["best_checkpoint"]).suffix == ".json"
    assert (run.path / "q_values.png").is_file()
    assert all("q_max" not in row for row in _snapshots_of("random", tmp_path))


def _snapshots_of(agent: str, folder: Path) -> list[dict[str, Any]]:
    run = new_run(folder)
    train(training(agent, episodes=2), run, PLAN, validation())
    return rows(run, "snapshot")


def test_many_episodes_are_summed_up_in_a_hundred_lines_of_the_log(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    train(training("heuristic", episodes=250), run, LoopPlan(0, 1000))
    lines = (run.path / "train.log").read_text().splitlines()
    assert any("episodes 1 to 3: " in line for line in lines)
    assert len(lines) == 250 // 3 + 2


def test_a_damaged_metric_is_one_line_that_names_it(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    run.metrics.write_text('{"kind":"evaluation","episode":0,"n":4,"solved_rate":"all"}\n')
    with pytest.raises(AgentError, match="damaged evaluation after episode 0"):
        train(training(), run, PLAN, validation())


def test_a_damaged_step_record_is_one_line_that_names_it(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    train(training(episodes=1), run, PLAN)
    run.steps.write_text('{"episode":1,"action":"noop"}\n')
    with pytest.raises(AgentError, match="step record of episode 1: damaged"):
        go_on(run, training())


def test_json_lines_beyond_an_episode_and_half_lines_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    lines = ['{"episode":1}\n', '{"episode":2}\n', '{"episode":3}\n', "7\n", '{"episode":3,"st']
    path.write_text("".join(lines))
    with JsonLines(path, 2):
        pass
    assert path.read_text() == "".join(lines[:2])


def test_bytes_that_are_no_text_are_dropped_as_a_half_line_is(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"episode":1}\n\xff\x00\n{"episode":2}\n')
    assert [record["episode"] for record in records(path)] == [1, 2]
    with JsonLines(path, 1):
        pass
    assert path.read_bytes() == b'{"episode":1}\n'


def test_two_runs_begun_in_one_second_have_two_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert len({RunFolder.create(None, "dqn", ["sim-arena"], {}).path for _ in range(3)}) == 3


def test_a_folder_with_something_in_it_is_not_taken_for_a_new_run(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(ConfigError, match="is not empty; name another one with --to"):
        RunFolder.create(tmp_path, "dqn", ["sim-arena"], {})


def test_of_the_states_that_are_kept_the_last_three_stay(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    train(training(episodes=6), run, LoopPlan(evaluate_every=0, checkpoint_every=1))
    assert {path.name for path in run.path.glob("checkpoint_ep*")} == {f"checkpoint_ep{n}.pt" for n in (4, 5, 6)}


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no run"):
        RunFolder.open(tmp_path)


def test_a_run_is_opened_by_its_folder_or_by_a_checkpoint_in_it(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    assert RunFolder.open(run.path).path == RunFolder.open(run.path / "checkpoint_ep1.pt").path == run.path


def summary(episode: int, **values: Any) -> dict[str, Any]:
    return {
        "episode": episode, "reward": -3.5, "steps": 10, "transitions": 10, "solved": episode % 2 == 0, "loss": None,
        "q_mean": None, "epsilon": 0.5, "scenario": "cpu-1", "problem": "cpu", "target": 3, **values,
    }  # fmt: skip


def test_a_summary_of_no_episode_is_defined() -> None:
    assert summarise([])["last_solved_rate"] is None
    assert summarise([summary(1), summary(2)])["last_solved_rate"] == 0.5


def test_log_lines_are_one_per_episode() -> None:
    lines = log_lines([summary(1), summary(2, loss=0.25)]).splitlines()
    assert lines[0] == "episode 1 cpu-1: not solved in 10, return -3.50 epsilon 0.500"
    assert "solved in 10" in lines[1]
    assert "loss 0.250" in lines[1]


def test_a_run_folder_is_worked_in_by_one_training_at_a_time(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    with run.locked(), pytest.raises(ConfigError, match="another sim-arena train is at work"), run.locked():
        pass
    with run.locked():
        pass
