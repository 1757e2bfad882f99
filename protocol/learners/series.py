"""Recorded series that jobs are trained on: uploaded by `dispatch submit` by content hash, read back by workers.

An object holds one tensor, `series`, float64 (n, length): what the environment's own reader made of a file. What the
numbers mean, and which are possible, the environment checks on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.saved import checkpoint
from env.errors import AgentError, ConfigError, UsageError
from env.words import count
from protocol.wire import keys
from protocol.wire.bucket import Bucket
from protocol.wire.errors import BadDocument
from protocol.wire.job_documents import EpochsSpec
from runner.commands.environments import KINDS

MOST_BYTES = 64 << 20
_NAME = "series"

Series = NDArray[np.float64]


def read_files(environment: str, files: Sequence[str], settings: Mapping[str, Any], shares: int) -> list[bytes]:
    """What is to be uploaded of files, in their order.

    Args:
        environment: Whose series they are.
        files: Paths.
        settings: Of the environment.
        shares: Among how many members they are shared out; 0 if all members have all.

    Raises:
        ConfigError: The environment has no series, or a file cannot be read as such.
        UsageError: There are too few files for each member to have one, or a file has too many series.
    """
    read = KINDS[environment].read_series
    if read is None:
        raise ConfigError(f"--series {files[0]}: --env {environment} is not trained on series; leave it out")
    bodies = [checkpoint.write({_NAME: np.ascontiguousarray(read(Path(each), settings))}) for each in files]
    for path, body in zip(files, bodies, strict=True):
        if len(body) > MOST_BYTES:
            raise UsageError(f"--series {path}: more than {MOST_BYTES >> 20} MiB of numbers; leave some series out")
    if len(set(bodies)) < shares:
        raise UsageError(
            f"--heterogeneous: {count(len(set(bodies)), 'different file')} of series for {count(shares, 'member')}; "
            "each needs its own"
        )
    return bodies


def read_objects(bucket: Bucket, environment: EpochsSpec) -> Series | None:
    """The series of a job, those of all its objects one below the other; None if it has none.

    Raises:
        BadDocument: One is gone, not what its hash says, or not of the form above.
    """
    parts = [_parse(bucket.content(keys.series, each, MOST_BYTES), keys.series(each)) for each in environment.series]
    if len({part.shape[1] for part in parts}) > 1:
        raise BadDocument(f"series of different lengths: {', '.join(sorted({str(part.shape[1]) for part in parts}))}")
    return np.concatenate(parts) if parts else None


def _parse(body: bytes, key: str) -> Series:
    try:
        content = checkpoint.loads(body, key, MOST_BYTES)
        checkpoint.check_names(content, {_NAME: ()}, key)
    except AgentError as error:
        raise BadDocument(str(error)) from error
    found = content[_NAME]
    if not isinstance(found, np.ndarray) or found.dtype != np.float64 or found.ndim != 2 or not found.size:
        raise BadDocument(f"{key}: must hold numbers in float64, as (series, length)")
    if not np.isfinite(found).all():
        raise BadDocument(f"{key}: holds numbers that are not finite")
    return found
