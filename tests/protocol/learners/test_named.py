"""Jobs that name a learner of an installed package: found by its entry point, checked, and as reproducible as ours."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from walk import NAMED, SOURCE, Install, drafted, learner, manifest, spec

from agents.saved import checkpoint
from env.errors import AgentError, ConfigError, SimArenaError, UsageError
from infra.proof.standin import TTL_S, StandIn, all_over, bucket_of, federation, final_weights, integers, training
from infra.proof.virtual_time import World
from protocol.commands.submission import queue, upload
from protocol.commands.submit_options import EpochsChoice
from protocol.jobs.queue import list_queue
from protocol.jobs.submit import submit_job
from protocol.learners.catalogue import _look_up, learner_kind, require_learner
from protocol.learners.named import NamedLearner
from protocol.rounds.averaging import RoundAggregate
from protocol.rounds.server import SyncServer
from protocol.strategies.table import Strategy
from protocol.wire import documents, keys
from protocol.wire.bucket import Bucket
from protocol.wire.choices import Closers, JobType
from protocol.wire.clock import Clock
from protocol.wire.errors import BadDocument, NotInstalled
from protocol.wire.federation_documents import Federation
from protocol.wire.job_documents import Manifest, Result
from protocol.wire.memory import MemoryStore
from protocol.worker.worker_loop import WorkerLoop


@pytest.fixture
def walk(install: Install) -> None:
    install("my-arena", SOURCE, NAMED)


# -- a federation ----------------------------------------------------------------------------------


class WithoutPictures(NamedLearner):
    """matplotlib takes longer than all the rest."""

    def artifacts(self) -> Mapping[str, bytes]:
        return {keys.CHECKPOINT: self.weights()}


def trained(workers: int, killed_at: int | None = None, **group: Any) -> tuple[bytes, list[Result]]:
    """The last global weights, and the members' results; the first worker is killed before so many requests."""
    world = World(seed=1)
    submission = upload(bucket_of(world), drafted(federation_size=3, group="g", episodes_per_round=1, **group))
    queue(bucket_of(world), submission)
    what = submission.federation
    assert what is not None

    def work(clock: Clock, store: MemoryStore) -> None:
        bucket = Bucket(store, clock)

        def start(given: Manifest) -> NamedLearner:
            world.pause(1.0)
            return WithoutPictures(bucket, given)

        loop = WorkerLoop(bucket, "w", TTL_S, start, RoundAggregate, lambda line: None, prepare=require_learner)
        loop.run_until_stopped()

    def serve(clock: Clock, store: MemoryStore) -> None:
        SyncServer(Bucket(store, clock), RoundAggregate, lambda line: None).run()

    processes = [world.process(f"w{number}", work, at=0.1 * number) for number in range(workers)]
    processes[0].kill_before = killed_at
    if what.barrier is Closers.SYNC_SERVER:
        world.process("sync", serve)
    world.run(until=all_over(world, what))
    assert killed_at is None or processes[0].dead
    weights = final_weights(world, what)
    results = [
        documents.read(bucket_of(world), Result, keys.result(keys.member_job("g", member))) for member in range(3)
    ]
    world.close()
    return weights, [result for result in results if result is not None]


@pytest.mark.parametrize("strategy", [Strategy.FEDADAM, Strategy.FEDPROX, Strategy.MEDIAN])
def test_the_weights_are_the_same_with_any_workers_and_after_a_take_over(walk: None, strategy: Strategy) -> None:
    alone, results = trained(1, strategy=strategy)
    assert trained(2, killed_at=30, strategy=strategy)[0] == alone
    assert trained(2, strategy=strategy, barrier=Closers.WORKERS)[0] == alone
    assert [result.env_steps for result in results] == [3, 6, 9]
    assert {result.status for result in results} == {"success"}
    assert all("differs" not in result.fingerprint for result in results)
    assert results[0].fingerprint["learner"] == "walk of my-arena 1.0"


def test_wherever_a_worker_is_killed_the_weights_are_those_of_an_undisturbed_run(walk: None) -> None:
    undisturbed, _ = trained(1)
    for request in range(3, 75, 12):
        weights, results = trained(2, killed_at=request)
        assert weights == undisturbed, request
        assert [result.status for result in results] == ["success"] * 3, request


def test_a_job_keeps_its_weights_a_log_and_a_picture(walk: None) -> None:
    made = learner()
    made.run_episode(1, lambda: False)
    files = made.artifacts()
    assert set(files) == {"checkpoint_final.safetensors", "train.log", "learning_curve.png"}
    assert files["train.log"].decode().split() == ["1", "reward", str(made.history[0].reward), "1", "steps"]
    assert files["checkpoint_final.safetensors"] == made.weights()


