"""How fast the environments are: what `sim-arena bench env` measures."""

from __future__ import annotations

import math
import os
import platform
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import cycle
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from env import DOCTOR_ID, ENV_ID, FLEET_ID, SEASON_ID
from env.actions import Action
from env.api_objects import ApiObjects
from env.cluster import Cluster
from env.embedded.closed_form import plain_workload
from env.embedded.cluster import EmbeddedCluster
from env.errors import ConfigError
from env.observation import Observation
from env.problems.generate import generate_scenario
from env.problems.nodes import equal_nodes
from env.problems.scenario import Scenario, recorded_resources, scenario_from_trace
from env.trace.document import Manifest, Trace, read_trace_file, trace_files, upgrade_trace
from env.workload import Resources, WorkloadRef
from runner.training.environment import cpu_model

Clock = Callable[[], float]

REAL_STEP_S = 40.0
"""Seconds of one step on SimKube and a real control plane."""
REAL_PODS_PER_S = 139.0
"""Pods that a real control plane bound per second: 1000 on 100 nodes in 7.2 s, on two cores."""

PODS_PER_NODE = 10
_ACTIONS = 4096
_CHUNK = 64
_BEYOND_ALL_S = 1e9


@dataclass(frozen=True)
class RateBudget:
    """How much is measured.

    Attributes:
        repetitions: Measurements of each figure.
        seconds: How long each of them takes, at least.
        batches: Numbers of environments.
        nodes: Sizes of the clusters that pods are placed on.
    """

    repetitions: int = 7
    seconds: float = 0.25
    batches: tuple[int, ...] = (1, 8, 64, 512, 4096, 8192)
    nodes: tuple[int, ...] = (10, 100, 1000, 5000)


QUICK = RateBudget(repetitions=3, seconds=0.05, batches=(1, 64, 4096), nodes=(10, 100))


