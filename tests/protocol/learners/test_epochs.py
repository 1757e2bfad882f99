"""Jobs that are counted in epochs of another environment: any workers and a take-over give the same bits."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agents.saved import checkpoint
from env.errors import ConfigError, SimArenaError, UsageError
from infra.proof.standin import TTL_S, StandIn, all_over, bucket_of, federation, final_weights, integers, training
from infra.proof.virtual_time import World
from protocol.commands.submission import draft
from protocol.commands.submit_options import EpochsChoice, FederationChoice, JobChoice
from protocol.jobs import queue
from protocol.jobs.submit import share_of, submit_federation, submit_job
from protocol.learners.environments import require_environment, tensors_of
from protocol.learners.epochs import EpochLearner
from protocol.rounds.averaging import RoundAggregate
from protocol.rounds.server import SyncServer
from protocol.strategies.table import Strategy
from protocol.wire import documents, keys
from protocol.wire.bucket import Bucket
from protocol.wire.choices import Closers, JobType
from protocol.wire.clock import Clock
from protocol.wire.errors import BadDocument
from protocol.wire.federation_documents import Federation, TensorSpec
from protocol.wire.job_documents import EpochsSpec, Manifest, Result, ResultStatus, TrainingSpec
from protocol.wire.memory import MemoryStore
from protocol.worker.worker_loop import WorkerLoop
from runner.options.agents import EpisodeChoice
from runner.options.workload import WorkloadChoice

SETTINGS = {"hidden": [8], "rollout_steps": 64, "minibatch_size": 32, "epochs": 1, "proximal": 0.01}
DOCTOR = EpochsSpec(name="doctor", environments=8, epoch_steps=64)
FLEET = EpochsSpec(name="fleet", environments=8, epoch_steps=64)


def spec(epochs: int = 3, **changed: Any) -> TrainingSpec:
    fields = {"traces": (), "agent": "ppo", "agent_settings": SETTINGS, "environment": DOCTOR, "steps": 20} | changed
    return training(epochs, **fields)


def wanted(environment: EpochsSpec = DOCTOR, **changed: Any) -> Federation:
    own = spec(environment=environment)
    model = tuple(TensorSpec(name=name, shape=shape) for name, shape in tensors_of(own).items())
    return federation(2, training=own, version=own.version, model=model, **changed)


def trained(what: Federation, workers: int, killed_at: int | None = None) -> tuple[bytes, dict[str, Any]]:
    """The last global weights, and member 1's result; the first worker is killed before so many requests."""
    world = World(seed=1)
    submit_federation(bucket_of(world), what)

    def work(clock: Clock, store: MemoryStore) -> None:
        bucket = Bucket(store, clock)

        def start(manifest: Manifest) -> EpochLearner:
            world.pause(1.0)
            return EpochLearner(bucket, manifest)

        WorkerLoop(bucket, "w", TTL_S, start, RoundAggregate, lambda line: None).run_until_stopped()

    def serve(clock: Clock, store: MemoryStore) -> None:
        SyncServer(Bucket(store, clock), RoundAggregate, lambda line: None).run()

    processes = [world.process(f"w{number}", work, at=0.1 * number) for number in range(workers)]
    processes[0].kill_before = killed_at
    if what.barrier is Closers.SYNC_SERVER:
        world.process("sync", serve)
    world.run(until=all_over(world, what))
    assert killed_at is None or processes[0].dead
    weights = final_weights(world, what)
    result = documents.read(bucket_of(world), Result, keys.result(keys.member_job(what.group, 1)))
    assert result is not None
    world.close()
    return weights, result.model_dump()


@pytest.mark.parametrize("environment", [DOCTOR, FLEET], ids=["doctor", "fleet"])
def test_the_weights_are_the_same_with_one_worker_with_two_that_close_rounds_and_after_a_take_over(
    environment: EpochsSpec,
) -> None:
    alone, result = trained(wanted(environment, strategy=Strategy.FEDADAM), 1)
    assert trained(wanted(environment, strategy=Strategy.FEDADAM), 2, killed_at=30)[0] == alone
    assert trained(wanted(environment, strategy=Strategy.FEDADAM, barrier=Closers.WORKERS), 2)[0] == alone
    assert (result["status"], result["episodes_completed"], result["env_steps"]) == ("success", 3, 3 * 64)
    assert set(result["artifacts"]) == {"checkpoint_final.safetensors", "train.log", "learning_curve.png"}