def test_a_federation_starts_from_weights_in_the_bucket_that_its_learner_made(walk: None) -> None:
    world = World(seed=0)
    submission = upload(bucket_of(world), drafted(federation_size=2, group="g"))
    assert submission.federation is not None
    assert (submission.federation.version, submission.federation.training.version) == (7, 7)
    assert {spec.name: spec.shape for spec in submission.federation.model} == {"place": (3,)}
    sha256 = submission.federation.training.weights
    assert sha256 is not None
    first = checkpoint.loads(world.s3.objects[keys.weights(sha256)].body, "weights")
    assert first["place"].tolist() == learner(spec(seed=0))._learner.weights()["place"].tolist()
    world.close()


# -- where it is run, and where it is left to others -----------------------------------------------


def test_a_worker_leaves_a_job_whose_learner_it_lacks_to_others_and_says_so_once() -> None:
    world, said = World(seed=1), list[str]()
    left = submit_job(bucket_of(world), spec()).job_ids[0]
    submit_job(bucket_of(world), training(2))

    def work(clock: Clock, store: MemoryStore) -> None:
        def start(given: Manifest) -> StandIn:
            return StandIn(given, world.pause, 1.0)

        loop = WorkerLoop(Bucket(store, clock), "w", TTL_S, start, integers, said.append, prepare=require_learner)
        loop.run_until_stopped()

    world.process("w", work)
    world.run(until=lambda: world.now > 20 * TTL_S)
    assert list(list_queue(bucket_of(world)).jobs) == [left]
    assert [line for line in said if left in line] == [
        f"passed over: {left}: needs the learner 'walk' of my-arena 1.0: learner 'walk' is unknown; choose from digits"
    ]
    world.close()


@pytest.mark.parametrize(
    ("version", "source", "message"),
    [
        ("1.1", SOURCE, "of my-arena 1.0; installed here: my-arena 1.1"),
        ("1.0", "import absent", "cannot be imported: ModuleNotFoundError"),
        ("1.0", SOURCE.replace("def restore", "def resume"), "my-arena 1.0: has no method restore"),
        ("1.0", SOURCE.replace("Settings = WalkSettings", "Settings = 3"), "needs a pydantic model Settings"),
    ],
)
def test_another_version_or_a_broken_package_is_as_good_as_none(
    install: Install, version: str, source: str, message: str
) -> None:
    install("my-arena", source, NAMED, version)
    with pytest.raises(NotInstalled, match=message):
        require_learner(manifest(spec()))


def test_a_job_that_names_no_package_takes_any_that_adds_its_learner(walk: None) -> None:
    require_learner(manifest(spec(packages={})))


@pytest.mark.parametrize("name", ["os:system", "../walk", "Walk", "a.b", ""])
def test_a_name_that_is_none_is_refused_before_anything_is_looked_up(name: str) -> None:
    body = json.loads(manifest(spec()).to_bytes())
    body["training"]["learner"]["name"] = name
    with pytest.raises(BadDocument, match=r"training\.learner\.name"):
        documents.parse(Manifest, json.dumps(body).encode(), "m")
    with pytest.raises(UsageError):
        learner_kind(name)


def test_a_learner_has_neither_an_agent_nor_traces_and_is_of_version_7() -> None:
    written = json.loads(manifest(spec()).to_bytes())
    assert written["version"] == 7
    assert not {"agent", "reward", "environment"} & written["training"].keys()
    assert "learner" not in json.loads(manifest(training(2)).to_bytes())["training"]
    for more in ({"agent": "dqn"}, {"traces": ("a" * 64,)}, {"job_type": JobType.EXPERIENCE_COLLECTION}):
        with pytest.raises(ValueError, match="learner walk: has no"):
            spec(**more)
    with pytest.raises(ValueError, match="agent: Field required"):
        spec(learner=None)
    with pytest.raises(ValueError, match="version 6: knows no learners"):
        Manifest(version=6, job_id="job", created_at="", training=spec())
    with pytest.raises(ValueError, match="knows no learners"):
        Federation.model_validate({**dict(federation(2)), "training": spec()})


# -- what is submitted -----------------------------------------------------------------------------


def test_settings_are_checked_at_submit_where_the_learner_is_installed(walk: None) -> None:
    assert drafted(job={"settings": {"size": 5}}).training.learner.settings == {"size": 5}
    with pytest.raises(ConfigError, match="learner 'walk': setting size: Input should be greater than or equal to 1"):
        drafted(job={"settings": {"size": 0}})
    with pytest.raises(ConfigError, match="setting 'sice' is unknown; did you mean 'size'"):
        drafted(job={"settings": {"sice": 2}})


