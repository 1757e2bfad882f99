"""Real series are read from a file that is not trusted, cut into windows, and scaled to steps."""

from __future__ import annotations

import gzip
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from env.errors import ConfigError
from env.season.real import LEAST_SAMPLES, TYPICAL_STEPS, read_samples, read_series
from env.season.variants import ALL_WINDOWS, VARIANTS, WARM_UP

MEMORY = VARIANTS["memory"]
LONG = ALL_WINDOWS * LEAST_SAMPLES


def a_file(folder: Path, lines: str, header: str = "pod,seconds,use") -> Path:
    path = folder / "series.csv"
    path.write_text(f"{header}\n{lines}\n")
    return path


def samples_of(name: str, count: int, value: str = "0.5") -> str:
    return "\n".join(f"{name},{60 * i},{value}" for i in range(count))


def test_each_series_becomes_140_windows_whatever_its_length(tmp_path: Path) -> None:
    read = read_series(
        a_file(tmp_path, f"{samples_of('a', LONG)}\n{samples_of('b', 3 * LONG + 17)}\n{samples_of('c', LONG - 1)}"),
        MEMORY,
    )
    assert (read.names, read.skipped) == (("a", "b"), 1)
    assert read.series.peaks.shape == (2, ALL_WINDOWS)


def test_the_warm_ups_median_peak_is_eight_steps_and_none_is_too_large_to_request(tmp_path: Path) -> None:
    values = np.full(LONG, 0.01)
    values[::LEAST_SAMPLES] = 0.4
    values[-2 * LEAST_SAMPLES :] = 0
    values[-1] = 1e6
    lines = "\n".join(f"a,{i},{value}" for i, value in enumerate(values))
    peaks = read_series(a_file(tmp_path, lines), MEMORY).series.peaks[0]
    assert np.median(peaks[:WARM_UP]) == TYPICAL_STEPS == 8
    assert peaks[-1] == MEMORY.most_peak
    assert peaks[-2] > 0


def test_samples_may_come_in_any_order_and_compressed(tmp_path: Path) -> None:
    path = tmp_path / "series.csv.gz"
    path.write_bytes(gzip.compress(b"pod,seconds,use\nb,2,3\na,5,0.5\nb,1,4\n\n"))
    found = read_samples(path)
    assert [*found] == ["b", "a"]
    assert found["b"][0].tolist() == [1, 2]
    assert found["b"][1].tolist() == [4, 3]


def test_a_series_without_use_in_the_warm_up_is_skipped(tmp_path: Path) -> None:
    read = read_series(a_file(tmp_path, f"{samples_of('a', LONG)}\n{samples_of('b', LONG, '0')}"), MEMORY)
    assert (read.names, read.skipped) == (("a",), 1)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("a,0,1\na,60", r"line 3: 2 cells"),
        ("a,x,1", r"line 2: seconds 'x': must be a number from 0"),
        ("a,0,nan", r"line 2: use 'nan': must be a number"),
        ("a,0,-1", r"line 2: use '-1': must be a number"),
        ("a,0,1e30", r"line 2: use '1e30'"),
        (",0,1", r"line 2: name ''"),
        ("a\x1b[31m,0,1", r"line 2: name 'a\?\[31m'"),
        ("a,0,1", r"none of its 1 series has the 700 samples"),
        ('a,0,"1', r"line 2: unexpected end of data"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, lines: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_series(a_file(tmp_path, lines), MEMORY)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_samples(tmp_path / "none.csv")
    with pytest.raises(ConfigError, match="4 columns; it must name three"):
        read_samples(a_file(tmp_path, "", "a,b,c,d"))
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(b"pod,seconds,use\n" * 99)[:-9])
    with pytest.raises(ConfigError, match="cannot be read"):
        read_samples(tmp_path / "cut.csv.gz")
    (tmp_path / "bad.csv.gz").write_bytes(gzip.compress(b"pod,seconds,use\n" * 99)[:10] + b"\xff" * 40)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_samples(tmp_path / "bad.csv.gz")
    (tmp_path / "latin.csv").write_bytes(b"pod,seconds,use\n\xff,1,2\n")
    with pytest.raises(ConfigError, match="UTF-8"):
        read_samples(tmp_path / "latin.csv")


def test_what_a_small_file_unpacks_to_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("env.season.real.MOST_BYTES", 1000)
    path = tmp_path / "bomb.csv.gz"
    path.write_bytes(gzip.compress(b"pod,seconds,use\n" + b"a,1,2\n" * 1000))
    with pytest.raises(ConfigError, match="more than"):
        read_samples(path)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=200)
    | st.text("a,;\"'\n\r\t01.e-\x00\u202e", max_size=200).map(lambda text: f"pod,seconds,use\n{text}".encode())
)
def test_no_bytes_lead_to_anything_but_samples_or_one_error(tmp_path: Path, data: bytes) -> None:
    for path, written in (
        (tmp_path / "x.csv", data),
        (tmp_path / "x.csv.gz", data),
        (tmp_path / "y.gz", gzip.compress(data)),
    ):
        path.write_bytes(written)
        with suppress(ConfigError):
            found = read_samples(path)
            assert all(np.isfinite(each).all() for pair in found.values() for each in pair)