def learner(what: TrainingSpec = spec(), member: int = 0) -> EpochLearner:  # noqa: B008 (immutable)
    group = federation(2, training=what, version=what.version)
    manifest = Manifest(
        version=what.version,
        job_id=keys.member_job(group.group, member),
        created_at="",
        training=what,
        federation={"group": group.group, "member": member, "size": 2},  # type: ignore[arg-type]
    )
    return EpochLearner(bucket_of(World(seed=0)), manifest)


@pytest.mark.parametrize("environment", [DOCTOR, FLEET], ids=["doctor", "fleet"])
def test_members_start_from_equal_weights_and_meet_different_episodes(environment: EpochsSpec) -> None:
    members = [learner(spec(environment=environment), member=number) for number in range(2)]
    assert members[0].weights() == members[1].weights()
    for member in members:
        member.run_episode(1, lambda: False)
    assert members[0].weights() != members[1].weights()


def test_a_member_that_was_left_behind_goes_on_with_a_later_epoch_and_is_restored_there() -> None:
    late = learner()
    late.run_episode(1, lambda: False)
    late.run_episode(3, lambda: False)
    again = learner()
    assert again.restore(late.state()) == 3
    assert again.state() == late.state()
    with pytest.raises(SimArenaError, match="epoch 3 cannot follow epoch 3"):
        again.run_episode(3, lambda: False)


def test_a_state_of_another_member_is_refused() -> None:
    with pytest.raises(SimArenaError, match="member"):
        learner(member=1).restore(learner(member=0).state())


def test_only_jobs_in_epochs_are_of_a_version_that_older_releases_leave_alone() -> None:
    own = spec()
    new = json.loads(Manifest(version=own.version, job_id="job", created_at="", training=own).to_bytes())
    old = json.loads(Manifest(job_id="job", created_at="", training=training()).to_bytes())
    assert (new["version"], old["version"]) == (6, 2)
    assert "environment" not in old["training"]
    with pytest.raises(ValueError, match="version 5: knows no epochs; must be 6"):
        Manifest(version=5, job_id="job", created_at="", training=own)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"problem": "cpu"}, "environment doctor: has no problem"),
        ({"traces": ("a" * 64,)}, "environment doctor: has no traces"),
        ({"job_type": JobType.EXPERIENCE_COLLECTION}, "environment doctor: has no experience_collection"),
    ],
)
def test_what_only_a_cluster_has_is_refused_beside_an_environment(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spec(**changed)


@pytest.mark.parametrize("value", [0, -1, 1 << 30, "8", 1.5])
@pytest.mark.parametrize("name", ["environments", "epoch_steps"])
def test_sizes_out_of_range_are_refused_by_whoever_reads_the_document(name: str, value: object) -> None:
    own = spec()
    document = json.loads(Manifest(version=own.version, job_id="job", created_at="", training=own).to_bytes())
    document["training"]["environment"][name] = value
    with pytest.raises(BadDocument, match=f"training.environment.{name}"):
        documents.parse(Manifest, json.dumps(document).encode(), "m")


def test_a_worker_leaves_a_job_of_an_environment_that_it_does_not_know_to_others_and_says_so_once() -> None:
    world, said = World(seed=1), list[str]()
    unknown = spec(environment=EpochsSpec(name="moon", environments=1, epoch_steps=1))
    left = submit_job(bucket_of(world), unknown).job_ids[0]
    done = submit_job(bucket_of(world), spec()).job_ids[0]

    def work(clock: Clock, store: MemoryStore) -> None:
        def start(given: Manifest) -> StandIn:
            return StandIn(given, world.pause, 1.0)

        loop = WorkerLoop(Bucket(store, clock), "w", TTL_S, start, integers, said.append, prepare=require_environment)
        loop.run_until_stopped()

    worker = world.process("w", work)
    world.run(until=lambda: worker.ended or world.now > 20 * TTL_S)
    assert queue.is_over(bucket_of(world), done)
    assert list(queue.list_queue(bucket_of(world)).jobs) == [left]
    assert [line for line in said if left in line] == [
        f"passed over: {left}: needs the environment 'moon', which is not known here"
    ]
    world.close()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"settings": {"variant": "huge"}}, "variant 'huge': unknown; choose from small, large"),
        ({"settings": {"variant": [7] * 10_000}}, "variant [7, 7"),
        ({"settings": {"variant": True}}, "variant True: unknown"),
        ({"settings": {"kappa": 1e300}}, "environment setting 'kappa': --env fleet has only variant; leave it out"),
        ({"settings": {"\x1b[2J": "x"}}, "environment setting '\\x1b[2J': --env fleet has only variant"),
        ({"kinds": ("daily",)}, "kind 'daily': --env fleet has none; leave it out"),
    ],
)
def test_an_environment_of_a_job_that_cannot_be_played_ends_it_in_one_short_line(
    changed: dict[str, Any], message: str
) -> None:
    error = ended(spec(environment=FLEET.model_copy(update=changed))).error or ""
    assert message in error
    assert error.isprintable()
    assert len(error) < 300


