"""How machines are shown: group by group, in tables that never cut an id."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

ID_WIDTH = 19  # i- and 17 digits
_NO_TERMINAL_WIDTH = 1000  # columns


class _Grouped(Protocol):
    @property
    def group(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def bucket(self) -> str: ...


M = TypeVar("M", bound=_Grouped)


def by_group(machines: Iterable[M], table: Callable[[Iterable[M]], Table]) -> Iterator[Text | Table]:
    """For each group a line with what its machines have in common, and their table."""
    from rich.text import Text

    from infra.ec2.watch.reports import short

    def heading(machine: M) -> tuple[str, str, str]:
        return short(machine.group), machine.region, short(machine.bucket)

    for (group, region, bucket), same in groupby(sorted(machines, key=heading), heading):
        yield Text.assemble((group or "no group", "bold"), f" in {region}, bucket {bucket or '?'}")
        yield table(same)


def as_wide_as_needed(table: Table, console: Console) -> Table:
    """The same table; its lines are not cut where nobody's window ends."""
    if not console.is_terminal:
        from rich.measure import Measurement

        table.width = Measurement.get(console, console.options.update(max_width=_NO_TERMINAL_WIDTH), table).maximum
    return table


def person(owner: str) -> str:
    """Who it is, of an ARN such as arn:aws:sts::123456789012:assumed-role/Admin/jane."""
    return re.split(r"[/:]", owner)[-1]


def chosen(group: str | None, bucket: str | None) -> str:
    """What a command was told to look at, such as ` of group 'shop'`; empty: all."""
    named = [f"{kind} {name[:80]!r}" for kind, name in (("group", group), ("bucket", bucket)) if name is not None]
    return f" of {' and '.join(named)}" if named else ""
