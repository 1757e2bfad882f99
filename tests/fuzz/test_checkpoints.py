"""Updates, weights and server states: bytes from anywhere, and the metadata beside them."""

from __future__ import annotations

import json
from typing import Any

import archives
import hostile
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.saved import checkpoint
from infra.proof.standin import federation
from protocol.rounds.aggregation import RoundInputs
from protocol.rounds.updates import participant_of, update_facts
from protocol.strategies.aggregate import aggregate_of
from protocol.wire.federation_documents import Federation, Strategy, TensorSpec
from protocol.wire.store import Blob

SHAPES = {"q_net.0.weight": (2, 3), "q_net.0.bias": (2,), "target_net.0.bias": (2,)}
MODEL = tuple(TensorSpec(name=name, shape=shape) for name, shape in SHAPES.items())
UPDATE = checkpoint.dumps({name: torch.ones(shape) for name, shape in SHAPES.items()})
STATE = checkpoint.dumps({name: torch.ones(8, dtype=torch.float64) for name in ("first", "second")})
FEDERATION = federation(3, model=MODEL)
ADAM = federation(3, model=MODEL, strategy=Strategy.FEDADAM)

numbers = st.sampled_from([0.0, -0.0, 1.0, 3.4e38, 1e-45, float("nan"), float("inf"), float("-inf")])
wrong = st.one_of(
    st.builds(torch.full, st.lists(st.integers(0, 4), max_size=3), numbers),
    st.sampled_from(
        [
            torch.zeros(2, dtype=torch.float64),
            torch.zeros(2, dtype=torch.int64),
            torch.zeros(2, dtype=torch.bool),
            torch.zeros((2, 3), dtype=torch.uint8),
            torch.zeros((3, 2)).T,
        ]
    ),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
)


def load(body: bytes) -> None:
    state = hostile.answered("checkpoints: read", len(body), lambda: checkpoint.loads(body, "update"))
    assert not archives.TRAP.exists()
    if state is not None:
        hostile.answered("checkpoints: tensors", len(body), lambda: checkpoint.tensors(state, SHAPES, "update"))


def average(body: bytes, of: Federation = FEDERATION, state: bytes | None = None) -> None:
    """A closer takes the update in and finishes with an honest one: the weights are finite."""

    def close() -> bytes:
        aggregate = aggregate_of(of, RoundInputs(UPDATE, state) if state is not None else RoundInputs())
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
def test_a_damaged_pickle_in_a_whole_archive_is_read_or_refused(seed: int) -> None:
    for chance in hostile.chances(seed):
        load(archives.with_program(hostile.damaged(archives.GOOD_PROGRAM, chance)))


@settings(settings.get_profile("fuzz"))
@given(changes=st.dictionaries(st.sampled_from([*SHAPES, "q_net.0", "\n", "é"]), wrong, max_size=3), drop=st.booleans())
def test_an_update_with_other_content_is_averaged_or_refused(changes: dict[str, Any], drop: bool) -> None:
    good = {} if drop else {name: torch.ones(shape) for name, shape in SHAPES.items()}
    average(checkpoint.dumps({**good, **changes}))


@settings(settings.get_profile("fuzz"))
@given(program=archives.programs | archives.plausible)
def test_a_pickle_of_any_opcodes_is_read_or_refused(program: bytes) -> None:
    load(archives.with_program(program))


@settings(settings.get_profile("fuzz"))
@given(seed=st.integers(0, 2**64))
def test_a_damaged_server_state_is_used_or_refused(seed: int) -> None:
    for chance in hostile.chances(seed):
        average(UPDATE, ADAM, hostile.damaged(STATE, chance))


@pytest.mark.parametrize("name", archives.attacks())
def test_an_attack_is_refused_quickly_and_runs_nothing(name: str) -> None:
    body = archives.attacks()[name]
    found = hostile.answered("checkpoints: attacks", len(body), lambda: checkpoint.loads(body, "update"))
    assert not found  # two have an empty checkpoint beside what they hide, which is all that is read of them
    average(body)
    assert not archives.TRAP.exists()


def test_the_good_archive_and_the_good_program_are_read() -> None:
    assert checkpoint.dumps(checkpoint.loads(archives.GOOD, "good")) == archives.GOOD
    program = b"\x80\x02}" + archives.text("a") + archives.tensor(6, 0, (2, 3), (3, 1)) + b"s."
    [tensor] = checkpoint.loads(archives.with_program(program, np.arange(6, dtype=np.float32).tobytes()), "x").values()
    assert torch.equal(tensor, torch.arange(6.0).reshape(2, 3))


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