@pytest.mark.parametrize(
    "changed",
    [
        {"agent": "dqn", "agent_settings": {}},
        {"agent": "forecast", "agent_settings": {}},
        {"agent_settings": {"hidden": [1 << 40]}},
        {"agent_settings": {"rollout_steps": 1 << 40}},
        {"agent_settings": {"learning_rate": 1e300}},
        {"agent_settings": {"learning_rate": "fast"}},
    ],
)
def test_wild_settings_of_an_agent_end_its_job(changed: dict[str, Any]) -> None:
    error = ended(spec(environment=FLEET, **changed)).error or ""
    assert error.isprintable()
    assert any(word in error for word in ("dqn", "forecast", "hidden", "rollout_steps", "learning_rate"))


def ended(what: TrainingSpec) -> Result:
    """What a worker makes of a job that it cannot begin."""
    world = World(seed=1)
    job = submit_job(bucket_of(world), what).job_ids[0]

    def work(clock: Clock, store: MemoryStore) -> None:
        bucket = Bucket(store, clock)
        loop = WorkerLoop(bucket, "w", TTL_S, lambda given: EpochLearner(bucket, given), RoundAggregate, str)
        loop.run_until_stopped(exit_when_idle=True)

    worker = world.process("w", work)
    world.run(until=lambda: worker.ended)
    result = documents.read(bucket_of(world), Result, keys.result(job))
    world.close()
    assert result is not None
    assert result.status == ResultStatus.FAILED
    return result


def drafted(
    job: JobChoice | None = None,
    epochs: EpochsChoice | None = None,
    env: str = "doctor",
    episode: EpisodeChoice | None = None,
    **federated: Any,
) -> TrainingSpec:
    choice, played = FederationChoice(**federated), episode or EpisodeChoice()
    return draft(job or JobChoice(), played, WorkloadChoice(env=env), choice, epochs or EpochsChoice()).training


