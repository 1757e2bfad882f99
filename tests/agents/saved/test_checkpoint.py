"""Bytes from anywhere: nothing runs, nothing unfolds, everything unfit is one AgentError."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.saved import checkpoint
from agents.saved.files import read_bounded, write_atomic, write_json
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


@pytest.mark.parametrize("name", ["archive/DATA.PKL", "archive/data/A", "archive/data.pkl\0", "archive/more"])
def test_an_entry_that_is_none_of_a_checkpoint_s_is_refused(name: str) -> None:
    """torch finds entries whatever their case, so it would read another pickle than the one that was checked."""
    buffer = io.BytesIO(GOOD)
    with zipfile.ZipFile(buffer, "a") as archive:
        entry = zipfile.ZipInfo("x")
        entry.filename = name
        archive.writestr(entry, program_of(checkpoint.dumps({"other": 1})))
    assert b"other" in buffer.getvalue()
    with pytest.raises(AgentError, match="damaged"):
        checkpoint.loads(buffer.getvalue(), "file")


def test_an_archive_with_a_directory_that_torch_alone_reads_is_refused() -> None:
    """zipfile takes the record in front of the last two for that of ZIP64, torch the one that the locator names."""
    (front, directory, end), other = parts_of(GOOD), parts_of(checkpoint.dumps({"other": 1}))
    hidden = len(front) + len(other[0])
    place = hidden + len(other[1])
    data = front + other[0] + moved(other[1], len(front)) + end_64(other[2], hidden)
    data += directory + end_64(end, len(data)) + struct.pack("<4sLQL", b"PK\6\7", 0, place, 1) + GOOD[-22:]
    assert torch.load(io.BytesIO(data), weights_only=True) == {"other": 1}
    with pytest.raises(AgentError, match="damaged"):
        checkpoint.loads(data, "file")


def test_an_archive_whose_directory_is_not_where_it_is_said_to_be_is_refused() -> None:
    """zipfile finds it by where it ends, torch by where it begins."""
    plain = repacked({})
    with zipfile.ZipFile(io.BytesIO(plain)) as archive:
        start = archive.start_dir
    directory, last = moved(plain[start:-22], 4), plain[-22:-6] + struct.pack("<L", start + 4) + plain[-2:]
    with pytest.raises(AgentError) as refusal:
        checkpoint.loads(plain[:start] + directory + last, "file")
    assert "elsewhere" in str(refusal.value.__cause__)


def test_an_entry_with_a_field_that_readers_may_take_for_its_size_is_refused() -> None:
    buffer = io.BytesIO(GOOD)
    with zipfile.ZipFile(buffer, "a") as archive:
        entry = zipfile.ZipInfo("archive/data/1")
        entry.extra = b"\x99\x99\0\0"
        archive.writestr(entry, b"")
    with pytest.raises(AgentError, match="refused"):
        checkpoint.loads(buffer.getvalue(), "file")


def parts_of(data: bytes) -> tuple[bytes, bytes, bytes]:
    """The entries, the directory, and the record of ZIP64 behind it."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        start, end = archive.start_dir, len(data) - 22 - 20 - 56
    return data[:start], data[start:end], data[end : end + 56]


def moved(directory: bytes, by: int) -> bytes:
    """A directory whose entries stand so many bytes further behind."""
    found, place = bytearray(directory), 0
    while place < len(found):
        [start] = struct.unpack_from("<L", found, place + 42)
        struct.pack_into("<L", found, place + 42, start + by)
        place += 46 + sum(struct.unpack_from("<HHH", found, place + 28))
    return bytes(found)


def end_64(record: bytes, directory_start: int) -> bytes:
    return record[:48] + struct.pack("<Q", directory_start)


@pytest.mark.parametrize(
    "program",
    [
        b"\x80\x02}(" + b"\x8a\x08" + (2**61 - 1).to_bytes(8, "little") + b"Nu.",
        b"\x80\x02}(X\x01\x00\x00\x00aNX\x01\x00\x00\x00aNu.",
    ],
    ids=["keys-of-one-hash", "a-key-compared-again-and-again"],
)
def test_keys_that_take_hours_to_compare_are_refused(program: bytes) -> None:
    with pytest.raises(AgentError, match="plain data"):
        checkpoint.loads(repacked({"archive/data.pkl": program}), "file")


def test_a_tensor_of_more_dimensions_than_anybody_needs_is_refused() -> None:
    assert checkpoint.loads(checkpoint.dumps({"a": torch.zeros([1] * 32)}), "file")["a"].dim() == 32
    with pytest.raises(AgentError, match="plain data"):
        checkpoint.loads(checkpoint.dumps({"a": torch.zeros([1] * 33)}), "file")


def program_of(data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read("archive/data.pkl")


def test_a_tensor_that_claims_more_than_the_file_holds_is_refused() -> None:
    program = program_of(GOOD)
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
