"""Averaging networks: exact, order-free, and safe against whatever lies in the bucket."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from standin import GROUP, bucket_of, federation

from protocol import keys, schemas
from protocol.errors import BadDocument
from protocol.fedavg import RunningMean
from protocol.rounds import Closer, update_facts
from protocol.schemas import Decision, Federation, TensorSpec
from protocol.simulation import World

SHAPES = {"q_net.0.weight": (3, 2), "q_net.0.bias": (3,)}


def model(size: int = 4) -> Federation:
    return federation(size, 1, model=tuple(TensorSpec(name=name, shape=shape) for name, shape in SHAPES.items()))


def saved(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def weights(seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}


def mean_of(updates: list[tuple[dict[str, torch.Tensor], int]]) -> dict[str, torch.Tensor]:
    mean = RunningMean(model())
    for tensors, weight in updates:
        mean.add(saved(tensors), weight)
    loaded: dict[str, torch.Tensor] = torch.load(io.BytesIO(mean.weights()), weights_only=True)
    return loaded


def test_the_mean_is_weighted() -> None:
    found = mean_of([(weights(1), 30), (weights(2), 10)])
    for name in SHAPES:
        expected = (30 * weights(1)[name].double() + 10 * weights(2)[name].double()) / 40
        assert torch.equal(found[name], expected.float())


def test_the_mean_of_one_member_is_that_member() -> None:
    found = mean_of([(weights(1), 17)])
    assert all(torch.equal(found[name], weights(1)[name]) for name in SHAPES)


def test_equal_sums_are_equal_bytes() -> None:
    first, second = RunningMean(model()), RunningMean(model())
    for mean in (first, second):
        mean.add(saved(weights(1)), 3)
        mean.add(saved(dict(reversed(weights(2).items()))), 4)  # another order of tensors in the file
    assert first.weights() == second.weights()


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def compressed() -> bytes:
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(saved(weights(1)))) as source,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry))
    return out.getvalue()


def changed(name: str, value: Any) -> dict[str, Any]:
    return {**weights(1), name: value}


BAD: dict[str, bytes] = {
    "empty": b"",
    "text": b"not a file of tensors",
    "truncated": saved(weights(1))[:-200],
    "compressed": compressed(),
    "list": saved([1, 2]),
    "missing": saved({"q_net.0.bias": torch.zeros(3)}),
    "more": saved(changed("extra", torch.zeros(1))),
    "shape": saved(changed("q_net.0.bias", torch.zeros(4))),
    "dtype": saved(changed("q_net.0.bias", torch.zeros(3, dtype=torch.float64))),
    "nan": saved(changed("q_net.0.bias", torch.tensor([0.0, float("nan"), 0.0]))),
    "inf": saved(changed("q_net.0.bias", torch.tensor([0.0, float("inf"), 0.0]))),
    "number": saved(changed("q_net.0.bias", 3.0)),
    "sparse": saved(changed("q_net.0.bias", torch.zeros(3).to_sparse())),
    "huge": saved(changed("q_net.0.bias", torch.zeros(1_000_000))),
}


@pytest.mark.parametrize("name", BAD)
def test_an_unfit_update_is_refused_and_leaves_the_mean_as_it_was(name: str) -> None:
    mean = RunningMean(model())
    mean.add(saved(weights(1)), 2)
    before = mean.weights()
    with pytest.raises(BadDocument):
        mean.add(BAD[name], 1)
    assert mean.weights() == before


def test_nothing_in_an_update_is_run(tmp_path: Path) -> None:
    trap = tmp_path / "executed"
    for body in (saved(Evil(trap)), pickle.dumps(Evil(trap)), saved({**weights(1), "x": Evil(trap)})):
        with pytest.raises(BadDocument):
            RunningMean(model()).add(body, 1)
    assert not trap.exists()


@given(st.binary(max_size=500))
def test_no_bytes_whatever_break_the_closer(body: bytes) -> None:
    with pytest.raises(BadDocument):
        RunningMean(model()).add(body, 1)


@given(st.integers(0, 2000), st.integers(0, 255))
def test_a_damaged_update_is_refused_or_still_holds_finite_numbers(place: int, value: int) -> None:
    body = bytearray(saved(weights(1)))
    body[place % len(body)] = value
    mean = RunningMean(model())
    try:
        mean.add(bytes(body), 1)
    except BadDocument:
        return
    assert all(torch.isfinite(t).all() for t in torch.load(io.BytesIO(mean.weights()), weights_only=True).values())


def test_a_poisoned_member_is_named_and_the_others_are_averaged() -> None:
    world = World(seed=1)
    bucket = bucket_of(world)
    for member, name in enumerate(["nan", "shape", "truncated"]):
        bucket.create(keys.update(GROUP, 1, member), BAD[name], update_facts(5, 0.0, False))
    bucket.create(keys.update(GROUP, 1, 3), saved(weights(9)), update_facts(5, 0.0, False))
    Closer(bucket, model(), RunningMean, lambda line: None).step()
    body = world.s3.objects[keys.decision(GROUP, 1)].body
    decision = schemas.parse(Decision, body, "round.json")
    assert [p.member for p in decision.participants] == [3]
    assert [item.member for item in decision.left_out] == [0, 1, 2]
    assert "not finite" in decision.left_out[0].reason
    found = torch.load(io.BytesIO(world.s3.objects[keys.global_weights(GROUP, 1)].body), weights_only=True)
    assert all(torch.equal(found[name], weights(9)[name]) for name in SHAPES)
