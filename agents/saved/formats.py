"""A user's checkpoint file, in any of its formats."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agents.saved import checkpoint
from agents.saved.files import parse_json, read_bounded


def read_state(path: Path) -> Mapping[str, Any]:
    """The state in a user's file: .pt, .json, or .safetensors as in the bucket.

    Raises:
        AgentError: it cannot be read, or is none of them.
    """
    return parse_state(read_bounded(path), f"checkpoint {path}")


def parse_state(data: bytes, what: str) -> Mapping[str, Any]:
    """The state in a user's bytes, in any of the formats; AgentError as `read_state`."""
    if data.startswith(b"PK"):
        from agents.saved import pt_file  # torch

        return pt_file.loads(data, what)
    if data[8:9] == b"{" and not data.startswith(b"{"):  # a header's length ends the first eight bytes
        return checkpoint.loads(data, what)
    return parse_json(data, what)
