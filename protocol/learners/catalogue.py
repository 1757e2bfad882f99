"""The learners that a job can name: ours and those of installed packages, found by name and checked.

Only what is installed here is ever looked up. Nothing that a bucket holds is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from pydantic import BaseModel, Secret, SecretBytes, SecretStr, ValidationError

from env.errors import ConfigError, UsageError, nearest, one_line, reason
from env.plugins import Plugin, find, names
from protocol.learners.asking import LearnerFailed, asking
from protocol.learners.learner import Learner, Task
from protocol.wire import ids
from protocol.wire.errors import NotInstalled
from protocol.wire.job_documents import LearnerSpec, Manifest

OURS: Mapping[str, tuple[str, str]] = {"digits": ("protocol.learners.digits", "Digits")}
"""Name -> module and class of the learners that come along."""
_METHODS = ("train", "state", "restore", "weights", "load_weights")


@dataclass(frozen=True)
class LearnerKind:
    """A learner that is installed here.

    Attributes:
        made_by: The class, see `protocol.learners.learner.Learner`.
        packages: The package that adds it and its version; empty for ours.
    """

    name: str
    made_by: type[Learner]
    packages: Mapping[str, str]

    def settings(self, given: Mapping[str, Any]) -> BaseModel:
        """Checked settings.

        Raises:
            ConfigError: One does not exist, or has a value that it cannot have.
        """
        model = self.made_by.Settings
        if unknown := sorted(given.keys() - model.model_fields.keys()):
            known = nearest(unknown[0], model.model_fields) if model.model_fields else "it has none"
            raise ConfigError(f"learner {self.name!r}: setting {one_line(unknown[0], 80)!r} is unknown; {known}")
        try:
            with asking(f"learner {self.name!r}", "Settings"):
                found = self._validated(given)
        except LearnerFailed as error:
            raise ConfigError(str(error)) from error
        if secret := [name for name in given if isinstance(getattr(found, name), Secret | SecretBytes | SecretStr)]:
            raise ConfigError(
                f"learner {self.name!r}: setting {secret[0]}: is a secret, and who may read the bucket may read "
                "settings; give it to the worker as a variable of its environment"
            )
        return found

    def _validated(self, given: Mapping[str, Any]) -> BaseModel:
        try:
            return self.made_by.Settings(**given)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ConfigError(f"learner {self.name!r}: setting {where}: {one_line(reason(first), 300)}") from error

    def make(self, given: Mapping[str, Any], task: Task) -> Learner:
        """A new learner; ConfigError as `settings`, LearnerFailed if it raised."""
        settings = self.settings(given)
        with asking(f"learner {self.name!r}", "__init__"):
            return self.made_by(settings, task)


KindOf = Callable[[str], LearnerKind]
"""The learner of a name on one machine; raises as `learner_kind`."""


def is_installed(name: str) -> bool:
    """Whether something here has this name; nothing is imported for that."""
    return name in OURS or name in names("learner")


def learner_kind(name: str) -> LearnerKind:
    """The learner of a name.

    Raises:
        BadId: No learner can have this name.
        ConfigError: None has it here, two packages add it, or it cannot be imported.
    """
    found = _kind(ids.valid_id(name, "--learner"))
    if isinstance(found, ConfigError):
        raise ConfigError(str(found)) from found
    return found


@cache
def _kind(name: str) -> LearnerKind | ConfigError:
    """Looked up once: a package that cannot be imported may take long to find that out, for every job that names it."""
    try:
        return _look_up(name)
    except ConfigError as error:
        return error


def _look_up(name: str) -> LearnerKind:
    plugin = find("learner", name, OURS)
    made_by = _ours(name) if plugin is None else _checked(name, plugin)
    return LearnerKind(name, made_by, {} if plugin is None else {plugin.package: plugin.version})


def _ours(name: str) -> type[Learner]:
    module, kind = OURS[name]
    try:
        found: type[Learner] = getattr(import_module(module), kind)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"learner {name!r}: needs the package {error.name}, which is not installed here; "
            "run: pip install 'sim-arena[digits]'"
        ) from error
    return found


def _checked(name: str, plugin: Plugin) -> type[Learner]:
    kind: Any = plugin.function
    where = f"learner {name!r} of package {plugin.origin}"
    if missing := [method for method in _METHODS if not callable(getattr(kind, method, None))]:
        raise ConfigError(f"{where}: has no method {missing[0]}; see docs/own-learner.md")
    settings = getattr(kind, "Settings", None)
    if not (isinstance(settings, type) and issubclass(settings, BaseModel)):
        raise ConfigError(f"{where}: needs a pydantic model Settings; see docs/own-learner.md")
    found: type[Learner] = kind
    return found


def require_learner(manifest: Manifest, kind_of: KindOf = learner_kind) -> None:
    """Accept a job whose learner is installed here, in the version that its manifest names.

    Raises:
        NotInstalled: Another worker may have it.
    """
    spec = manifest.training.learner
    if spec is None:
        return
    wanted = manifest.training.packages
    needs = f"{manifest.job_id}: needs the learner {spec.name!r}{_of(wanted)}"
    try:
        here = kind_of(spec.name).packages
    except UsageError as error:
        raise NotInstalled(f"{needs}: {error}") from error
    if wanted and here != wanted:
        raise NotInstalled(f"{needs}; installed here: {_of(here).removeprefix(' of ') or 'our own of that name'}")


def _of(packages: Mapping[str, str]) -> str:
    return " of " + ", ".join(f"{name} {version}" for name, version in sorted(packages.items())) if packages else ""


def made(spec: LearnerSpec, task: Task, kind_of: KindOf = learner_kind) -> Learner:
    """The learner of a job, new; ConfigError or BadId as `learner_kind` and `LearnerKind.make`."""
    return kind_of(spec.name).make(spec.settings, task)
