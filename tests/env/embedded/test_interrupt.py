"""A replay that costs much is stopped within seconds, and nothing is kept of it."""

from __future__ import annotations

import itertools

import msgpack
import numpy as np
import pytest

from agents.kinds import make_agent
from env.embedded.cluster import EmbeddedCluster
from env.gym.cluster_env import ClusterEnv
from env.interrupt import Stopped, stopping_when
from env.problems.scenario import Scenario, scenario_from_trace
from env.trace.document import read_trace
from runner.episode import run_episode

_REQUESTS = {"requests": {"cpu": "1m", "memory": "1Mi"}}
_JOB = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x", "resources": _REQUESTS}]}
_POD = {"metadata": {"labels": {"app": "w"}}, "spec": {"containers": _JOB["containers"]}}


def cron_for(seconds: int) -> Scenario:
    """A Deployment beside a CronJob that fires each minute for so long."""
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "w"}}, "template": _POD},
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
