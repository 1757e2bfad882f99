"""Event files for TensorBoard, where that is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

AddScalars = Callable[[str, Mapping[str, float], int], None]
"""Adds named values under a group's name, at an episode."""


def is_installed() -> bool:
    """Whether event files can be written."""
    return find_spec("tensorboard") is not None


@contextmanager
def tensorboard(folder: Path, done: int) -> Iterator[AddScalars]:
    """Takes scalars until the end of the block; those of episodes after `done` in the folder are given up."""
    if not is_installed():
        yield lambda group, values, episode: None
        return
    from torch.utils.tensorboard import SummaryWriter

    def add(group: str, values: Mapping[str, float], episode: int) -> None:
        for name, value in values.items():
            writer.add_scalar(f"{group}/{name}", value, episode)

    with SummaryWriter(str(folder), purge_step=done + 1) as writer:
        yield add
