"""What closing costs: that the figures are of what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.saved import checkpoint
from infra.bench.protocol.closing import Round, closed, extra_mb, federation, large, measure, updates

MEGABYTE = 1_000_000


def test_every_figure_is_measured() -> None:
    rows = measure(quick=True)
    assert [row.n for row in rows if row.name == "DQN, from bytes"] == [2, 8]
    assert [row.n for row in rows if row.name == "101,000 parameters, from files"] == [2, 8]
    assert all(0 < row.ms_best <= row.ms_median for row in rows)
    assert {row.extra_mb is not None for row in rows if "files" in row.name} == {Path("/proc/self/clear_refs").exists()}


def test_closing_holds_one_update_however_many_there_are(tmp_path: Path) -> None:
    shapes = large(450)
    path = tmp_path / "update.safetensors"
    path.write_bytes(next(updates(shapes, 1)))
    update_mb = path.stat().st_size / MEGABYTE
    assert update_mb > 8
    for n in (2, 24):
        found = extra_mb(lambda n=n: closed(federation(shapes, n), (path.read_bytes() for _ in range(n))))  # type: ignore[misc]
        if found is None:
            pytest.skip("this system does not tell the peak of a process's memory")
        assert found < 5.5 * update_mb  # the sum is two, one is read, one was read before


def test_files_are_closed_as_their_bytes_are(tmp_path: Path) -> None:
    shapes = {"a": (7, 3), "b": (7,)}
    bodies = list(updates(shapes, 3))
    paths = [tmp_path / str(number) for number in range(3)]
    for path, body in zip(paths, bodies, strict=True):
        path.write_bytes(body)
    assert Round(shapes, 5, paths).close() == Round(shapes, 5, bodies).close()


def test_flower_averages_to_the_same_numbers() -> None:
    pytest.importorskip("flwr")
    from infra.bench.protocol.flower import round_of

    shapes = {"a": (7, 3), "b": (7,)}
    ours = checkpoint.loads(closed(federation(shapes, 3), updates(shapes, 3)), "ours")
    theirs = round_of(shapes, 3)()
    for name in shapes:
        assert abs(ours[name] - theirs[name].numpy()).max() < 1e-6  # type: ignore[index]
