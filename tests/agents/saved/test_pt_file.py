""".pt files: what torch writes and reads; a file from anywhere runs nothing and unfolds to nothing large."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import zipfile
from copy import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.saved import checkpoint, pt_file
from env.errors import AgentError

STATE = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "text": "x", "n": [1, 2.5, None, True], "in": {"b": 1}}
GOOD = pt_file.dumps(STATE)


class Attack:
    """Creates a folder when it is unpickled."""

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


def test_a_state_goes_through_both_formats_unchanged() -> None:
    body = checkpoint.dumps(STATE)
    assert checkpoint.dumps(pt_file.loads(pt_file.dumps(checkpoint.loads(body, "state")), "file")) == body


def test_torch_alone_reads_the_file() -> None:
    found = torch.load(io.BytesIO(GOOD), weights_only=True)
    assert torch.equal(found["a"], torch.arange(6.0).reshape(2, 3))
    assert found["n"] == [1, 2.5, None, True]


def test_equal_states_are_equal_bytes_however_they_were_made() -> None:
    key, whole = "".join(["na", "me"]), np.arange(12.0)
    shared, separate = [key, key], ["name", "".join(["n", "ame"])]
    one = {"name": shared, "again": shared, "t": whole[:6].reshape(2, 3).T}
    two = {"".join(["nam", "e"]): separate, "again": list(separate), "t": whole[:6].reshape(2, 3).T.copy()}
    assert pt_file.dumps(one) == pt_file.dumps(two)


def test_a_file_that_would_run_code_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    trap = tmp_path / "executed"
    attacks = [pickle.dumps({"a": Attack(trap)}, protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    files = [torch_bytes({"a": Attack(trap)}), *attacks, *(repacked({"archive/data.pkl": a}) for a in attacks)]
    for data in files:
        with pytest.raises(AgentError):
            pt_file.loads(data, "file")
    assert not trap.exists()
    pickle.loads(attacks[0])
    assert trap.exists()  # the attack is a real one


def test_a_compressed_archive_is_refused_before_it_is_unpacked() -> None:
    with pytest.raises(AgentError, match="compressed"):
        pt_file.loads(repacked({"archive/data/0": bytes(10_000_000)}, zipfile.ZIP_DEFLATED), "file")


def overlapping(tensors: int) -> bytes:
    """A file in whose table all tensors lie where the first one does."""
    whole = zipfile.ZipFile(io.BytesIO(torch_bytes({"a": [torch.full((1000,), float(n)) for n in range(tensors)]})))
    first, *others = [name for name in whole.namelist() if "/data/" in name]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for name in whole.namelist():
            if name not in others:
                target.writestr(name, whole.read(name))
        for name in others:
            entry = copy(target.getinfo(first))
            entry.filename = name
            target.filelist.append(entry)
    return buffer.getvalue()


def test_an_archive_whose_entries_overlap_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    data = overlapping(9)
    assert len(torch.load(io.BytesIO(data), weights_only=True)["a"]) == 9  # torch alone takes it
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was unpacked"))
    with pytest.raises(AgentError, match="overlap"):
        pt_file.loads(data, "file")


def with_pickle(of_a: bytes) -> bytes:
    """A file whose pickle is a dict of "a" and what these opcodes push."""
    return repacked({"archive/data.pkl": b"\x80\x02}X\x01\x00\x00\x00a" + of_a + b"s."})


def test_a_value_nested_ten_thousand_deep_is_refused() -> None:
    assert pt_file.loads(with_pickle(b"]" * 10 + b"a" * 9), "file")["a"] == [[[[[[[[[[]]]]]]]]]]
    with pytest.raises(AgentError, match="damaged"):
        pt_file.loads(with_pickle(b"]" * 10_000 + b"a" * 9_999), "file")


def test_one_list_that_is_mentioned_again_and_again_is_held_to_the_size_of_the_file() -> None:
    inner = b"]q\x01(" + b"N" * 1000 + b"e"
    assert len(pt_file.loads(with_pickle(b"](" + inner + b"e"), "file")["a"]) == 1
    with pytest.raises(AgentError, match="damaged"):
        pt_file.loads(with_pickle(b"](" + inner + b"h\x01" * 1000 + b"e"), "file")


@pytest.mark.parametrize(("size", "stride"), [((4,), (0,)), ((3, 3), (1, 1)), ((2,), (2,)), ((1,), (9,))])
def test_a_tensor_with_other_strides_is_read_as_the_numbers_that_it_shows(
    size: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    tensor = torch.as_strided(torch.arange(9.0), size, stride)
    found = pt_file.loads(torch_bytes({"a": tensor}), "file")["a"]
    assert found.tolist() == tensor.tolist()


def test_an_older_format_is_refused_unread() -> None:
    older = io.BytesIO()
    torch.save({"a": 1}, older, _use_new_zipfile_serialization=False)
    with pytest.raises(AgentError, match=r"not a \.pt file"):
        pt_file.loads(older.getvalue(), "file")


def test_a_tensor_that_repeats_its_memory_is_refused_before_it_is_copied() -> None:
    with pytest.raises(AgentError, match="damaged"):
        pt_file.loads(torch_bytes({"a": torch.zeros(1).expand(2**40)}), "file")


def test_a_list_that_doubles_again_and_again_is_refused() -> None:
    value: list[object] = []
    for _ in range(60):
        value = [value, value]
    with pytest.raises(AgentError, match="damaged"):
        pt_file.loads(torch_bytes({"a": value}), "file")


def test_a_value_that_holds_itself_is_refused() -> None:
    value: list[object] = []
    value.append(value)
    with pytest.raises(AgentError, match="damaged"):
        pt_file.loads(torch_bytes({"a": value}), "file")


@pytest.mark.parametrize(
    "value",
    [bytearray(10), {1: 2}, {"x"}, 1j, torch.float32, torch.zeros(3).to_sparse(), torch.zeros(2, dtype=torch.bfloat16)],
)
def test_anything_but_plain_data_is_refused(value: object) -> None:
    with pytest.raises(AgentError):
        pt_file.loads(torch_bytes({"a": value}), "file")


@pytest.mark.parametrize("size", [0, 1, 100, len(GOOD) // 2, len(GOOD) - 1])
def test_a_truncated_file_is_refused(size: int) -> None:
    with pytest.raises(AgentError, match="file: damaged"):
        pt_file.loads(GOOD[:size], "file")


def test_more_bytes_than_allowed_are_refused_unread() -> None:
    with pytest.raises(AgentError, match="larger than"):
        pt_file.loads(GOOD, "file", max_bytes=len(GOOD) - 1)


def test_a_file_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(AgentError, match="list"):
        pt_file.loads(torch_bytes([1]), "file")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_bytes_never_raise_anything_but_agent_error(data: st.DataObject) -> None:
    damaged = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(GOOD) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(AgentError):
        pt_file.loads(bytes(damaged), "file")
