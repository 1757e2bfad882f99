"""Values that a shell completes; on any error it gets none."""

from __future__ import annotations

from collections.abc import Callable, Iterable

Complete = Callable[[str], list[str]]


def of(values: Iterable[str]) -> Complete:
    """Completes one of these values."""
    known = list(values)

    def complete(incomplete: str) -> list[str]:
        return [value for value in known if value.startswith(incomplete)]

    return complete


def or_plugin(what: str, values: Iterable[str]) -> Complete:
    """Completes one of these values, or a name that an installed package adds."""
    complete_value = of(values)

    def complete(incomplete: str) -> list[str]:
        from env.plugins import names

        return complete_value(incomplete) + of(names(what))(incomplete)

    return complete


def or_file(values: Iterable[str]) -> Complete:
    """Completes one of these values, or a file."""
    complete_value = of(values)
    return lambda incomplete: complete_value(incomplete) + files(incomplete)


def nodes(incomplete: str) -> list[str]:
    """Instance types after `3x`, also in the last of several pools; else files."""
    from env.problems.instance_types import INSTANCE_TYPES

    before, x, start = incomplete.rpartition("x")
    while x and not before.rpartition(",")[2].isdigit():  # an x of the type's own name
        before, x, more = before.rpartition("x")
        start = f"{more}x{start}"
    return [f"{before}x{name}" for name in INSTANCE_TYPES if name.startswith(start)] if x else files(incomplete)


def files(incomplete: str) -> list[str]:
    """Files and folders."""
    from glob import escape, iglob
    from itertools import islice
    from pathlib import Path

    found = islice(iglob(f"{escape(incomplete)}*"), 200)
    return sorted(f"{path}/" if Path(path).is_dir() else path for path in found)
