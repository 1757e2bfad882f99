"""The trained agent that comes with the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from env.errors import AgentError


def default_model_path() -> Path:
    """The checkpoint of the trained agent that comes with the package.

    Raises:
        AgentError: this installation has none.
    """
    path = Path(str(files("agents") / "models" / "default.pt"))
    if not path.is_file():
        raise AgentError(f"default model {path}: is not in this installation; name an agent or a checkpoint")
    return path
