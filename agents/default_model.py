"""The trained agents that come with the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from env.errors import AgentError


def default_model_path() -> Path:
    """The checkpoint of the trained agent of Cluster-v0.

    Raises:
        AgentError: this installation has none.
    """
    return _model("default.pt")


def season_model_path() -> Path:
    """The checkpoint of the trained agent of Season-v0, for memory.

    Raises:
        AgentError: this installation has none.
    """
    return _model("season-memory.pt")


def _model(name: str) -> Path:
    path = Path(str(files("agents") / "models" / name))
    if not path.is_file():
        raise AgentError(f"model {path}: is not in this installation; name an agent or a checkpoint")
    return path
