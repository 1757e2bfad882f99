"""Updates, weights and server states: bytes from anywhere, and the metadata beside them."""

from __future__ import annotations

import json
from typing import Any

import hostile
import numpy as np
import pytest
import tensor_files
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.saved import checkpoint
from infra.proof.standin import federation
from protocol.rounds.aggregate import RoundInputs
from protocol.rounds.averaging import RoundAggregate
from protocol.rounds.updates import participant_of, update_facts
from protocol.strategies.table import Strategy
from protocol.wire.federation_documents import Federation, TensorSpec
from protocol.wire.store import Blob

SHAPES = {"q_net.0.weight": (2, 3), "q_net.0.bias": (2,), "target_net.0.bias": (2,)}
MODEL = tuple(TensorSpec(name=name, shape=shape) for name, shape in SHAPES.items())
UPDATE = checkpoint.dumps({name: np.ones(shape, np.float32) for name, shape in SHAPES.items()})
STATE = checkpoint.dumps({name: np.ones(8) for name in ("first", "second")})
FEDERATION = federation(3, model=MODEL)
ADAM = federation(3, model=MODEL, strategy=Strategy.FEDADAM)

numbers = st.sampled_from([0.0, -0.0, 1.0, 3.4e38, 1e-45, float("nan"), float("inf"), float("-inf")])
wrong = st.one_of(
    st.builds(
        lambda shape, number: np.full(shape, number, np.float32), st.lists(st.integers(0, 4), max_size=3), numbers
    ),
    st.sampled_from([np.zeros(2), np.zeros(2, np.int64), np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.float32).T]),
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
)


def load(body: bytes) -> None:
    state = hostile.answered("checkpoints: read", len(body), lambda: checkpoint.loads(body, "update"))
    if state is not None:
        hostile.answered("checkpoints: tensors", len(body), lambda: checkpoint.tensors(state, SHAPES, "update"))


def average(body: bytes, of: Federation = FEDERATION, state: bytes | None = None) -> None:
    """A closer takes the update in and finishes with an honest one: the weights are finite."""

    def close() -> bytes:
        aggregate = RoundAggregate(of, RoundInputs(UPDATE, state) if state is not None else RoundInputs())
        aggregate.add(UPDATE, 10)
        aggregate.add(body, 10)
        return aggregate.finish().weights

    weights = hostile.answered("checkpoints: averaged", len(body), close)
    if weights is not None:
        checkpoint.tensors(checkpoint.loads(weights, "weights"), SHAPES, "weights")


@settings(settings.get_profile("fuzz"))
@given(seed=st.integers(0, 2**64))
def test_a_damaged_update_is_averaged_or_refused(seed: int) -> None:
    for chance in hostile.chances(seed):
        body = hostile.damaged(UPDATE, chance)
        load(body)
        average(body)


@settings(settings.get_profile("fuzz"))
@given(seed=st.integers(0, 2**64))
def test_a_damaged_header_of_the_right_length_is_read_or_refused(seed: int) -> None:
    for chance in hostile.chances(seed):
        load(tensor_files.file(hostile.damaged(tensor_files.GOOD_HEADER, chance), tensor_files.GOOD_DATA))


@settings(settings.get_profile("fuzz"))
@given(changes=st.dictionaries(st.sampled_from([*SHAPES, "q_net.0", "\n", "é"]), wrong, max_size=3), drop=st.booleans())
def test_an_update_with_other_content_is_averaged_or_refused(changes: dict[str, Any], drop: bool) -> None:
    good = {} if drop else {name: np.ones(shape, np.float32) for name, shape in SHAPES.items()}
    average(checkpoint.dumps({**good, **changes}))


@settings(settings.get_profile("fuzz"))
@given(header=tensor_files.headers, size=st.sampled_from([0, 8, 24, 48]))
def test_a_header_of_any_content_is_read_or_refused(header: dict[str, Any], size: int) -> None:
    body = tensor_files.file(tensor_files.as_json(header), bytes(size))
    load(body)
    average(body)


@settings(settings.get_profile("fuzz"))
@given(seed=st.integers(0, 2**64))
def test_a_damaged_server_state_is_used_or_refused(seed: int) -> None:
    for chance in hostile.chances(seed):
        average(UPDATE, ADAM, hostile.damaged(STATE, chance))


@pytest.mark.parametrize("name", tensor_files.attacks())
def test_an_attack_is_refused_within_bounds(name: str) -> None:
    body = tensor_files.attacks()[name]
    assert hostile.answered("checkpoints: attacks", len(body), lambda: checkpoint.loads(body, "update")) is None
    average(body)
    average(UPDATE, ADAM, body)


def test_the_good_file_is_read() -> None:
    assert checkpoint.dumps(checkpoint.loads(tensor_files.GOOD, "good")) == tensor_files.GOOD
    assert tensor_files.file(tensor_files.GOOD_HEADER, tensor_files.GOOD_DATA) == tensor_files.GOOD


facts = st.one_of(
    hostile.mutants(json.loads(update_facts(5, 1.0, 1)["facts"])).map(lambda value: json.dumps(value)),
    hostile.text,
    st.sampled_from(["[" * 100_000, "1" * 5000, '{"transitions": ' + "9" * 5000 + "}", '{"transitions": "٣"}']),
)


@settings(settings.get_profile("fuzz"))
@given(told=facts)
def test_what_an_update_says_of_itself_is_believed_within_bounds_or_refused(told: str) -> None:
    blob = Blob(UPDATE, {"facts": told})
    found = hostile.answered("checkpoints: metadata", len(told), lambda: participant_of(FEDERATION, 1, 0, blob))
    if found is not None:
        assert 0 < found.weight <= FEDERATION.training.steps
        assert found.reward is None or abs(found.reward) <= 1e12
