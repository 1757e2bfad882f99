"""Use from a file, which is recognised by its content: peaks, or samples over time.

Samples are CSV with a column of times (`series_csv.py`) or answers of a Prometheus (`range_answer.py`). Peaks are JSON,
a list of objects, or CSV with a header, one container each:

    kind,namespace,workload,container,cpu,memory,oom_killed,window
    Deployment,shop,web,web,400m,300Mi,false,7d

Quantities are Kubernetes'. An empty cell, null or a missing field is "unknown". `kind` is Deployment where it is not
said, `namespace` default; `oom_killed` says that the peak is a floor, and `window` how long was measured.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from env.errors import ConfigError, QuantityError, nearest
from env.printable import one_line
from env.quantity import parse_cpu, parse_memory
from env.usage import range_answer, series_csv
from env.usage.containers import TEMPLATE_PATHS
from env.usage.owners import Owner
from env.usage.series_gather import Gatherer
from env.usage.usage import ContainerKey, ContainerUse, Usage

MOST_BYTES = 64 * 1024 * 1024
MOST_ROWS = 100_000
FIELDS = ("kind", "namespace", "workload", "container", "cpu", "memory", "oom_killed", "window")

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_WINDOW = re.compile(r"([0-9]{1,6})([smhdw])", re.ASCII)
_YES_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def read_usage_file(path: Path, asked: Iterable[ContainerKey] = (), only: Owner | None = None) -> Usage:
    """The uses in a file, and their series where it has samples.

    Args:
        path: The file.
        asked: Containers whose use is wanted; those that the file does not know are `missing`.
        only: The one workload whose use is wanted, which samples without other names are of; None: all.

    Raises:
        ConfigError: No such file, larger than MOST_BYTES, or not of these forms; the message names file, row and field.
    """
    text, file = _text(path), f"usage file {path}"
    document = _json(text, file) if text.lstrip()[:1] in ("[", "{") else None
    if document is None and not series_csv.is_series(text):
        return _peaks(_csv_rows(text, file), path, asked)
    if document is not None and not range_answer.is_answer(document):
        return _peaks(_json_rows(document, file), path, asked)
    gather = Gatherer(f"file {one_line(path.name, 100)}", tuple(asked), only)
    if document is None:
        series_csv.read_csv(text, gather)
    else:
        range_answer.read_answers(document, gather)
    return gather.usage()


def _peaks(rows: Iterable[Any], path: Path, asked: Iterable[ContainerKey]) -> Usage:
    uses: dict[ContainerKey, ContainerUse] = {}
    for where, row in _checked(rows, f"usage file {path}"):
        key = _key(row, where)
        if key in uses:
            raise ConfigError(f"{where}: {key} is there twice; keep one")
        uses[key] = _use(row, where, f"file {path.name}")
    if not uses:
        raise ConfigError(f"usage file {path}: has no rows")
    asked = dict.fromkeys(asked)
    unknown = [key for key in uses if asked and key not in asked]
    notes = (f"file {path.name}: {_some(unknown)} not among the workloads",) if unknown else ()
    return Usage(uses, tuple(key for key in asked if key not in uses or not uses[key].is_known), notes)


def parse_window(text: str, where: str) -> float:
    """Seconds of a duration as Prometheus writes it: "7d" -> 604800.

    Raises:
        ConfigError: Not of that form, or nothing.
    """
    match = _WINDOW.fullmatch(text)
    seconds = int(match[1]) * _UNITS[match[2]] if match else 0
    if not seconds:
        raise ConfigError(f'{where} {text!r:.40}: not a duration; write one like "7d", "12h" or "30m"')
    return float(seconds)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise ConfigError(f"usage file {path}: larger than {MOST_BYTES // 1024**2} MiB")
        return data.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"usage file {path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"usage file {path}: is not text in UTF-8; it must be JSON or CSV") from error


def _checked(rows: Iterable[Any], file: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each row, with the words that name it in a message."""
    for number, row in enumerate(rows, 1):
        if number > MOST_ROWS:
            raise ConfigError(f"{file}: more than {MOST_ROWS:,} rows")
        where = f"{file}, row {number}"
        if not isinstance(row, dict):
            raise ConfigError(f"{where}: must be an object with {', '.join(FIELDS)}")
        for field in row:
            if field not in FIELDS:
                raise ConfigError(
                    f"{where}: field {one_line(str(field), 60)!r} is unknown; {nearest(str(field), FIELDS)}"
                )
        yield where, row


