"""Checkpoint files: written whole or not at all, read within a bound."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from env.errors import AgentError, OutputError

MAX_CHECKPOINT_BYTES = 512 * 1024 * 1024


def write_atomic(path: Path, data: bytes) -> None:
    """Replace `path` by `data` in one rename, so that a crash leaves the old file or the new one.

    Raises:
        OutputError: the folder is missing or not writable, or the disk is full.
    """
    try:
        _write_and_rename(path, data)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


def read_bounded(path: Path) -> bytes:
    """The file's bytes.

    Raises:
        AgentError: no such file, not readable, or larger than `MAX_CHECKPOINT_BYTES`.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CHECKPOINT_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise AgentError(f"checkpoint {path}: cannot be read ({getattr(error, 'strerror', error)})") from error
    if len(data) > MAX_CHECKPOINT_BYTES:
        raise AgentError(f"checkpoint {path}: larger than {MAX_CHECKPOINT_BYTES >> 20} MiB")
    return data


def _write_and_rename(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, state: Mapping[str, Any]) -> None:
    """Write a JSON checkpoint, atomically."""
    write_atomic(path, json_bytes(state))


def json_bytes(state: Mapping[str, Any]) -> bytes:
    """A JSON checkpoint."""
    return json.dumps(state, indent=2).encode() + b"\n"


def read_json(path: Path) -> Mapping[str, Any]:
    """Read a JSON checkpoint; AgentError if it is not a JSON object."""
    return parse_json(read_bounded(path), f"checkpoint {path}")


def parse_json(data: bytes, what: str) -> Mapping[str, Any]:
    """The JSON object in `data`, which errors call `what`; AgentError if it is none."""
    try:
        state = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise AgentError(f"{what}: damaged or not a checkpoint") from error
    if not isinstance(state, dict):
        raise AgentError(f"{what}: not a JSON object")
    return state
