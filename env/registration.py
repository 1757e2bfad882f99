"""Registers the environment with Gymnasium without importing Gymnasium, which `--help` should not have to wait for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

ENV_ID = "SimArena/Cluster-v0"
_REGISTRATION = "gymnasium.envs.registration"


def register() -> None:
    """Register the environment now if Gymnasium is loaded, else as soon as somebody loads it."""
    if not _registered():
        sys.meta_path.insert(0, _WhenGymnasiumLoads())


def _registered() -> bool:
    registration = sys.modules.get(_REGISTRATION)
    if registration is None or not hasattr(
        registration, "register_envs"
    ):  # the last function it defines: it is loaded wholly
        return False
    registration.register(id=ENV_ID, entry_point="env.gym_env:ClusterEnv")
    return True


class _WhenGymnasiumLoads(MetaPathFinder):
    """Finds no module; sees the import of Gymnasium's later submodules, registers, and is gone."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.startswith("gymnasium.") and self in sys.meta_path and _registered():
            sys.meta_path.remove(self)
        return None
