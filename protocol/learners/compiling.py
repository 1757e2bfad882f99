"""Compiles what a job will call, before the job is claimed.

Where no machine code is cached, on a new machine or in a process that may not write a cache, this takes a core up to
40 s. A short lease runs out in that time, and an episode's time limit must not count it. So a small training of the
same kind is run first: numba compiles for kinds of arguments, whatever their size.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import cache
from threading import Timer
from typing import TYPE_CHECKING

from protocol.wire.choices import Closers
from protocol.wire.documents import Setting
from protocol.wire.job_documents import EpochsSpec, Manifest, TrainingSpec

if TYPE_CHECKING:
    from env.problems.scenario import Scenario

SAY_AFTER_S = 3.0


def compile_for(manifest: Manifest, embedded: bool, say: Callable[[str], None]) -> None:
    """Compile what a job needs, once a process; what is cached on disk is only loaded.

    Args:
        manifest: Of the job. Only its kind matters: none of its settings and traces are used.
        embedded: Whether its cluster is the embedded one.
        say: Gets one line if it takes long.
    """
    from numba import config

    if getattr(config, "DISABLE_JIT", False):  # as tests of short jobs set it; there is nothing to compile then
        return
    training = manifest.training
    environment, on_cluster = training.environment, training.environment is None and training.learner is None
    parts: list[tuple[bool, Callable[[], None]]] = [
        (environment is not None, lambda: _compile_epoch(environment.name if environment else "", training.agent)),
        (on_cluster and training.agent == "dqn", _compile_dqn),
        (on_cluster and embedded, _compile_engine),
        (on_cluster and embedded and bool(training.traces), _compile_traces),
        (manifest.federation is not None and manifest.federation.barrier is Closers.WORKERS, _compile_means),
    ]
    line = f"{manifest.job_id}: compiling before it is claimed; a folder in NUMBA_CACHE_DIR would keep the machine code"
    timer = Timer(SAY_AFTER_S, say, [line])
    timer.daemon = True
    timer.start()
    try:
        for needed, compile_part in parts:
            if needed:
                compile_part()
    finally:
        timer.cancel()


@cache
def _compile_epoch(environment: str, agent: str) -> None:
    from agents.kinds import agent_kind
    from protocol.learners.environments import make_trainee

    known = agent_kind(agent).filled({})
    small: dict[str, Setting] = {name: 1 for name in ("rollout_steps", "minibatch_size", "epochs") if name in known}
    spec = EpochsSpec(name=environment, environments=2, epoch_steps=1)
    training = TrainingSpec(
        agent=agent, agent_settings=small, environment=spec, reward="shaped", episodes=1, steps=2, seed=0
    )
    make_trainee(training, spec, 0).run_epoch(1, lambda: False)


@cache
def _compile_dqn() -> None:
    from runner.training.training import Training, TrainingConfig

    small = {"hidden": [1], "batch_size": 1, "replay_size": 2, "learning_starts": 1, "n_step": 1, "priority": 1.0}
    never_random = {"epsilon_start": 0.0, "epsilon_end": 0.0}
    config = TrainingConfig(agent="dqn", agent_settings={**small, **never_random}, episodes=1, steps=2)
    Training(config, scenarios=None).run_episode(1)


@cache
def _compile_engine() -> None:
    from env.embedded.cluster import EmbeddedCluster

    EmbeddedCluster().why(_scenario(), None)  # places pods one by one


@cache
def _compile_traces() -> None:
    from env.embedded.cluster import EmbeddedCluster
    from env.embedded.scaling import scaling_trace
    from env.embedded.timeline import read_timeline
    from env.engine.scheduling.cluster_shape import ClusterShape
    from env.problems.virtual_nodes import virtual_nodes

    scenario = _scenario()
    EmbeddedCluster().observe(scenario, None)  # places them in runs
    # What takes over from the engine after many replays.
    if found := scaling_trace(read_timeline(scenario.trace)):
        found.observe(scenario, None, ClusterShape(virtual_nodes(scenario.nodes)))


def _scenario() -> Scenario:
    """Two Deployments."""
    from env.problems.generate import generate_scenario
    from env.problems.scenario import scenario_from_trace
    from env.trace.document import Trace

    document = deepcopy(generate_scenario(None, 0).trace.document)
    applied = document["events"][0]["applied_objs"]
    applied.append(deepcopy(applied[0]))
    applied[1]["metadata"]["name"] = "another"
    return scenario_from_trace(Trace(document), name="two Deployments", deploy="web")


@cache
def _compile_means() -> None:
    import numpy as np

    from protocol.strategies.means import Update, WeightedMean

    update = Update.of(np.zeros(1, np.float32))
    if update.finite():
        WeightedMean(1).add(update, 1)
