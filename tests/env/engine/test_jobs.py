"""Jobs, CronJobs and Pods of their own: what ends, and when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from math import inf
from typing import Any

import pytest

Make = Callable[..., Any]

NOON = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC).timestamp()
MINUTE = "* * * * *"


@pytest.fixture
def world(cluster: Make, node: Make) -> Make:
    """Makes a cluster of one large node at half a minute past noon, whose pods live so many seconds."""

    def make(lifetime_s: float | None = None) -> Any:
        lifetimes = None if lifetime_s is None else lambda owner: lifetime_s
        return cluster(node("a", cpu="64", memory="256Gi"), now_s=NOON, lifetimes=lifetimes)

    return make


def job(**spec: Any) -> Any:
    return {"spec": spec, "restartPolicy": "Never"}


def cron(schedule: str = MINUTE, **spec: Any) -> Any:
    return {"spec": {"schedule": schedule, **spec}, "restartPolicy": "Never"}


# --- Jobs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "pods"),
    [
        ({}, 1),
        ({"completions": 5}, 5),
        ({"completions": 5, "parallelism": 3}, 5),
        ({"parallelism": 3}, 3),
        ({"completions": 2, "parallelism": 5}, 2),
        ({"completions": 0}, 0),
    ],
)
def test_a_job_makes_pods_until_enough_have_succeeded(spec: Any, pods: int, world: Make, manifest: Make) -> None:
    made = world().apply(manifest("Job", **job(**spec))).rest()
    assert made.phases() == ({"Succeeded": pods} if pods else {})
    assert made.workload().finished or not pods


def test_no_more_pods_run_than_the_parallelism_and_what_is_left(world: Make, manifest: Make) -> None:
    made = world(60).apply(manifest("Job", **job(completions=5, parallelism=3)))
    assert made.phases() == {"Running": 3}
    assert made.wait(60).phases() == {"Succeeded": 3}
    assert made.wait(1).phases() == {"Succeeded": 3, "Running": 2}  # it looks at its pods a second after a change
    assert made.wait(60).phases() == {"Succeeded": 5}


def test_a_work_queue_starts_no_pods_after_the_first_success(cluster: Make, node: Make, manifest: Make) -> None:
    lives = iter((10.0, 30.0, 30.0, 30.0))
    made = cluster(node("a"), lifetimes=lambda owner: next(lives)).apply(manifest("Job", **job(parallelism=2)))
    assert made.wait(10).phases() == {"Succeeded": 1, "Running": 1}
    assert not made.workload().finished
    assert made.wait(20).phases() == {"Succeeded": 2}
    assert made.workload().finished


def test_a_suspended_job_has_no_pods(world: Make, manifest: Make) -> None:
    made = world(60).apply(manifest("Job", **job(suspend=True)))
    assert made.pods() == []
    assert made.apply(manifest("Job", **job())).phases() == {"Running": 1}
    assert made.apply(manifest("Job", **job(suspend=True))).pods() == []


def test_parallelism_may_change(world: Make, manifest: Make) -> None:
    made = world(60).apply(manifest("Job", **job(completions=9, parallelism=4)))
    assert made.apply(manifest("Job", **job(completions=9, parallelism=2))).phases() == {"Running": 2}


def test_pods_that_have_succeeded_hold_nothing(world: Make, manifest: Make) -> None:
    made = world().apply(manifest("Job", cpu="64", **job(completions=3))).rest()
    assert made.phases() == {"Succeeded": 3}
    assert not made.plane.api.scheduler.bound.table.used.any()
    assert set(made.placed()) == {"a"}


def test_a_pod_that_waits_keeps_its_job_waiting(world: Make, manifest: Make) -> None:
    assert world().apply(manifest("Job", cpu="65", **job(completions=2))).state() == (0, 1, 1)


def test_a_pod_that_is_recorded_to_run_on_does_not_end(world: Make, manifest: Make) -> None:
    assert world(inf).apply(manifest("Job", **job())).wait(1e6).phases() == {"Running": 1}


def test_a_job_whose_pods_are_killed_gives_up_after_the_back_off_limit(world: Make, manifest: Make) -> None:
    killed = {"memory": "1Gi", "uses": {"memory": "2Gi"}}
    made = world().apply(manifest("Job", **killed, **job(backoffLimit=2)))
    assert made.phases() == {"Failed": 1}
    assert made.wait(9).phases() == {"Failed": 1}
    assert made.wait(1).phases() == {"Failed": 2}  # 10 s after the first
    assert made.wait(19).phases() == {"Failed": 2}
    assert made.wait(1).phases() == {"Failed": 3}  # 20 s after the second
    assert made.wait(1e6).phases() == {"Failed": 3}
    assert (made.workload().failed, made.workload().finished) == (True, True)


def test_a_job_that_restarts_its_containers_gives_up_after_as_many_restarts(world: Make, manifest: Make) -> None:
    asked = {"memory": "1Gi", "uses": {"memory": "2Gi"}, "spec": {"backoffLimit": 3}, "restartPolicy": "OnFailure"}
    made = world().apply(manifest("Job", **asked))
    assert made.wait(29).phases() == {"Running": 1}  # restarted at 0 and 10 s
    assert made.wait(1).pods() == []
    assert made.workload().failed


def test_a_job_gives_up_after_its_deadline(world: Make, manifest: Make) -> None:
    made = world(100).apply(manifest("Job", **job(completions=3, activeDeadlineSeconds=150)))
    assert made.wait(149).phases() == {"Succeeded": 1, "Running": 1}
    assert made.wait(1).phases() == {"Succeeded": 1}
    assert (made.workload().failed, made.rest().phases()) == (True, {"Succeeded": 1})


def test_the_deadline_of_a_job_that_is_suspended_starts_when_it_is_resumed(world: Make, manifest: Make) -> None:
    made = world(60).apply(manifest("Job", **job(activeDeadlineSeconds=100, suspend=True))).wait(200)
    assert made.apply(manifest("Job", **job())).wait(60).phases() == {"Succeeded": 1}


@pytest.mark.parametrize(("ttl_s", "left"), [(0, False), (30, True)])
def test_a_finished_job_is_deleted_after_its_time_to_live(ttl_s: int, left: bool, world: Make, manifest: Make) -> None:
    made = world().apply(manifest("Job", **job(ttlSecondsAfterFinished=ttl_s))).rest().wait(2)
    assert bool(made.plane.workloads) == left
    assert not made.wait(30).plane.workloads


KILLED = {"memory": "1Gi", "uses": {"memory": "2Gi"}, "restartPolicy": "Never"}


@pytest.mark.parametrize(
    ("codes", "action", "pods"),
    [
        ({"operator": "In", "values": [137]}, "FailJob", 1),
        ({"operator": "In", "values": [1]}, "FailJob", 2),
        ({"operator": "NotIn", "values": [1]}, "FailJob", 1),
        ({"operator": "In", "values": [137], "containerName": "other"}, "FailJob", 2),
        ({"operator": "In", "values": [137], "containerName": "c"}, "Count", 2),
        ({"operator": "In", "values": [137]}, "Ignore", 5),
    ],
)
def test_a_failure_policy_says_what_an_exit_code_means(
    codes: Any, action: str, pods: int, world: Make, manifest: Make
) -> None:
    rules = {"backoffLimit": 1, "podFailurePolicy": {"rules": [{"action": action, "onExitCodes": codes}]}}
    made = world().apply(manifest("Job", spec=rules, **KILLED)).wait(10 + 20 + 40 + 80)
    assert made.phases() == {"Failed": pods}


def test_the_back_off_of_a_job_starts_again_after_a_success(world: Make, manifest: Make) -> None:
    made = world(60).apply(manifest("Job", **job(completions=2, backoffLimit=6)))
    made.workload().lost_s += [NOON, NOON, NOON]
    made.wait(61)
    assert made.phases() == {"Succeeded": 1, "Running": 1}


def test_a_pod_of_a_job_that_is_preempted_counts_as_failed(
    cluster: Make, node: Make, manifest: Make, priority: Make
) -> None:
    made = cluster(node("a"), lifetimes=lambda owner: 1000.0).apply(priority("high", 1000))
    made.apply(manifest("Job", cpu="2", **job(backoffLimit=0)))
    made.apply(manifest("Pod", "pod", cpu="3", priorityClassName="high")).wait(2)
    assert (made.workload().failed, made.pods()) == (True, [])


# --- CronJobs -------------------------------------------------------------------------------------------------------


def test_a_cron_job_starts_a_job_at_every_tick(world: Make, manifest: Make) -> None:
    made = world().apply(manifest("CronJob", **cron()))
    assert made.pods() == []
    assert made.wait(29).pods() == []
    assert made.wait(1).phases() == {"Succeeded": 1}
    assert made.wait(60).phases() == {"Succeeded": 2}


def test_jobs_are_named_after_their_minute(world: Make, manifest: Make) -> None:
    made = world().apply(manifest("CronJob", **cron())).wait(30)
    assert made.told("SuccessfulCreate")[0] == f"Created job web-{int(NOON + 30) // 60}"


def test_finished_jobs_are_kept_as_history(world: Make, manifest: Make) -> None:
    assert world().apply(manifest("CronJob", **cron())).wait(6000).phases() == {"Succeeded": 3}
    made = world().apply(manifest("CronJob", **cron(successfulJobsHistoryLimit=1))).wait(6000)
    assert made.phases() == {"Succeeded": 1}


def test_one_failed_job_is_kept(world: Make, manifest: Make) -> None:
    asked = {"memory": "1Gi", "uses": {"memory": "2Gi"}, **cron(job={"backoffLimit": 0})}
    assert world().apply(manifest("CronJob", **asked)).wait(600).phases() == {"Failed": 1}


@pytest.mark.parametrize(("policy", "running"), [("Allow", 3), ("Replace", 1), ("Forbid", 1)])
def test_a_tick_while_a_job_runs(policy: str, running: int, world: Make, manifest: Make) -> None:
    made = world(150).apply(manifest("CronJob", **cron(concurrencyPolicy=policy))).wait(30)
    (first,) = made.pods()
    assert made.wait(120).phases() == {"Running": running}
    assert first.deleted == (policy == "Replace")


def test_a_tick_that_was_forbidden_is_made_up_for_when_the_job_ends(world: Make, manifest: Make) -> None:
    made = world(90).apply(manifest("CronJob", **cron(concurrencyPolicy="Forbid"))).wait(30 + 89)
    assert made.phases() == {"Running": 1}
    assert made.wait(2).phases() == {"Succeeded": 1, "Running": 1}


def test_a_suspended_cron_job_starts_nothing_and_makes_up_for_the_last_tick(world: Make, manifest: Make) -> None:
    made = world(10).apply(manifest("CronJob", **cron(suspend=True))).wait(600)
    assert made.pods() == []
    assert made.apply(manifest("CronJob", **cron())).phases() == {"Running": 1}


def test_the_schedule_is_read_in_its_time_zone(world: Make, manifest: Make) -> None:
    berlin = cron("0 14 * * *", timeZone="Europe/Berlin")  # 13:00 UTC in winter
    made = world().apply(manifest("CronJob", **berlin)).wait(3569)
    assert made.pods() == []
    assert made.wait(1).phases() == {"Succeeded": 1}


@pytest.mark.parametrize(("schedule", "waits_s"), [("@hourly", 3570), ("*/15 * * * *", 870), ("? 13 * * ?", 3570)])
def test_schedules_may_be_written_in_other_ways(schedule: str, waits_s: int, world: Make, manifest: Make) -> None:
    made = world().apply(manifest("CronJob", **cron(schedule))).wait(waits_s - 1)
    assert made.pods() == []
    assert made.wait(1).phases() == {"Succeeded": 1}


def test_a_schedule_that_never_comes_starts_nothing(world: Make, manifest: Make) -> None:
    assert world().apply(manifest("CronJob", **cron("0 0 31 2 *"))).wait(1e8).pods() == []


def test_a_cron_job_that_is_deleted_takes_its_pods_along(world: Make, manifest: Make) -> None:
    made = world(600).apply(manifest("CronJob", **cron())).wait(90).delete("CronJob", "web")
    assert not made.plane.api.scheduler.bound.table.used.any()
    made.apply(manifest("CronJob", **cron("@yearly"))).wait(600)
    assert not made.plane.api.scheduler.bound.pods  # no tick of the first one is left


# --- Pods -----------------------------------------------------------------------------------------------------------


def test_a_pod_runs_for_ever_or_as_long_as_is_known(world: Make, manifest: Make) -> None:
    assert world().apply(manifest("Pod")).wait(1e6).phases() == {"Running": 1}
    made = world(30).apply(manifest("Pod"))
    assert made.wait(29).phases() == {"Running": 1}
    assert made.wait(1).phases() == {"Succeeded": 1}
    assert not made.plane.api.scheduler.bound.table.used.any()


def test_a_pod_that_has_ended_does_not_start_again(world: Make, manifest: Make) -> None:
    made = world(30).apply(manifest("Pod")).wait(60)
    assert made.apply(manifest("Pod")).phases() == {"Succeeded": 1}


@pytest.mark.parametrize(("policy", "phase"), [("Always", "Running"), ("OnFailure", "Running"), ("Never", "Failed")])
def test_what_becomes_of_a_pod_that_is_killed(policy: str, phase: str, world: Make, manifest: Make) -> None:
    made = world().apply(manifest("Pod", memory="1Gi", uses={"memory": "2Gi"}, restartPolicy=policy))
    assert (made.phases(), made.state()[0]) == ({phase: 1}, 0)


@pytest.mark.parametrize("now_s", [2.0**62, -(2.0**62)])
def test_times_beyond_every_calendar_have_no_ticks(now_s: float, cluster: Make, node: Make, manifest: Make) -> None:
    assert cluster(node("a"), now_s=now_s).apply(manifest("CronJob", **cron())).pods() == []
