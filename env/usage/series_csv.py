"""Series from a CSV file: a header with a column of times, then one line a sample, in any order.

    time,namespace,pod,container,cpu,memory
    2026-11-29T00:00:00Z,shop,web-6d4b9c7f5-x7k2p,web,120m,300Mi

Columns that name nothing known are left alone, so that exports of others can be read. Commas, semicolons, tabs or
spaces stand between cells.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from env.errors import ConfigError, QuantityError
from env.printable import one_line
from env.quantity import parse_cpu, parse_memory
from env.untrusted import LONGEST_NAME
from env.usage.series_gather import CPU, MEMORY, VALUE, Gatherer, parse_time
from env.usage.series_names import Named

TIME = "time"

_COLUMNS = {
    TIME: ("time", "timestamp", "seconds", "ts", "date", "datetime"),
    "namespace": ("namespace", "ns", "exported_namespace"),
    "kind": ("kind", "workload_kind"),
    "workload": ("workload",),
    "pod": ("pod", "pod_name", "exported_pod"),
    "container": ("container", "container_name", "exported_container"),
    CPU: ("cpu", "cores", "cpu_cores"),
    MEMORY: ("memory", "mem", "memory_bytes", "working_set", "working_set_bytes"),
    VALUE: ("value",),
}
"""What a column may be called; `name` is the container's beside pods, as `kubectl top` has it, else the pod's."""
_MEANING = {alias: meaning for meaning, aliases in _COLUMNS.items() for alias in aliases}
_MOST_COLUMNS = 64
_PARSERS: Mapping[str, Callable[[str], float]] = {
    CPU: lambda text: parse_cpu(text) / 1000,
    MEMORY: parse_memory,
    VALUE: parse_memory,
}


def is_series(text: str) -> bool:
    """Whether the first line of a CSV file has a column of times."""
    return TIME in _meanings(_header(text)[1])


def read_csv(text: str, gather: Gatherer) -> None:
    """Give the samples of a file to a gatherer.

    Raises:
        ConfigError: Not of that form; the message names line and column.
    """
    file = f"usage {gather.file}"
    delimiter, titles = _header(text)
    meanings = _meanings(titles)
    columns = {meaning: number for number, meaning in enumerate(meanings) if meaning}
    values = [meaning for meaning in (CPU, MEMORY, VALUE) if meaning in columns]
    if not values:
        said = one_line(", ".join(titles), 200)
        raise ConfigError(f"{file}: has no column cpu, memory or value; its first line has {said}")
    names = [(field, columns[field]) for field in Named._fields if field in columns]
    for line, row in _rows(text, delimiter, titles, file):
        where = f"{file}, line {line}"
        named = Named(**{field: _name(row[number], field, where) for field, number in names})
        key = gather.key(named, where)
        if key is None:
            continue
        at = _time(row[columns[TIME]].strip(), where)
        for resource in values:
            cell = row[columns[resource]].strip()
            if cell:
                gather.add(key, named.pod, resource, at, _value(cell, resource, where), where)


def _header(text: str) -> tuple[str, list[str]]:
    """What stands between cells, and the titles of the first line."""
    first = text.lstrip("\r\n").split("\n", 1)[0].strip()
    delimiter = next((each for each in ",;\t" if each in first), " ")
    return delimiter, [each.strip().strip('"') for each in first.split(delimiter) if each.strip() or delimiter != " "]


def _meanings(titles: Sequence[str]) -> list[str]:
    """What each column is, "" for others."""
    plain = [title.lower().partition("(")[0].strip() for title in titles[:_MOST_COLUMNS]]
    name = "container" if "pod" in plain else "pod"
    found = [_MEANING.get(name if title == "name" else title, "") for title in plain]
    return [each if each and found.index(each) == number else "" for number, each in enumerate(found)]


def _rows(text: str, delimiter: str, titles: list[str], file: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True, strict=True)
    is_first = True
    try:
        for row in reader:
            if delimiter == " " and row and not row[-1]:
                row = row[:-1]
            if not any(row) or (is_first and not (is_first := False)) or row[:2] == titles[:2]:
                continue  # empty; the first; or the first again, as loops that append write it
            if len(row) != len(titles):
                raise ConfigError(
                    f"{file}, line {reader.line_num}: has {len(row)} cells, and the first line {len(titles)} columns"
                )
            yield reader.line_num, row
    except csv.Error as error:
        raise ConfigError(f"{file}, line {reader.line_num}: {error}") from error


def _name(cell: str, field: str, where: str) -> str:
    name = cell.strip()
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise ConfigError(f"{where}: {field} {one_line(name, 60)!r}: is no name")
    return name


def _time(cell: str, where: str) -> float:
    try:
        return parse_time(cell)
    except (ValueError, OverflowError):
        said = f"{where}: time {one_line(cell, 60)!r}"
        raise ConfigError(f"{said}: must be seconds since 1970, or RFC 3339 such as 2026-11-29T06:00:00Z") from None


def _value(cell: str, resource: str, where: str) -> float:
    try:
        return float(cell)
    except ValueError:
        pass
    try:
        return _PARSERS[resource](cell)
    except QuantityError as error:
        if cell.startswith("-"):
            return math.nan
        raise ConfigError(f"{where}: {resource}: {error}") from error
