"""Jobs whose reward is an installed package's: where they are run, and where they are left to others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from env.errors import UsageError
from infra.proof.standin import TTL_S, StandIn, bucket_of, federation, integers, training
from infra.proof.virtual_time import World
from protocol.commands.submission import draft
from protocol.commands.submit_options import FederationChoice, JobChoice
from protocol.jobs import queue
from protocol.jobs.submit import submit_federation, submit_job
from protocol.learners.packages import require_packages
from protocol.wire.bucket import Bucket
from protocol.wire.clock import Clock
from protocol.wire.errors import NotInstalled
from protocol.wire.federation_documents import Federation
from protocol.wire.job_documents import Manifest, TrainingSpec
from protocol.wire.memory import MemoryStore
from protocol.worker.worker_loop import WorkerLoop
from runner.options.agents import EpisodeChoice
from runner.options.workload import WorkloadChoice

Install = Callable[..., Path]
LEAN = {"sim_arena.rewards": {"lean": "my_arena:lean"}}
SOURCE = "def lean(observation, target, blocked): return 0.5"


def lean(**changes: object) -> TrainingSpec:
    return training(2).model_copy(update={"reward": "lean", "packages": {"my-arena": "1.0"}, **changes})


def manifest(spec: TrainingSpec) -> Manifest:
    return Manifest(version=spec.version, job_id="job", created_at="", training=spec)


def test_a_worker_takes_a_job_whose_package_it_has(install: Install) -> None:
    install("my-arena", SOURCE, LEAN)
    require_packages(manifest(lean()))


def test_a_worker_leaves_a_job_whose_package_it_lacks_to_others_and_says_so_once() -> None:
    world, said = World(seed=1), list[str]()
    left = submit_job(bucket_of(world), lean()).job_ids[0]
    done = submit_job(bucket_of(world), training(2)).job_ids[0]

    def work(clock: Clock, store: MemoryStore) -> None:
        def start(given: Manifest) -> StandIn:
            return StandIn(given, world.pause, 1.0)

        loop = WorkerLoop(Bucket(store, clock), "w", TTL_S, start, integers, said.append, prepare=require_packages)
        loop.run_until_stopped()

    worker = world.process("w", work)
    world.run(until=lambda: worker.ended or world.now > 20 * TTL_S)
    assert queue.is_over(bucket_of(world), done)
    assert list(queue.list_queue(bucket_of(world)).jobs) == [left]
    assert [line for line in said if left in line] == [
        f"passed over: {left}: needs my-arena 1.0: reward 'lean' is unknown; "
        "choose from base, shaped, max_punish, cost_aware_v2"
    ]
    world.close()


@pytest.mark.parametrize(
    ("version", "source", "message"),
    [
        ("1.1", SOURCE, "job: needs my-arena 1.0; installed here: my-arena 1.1"),
        ("1.0", "import absent", "job: needs my-arena 1.0: .* cannot be imported: ModuleNotFoundError"),
    ],
)
def test_another_version_or_a_broken_package_is_as_good_as_none(
    install: Install, version: str, source: str, message: str
) -> None:
    install("my-arena", source, LEAN, version)
    with pytest.raises(NotInstalled, match=message):
        require_packages(manifest(lean()))


def test_a_package_that_takes_a_name_of_ours_leaves_our_jobs_to_others(install: Install) -> None:
    install("my-arena", SOURCE, {"sim_arena.rewards": {"shaped": "my_arena:lean"}})
    with pytest.raises(NotInstalled, match=r"job: reward 'shaped': package my-arena 1\.0 adds this name"):
        require_packages(manifest(training(2)))


def test_a_name_that_no_package_is_said_to_add_is_left_to_the_learner_to_refuse() -> None:
    require_packages(manifest(lean(packages={})))


def test_only_jobs_that_need_packages_are_of_a_version_that_older_releases_leave_alone() -> None:
    plain, needing = (json.loads(manifest(spec).to_bytes()) for spec in (training(2), lean()))
    assert (plain["version"], needing["version"]) == (2, 4)
    assert "packages" not in plain["training"]
    assert needing["training"]["packages"] == {"my-arena": "1.0"}
    with pytest.raises(ValueError, match="version 2: knows no packages; must be 4"):
        Manifest(version=2, job_id="job", created_at="", training=lean())
    with pytest.raises(ValueError, match="knows no packages; must be 4"):
        Federation.model_validate({**dict(federation(2)), "training": lean()})


def test_a_submission_names_the_packages_that_add_its_reward_and_problem(install: Install) -> None:
    source = SOURCE + "\ndef beside(seed): ..."
    install("my-arena", source, {**LEAN, "sim_arena.problems": {"beside": "my_arena:beside"}})
    chosen = (EpisodeChoice(reward="lean"), WorkloadChoice(problem="beside"))
    drafted = draft(JobChoice(), *chosen, FederationChoice()).training
    assert (drafted.reward, drafted.problem, drafted.packages) == ("lean", "beside", {"my-arena": "1.0"})


def test_a_submission_of_one_kind_of_problem_gives_members_no_others() -> None:
    assert (
        draft(JobChoice(), EpisodeChoice(), WorkloadChoice(problem="cpu"), FederationChoice()).training.problem == "cpu"
    )
    with pytest.raises(UsageError, match="--problem cpu: --heterogeneous gives each member another kind"):
        draft(
            JobChoice(),
            EpisodeChoice(),
            WorkloadChoice(problem="cpu"),
            FederationChoice(federation_size=2, heterogeneous=True),
        )


def test_every_member_of_a_federation_needs_its_packages() -> None:
    world = World(seed=1)
    bucket = bucket_of(world)
    wanted = federation(2).model_copy(update={"training": lean(), "version": 4})
    job_ids = submit_federation(bucket, wanted).job_ids
    for job_id in job_ids:
        body = bucket.get(f"jobs/pending/{job_id}/manifest.json", 1 << 20)
        assert body is not None
        assert json.loads(body)["training"]["packages"] == {"my-arena": "1.0"}
    assert submit_federation(bucket, wanted).created == 0
    world.close()