@dataclass(frozen=True)
class Rate:
    """Something per second: median, smallest and largest of the repetitions."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, rates: Sequence[float]) -> Rate:
        return cls(statistics.median(rates), min(rates), max(rates))


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    libraries = {name: version(name) for name in ("numpy", "numba", "gymnasium")}
    return {"cpu": cpu_model(), "cores": str(os.cpu_count()), "python": platform.python_version(), **libraries}


class Unseen:
    """An embedded cluster that replays every time, even what it has observed before."""

    def __init__(self) -> None:
        self._cluster = EmbeddedCluster()
        self._visits = 0

    def observe(self, scenario: Scenario, resources: Resources | None) -> Observation:
        """See `env.cluster.Cluster.observe`; a duration beyond the end of any trace makes each visit another one."""
        self._visits += 1
        return self._cluster.observe(replace(scenario, duration_s=_BEYOND_ALL_S + self._visits), resources)

    def why(self, scenario: Scenario, resources: Resources | None) -> tuple[str, ...]:
        """See `env.cluster.Cluster.why`."""
        return self._cluster.why(scenario, resources)

    def objects(self, scenario: Scenario, resources: Resources | None) -> ApiObjects:
        """See `env.cluster.Cluster.objects`."""
        return self._cluster.objects(scenario, resources)

    def close(self) -> None:
        self._cluster.close()


def single_rate(
    scenarios: Sequence[Scenario] | None, budget: RateBudget, clock: Clock, cluster: Cluster | None = None
) -> Rate:
    """Steps per second of one environment from `gymnasium.make`, with random actions, resets included.

    Args:
        scenarios, cluster: As in `env.gym.cluster_env.ClusterEnv`.
    """
    env: Any = gymnasium.make(f"env:{ENV_ID}", scenarios=scenarios, cluster=cluster)
    actions = cycle(list(np.random.default_rng(0).integers(len(Action), size=_ACTIONS)))
    env.reset(seed=0)

    def steps() -> int:
        for _ in range(_CHUNK):
            _, _, terminated, truncated, _ = env.step(next(actions))
            if terminated or truncated:
                env.reset()
        return _CHUNK

    return _rate(steps, budget, clock)


def vector_rate(scenarios: Sequence[Scenario] | None, num_envs: int, budget: RateBudget, clock: Clock) -> Rate:
    """Environment steps per second of `num_envs` environments from `gymnasium.make_vec`, resets included."""
    return _vector_rate(gymnasium.make_vec(f"env:{ENV_ID}", num_envs=num_envs, scenarios=scenarios), budget, clock)


def doctor_rate(num_envs: int, budget: RateBudget, clock: Clock) -> Rate:
    """The same of `num_envs` clusters with a doctor each, small and large."""
    return _vector_rate(gymnasium.make_vec(f"env:{DOCTOR_ID}", num_envs=num_envs), budget, clock)


def season_rate(num_envs: int, budget: RateBudget, clock: Clock) -> Rate:
    """The same of `num_envs` workloads whose use varies: windows per second."""
    return _vector_rate(gymnasium.make_vec(f"env:{SEASON_ID}", num_envs=num_envs), budget, clock)


def fleet_rate(num_envs: int, budget: RateBudget, clock: Clock) -> Rate:
    """The same of `num_envs` fleets: steps per second, most of them replays of all services."""
    return _vector_rate(gymnasium.make_vec(f"env:{FLEET_ID}", num_envs=num_envs), budget, clock)


def placing_rate(nodes: int, budget: RateBudget, clock: Clock) -> Rate:
    """Pods per second that the engine places on empty nodes, ten on each, all of which fit."""
    scenario = crowd(nodes)
    cluster = Unseen()

    def placed() -> int:
        return cluster.observe(scenario, None).ready

    return _rate(placed, budget, clock)


def crowd(nodes: int) -> Scenario:
    """A scenario with ten pods for each node; a second Deployment beside them, so that there is no closed form."""
    events = [{"ts": 0, "applied_objs": [_deployment("other", 1), _deployment("web", nodes * PODS_PER_NODE)]}]
    document = {
        "version": 2,
        "config": {"trackedObjects": {}},
        "events": [{**event, "deleted_objs": []} for event in events],
        "index": {},
        "pod_lifecycles": {},
    }
    ref = WorkloadRef("default", "web")
    trace = Trace(document, f"{nodes} nodes")
    return Scenario(trace, ref, nodes * PODS_PER_NODE, equal_nodes(nodes), None, trace.name, None)


def exponent(nodes: Sequence[int], pods_per_s: Sequence[float]) -> float | None:
    """x where the time for one pod grows as nodes^x: the slope of a straight line through the logarithms."""
    if len(nodes) < 2:
        return None
    times = [-math.log(rate) for rate in pods_per_s]
    return statistics.linear_regression([math.log(count) for count in nodes], times).slope


def given_scenarios(paths: Iterable[Path]) -> list[Scenario]:
    """A scenario of each trace, of older versions too: of its Deployment with the most pods, where it has several.

    Raises:
        TraceError, ScenarioError: A trace that does not fit.
    """
    files = [file for path in paths for file in trace_files(path)]
    traces = [upgrade_trace(read_trace_file(file), file.name) for file in files]
    largest = [(trace, _largest(trace)) for trace in traces]
    return [scenario_from_trace(t, name=t.name, deploy=ref.name, namespace=ref.namespace) for t, ref in largest]


def one_deployment() -> Scenario:
    """Three pods too large for their three nodes: the demo's kind of problem."""
    return generate_scenario("cpu", 47)


def is_plain(scenarios: Sequence[Scenario] | None) -> bool:
    """Whether an embedded environment steps these in closed form; generated ones (None) it does."""
    return scenarios is None or all(plain_workload(scenario) is not None for scenario in scenarios)


def _vector_rate(envs: Any, budget: RateBudget, clock: Clock) -> Rate:
    shape = (_CHUNK, envs.num_envs)
    actions = cycle(np.random.default_rng(0).integers(envs.single_action_space.n, size=shape))
    envs.reset(seed=0)

    def steps() -> int:
        for _ in range(_CHUNK):
            envs.step(next(actions))
        return _CHUNK * int(envs.num_envs)

    return _rate(steps, budget, clock)


def _rate(work: Callable[[], int], budget: RateBudget, clock: Clock) -> Rate:
    work()  # compiles and reads what is needed once
    rates = []
    for _ in range(budget.repetitions):
        start, done = clock(), 0
        while (elapsed := clock() - start) < budget.seconds:
            done += work()
        rates.append(done / elapsed)
    return Rate.of(rates)


def _largest(trace: Trace) -> WorkloadRef:
    refs = trace.deployments()
    if not refs:
        raise ConfigError(f"trace {trace.name}: holds no Deployment to step")
    return max(refs, key=lambda each: recorded_resources(trace, each).replicas)


def _deployment(name: str, replicas: int) -> Manifest:
    container = {"name": name, "resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }
