"""One training of the benchmark, through the protocol: submitted, worked on by one worker, its weights fetched."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.agent import WeightedAgent
from agents.saved import checkpoint, pt_file
from agents.saved.formats import read_state
from env.errors import SimArenaError
from env.interrupt import Stopped
from infra.bench.season.plan import Budget, Planned
from protocol.commands.submission import Submission, draft, queue, upload
from protocol.commands.submit_options import EpochsChoice, FederationChoice, JobChoice
from protocol.learners.compiling import compile_for
from protocol.learners.environments import make_trainee
from protocol.learners.epochs import EpochLearner
from protocol.rounds.averaging import RoundAggregate
from protocol.wire import documents, keys
from protocol.wire.bucket import WEIGHTS_BYTES, Bucket
from protocol.wire.choices import Closers
from protocol.wire.clock import system_clock
from protocol.wire.job_documents import Manifest, Result, ResultStatus, TrainingSpec
from protocol.wire.memory import Answer, MemoryS3, Request
from protocol.worker.worker_loop import WorkerLoop
from runner.options.agents import EpisodeChoice
from runner.options.workload import WorkloadChoice
from runner.training.training import load_agent_weights, weights_in

ENV = "season"
_GROUP = "bench"
_LEASE_S = 600.0
_LOOK_S = 0.5


@dataclass(frozen=True)
class Member:
    """What a member's workloads are: generated ones of a kind, or the recorded series of a file.

    Attributes:
        name: For tables.
        kind: None: recorded ones.
        series: The file.
    """

    name: str
    kind: str | None = None
    series: Path | None = None


class _InMemory(MemoryS3):
    """The protocol's bucket in memory, in real time and for several threads; no request is kept."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()

    def apply(self, request: Request) -> Answer:
        with self._lock:
            self.time = time.time()
            self.log.clear()
            return super().apply(request)


class _Learner(EpochLearner):
    """Keeps the agent alone: nobody looks at the learning curves of so many jobs."""

    def artifacts(self) -> Mapping[str, bytes]:
        return {keys.CHECKPOINT: checkpoint.dumps(self.trainee.agent.state_dict())}


def submission(
    planned: Planned, budget: Budget, members: Sequence[Member], variant: str, start: Path | None
) -> Submission:
    """What `dispatch submit` would make of the options for a training.

    Args:
        start: The weights that it starts from.
    """
    settings = budget.settings_of(planned)
    job = JobChoice(seed=planned.seed, settings=settings, weights=None if start is None else str(start))
    mine = [members[number] for number in planned.members]
    epochs = EpochsChoice(
        epochs=planned.epochs,
        epoch_steps=budget.epoch_steps,
        environments=budget.environments,
        kind=",".join(each.kind for each in mine if each.kind) or None,
        series=tuple(str(each.series) for each in mine if each.series),
        variant=variant,
    )
    federation = FederationChoice()
    if planned.strategy is not None:
        federation = FederationChoice(
            federation_size=len(mine),
            group=_GROUP,
            episodes_per_round=budget.epochs_per_round,
            heterogeneous=True,
            strategy=planned.strategy,
            barrier=Closers.WORKERS,
        )
    return draft(job, EpisodeChoice(), WorkloadChoice(env=ENV), federation, epochs)


def train(wanted: Submission, log: Path, stop: threading.Event) -> bytes:
    """Run it to its end on one worker, in a bucket of its own; its weights as the bytes of a .pt file.

    Args:
        log: Gets the worker's lines.
        stop: Ends it early.

    Raises:
        Stopped: `stop` was set; nothing is kept.
        SimArenaError: A job failed, or the bucket gives no answer; the message has its error.
    """
    leave = threading.Event()
    place = Bucket(_InMemory().store("bench"), system_clock(leave))
    with log.open("a", encoding="utf-8", buffering=1) as lines:
        uploaded = upload(place, wanted)
        job_ids = queue(place, uploaded).job_ids
        with ThreadPoolExecutor(1) as pool:
            watch = pool.submit(_watch, place, job_ids, stop, leave)
            try:
                _worker(place, lambda line: print(line, file=lines)).run_until_stopped()
            finally:
                leave.set()
            watch.result()
        results = [documents.read(place, Result, keys.result(job_id)) for job_id in job_ids]
        if stop.is_set() and not all(results):
            raise Stopped
        for job_id, result in zip(job_ids, results, strict=True):
            if result is None or result.status is not ResultStatus.SUCCESS:
                raise SimArenaError(f"{job_id}: {result.error if result else 'has no result'}; see {log}")
        return pt_file.dumps(_weights(place, uploaded, job_ids[0]))


def _watch(place: Bucket, job_ids: Sequence[str], stop: threading.Event, leave: threading.Event) -> None:
    """Let the worker leave once every job has its result, all is to stop, or the bucket cannot be looked at."""
    left = list(job_ids)
    try:
        while left and not leave.is_set() and not stop.wait(_LOOK_S):
            while left and place.exists(keys.result(left[0])):  # one request a look, until all end
                left.pop(0)
    finally:
        leave.set()


def _worker(place: Bucket, say: Callable[[str], None]) -> WorkerLoop:
    def start(manifest: Manifest) -> EpochLearner:
        return _Learner(place, manifest, say)

    def prepare(manifest: Manifest) -> None:
        compile_for(manifest, True, say)

    return WorkerLoop(place, "bench", _LEASE_S, start, RoundAggregate, say, prepare=prepare)


def _weights(place: Bucket, uploaded: Submission, job_id: str) -> dict[str, Any]:
    """Of the federation, or of the one job."""
    federation = uploaded.federation
    if federation is not None:
        key = keys.global_weights(federation.group, federation.rounds)
    else:
        key = keys.artifact(job_id, keys.CHECKPOINT)
    body = place.get(key, WEIGHTS_BYTES)
    if body is None:
        raise SimArenaError(f"{key}: is not there")
    return dict(weights_in(checkpoint.loads(body, key, WEIGHTS_BYTES)))


def agent_of(training: TrainingSpec, weights: Path) -> WeightedAgent:
    """The agent of a training, with the weights in a file."""
    if training.environment is None:
        raise SimArenaError("a training by episodes has no agent of a season")
    agent: WeightedAgent = make_trainee(training, training.environment, 0).agent
    load_agent_weights(agent, read_state(weights))
    return agent
