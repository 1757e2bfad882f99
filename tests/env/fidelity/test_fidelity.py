from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from truth_lines import PENDING, line, outcome, workload
from typer.testing import CliRunner

from env.errors import ScenarioError, UsageError
from env.fidelity.comparison import OutcomeComparison, comparisons
from env.fidelity.cron_jobs import first_tick
from env.fidelity.engine_outcomes import simulated_outcomes
from env.fidelity.figures import (
    Tally,
    cluster_in_sets,
    cluster_single_draws,
    covered_by_draws,
    in_sets,
    missed_goals,
    single_draws,
)
from env.fidelity.truth import RecordedOutcome, RecordedScenario, WorkloadOutcome

RIGHT, OTHER = workload(), workload(nodes={"n0": 2, "n1": 1})


def row(*recorded: WorkloadOutcome, simulated: WorkloadOutcome = RIGHT, **fields: Any) -> OutcomeComparison:
    outcomes = tuple(outcome(web=each) for each in recorded)
    return OutcomeComparison("a", "k", 0, outcomes, outcome(web=simulated), **fields)


def test_a_scenario_that_the_engine_refuses_disagrees_in_every_step() -> None:
    def refuse(scenario: RecordedScenario, draw: int | None) -> list[RecordedOutcome]:
        raise ScenarioError("no such kind")

    two = RecordedScenario(id="a", kind="k", nodes=[], steps=[[], []], outcome=[outcome(), outcome()])
    rows = list(comparisons([two], refuse))
    assert [(row.step, row.agreeing["complete"], row.refusal) for row in rows] == [
        (0, 0, "no such kind"),
        (1, 0, "no such kind"),
    ]


def test_a_tally_counts_outcomes_and_misses_goals_below_them() -> None:
    right = row(RIGHT)
    wrong = OutcomeComparison("a", "k", 0, (outcome(web=RIGHT),), outcome(PENDING, web=RIGHT))
    counted = single_draws([right] * 94 + [wrong] * 6)
    assert (counted.n, counted.percent("counts"), counted.percent("messages")) == (100, 100.0, 94.0)
    assert missed_goals(counted) == ["messages"]
    assert missed_goals(single_draws([right] * 95 + [wrong] * 5)) == []


def test_no_outcomes_at_all_reach_no_goal() -> None:
    nothing = single_draws([])
    assert nothing == Tally(0, {"counts": 0, "spread": 0, "messages": 0, "complete": 0})
    assert nothing.percent("counts") is None
    assert missed_goals(nothing) == ["counts", "spread", "messages"]


def test_a_single_draw_agrees_with_a_share_of_the_recordings_and_a_set_with_one_of_them() -> None:
    rows = [row(RIGHT, OTHER, OTHER, OTHER)]
    assert (single_draws(rows).n, single_draws(rows).percent("spread")) == (4, 25.0)
    assert (in_sets(rows).n, in_sets(rows).percent("spread")) == (1, 100.0)


def test_a_set_has_an_outcome_completely_only_if_one_recording_has_all_of_it() -> None:
    simulated = outcome(PENDING, web=RIGHT)
    rows = [OutcomeComparison("a", "k", 0, (outcome(PENDING, web=OTHER), outcome(web=RIGHT)), simulated)]
    counted = in_sets(rows)
    assert counted.agreeing == {"counts": 1, "spread": 1, "messages": 1, "complete": 0}


def test_the_cluster_is_held_against_its_own_recordings_each_against_the_others() -> None:
    rows = [row(RIGHT, RIGHT, OTHER), row(RIGHT)]
    assert (cluster_single_draws(rows).n, cluster_single_draws(rows).agreeing["spread"]) == (3, 1)
    assert (cluster_in_sets(rows).n, cluster_in_sets(rows).agreeing["spread"]) == (3, 2)


