"""How machines are shown: group by group, in tables that never cut an id."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from rich.text import Text

    from runner.commands.fitted import FittedTable


class _Grouped(Protocol):
    @property
    def group(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def bucket(self) -> str: ...


M = TypeVar("M", bound=_Grouped)


def by_group(machines: Iterable[M], table: Callable[[Iterable[M]], FittedTable]) -> Iterator[Text | FittedTable]:
    """For each group a line with what its machines have in common, and their table."""
    from rich.text import Text

    from infra.ec2.watch.reports import short

    def heading(machine: M) -> tuple[str, str, str]:
        return short(machine.group), machine.region, short(machine.bucket)

    for (group, region, bucket), same in groupby(sorted(machines, key=heading), heading):
        yield Text.assemble((group or "no group", "bold"), f" in {region}, bucket {bucket or '?'}")
        yield table(same)


def person(owner: str) -> str:
    """Who it is, of an ARN such as arn:aws:sts::123456789012:assumed-role/Admin/jane."""
    return re.split(r"[/:]", owner)[-1]


def chosen(group: str | None, bucket: str | None) -> str:
    """What a command was told to look at, such as ` of group 'shop'`; empty: all."""
    named = [f"{kind} {name[:80]!r}" for kind, name in (("group", group), ("bucket", bucket)) if name is not None]
    return f" of {' and '.join(named)}" if named else ""
