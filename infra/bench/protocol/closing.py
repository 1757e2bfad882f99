"""Time and extra memory of averaging a round's updates.

Times run from the first update to the bytes of the global weights. Between the repeats the same bytes are copied, and
averaged by Flower where it is installed, so that a busy machine is busy for all of them.
"""

from __future__ import annotations

import mmap
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from protocol.strategies.table import Strategy

if TYPE_CHECKING:
    from protocol.wire.federation_documents import Federation

Shapes = dict[str, tuple[int, ...]]
Body = bytes | memoryview

SIZES = (2, 8, 32, 128)
DIFFERENT = 8  # updates that are made; larger rounds take them again
WEIGHT = 1000


@dataclass(frozen=True)
class ClosingResult:
    """One measurement.

    Attributes:
        name: What was measured, and whose code it is.
        n: Updates of the round.
        ms_median: Milliseconds from the first update to the bytes of the aggregate, median of the repeats.
        ms_best: The least of them.
        extra_mb: Peak resident memory (10^6 bytes) of a process of its own beyond what it held before; None: not
            measured.
        note: What the row's number is to be compared with.
    """

    name: str
    n: int
    ms_median: float
    ms_best: float
    extra_mb: float | None
    note: str


def measure(quick: bool = False) -> list[ClosingResult]:
    """All figures; `quick` takes a smaller model, fewer members and fewer repeats.

    The first row of a model is preceded by a round that is not counted: it compiles the loops, if no process did before
    (about 2 s).
    """
    sizes, repeats = (SIZES[:2], 3) if quick else (SIZES, 5)
    with TemporaryDirectory(prefix="sim-arena-") as folder:
        return [
            *_small(sizes if quick else (*sizes, 1000), 4 * repeats),
            *_large(large(100 if quick else 1000), sizes, repeats, Path(folder)),
        ]


def large(width: int) -> Shapes:
    """Ten layers of width x width; 10.01 M parameters for 1000."""
    shapes: Shapes = {}
    for layer in range(10):
        shapes |= {f"{layer}.weight": (width, width), f"{layer}.bias": (width,)}
    return shapes


def federation(shapes: Shapes, size: int, strategy: Strategy = Strategy.FEDAVG) -> Federation:
    """A federation of this model; only the model matters here."""
    from protocol.wire.federation_documents import Federation, TensorSpec
    from protocol.wire.job_documents import TrainingSpec

    return Federation(
        group="bench",
        created_at="",
        size=size,
        strategy=strategy,
        training=TrainingSpec(agent="dqn", reward="shaped", episodes=1, steps=1, seed=0),
        model=tuple(TensorSpec(name=name, shape=shape) for name, shape in shapes.items()),
    )


def updates(shapes: Shapes, n: int) -> Iterator[bytes]:
    """Updates of n members; their numbers are random."""
    from protocol.rounds.averaging import Model

    model = Model(federation(shapes, n))
    return (model.write(np.random.default_rng(seed).standard_normal(model.size, np.float32)) for seed in range(n))


def closed(federation: Federation, bodies: Iterable[Body]) -> bytes:
    """The global weights, as a closer makes them."""
    from protocol.rounds.aggregate import RoundInputs
    from protocol.rounds.averaging import RoundAggregate

    aggregate = RoundAggregate(federation, RoundInputs())
    for body in bodies:
        aggregate.add(body, WEIGHT)
    return aggregate.finish().weights


# -- time --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Round:
    """A round that can be closed again and again.

    Attributes:
        sources: updates, or files of them; taken again and again if the round has more.
    """

    shapes: Shapes
    n: int
    sources: Sequence[bytes | Path]

    def bodies(self) -> Iterator[Body]:
        sources = islice(cycle(self.sources), self.n)
        return (_mapped(source) if isinstance(source, Path) else source for source in sources)

    def close(self) -> bytes:
        return closed(federation(self.shapes, self.n), self.bodies())

    def copy(self) -> None:
        """Copy every update once."""
        space = np.empty(0, np.uint8)
        for body in self.bodies():
            if not len(space):
                space = np.empty(len(body), np.uint8)
            np.copyto(space, np.frombuffer(body, np.uint8))


