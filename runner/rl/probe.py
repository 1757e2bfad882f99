"""Says as JSON what a Python has for training, and what of PufferLib works in it: `python -I -m runner.rl.probe`.

It runs in a process of its own: to import torch takes seconds, and PufferLib is in another environment.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import platform
import sys
from typing import Any


def probe() -> dict[str, Any]:
    """What there is.

    Returns:
        `python`, `torch`, `pufferlib`: versions, None where there is none; `cuda`: whether torch sees a device, and
        `device` its name; `vectorisation`, `trainer`: why PufferLib's does not work, "" where it does.
    """
    found: dict[str, Any] = {"python": platform.python_version(), "torch": None, "cuda": False, "device": None}
    with contextlib.suppress(ImportError):
        import torch

        found |= {"torch": torch.__version__, "cuda": torch.cuda.is_available()}
        if found["cuda"]:
            found["device"] = torch.cuda.get_device_name()
    return {**found, **_of_pufferlib()}


def _of_pufferlib() -> dict[str, Any]:
    try:
        import pufferlib
    except Exception as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == "pufferlib"
        why = "not installed" if missing else _said(error)
        return {"pufferlib": None, "vectorisation": why, "trainer": why}
    return {"pufferlib": pufferlib.__version__, "vectorisation": _vectorisation(), "trainer": _trainer()}


def _vectorisation() -> str:
    try:
        import pufferlib.vector

        from runner.rl.puffer import gymnasium_env

        envs = pufferlib.vector.make(gymnasium_env("SimArena/Cluster-v0"), num_envs=2, backend=pufferlib.vector.Serial)
        envs.reset(seed=0)
        envs.step(envs.action_space.sample())
        envs.close()
    except Exception as error:
        return _said(error)
    return ""


def _trainer() -> str:
    """Whether its extension loads, without which its trainer refuses to work."""
    try:
        from pufferlib import _C  # noqa: F401
    except Exception as error:
        return _said(error)
    return ""


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error)[:300]}"


if __name__ == "__main__":
    logging.disable()
    with contextlib.redirect_stdout(io.StringIO()):
        answer = probe()
    json.dump(answer, sys.stdout)
