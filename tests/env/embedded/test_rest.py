"""A replay without a duration is judged at rest: once nothing can happen any more by itself."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from env.embedded.cluster import EmbeddedCluster
from env.problems.nodes import equal_nodes
from env.problems.scenario import Scenario
from env.quantity import GIB
from env.trace.document import Manifest, Trace

MakeDeployment = Callable[..., Manifest]
MakeTrace = Callable[..., Trace]
MakeScenario = Callable[..., Scenario]

SLOW = {"minReadySeconds": 30}


def slow(manifest: Manifest) -> Manifest:
    return {**manifest, "spec": {**manifest["spec"], **SLOW}}


def job(name: str, cpu: str, *, memory: Manifest | None = None, **spec: Any) -> Manifest:
    container = {"name": name, "image": "job:1", "resources": {"requests": {"cpu": cpu, **(memory or {})}}}
    template: Manifest = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"template": template, **spec},
    }


def counts(scenario: Scenario) -> tuple[int, int, int]:
    """(ready, pending, total)"""
    observation = EmbeddedCluster().observe(scenario, None)
    return observation.ready, observation.pending, observation.total


def test_a_slow_rollout_is_judged_when_it_is_over(
    trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario
) -> None:
    rollout = trace([slow(deployment())], [slow(deployment(image="web:2"))])
    assert counts(scenario(rollout)) == (3, 0, 3)
    assert counts(scenario(rollout, duration_s=11.0)) == (4, 0, 4)  # the duration still cuts


def test_pods_that_wait_get_the_room_of_a_job_that_ends_later(
    trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario
) -> None:
    made = trace([job("work", "14", completions=3)], [deployment(replicas=1, cpu="10")])
    made.pod_lifecycles["batch/v1.Job", "default/work"] = {7: [{"Finished": [0, 600]}]}
    one = equal_nodes(count=1)
    assert counts(scenario(made, nodes=one, duration_s=300.0)) == (0, 1, 1)
    assert counts(scenario(made, nodes=one)) == (1, 0, 1)


@pytest.mark.parametrize("replicas", [1, 3])
def test_what_comes_again_for_ever_is_at_rest(
    replicas: int,
    trace: MakeTrace,
    deployment: MakeDeployment,
    scenario: MakeScenario,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tick = job("tick", "1")
    cron = {**tick, "kind": "CronJob", "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": tick["spec"]}}}
    short, killed = deployment("short", replicas), deployment("killed", replicas, memory="1Gi")
    killed["spec"]["template"]["metadata"]["annotations"] = {"sim-arena.io/demand": '{"killed": {"memory": "2Gi"}}'}
    made = trace([deployment(), short, killed, cron])
    made.pod_lifecycles["apps/v1.Deployment", "default/short"] = {7: [{"Finished": [0, 20]}]}
    with caplog.at_level(logging.WARNING, "env.embedded.cluster"):
        assert counts(scenario(made)) == (3, 0, 3)
    assert caplog.messages == []


def test_a_replay_that_goes_on_for_an_hour_is_judged_then_and_that_is_logged_once(
    trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario, caplog: pytest.LogCaptureFixture
) -> None:
    made = trace([job("work", "1")], [deployment()])
    made.pod_lifecycles["batch/v1.Job", "default/work"] = {7: [{"Finished": [0, 3 * 3600]}]}
    embedded, asked = EmbeddedCluster(), scenario(made)
    with caplog.at_level(logging.WARNING, "env.embedded.cluster"):
        embedded.observe(asked, None)
        embedded.observe(scenario(made, nodes=equal_nodes(count=1, cpu_m=8000, memory_bytes=8 * GIB)), None)
    assert caplog.messages == ["trace test: still changing an hour after its last event; judged then"]


def test_a_deleted_pod_with_a_long_life_does_not_keep_a_replay_going(
    trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario, caplog: pytest.LogCaptureFixture
) -> None:
    made = trace([job("work", "1"), deployment()], ([], [job("work", "1")]))
    made.pod_lifecycles["batch/v1.Job", "default/work"] = {7: [{"Finished": [0, 3 * 3600]}]}
    with caplog.at_level(logging.WARNING, "env.embedded.cluster"):
        EmbeddedCluster().observe(scenario(made), None)
    assert caplog.messages == []