def test_draws_cover_distinct_recorded_outcomes_not_how_often_they_were_recorded() -> None:
    rows = [row(RIGHT, RIGHT, RIGHT, OTHER, draws=(outcome(web=OTHER), outcome(web=workload(nodes={"n0": 3}))))]
    assert (covered_by_draws(rows).n, covered_by_draws(rows).agreeing["complete"]) == (2, 2)
    rows = [row(RIGHT, RIGHT, RIGHT, OTHER, draws=(outcome(web=OTHER),))]
    assert (covered_by_draws(rows).n, covered_by_draws(rows).agreeing["complete"]) == (2, 1)


NODES = [{"name": f"n{i}", "cpu": "8", "memory": "32Gi"} for i in range(3)]


def pod(name: str) -> dict[str, Any]:
    spec = {"containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def test_the_engine_takes_the_first_of_equal_nodes_and_with_a_seed_any_of_them() -> None:
    def node(draw: int | None) -> str:
        (name,) = simulated_outcomes(NODES, [[pod("p")]], draw)[0]["workloads"]["p"]["nodes"]
        return str(name)

    assert node(None) == "n0"
    assert {node(seed) for seed in range(20)} == {"n0", "n1", "n2"}
    assert [node(seed) for seed in range(5)] == [node(seed) for seed in range(5)]


def test_lots_only_choose_among_nodes_of_the_same_score() -> None:
    nodes = [*NODES, {"name": "large", "cpu": "32", "memory": "128Gi"}]
    for seed in range(10):
        assert simulated_outcomes(nodes, [[pod("p")]], seed)[0]["workloads"]["p"]["nodes"] == {"large": 1}


def test_with_a_seed_the_pods_of_two_objects_race_and_without_one_they_take_turns() -> None:
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": pod("web")["spec"]}
    web = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web"}}
    steps = [[{**web, "spec": {**spec, "template": template}}, pod("p")]]
    nodes = [{"name": "n0", "cpu": "2", "memory": "32Gi"}]

    def ready(draw: int | None) -> tuple[int, int]:
        workloads = simulated_outcomes(nodes, steps, draw)[0]["workloads"]
        return workloads["web"]["ready"], workloads["p"]["ready"]

    assert ready(None) == (1, 1)
    assert {ready(seed) for seed in range(20)} == {(2, 0), (1, 1)}


def test_with_a_seed_any_of_equally_old_pods_goes_first() -> None:
    spec = {"selector": {"matchLabels": {"app": "web"}}}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": pod("web")["spec"]}
    web = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web"}}
    steps = [[{**web, "spec": {**spec, "replicas": replicas, "template": template}}] for replicas in (3, 1)]

    def left(draw: int | None) -> str:
        (name,) = simulated_outcomes(NODES, steps, draw)[1]["workloads"]["web"]["nodes"]
        return str(name)

    assert left(None) == "n0"
    assert {left(seed) for seed in range(20)} == {"n0", "n1", "n2"}


def cron_job(schedule: str = "*/5 * * * *", **spec: Any) -> dict[str, Any]:
    template = {"metadata": {}, "spec": {**pod("p")["spec"], "restartPolicy": "Never"}}
    job = {"spec": {"template": template}}
    spec = {"schedule": schedule, "jobTemplate": job, **spec}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "tick"}, "spec": spec}


def test_the_first_tick_is_that_of_a_cron_job_that_is_not_suspended() -> None:
    assert first_tick([[cron_job()], [cron_job("*/2 * * * *")]], 1.0) == (120.0, "tick")
    assert first_tick([[cron_job(suspend=True)], [pod("p")]], 1.0) is None
    assert first_tick([[cron_job("30 5 * * *", timeZone="Asia/Kolkata")]], 1.0) == (86400.0, "tick")


def run(*arguments: object) -> Any:
    from infra.commands import app

    return CliRunner().invoke(app, ["fidelity", *map(str, arguments)])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "truth.jsonl"


