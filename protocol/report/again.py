"""The command that queues the same federation again, as a shell takes it.

Every value from the bucket is quoted. What a page would show otherwise than it is (cut, made printable, without a
user's name in a URL) could lose a quote on the way, and is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from shlex import quote

from env.words import count
from protocol.wire import keys
from protocol.wire.federation_documents import Federation
from protocol.wire.job_documents import Nodes, TrainingSpec
from runner.options.agents import EpisodeChoice
from runner.options.season import SETTINGS

LONGEST = 1000
TRACES_NAMED = 200
"""A command with more is of no use to people; the page then names the first ones."""


def submit_lines(federation: Federation, bucket: str) -> list[str]:
    """`dispatch submit` with everything that federation.json says, and remarks on what no option can say.

    Args:
        bucket: its name as messages have it, s3://NAME.
    """
    words = [*_federation(federation), *_training(federation.training, bucket)]
    plain = [word for word in words if word.isprintable() and "@" not in word and len(word) <= LONGEST]
    remarks = list(_remarks(federation.training))
    if odd := len(words) - len(plain):
        remarks.append(f"without {count(odd, 'option')} whose values are odd: federation.json has them")
    lines = ["dispatch submit", *(f"  {word}" for word in plain)]
    return [*(f"{line} \\" for line in lines[:-1]), lines[-1], *(f"# {remark}" for remark in remarks)]


def _federation(federation: Federation) -> Iterator[str]:
    yield f"--group {quote(federation.group + '-again')} --federation-size {federation.size}"
    yield f"--episodes-per-round {federation.episodes_per_round}"
    yield f"--strategy {federation.strategy} --barrier {federation.barrier}"
    yield f"--min-participants {federation.min_participants} --round-timeout {federation.round_timeout_s:g}"
    if federation.sample:
        yield f"--sample {federation.sample}"
    if federation.heterogeneous:
        yield "--heterogeneous"


def _training(training: TrainingSpec, bucket: str) -> Iterator[str]:
    learner = training.learner
    yield f"--{'learner' if learner else 'agent'} {quote(learner.name if learner else training.agent)}"
    yield f"--seed {training.seed}"
    yield f"--max-attempts {training.max_attempts} --episode-timeout {training.episode_timeout_s:g}"
    for name, value in sorted((learner.settings if learner else training.agent_settings).items()):
        yield f"--set {quote(f'{name}={_setting(value)}')}"
    if training.weights:
        yield f"--weights {quote(f'{bucket}/{keys.weights(training.weights)}')}"
    if learner:
        yield f"--epochs {training.episodes} --epoch-steps {learner.epoch_steps}"
        return
    if environment := training.environment:
        yield f"--env {quote(environment.name)} --epochs {training.episodes}"
        yield f"--epoch-steps {environment.epoch_steps} --environments {environment.environments}"
        if training.steps != EpisodeChoice.steps:
            yield f"--steps {training.steps}"
        if environment.kinds:
            yield f"--kind {quote(','.join(environment.kinds))}"
        for name in SETTINGS:
            if name in environment.settings:
                yield f"--{name} {quote(str(environment.settings[name]))}"
        return
    yield f"--episodes {training.episodes} --steps {training.steps} --reward {quote(training.reward)}"
    yield from _workload(training, bucket)


def _workload(training: TrainingSpec, bucket: str) -> Iterator[str]:
    for sha256 in training.traces[:TRACES_NAMED]:
        yield f"--trace {quote(f'{bucket}/{keys.trace(sha256)}')}"
    if training.problem:
        yield f"--problem {quote(training.problem)}"
    if training.workload_kind and training.deploy:
        named = "/".join(filter(None, (training.workload_kind, training.namespace, training.deploy)))
        yield f"--workload {quote(named)}"
    else:
        for option, value in (("--deploy", training.deploy), ("--namespace", training.namespace)):
            if value:
                yield f"{option} {quote(value)}"
    if training.target:
        yield f"--target {training.target}"
    if training.duration_s:
        yield f"--duration {training.duration_s:g}"
    if isinstance(nodes := training.nodes, Nodes):
        yield f"--nodes {nodes.count} --node-cpu {nodes.cpu_m}m --node-memory {nodes.memory_bytes}"
        yield f"--node-pods {nodes.pods}"


def _setting(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _remarks(training: TrainingSpec) -> Iterator[str]:
    if len(training.traces) > TRACES_NAMED:
        yield f"and {len(training.traces) - TRACES_NAMED} more traces, which federation.json names"
    if isinstance(training.nodes, tuple):
        yield "its nodes are pools, which federation.json describes; give them with --nodes"
    if training.environment and training.environment.series:
        yield f"with the {len(training.environment.series)} series that federation.json names by hash, as --series"
    for name, version in sorted(training.packages.items()):
        yield f"needs the package {name} {version}"