def _json(text: str, file: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file}: is no valid JSON: {one_line(str(error), 200)}") from error


def _json_rows(document: Any, file: str) -> Iterable[Any]:
    rows = document.get("containers") if isinstance(document, dict) else document
    if not isinstance(rows, list):
        raise ConfigError(f'{file}: must be a list of objects, or an object with such a list as "containers"')
    return rows


def _csv_rows(text: str, file: str) -> Iterator[dict[str, Any]]:
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True, strict=True)
    try:
        if not {"workload", "container"} <= set(reader.fieldnames or ()):
            raise ConfigError(f"{file}: the first line must name the columns: {','.join(FIELDS)}")
        for row in reader:
            if None in row or None in row.values():
                raise ConfigError(
                    f"{file}, line {reader.line_num}: has not as many cells as the first line has columns"
                )
            yield row
    except csv.Error as error:
        raise ConfigError(f"{file}, line {reader.line_num}: {error}") from error


def _key(row: Mapping[str, Any], where: str) -> ContainerKey:
    defaults = {"kind": "Deployment", "namespace": "default"}
    said = [_name(row, field, where) or defaults.get(field, "") for field in FIELDS[:4]]
    for field, value in zip(FIELDS, said, strict=False):
        if not value:
            raise ConfigError(f"{where}: {field} is missing")
    if said[0] not in TEMPLATE_PATHS:
        raise ConfigError(f"{where}: kind {said[0]!r} makes no pods; {nearest(said[0], TEMPLATE_PATHS)}")
    return ContainerKey(*said)


def _use(row: Mapping[str, Any], where: str, source: str) -> ContainerUse:
    window = _cell(row, "window")
    return ContainerUse(
        cpu_m=_amount(row, "cpu", parse_cpu, where),
        memory_bytes=_amount(row, "memory", parse_memory, where) or None,
        is_floor=_flag(row, where),
        source=source,
        window_s=None if window is None else parse_window(str(window), f"{where}: window"),
    )


def _amount(row: Mapping[str, Any], field: str, parse: Callable[[Any], int], where: str) -> int | None:
    value = _cell(row, field)
    try:
        return None if value is None else parse(value)
    except QuantityError as error:
        raise ConfigError(f"{where}: {field}: {error}") from error


def _flag(row: Mapping[str, Any], where: str) -> bool:
    value = _cell(row, "oom_killed")
    found = False if value is None else _YES_NO.get(str(value).lower())
    if found is None:
        raise ConfigError(f"{where}: oom_killed {str(value)!r:.40}: must be true or false")
    return found


def _name(row: Mapping[str, Any], field: str, where: str) -> str:
    value = _cell(row, field)
    if value is not None and (not isinstance(value, str) or len(value) > 253 or not value.isprintable()):
        raise ConfigError(f"{where}: {field} {one_line(str(value), 60)!r}: is no name")
    return value or ""


def _cell(row: Mapping[str, Any], field: str) -> Any:
    """A value; None where it is not said."""
    value = row.get(field)
    value = value.strip() if isinstance(value, str) else value
    return None if value == "" else value


def _some(keys: list[ContainerKey]) -> str:
    more = f" and {len(keys) - 3} more are" if len(keys) > 3 else " are" if len(keys) > 1 else " is"
    return ", ".join(map(str, keys[:3])) + more
