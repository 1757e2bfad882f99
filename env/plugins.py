"""Rewards, kinds of problems and learners that installed packages add, found by their entry points.

A package names functions and classes of its own in its pyproject.toml. It is imported when one of these names is asked
for:

    [project.entry-points."sim_arena.rewards"]
    thrifty = "my_package:thrifty"

https://packaging.python.org/en/latest/specifications/entry-points/
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Timer
from typing import TYPE_CHECKING, Any

from env.errors import ConfigError, nearest, one_line

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

SAY_AFTER_S = 5.0


@dataclass(frozen=True)
class Plugin:
    """A function that an installed package adds.

    Attributes:
        package: The name of the package, as pip knows it.
        version: Of the package.
    """

    function: Callable[..., Any]
    package: str
    version: str

    @property
    def origin(self) -> str:
        """The package and its version, for messages."""
        return f"{self.package} {self.version}"


def find(what: str, name: str, built_in: Collection[str]) -> Plugin | None:
    """The function that a package adds under this name; None if the name is one of our own.

    Args:
        what: "reward", "problem" or "learner"; its group of entry points is `sim_arena.rewards` and so on.
        name: What a user asks for.
        built_in: Our own names.

    Raises:
        ConfigError: Nothing has this name, more than one has it, or the package cannot be imported.
    """
    from importlib import metadata  # help and completion, which read this module, find nothing

    entries = metadata.entry_points(group=f"sim_arena.{what}s")
    found = [entry for entry in entries if entry.name == name]
    origins = [_origin(entry.dist) for entry in found]
    if found and name in built_in:
        raise ConfigError(f"{what} {name!r}: package {origins[0]} adds this name, but it is Sim-Arena's own; rename it")
    if name in built_in:
        return None
    if not found:
        known = dict.fromkeys((*built_in, *sorted(entry.name for entry in entries)))
        raise ConfigError(f"{what} {name!r:.80} is unknown; {nearest(name, known)}")
    if len(found) > 1:
        raise ConfigError(f"{what} {name!r}: packages {' and '.join(origins)} both add this name; uninstall one")
    dist = found[0].dist
    return Plugin(_load(what, found[0], origins[0]), dist.name if dist else "", dist.version if dist else "")


def names(what: str) -> list[str]:
    """The names that installed packages add, in alphabetical order; none of the packages is imported."""
    from importlib import metadata

    return sorted({entry.name for entry in metadata.entry_points(group=f"sim_arena.{what}s")})


def _load(what: str, entry: EntryPoint, origin: str) -> Callable[..., Any]:
    where = f"{what} {entry.name!r} of package {origin}"
    try:
        with _telling(f"{where}: still being imported"):
            function = entry.load()
    except (Exception, SystemExit) as error:
        text = one_line(" ".join(f"{type(error).__name__}: {error}".split()), 300)
        raise ConfigError(
            f"{where}: {entry.value} cannot be imported: {text}; mend the package, or uninstall it"
        ) from error
    if not callable(function):
        raise ConfigError(f"{where}: {entry.value} is a {type(function).__name__}; must be a function")
    found: Callable[..., Any] = function
    return found


@contextmanager
def _telling(line: str) -> Iterator[None]:
    """Log a line if it takes long, so that a user knows which package is waited for."""
    from logging import getLogger

    timer = Timer(SAY_AFTER_S, getLogger(__name__).warning, [line])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _origin(dist: Distribution | None) -> str:
    return "without metadata" if dist is None else f"{dist.name} {dist.version}"