def test_a_submission_in_epochs_names_its_environment_and_the_learner_of_it() -> None:
    drawn = drafted(epochs=EpochsChoice(epochs=4, environments=16, epoch_steps=128))
    assert (drawn.agent, drawn.episodes, drawn.unit, drawn.unit_steps) == ("ppo", 4, "epoch", 128)
    assert drawn.environment == EpochsSpec(name="doctor", environments=16, epoch_steps=128)
    assert drafted(episode=EpisodeChoice(steps=9)).steps == 9
    large = drafted(env="fleet", epochs=EpochsChoice(variant="large"))
    assert large.environment == EpochsSpec(
        name="fleet", environments=256, epoch_steps=65_536, settings={"variant": "large"}
    )
    assert tensors_of(large) != tensors_of(drafted(env="fleet"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"job": JobChoice(episodes=5)}, "--episodes: --env doctor is trained by epochs; give --epochs"),
        ({"job": JobChoice(agent="dqn")}, "agent 'dqn': does not learn --env doctor; ppo does"),
        ({"job": JobChoice(settings={"gama": 1})}, "did you mean 'gamma'"),
        ({"job": JobChoice(job_type=JobType.EXPERIENCE_COLLECTION)}, "--job-type experience_collection: plays on a"),
        ({"epochs": EpochsChoice(kind="daily")}, "--kind daily: unknown in --env doctor; it has none"),
        ({"epochs": EpochsChoice(variant="cpu")}, "environment setting 'variant': --env doctor has none"),
        ({"epochs": EpochsChoice(environments=1 << 20)}, "--environments: "),
        ({"federation_size": 2, "heterogeneous": True}, "--heterogeneous: --env doctor has no kinds"),
        ({"epochs": EpochsChoice(series=("pods.csv",))}, "--series pods.csv: --env doctor is not trained on series"),
        ({"env": "season", "epochs": EpochsChoice(kind="dayly")}, "--kind dayly: unknown in --env season; did you"),
        ({"env": "season", "epochs": EpochsChoice(variant="gpu")}, "variant 'gpu': unknown"),
        ({"env": "season", "epochs": EpochsChoice(kappa=-1.0)}, "kappa -1.0: must be"),
        ({"env": "season", "epochs": EpochsChoice(environments=4096)}, "a job in a season has at most 2,048"),
        ({"env": "season", "epochs": EpochsChoice(kind="flat", series=("a",))}, "--kind flat: is generated, but"),
        ({"env": "season", "epochs": EpochsChoice(series=("absent.csv",))}, "series file absent.csv: cannot be read"),
        ({"env": "season", "episode": EpisodeChoice(steps=9)}, "--steps: is of --env cluster; leave it out"),
        ({"env": "fleet", "episode": EpisodeChoice(steps=9)}, "--steps: is of --env cluster; leave it out"),
        ({"env": "fleet", "episode": EpisodeChoice(reward="shaped_v2")}, "--reward: is of --env cluster; leave it out"),
        ({"env": "fleet", "epochs": EpochsChoice(variant="memory")}, "variant 'memory': unknown"),
        ({"env": "fleet", "epochs": EpochsChoice(kappa=2.0)}, "environment setting 'kappa': --env fleet has only var"),
        ({"env": "fleet", "epochs": EpochsChoice(kind="daily")}, "--kind daily: unknown in --env fleet; it has none"),
        ({"env": "fleet", "epochs": EpochsChoice(series=("a",))}, "--series a: --env fleet is not trained on series"),
        (
            {"env": "fleet", "job": JobChoice(agent="forecast")},
            "agent 'forecast': does not learn --env fleet; ppo",
        ),
        ({"env": "fleet", "federation_size": 2, "heterogeneous": True}, "--heterogeneous: --env fleet has no kinds"),
        (
            {"env": "season", "epochs": EpochsChoice(kind="flat,leak"), "federation_size": 1, "heterogeneous": True},
            "--kind: 2 kinds for 1 member",
        ),
    ],
)
def test_a_users_mistake_is_named_before_anything_is_uploaded(options: dict[str, Any], message: str) -> None:
    with pytest.raises((UsageError, ConfigError, SimArenaError)) as error:
        drafted(**options)
    assert message in str(error.value)


def test_options_of_epochs_are_refused_with_a_cluster() -> None:
    with pytest.raises(UsageError, match="--epochs: is of trainings by epochs; leave it out with --env cluster"):
        draft(JobChoice(), EpisodeChoice(), WorkloadChoice(), FederationChoice(), EpochsChoice(epochs=3))


def test_members_have_one_kind_each_in_turn_where_they_differ() -> None:
    several = DOCTOR.model_copy(update={"kinds": ("daily", "weekly")})
    group = federation(3, training=spec(environment=several), version=6)
    kinds = [getattr(share_of(group, member).environment, "kinds", None) for member in range(3)]
    assert kinds == [("daily", "weekly")] * 3
    apart = group.model_copy(update={"heterogeneous": True})
    assert [getattr(share_of(apart, member).environment, "kinds", None) for member in range(3)] == [
        ("daily",), ("weekly",), ("daily",),
    ]  # fmt: skip


def test_a_job_goes_on_from_given_weights() -> None:
    first = learner()
    first.run_episode(1, lambda: False)
    world = World(seed=0)
    bucket = bucket_of(world)
    own = spec(weights=bucket.upload(keys.weights, first.weights()))
    manifest = Manifest(version=own.version, job_id="job", created_at="", training=own)
    assert checkpoint.loads(EpochLearner(bucket, manifest).weights(), "w").keys() == tensors_of(own).keys()
    assert EpochLearner(bucket, manifest).weights() == first.weights()
    world.close()