@pytest.mark.parametrize("text", ["{", ""])
def test_a_wrong_file_is_a_matter_of_usage(file: Path, text: str) -> None:
    file.write_text(text)
    error = run(file).exception
    assert isinstance(error, UsageError)
    assert str(error).startswith(str(file))


def test_fidelity_passes_a_file_that_the_engine_agrees_with(file: Path) -> None:
    file.write_text(engine_line())
    result = run(file, "--json")
    assert result.exit_code == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["all"] == {"n": 1, "counts_percent": 100.0, "spread_percent": 100.0, "messages_percent": 100.0}
    assert (answer["sets"], answer["missed"], answer["disagreements"]) == ({}, [], [])


def test_fidelity_fails_by_name_of_the_goal_and_shows_where(file: Path) -> None:
    file.write_text(engine_line(PENDING))
    result = run(file)
    assert result.exit_code == 1
    assert "goals missed: messages 0.0 % (goal 95 %)" in result.stderr
    assert "one (single), step 1: messages" in result.stdout
    assert "recorded only: 0/1 nodes are available: 1 Insufficient cpu" in result.stdout


def test_of_several_recordings_one_has_to_agree(file: Path) -> None:
    file.write_text(engine_line(PENDING) + engine_line() + engine_line(PENDING))
    result = run(file, "--json", "--draws", 1)
    assert result.exit_code == 0, result.stderr
    sets = json.loads(result.stdout)["sets"]
    shares = {name: (figures["n"], round(figures["complete_percent"])) for name, figures in sets.items()}
    assert shares == {
        "engine, each recording": (3, 33),
        "engine, any recording": (1, 100),
        "cluster, each other recording": (3, 33),
        "cluster, any other recording": (3, 67),
        "recorded outcomes in 1 draw of the engine": (2, 50),
    }


def test_what_no_recording_has_is_shown_beside_the_nearest(file: Path) -> None:
    far = json.loads(engine_line(PENDING))
    far["outcome"][0]["workloads"] = {}
    file.write_text(json.dumps(far) + "\n" + engine_line(PENDING))
    result = run(file)
    assert result.exit_code == 0, result.stderr
    assert "one (single), step 1: messages as 0 of 2 recordings" in result.stdout
    assert "no pods" not in result.stdout
    file.write_text((json.dumps(far) + "\n") * 2)
    result = run(file)
    assert (result.exit_code, "counts 0.0 % (goal 98 %)" in result.stderr) == (1, True)


def test_scenarios_that_could_not_be_recorded_are_named_and_not_counted(file: Path) -> None:
    file.write_text(engine_line() + line(id="two", outcome=[], unrecorded="step 1: settled pods: not within 180 s"))
    result = run(file, "--json")
    assert (result.exit_code, json.loads(result.stdout)["all"]["n"]) == (0, 1)
    assert json.loads(result.stdout)["not_compared"] == ["two: not recorded: step 1: settled pods: not within 180 s"]
    assert "two: not recorded" in run(file).stderr


def test_an_outcome_in_which_a_cron_job_has_ticked_is_named_and_not_counted(file: Path) -> None:
    ran = workload(ready=0, succeeded=3).model_dump()
    text = line(steps=[[cron_job()]], outcome=[{"failed_scheduling": [], "workloads": {"tick": ran}}])
    file.write_text(engine_line() + text)
    result = run(file)
    assert result.exit_code == 0, result.stderr
    assert "one, step 1: CronJob tick ticked by wall clock while recorded" in result.stderr


def engine_line(*messages: str) -> str:
    """What the engine decides on two pods, one node; with these messages, if there are any."""
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": pod("web")["spec"]}
    web = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
    web |= {"spec": {**spec, "template": template}}
    outcomes = simulated_outcomes(NODES[:1], [[web]])
    if messages:
        outcomes[0]["failed_scheduling"] = list(messages)
    return line(nodes=NODES[:1], steps=[[web]], outcome=outcomes)