def test_where_it_is_not_installed_a_worker_checks_them(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    submitted = drafted(job={"settings": {"size": 0}}).training
    assert "learner walk is not installed here" in capsys.readouterr().err
    assert (submitted.packages, submitted.learner.settings) == ({}, {"size": 0})
    install("my-arena", SOURCE, NAMED)
    with pytest.raises(ConfigError, match="setting size"):
        learner(submitted)


def test_where_it_is_not_installed_a_federation_needs_a_file_of_weights(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--learner walk: is not installed here, so its weights are not known"):
        drafted(federation_size=2)
    path = tmp_path / "first.safetensors"
    path.write_bytes(checkpoint.write({"place": np.ones(3, np.float32)}))
    submission = drafted(job={"weights": str(path)}, federation_size=2)
    assert [(spec.name, spec.shape) for spec in submission.federation.model] == [("place", (3,))]


@pytest.mark.parametrize(
    ("job", "epochs", "group", "message"),
    [
        ({"agent": "dqn"}, None, {}, "--agent: is not an option of --learner walk"),
        ({"episodes": 3}, None, {}, "--episodes: .*; give --epochs"),
        ({}, EpochsChoice(environments=3), {}, "--environments: is not an option"),
        ({}, None, {"federation_size": 2, "heterogeneous": True}, "--heterogeneous: --learner walk says itself"),
        ({"learner": "os:system"}, None, {}, "--learner"),
    ],
)
def test_options_that_a_learner_does_not_have_are_refused(
    job: dict[str, Any], epochs: EpochsChoice | None, group: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        drafted(job=job, epochs=epochs, **group)


def test_the_same_group_again_completes_the_first_submit(walk: None) -> None:
    world = World(seed=0)
    for created in (2, 0):
        submission = upload(bucket_of(world), drafted(federation_size=2, group="g"))
        assert queue(bucket_of(world), submission).created == created
    world.close()


# -- what a learner returns ------------------------------------------------------------------------


def test_a_state_that_is_not_restored_as_it_was_saved_is_said(install: Install) -> None:
    said = list[str]()
    install("my-arena", SOURCE.replace('state["place"], state["drift"]', 'state["place"], 0.0'), NAMED)
    first = learner()
    first.run_episode(1, lambda: False)
    again = learner(say=said.append)
    assert again.restore(first.state()) == 1
    assert said == [
        "job: learner 'walk': epoch 1: what was restored is not the state that was saved; "
        "a take-over may change the weights"
    ]
    assert "epoch 1" in again.fingerprint()["differs"]


def test_a_state_that_differs_from_that_of_another_attempt_is_said(walk: None) -> None:
    world, said = World(seed=1), list[str]()
    job_id = submit_job(bucket_of(world), spec(episodes=1)).job_ids[0]

    def work(clock: Clock, store: MemoryStore) -> None:
        bucket = Bucket(store, clock)

        class Overtaken(NamedLearner):
            """While it trains, an attempt that was thought dead saves the state that it has."""

            def run_episode(self, episode: int, must_stop: Callable[[], bool]) -> Any:
                bucket.create(keys.state(job_id, episode), super().state())
                world.pause(40.0)
                return super().run_episode(episode, must_stop)

        start: Callable[[Manifest], NamedLearner] = lambda given: Overtaken(bucket, given)  # noqa: E731
        WorkerLoop(bucket, "w", TTL_S, start, RoundAggregate, said.append).run_until_stopped()

    world.process("w", work)
    world.run(until=lambda: keys.result(job_id) in world.s3.objects)
    assert any("another attempt saved the state" in line and "does not repeat bit for bit" in line for line in said)
    result = documents.read(bucket_of(world), Result, keys.result(job_id))
    assert result is not None
    assert "another attempt saved the state" in result.fingerprint["differs"]
    world.close()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("steps=1 + self.task.member", "steps=0", "epoch 1: 0 steps; must be a whole number from 1 to 16777216"),
        ("float(self.place.mean())", "float('nan')", "epoch 1: reward nan; must be a finite number"),
        ('{"place": self.place}', '{"a/b": self.place}', "'a/b': a name is printable text without a slash"),
        ('{"place": self.place}', '{"place": self.place.astype(int)}', "int64 .*, this model has float32"),
        ('"drift": self.drift}', '"drift": object()}', "its state: drift: a object; use numbers, texts"),
        ('"drift": self.drift}', '"drift": {1: 2}}', "its state: drift: '1': a name is text without a slash"),
        ('"drift": self.drift}', '"drift": np.ones(2, bool)}', "its state: drift: bool; use float32"),
    ],
)
def test_what_cannot_be_kept_or_averaged_is_named(install: Install, old: str, new: str, message: str) -> None:
    install("my-arena", SOURCE.replace(old, new), NAMED)

    def play() -> None:
        made = learner()
        made.run_episode(1, lambda: False)
        made.state()

    with pytest.raises((ConfigError, AgentError), match=message):
        play()


@pytest.mark.parametrize("spoilt", [b"", b"\0" * 64, checkpoint.dumps({"learner": {}, "epoch": 1})])
def test_a_state_that_is_none_is_refused(walk: None, spoilt: bytes) -> None:
    with pytest.raises(SimArenaError, match="training state"):
        learner().restore(spoilt)


def test_ours_needs_scikit_learn_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.delitem(sys.modules, "protocol.learners.digits", raising=False)
    monkeypatch.delattr("protocol.learners.digits", raising=False)
    with pytest.raises(ConfigError, match=r"needs the package sklearn.*pip install 'sim-arena\[digits\]'"):
        _look_up("digits")