def _small(sizes: Sequence[int], repeats: int) -> Iterator[ClosingResult]:
    """The gym's own DQN, from bytes in memory."""
    from agents.dqn.network import layout

    shapes, name = layout(), "DQN, from bytes"
    bodies = list(updates(shapes, DIFFERENT))
    for n in sizes:
        yield from _compared(name, Round(shapes, n, bodies), repeats)


def _large(shapes: Shapes, sizes: Sequence[int], repeats: int, folder: Path) -> Iterator[ClosingResult]:
    """A large model, from files that the system has in memory."""
    paths = [folder / f"{number}.safetensors" for number in range(DIFFERENT)]
    for path, body in zip(paths, updates(shapes, DIFFERENT), strict=True):
        path.write_bytes(body)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as apart:
        for n in sizes:
            fewer, name = min(repeats, 2 + 64 // n), f"{_parameters(shapes)}, from files"
            yield from _compared(name, Round(shapes, n, paths), fewer, apart)


def _compared(name: str, round_: Round, repeats: int, apart: Executor | None = None) -> Iterator[ClosingResult]:
    """A round, the copies of its bytes, and Flower's round.

    Args:
        apart: the process in which memory is measured, if it is.
    """
    from infra.bench.protocol import flower

    works: list[Callable[[], object]] = [round_.close, round_.copy]
    with_flower = flower.is_there() and flower.bytes_of(round_.shapes, round_.n) <= flower.MOST_BYTES
    if with_flower:
        works.append(flower.round_of(round_.shapes, round_.n))
    times = _times(works, repeats)
    ours, copies = median(times[0]), median(times[1])
    note = f"{ours / copies:.1f} x a copy of the bytes ({1000 * copies:.2f} ms)"
    extra = apart.submit(_extra_mb_of_ours, round_).result() if apart else None
    yield _row(name, round_.n, times[0], extra, note)
    if with_flower:
        extra = apart.submit(_extra_mb_of_flower, round_).result() if apart else None
        yield _row(f"  Flower {flower.version()}", round_.n, times[2], extra, f"{median(times[2]) / ours:.1f} x ours")


def _times(works: Sequence[Callable[[], object]], repeats: int) -> list[list[float]]:
    """Seconds of each work's runs; in turn, and once before it counts."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(repeats + 1):
        for work, found in zip(works, times, strict=True):
            start = perf_counter()
            work()
            found.append(perf_counter() - start)
    return [found[1:] for found in times]


def _row(name: str, n: int, seconds: Sequence[float], extra_mb: float | None, note: str) -> ClosingResult:
    return ClosingResult(name, n, 1000 * median(seconds), 1000 * min(seconds), extra_mb, note)


def _parameters(shapes: Shapes) -> str:
    return f"{sum(int(np.prod(shape)) for shape in shapes.values()):,} parameters"


def _mapped(path: Path) -> memoryview:
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


# -- memory ------------------------------------------------------------------------------------------


def _extra_mb_of_ours(round_: Round) -> float | None:
    """Peak memory of a round whose updates come one after the other, each in memory of its own, as from S3."""
    from agents.dqn.network import layout

    Round(layout(), 2, list(updates(layout(), 2))).close()  # compiles, and loads what every round needs
    files = (source.read_bytes() for source in islice(cycle(round_.sources), round_.n) if isinstance(source, Path))
    return extra_mb(lambda: closed(federation(round_.shapes, round_.n), files))


def _extra_mb_of_flower(round_: Round) -> float | None:
    """The replies are part of it: a strategy gets them all at once."""
    from agents.dqn.network import layout
    from infra.bench.protocol import flower

    flower.round_of(layout(), 2)()
    return extra_mb(lambda: flower.round_of(round_.shapes, round_.n)())


def extra_mb(work: Callable[[], object]) -> float | None:
    """Peak resident memory of this process during some work, beyond what it held before, in 10^6 bytes.

    None where the system is not Linux (proc(5): writing 5 to clear_refs resets the peak).
    """
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    before = _status_bytes("VmRSS")
    work()
    return (_status_bytes("VmHWM") - before) / 1e6


def _status_bytes(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return 1024 * int(line.split()[1])
    raise OSError(f"/proc/self/status: no {name}")
