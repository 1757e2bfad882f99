"""Learners that misbehave: each error names the learner and what it was asked for, and the worker goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from walk import NAMED, SOURCE, Install, drafted, learner, manifest, spec

from env.errors import AgentError, ConfigError
from infra.proof.standin import StandIn, bucket_of, integers, training
from infra.proof.virtual_time import World
from protocol.jobs.submit import submit_job
from protocol.learners.asking import LearnerFailed
from protocol.learners.catalogue import learner_kind, require_learner
from protocol.learners.named import NamedLearner
from protocol.wire import documents, keys
from protocol.wire.bucket import Bucket
from protocol.wire.clock import Clock
from protocol.wire.errors import NotInstalled
from protocol.wire.job_documents import Manifest, Result, ResultStatus
from protocol.wire.memory import MemoryStore
from protocol.worker.learner import Interrupted
from protocol.worker.worker_loop import WorkerLoop

NOTHING: Callable[[], bool] = lambda: False  # noqa: E731


def walking(install: Install, *changes: tuple[str, str]) -> None:
    """The learner of `test_named`, changed."""
    source = SOURCE
    for old, new in changes:
        assert old in source
        source = source.replace(old, new)
    install("my-arena", source, NAMED)


def worked(*jobs: Any, say: Callable[[str], None]) -> list[Result]:
    """The results of jobs that one worker runs, in virtual time."""
    world = World(seed=1)
    ids = [submit_job(bucket_of(world), job).job_ids[0] for job in jobs]

    def work(clock: Clock, store: MemoryStore) -> None:
        bucket = Bucket(store, clock)

        def start(given: Manifest) -> Any:
            if given.training.learner is None:
                return StandIn(given, world.pause, 1.0)
            return NamedLearner(bucket, given)

        WorkerLoop(bucket, "w", 6.0, start, integers, say, prepare=require_learner).run_until_stopped()

    process = world.process("w", work)
    world.run(until=lambda: all(keys.result(job_id) in world.s3.objects for job_id in ids), limit_s=3600.0)
    assert process.error is None
    results = [documents.read(bucket_of(world), Result, keys.result(job_id)) for job_id in ids]
    world.close()
    return [result for result in results if result is not None]


@pytest.mark.parametrize(
    ("raises", "told"),
    [
        ("raise RuntimeError('out of\\nluck')", "RuntimeError: out of luck"),
        ("__import__('sys').exit(3)", "SystemExit: 3"),
        ("raise MemoryError", "MemoryError: "),
    ],
)
@pytest.mark.parametrize(
    ("method", "asked"),
    [
        ("__init__(self, settings, task)", "__init__"),
        ("train(self, epoch, seed, may_stop)", "train, epoch 1"),
        ("weights(self)", "weights"),
    ],
)
def test_whatever_a_method_raises_ends_the_job_by_name_and_not_the_worker(
    install: Install, method: str, asked: str, raises: str, told: str
) -> None:
    walking(install, (f"def {method}:", f"def {method}:\n        {raises}"))
    said = list[str]()
    failed, other = worked(spec(max_attempts=2), training(1), say=said.append)
    assert (failed.status, other.status) == (ResultStatus.FAILED, ResultStatus.SUCCESS)
    assert f"2 attempts failed; the last: w: LearnerFailed: learner 'walk': {asked}: {told}" in (failed.error or "")
    assert any("my_arena.py" in line for line in said)  # its traceback


@pytest.mark.parametrize(
    ("method", "call", "asked"),
    [
        ("state(self)", lambda made: made.state(), "state"),
        ("restore(self, state)", lambda made: made.restore(made.state()), "restore, epoch 1"),
        ("load_weights(self, weights)", lambda made: made.load_weights(made.weights()), "load_weights"),
    ],
)
def test_what_the_other_methods_raise_is_told_by_name(
    install: Install, method: str, call: Callable[[NamedLearner], object], asked: str
) -> None:
    walking(install, (f"def {method}:", f"def {method}:\n        raise KeyError('x')"))
    made = learner()
    made.run_episode(1, NOTHING)
    with pytest.raises(LearnerFailed, match=f"learner 'walk': {asked}: KeyError: 'x'"):
        call(made)


@pytest.mark.parametrize(
    "catches",
    [
        "try:\n            may_stop()\n        except Exception:\n            pass",
        "try:\n            may_stop()\n        except Exception:\n            raise ValueError('odd')",
    ],
)
def test_a_learner_that_catches_the_stop_has_not_trained_the_epoch(install: Install, catches: str) -> None:
    walking(install, ("may_stop()", catches))
    made = learner()
    with pytest.raises(Interrupted):
        made.run_episode(1, lambda: True)
    assert made.history == []
    assert made.run_episode(1, NOTHING).steps == 1


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("{}", "0 tensors; must be 1 to 10000"),
        ("[self.place]", "no mapping of tensors but a list"),
        ("{'__metadata__': self.place}", "'__metadata__': a name is printable text"),
        ("{'a\\x1b': self.place}", r"'a\?': a name is printable text"),
        ("{3: self.place}", "'3': a name is printable text"),
        ("{'a': self.place[:0]}", r"a: shape \[0\]; must hold numbers"),
        ("{'a': self.place.reshape((1,) * 9 + (3,))}", "a: shape .*; must hold numbers, in at most 8 dimensions"),
        ("{'a': np.array([object()])}", "a: object; use float32"),
        ("{'a': self.place.astype('>f4')}", "a: >f4; use float32"),
        ("{'a': [[1.0], [1.0, 2.0]]}", "a: no array"),
        ("{'a': self.place * np.float32('nan')}", "a: holds numbers that are not finite"),
        ("{'a': self.place.astype(complex)}", "a: complex128; use float32"),
        ("{'a': self.place.astype(float)}", "a: float64 .*, this model has float32"),
    ],
)
def test_weights_that_cannot_be_averaged_are_refused_at_submit(install: Install, weights: str, message: str) -> None:
    walking(install, ('return {"place": self.place}\n\n    def load', f"return {weights}\n\n    def load"))
    with pytest.raises(AgentError, match=f"learner 'walk': its weights: {message}"):
        drafted(federation_size=2)


@pytest.mark.parametrize("weights", ["{'place': self.place[0]}", "{'b': self.place, 'a': self.place.reshape(3, 1)}"])
def test_tensors_without_dimensions_and_in_any_order_are_averaged(install: Install, weights: str) -> None:
    walking(install, ('return {"place": self.place}\n\n    def load', f"return {weights}\n\n    def load"))
    submission = drafted(federation_size=2)
    assert submission.first is not None
    assert len(submission.federation.model) in (1, 2)
    assert learner().weights()


@pytest.mark.parametrize("later", ["{'other': self.place}", "{'place': self.place[:2]}", "{}"])
def test_weights_of_other_names_or_shapes_later_on_end_the_job(install: Install, later: str) -> None:
    walking(
        install,
        (
            'return {"place": self.place}\n\n    def load',
            f"return {later} if self.drift else {{'place': self.place}}\n\n    def load",
        ),
    )
    made = learner()
    made.run_episode(1, NOTHING)
    with pytest.raises(AgentError, match="learner 'walk': its weights: "):
        made.weights()


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("b'bytes'", "must be a dict, not a bytes"),
        ("None", "must be a dict, not a NoneType"),
        ("{'a': float('nan')}", "a: nan; must be finite, or in an array"),
        ("{'a': [1.0, float('inf')]}", "a: inf; must be finite"),
        ("{'a': [np.zeros(2)]}", "a: a ndarray; use numbers, .*arrays as values of dicts"),
        ("{'a': {1, 2}}", "a: a set; use numbers"),
        ("{'a': b'x'}", "a: a bytes; use numbers"),
    ],
)
def test_a_state_that_cannot_be_written_down_names_the_part(install: Install, state: str, message: str) -> None:
    walking(install, ('return {"place": self.place, "drift": self.drift}', f"return {state}"))
    with pytest.raises(AgentError, match=f"learner 'walk': its state: {message}"):
        learner().state()


def test_a_state_may_hold_lists_of_dicts_as_torchs_optimizers_have_them(install: Install) -> None:
    walking(install, ('"drift": self.drift}', '"drift": self.drift, "groups": [{"lr": 0.1, "params": [0, 1]}]}'))
    said = list[str]()
    made, again = learner(), learner(say=said.append)
    made.run_episode(1, NOTHING)
    assert again.restore(made.state()) == 1
    assert said == []


def test_a_state_that_is_larger_than_what_is_read_back_is_refused(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    walking(install)
    made = learner()
    monkeypatch.setattr("protocol.learners.named.WEIGHTS_BYTES", 50)
    for refused in (made.state, made.weights):
        with pytest.raises(AgentError, match=r"learner 'walk': its (state|weights): 0 MiB; at most 0 MiB can be kept"):
            refused()


@pytest.mark.parametrize("reward", ["np.complex64(1)", "10 ** 400", "'1'", "np.ones(2)"])
def test_a_reward_that_is_no_number_is_named(install: Install, reward: str) -> None:
    walking(install, ("float(self.place.mean())", reward))
    with pytest.raises(ConfigError, match=r"learner 'walk': epoch 1: reward .*; must be a finite number, or None"):
        learner().run_episode(1, NOTHING)


# -- settings --------------------------------------------------------------------------------------


def test_a_secret_is_no_setting(install: Install) -> None:
    walking(install, ("proximal: float = 0.0", "proximal: float = 0.0\n    token: SecretStr = SecretStr('')"),
            ("import BaseModel, Field", "import BaseModel, Field, SecretStr"))  # fmt: skip
    kind = learner_kind("walk")
    assert kind.settings({}) is not None
    with pytest.raises(ConfigError, match="learner 'walk': setting token: is a secret") as refused:
        kind.settings({"token": "hunter2"})
    assert "hunter2" not in str(refused.value)


def test_a_model_of_settings_that_raises_is_told_by_name_at_submit(install: Install) -> None:
    walking(
        install,
        (
            "proximal: float = 0.0",
            "proximal: float = 0.0\n\n    def model_post_init(self, context):\n        raise OSError('no disk')",
        ),
    )
    with pytest.raises(ConfigError, match="learner 'walk': Settings: OSError: no disk"):
        drafted(federation_size=2)


def test_a_model_that_takes_any_setting_takes_none_that_it_does_not_name(install: Install) -> None:
    walking(install, ("class WalkSettings(BaseModel):", "class WalkSettings(BaseModel, extra='allow'):"))
    with pytest.raises(ConfigError, match="setting 'sice' is unknown; did you mean 'size'"):
        drafted(job={"settings": {"sice": 2}})


# -- packages --------------------------------------------------------------------------------------


def test_a_package_that_cannot_be_imported_is_imported_once(install: Install, tmp_path: Path) -> None:
    install("my-arena", f"with open({str(tmp_path / 'log')!r}, 'a') as log:\n    log.write('x')\nimport absent", NAMED)
    said = list[str]()
    world = World(seed=1)
    for _ in range(2):
        with pytest.raises(NotInstalled, match="my_arena:Walk cannot be imported: ModuleNotFoundError"):
            require_learner(manifest(spec()))
    assert (tmp_path / "log").read_text() == "x"
    world.close()
    assert said == []


def test_what_a_learner_prints_at_submit_is_not_in_the_output(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    walking(install, ("import numpy as np", "import numpy as np\nprint('imported')"),
            ("self.task, self.drift = task, 0.0", "self.task, self.drift = task, 0.0; print('made')"))  # fmt: skip
    drafted(federation_size=2)
    told = capsys.readouterr()
    assert told.out == ""
    assert "imported" in told.err
    assert "made" in told.err


def test_what_a_learner_raises_at_submit_is_one_clear_error(install: Install) -> None:
    walking(install, ("self.task, self.drift = task, 0.0", "__import__('sys').exit('no GPU')"))
    with pytest.raises(ConfigError, match="learner 'walk': __init__: SystemExit: no GPU"):
        drafted(federation_size=2)
