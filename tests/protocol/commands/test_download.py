"""What is fetched stands whole under its name, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from env.errors import OutputError
from protocol.commands.download import _Folder
from protocol.wire.bucket import Bucket
from protocol.wire.clock import system_clock
from protocol.wire.memory import MemoryS3


def test_a_full_disk_leaves_no_half_file_under_a_final_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    files = _Folder(Bucket(MemoryS3().store("me"), system_clock()), tmp_path)
    with pytest.raises(OutputError, match=r"weights\.pt: cannot be written \(No space left on device\)"):
        files.write("member/weights.pt", b"whole")
    assert list((tmp_path / "member").iterdir()) == []
