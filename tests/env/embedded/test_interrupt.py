"""A replay that costs much is stopped within seconds, and nothing is kept of it."""

from __future__ import annotations

import itertools
from typing import Any

import msgpack
import numpy as np
import pytest

from agents.kinds import make_agent
from env.embedded.cluster import EmbeddedCluster
from env.engine import budget
from env.errors import ClusterError, TraceError
from env.gym.cluster_env import ClusterEnv
from env.interrupt import Stopped, stopping_when
from env.problems.scenario import Scenario, scenario_from_trace
from env.trace.document import read_trace
from runner.episode import run_episode

_REQUESTS = {"requests": {"cpu": "1m", "memory": "1Mi"}}
_JOB = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x", "resources": _REQUESTS}]}
_POD: dict[str, Any] = {"metadata": {"labels": {"app": "w"}}, "spec": {"containers": _JOB["containers"]}}


def cron_for(seconds: int, **spec: object) -> Scenario:
    """A Deployment beside a CronJob that fires each minute for so long; `spec` is more of the Deployment's pods."""
    pod = {**_POD, "spec": {**_POD["spec"], **spec}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "w"}}, "template": pod},
    }
    cron = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "j", "namespace": "shop"},
        "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": {"spec": _JOB}}}},
    }
    events = [
        {"ts": 0, "applied_objs": [deployment, cron], "deleted_objs": []},
        {"ts": seconds, "applied_objs": [], "deleted_objs": []},
    ]
    content = {"version": 2, "config": {"trackedObjects": {}}, "events": events, "index": {}, "pod_lifecycles": {}}
    return scenario_from_trace(read_trace(msgpack.packb(content), "bomb"), name="bomb", deploy="web")


def test_a_replay_asks_whether_it_is_to_stop() -> None:
    scenario, asked = cron_for(2**62), itertools.count()
    with pytest.raises(Stopped), stopping_when(lambda: next(asked) >= 5):
        EmbeddedCluster().observe(scenario, None)
    assert next(asked) == 6  # it asked often, and not again after the stop


def test_an_episode_stops_within_its_first_replay() -> None:
    asked = itertools.count()
    env = ClusterEnv([cron_for(2**62)])
    agent = make_agent("greedy", seed=0, settings={})
    seeds = np.random.SeedSequence(0)
    with pytest.raises(Stopped):
        run_episode(env, agent, seed_sequence=seeds, explore=False, learn=None, should_stop=lambda: next(asked) >= 3)


def test_a_stopped_replay_leaves_nothing_behind() -> None:
    scenario, cluster = cron_for(86_400), EmbeddedCluster()
    with pytest.raises(Stopped), stopping_when(lambda: True):
        cluster.observe(scenario, None)
    assert cluster.observe(scenario, None) == EmbeddedCluster().observe(scenario, None)


def test_a_replay_of_eons_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "MOST_LOOKS", 10_000_000)
    with pytest.raises(ClusterError, match="more work"):
        EmbeddedCluster().observe(cron_for(2**62), None)


def test_a_list_longer_than_an_object_has_room_for_is_refused() -> None:
    with pytest.raises(TraceError, match="at most 2,000 are read"):
        EmbeddedCluster().observe(cron_for(60, tolerations=[{"operator": "Exists"}] * 2_001), None)
