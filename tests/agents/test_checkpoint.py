"""Bytes from anywhere: nothing runs, nothing unfolds, everything unfit is one AgentError."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import checkpoint
from agents.files import read_bounded, write_atomic, write_json
from env.errors import AgentError

GOOD = checkpoint.dumps({"a": torch.arange(6.0).reshape(2, 3), "text": "x", "n": [1, 2.5, None, True]})


class Attack:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, (str(self.path),))


def repacked(replace: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """GOOD with other contents of some entries."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(GOOD)) as source, zipfile.ZipFile(buffer, "w", compression) as target:
        for entry in source.infolist():
            target.writestr(entry.filename, replace.get(entry.filename, source.read(entry)))
    return buffer.getvalue()


def torch_bytes(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def test_a_state_round_trips() -> None:
    state = checkpoint.loads(GOOD, "state")
    assert state["n"] == [1, 2.5, None, True]
    assert torch.equal(state["a"], torch.arange(6.0).reshape(2, 3))
    assert checkpoint.dumps(state) == GOOD


def test_equal_states_are_equal_bytes_however_they_were_made() -> None:
    key, whole = "".join(["na", "me"]), torch.arange(12.0)
    shared, separate = [key, key], ["name", "".join(["n", "ame"])]
    one = {"name": shared, "again": shared, "t": whole[:6].view(2, 3).T}
    two = {"".join(["nam", "e"]): separate, "again": list(separate), "t": whole[:6].view(2, 3).T.contiguous()}
    assert checkpoint.dumps(one) == checkpoint.dumps(two)


def test_a_file_that_would_run_code_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    trap = tmp_path / "executed"
    attacks = [pickle.dumps({"a": Attack(trap)}, protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    files = [torch_bytes({"a": Attack(trap)}), *attacks, *(repacked({"archive/data.pkl": a}) for a in attacks)]
    for data in files:
        with pytest.raises(AgentError):
            checkpoint.loads(data, "file")
    assert not trap.exists()
    pickle.loads(attacks[0])
    assert trap.exists()  # the attack is a real one


def test_memory_asked_for_by_the_pickle_is_refused() -> None:
    with pytest.raises(AgentError, match="plain data"):
        checkpoint.loads(torch_bytes({"a": bytearray(10)}), "file")


def test_an_older_format_in_front_of_an_archive_is_refused_unread() -> None:
    older = io.BytesIO()
    torch.save({"a": bytearray(10)}, older, _use_new_zipfile_serialization=False)
    with pytest.raises(AgentError, match="not a checkpoint"):
        checkpoint.loads(older.getvalue() + GOOD, "file")


def test_a_compressed_archive_is_refused() -> None:
    big = {"archive/data/0": bytes(10_000_000)}
    with pytest.raises(AgentError, match="compressed"):
        checkpoint.loads(repacked(big, zipfile.ZIP_DEFLATED), "file")


def test_a_tensor_that_claims_more_than_the_file_holds_is_refused() -> None:
    with zipfile.ZipFile(io.BytesIO(GOOD)) as archive:
        program = archive.read("archive/data.pkl")
    huge = program.replace(b"K\x02K\x03\x86", b"J\xff\xff\xff\x7fK\x03\x86", 1)
    assert huge != program
    with pytest.raises(AgentError):
        checkpoint.loads(repacked({"archive/data.pkl": huge}), "file")


def test_a_tensor_that_repeats_its_memory_is_measured_before_it_is_copied() -> None:
    state = {"w": torch.zeros(1).expand(2**40)}
    with pytest.raises(AgentError, match="this model has"):
        checkpoint.tensors(state, {"w": (3,)}, "weights")


@pytest.mark.parametrize("size", [0, 1, 100, len(GOOD) // 2, len(GOOD) - 1])
def test_a_truncated_file_is_refused(size: int) -> None:
    with pytest.raises(AgentError, match="file: damaged"):
        checkpoint.loads(GOOD[:size], "file")


def test_more_bytes_than_allowed_are_refused_unread() -> None:
    with pytest.raises(AgentError, match="larger than"):
        checkpoint.loads(GOOD, "file", max_bytes=len(GOOD) - 1)


def test_a_checkpoint_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(AgentError, match="list"):
        checkpoint.loads(torch_bytes([1]), "file")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_bytes_never_raise_anything_but_agent_error(data: st.DataObject) -> None:
    damaged = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(GOOD) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(AgentError):
        checkpoint.loads(bytes(damaged), "file")


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
    with pytest.raises(AgentError, match="No space left"):
        write_atomic(path, b"new and longer")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_file_or_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match=r"nowhere\.pt"):
        read_bounded(tmp_path / "nowhere.pt")
    with pytest.raises(AgentError, match="null byte"):
        read_bounded(tmp_path / "a\0b")
    with pytest.raises(AgentError, match="missing"):
        write_json(tmp_path / "missing" / "a.json", {})
