"""Recorded series as inputs of jobs: read back as they were uploaded, and refused where they are not as they should."""

from __future__ import annotations

import numpy as np
import pytest

from agents.saved import checkpoint
from infra.proof.standin import bucket_of
from infra.proof.virtual_time import World
from protocol.learners.series import read_objects
from protocol.wire import keys
from protocol.wire.errors import BadDocument
from protocol.wire.job_documents import EpochsSpec


def read_back(*bodies: bytes) -> np.ndarray | None:
    world = World(seed=0)
    bucket = bucket_of(world)
    hashes = tuple(bucket.upload(keys.series, body) for body in bodies)
    try:
        return read_objects(bucket, EpochsSpec(name="season", environments=1, epoch_steps=1, series=hashes))
    finally:
        world.close()


def of(array: np.ndarray) -> bytes:
    return checkpoint.write({"series": array})


def test_the_series_of_all_objects_stand_one_below_the_other() -> None:
    first, second = np.ones((2, 5)), np.full((1, 5), 2.0)
    found = read_back(of(first), of(second))
    assert found is not None
    assert np.array_equal(found, np.concatenate([first, second]))
    assert read_back() is None


@pytest.mark.parametrize(
    ("bodies", "message"),
    [
        ([of(np.ones(5))], "must hold numbers in float64"),
        ([of(np.ones((2, 5), np.float32))], "must hold numbers in float64"),
        ([of(np.full((2, 5), np.nan))], "not finite"),
        ([checkpoint.write({"other": np.ones((2, 5))})], "series is missing"),
        ([b"pickle?"], "series/"),
        ([of(np.ones((2, 5))), of(np.ones((2, 6)))], "series of different lengths: 5, 6"),
    ],
)
def test_what_is_no_series_is_refused_by_name(bodies: list[bytes], message: str) -> None:
    with pytest.raises(BadDocument, match=message):
        read_back(*bodies)
