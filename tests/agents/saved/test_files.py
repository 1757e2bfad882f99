"""Files are replaced whole or not at all, and read within a bound, of whichever format they are."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from agents.saved import checkpoint, pt_file
from agents.saved.files import read_bounded, write_atomic, write_json
from agents.saved.formats import read_state
from env.errors import AgentError, OutputError


def test_writing_replaces_the_file_and_leaves_no_other(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    write_atomic(path, b"old")
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.pt"
    write_atomic(path, b"old")

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OutputError, match="No space left"):
        write_atomic(path, b"new and longer")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_file_or_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match=r"nowhere\.pt"):
        read_bounded(tmp_path / "nowhere.pt")
    with pytest.raises(AgentError, match="null byte"):
        read_bounded(tmp_path / "a\0b")
    with pytest.raises(OutputError, match="missing"):
        write_json(tmp_path / "missing" / "a.json", {})


@pytest.mark.parametrize("dumps", [checkpoint.dumps, pt_file.dumps])
def test_a_state_is_read_by_what_is_in_the_file_under_any_name(tmp_path: Path, dumps) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "state"
    path.write_bytes(dumps({"a": np.arange(3.0), "b": {"c": 1}}))
    found = read_state(path)
    assert found["a"].tolist() == [0, 1, 2]
    assert found["b"] == {"c": 1}
    write_json(path, {"b": {"c": 1}})
    assert read_state(path) == {"b": {"c": 1}}


@pytest.mark.parametrize("body", [b"", b"text", b"PK\3\4", b"\0" * 8 + b"{", b'{"12345":{'])
def test_a_file_of_no_format_is_named(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "state").write_bytes(body)
    with pytest.raises(AgentError, match="state: "):
        read_state(tmp_path / "state")
