"""What nodes cost: the list that is shipped, or the user's own, as CSV or JSON.

    type,usd_per_hour,cpu,memory,pods
    m6i.xlarge,0.192
    big,1.10,62,250Gi,110

In JSON a list of objects with the same keys. CPU, memory and pods are what a node can allocate; they may be left out
for the types of `env.problems.instance_types`, whose system reservations are known. A file is not trusted: its size,
its rows and its numbers are bounded, and an error names the row.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from env.errors import ConfigError, QuantityError, ScenarioError
from env.plan.offers import kind_name, parse_type
from env.printable import one_line
from env.problems.instance_types import INSTANCE_TYPES
from env.problems.node_manifests import check_label
from env.problems.nodes import INSTANCE_TYPE, NodePool
from env.quantity import parse_cpu, parse_memory

SHIPPED = Path(__file__).with_name("aws-us-east-1.csv")
SHIPPED_SOURCE = "AWS on demand, Linux, us-east-1, of 2026-01-19"
_MAX_BYTES = 2**20
_MAX_ROWS = 2_000
_MOST_USD = 10_000.0
_KEYS = ("type", "usd_per_hour", "cpu", "memory", "pods")


@dataclass(frozen=True)
class PriceList:
    """Node types with their prices.

    Attributes:
        source: Whose prices, and of when.
        types: A node of each, by name.
        usd_per_hour: What one costs, by name.
    """

    source: str
    types: Mapping[str, NodePool]
    usd_per_hour: Mapping[str, float]

    def of(self, node: NodePool) -> float | None:
        """What a node costs; None where the list does not say."""
        return self.usd_per_hour.get(kind_name(node))


def shipped_prices() -> PriceList:
    """The list that is shipped."""
    return replace(read_prices(SHIPPED), source=SHIPPED_SOURCE)


def read_prices(path: Path) -> PriceList:
    """A price list of a file.

    Raises:
        ConfigError: Unreadable, too large, or not a price list; names the row.
    """
    shown = one_line(str(path), 200)
    try:
        with path.open("rb") as file:
            body = file.read(_MAX_BYTES + 1)
        if len(body) > _MAX_BYTES:
            raise ConfigError(f"{shown}: more than {_MAX_BYTES >> 20} MiB; name fewer types")
        rows = list(_rows(body.decode("utf-8-sig")))
    except OSError as error:
        raise ConfigError(f"{shown}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError, csv.Error) as error:
        raise ConfigError(f"{shown}: neither CSV nor JSON: {one_line(str(error), 200)}") from error
    if not 1 <= len(rows) <= _MAX_ROWS:
        raise ConfigError(f"{shown}: {len(rows):,} rows; must be 1 to {_MAX_ROWS:,}")
    types, prices = dict[str, NodePool](), dict[str, float]()
    for number, row in enumerate(rows, 1):
        try:
            node, usd = _type(row)
        except (ScenarioError, QuantityError, ValueError) as error:
            raise ConfigError(f"{shown}: row {number}: {one_line(str(error), 300)}") from error
        name = kind_name(node)
        if name in types:
            raise ConfigError(f"{shown}: row {number}: {name} is there twice; leave one out")
        types[name], prices[name] = node, usd
    return PriceList(shown, types, prices)


def _rows(text: str) -> Iterable[Mapping[str, Any]]:
    if text.lstrip()[:1] in ("[", "{"):
        found = json.loads(text)
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise ValueError("JSON must be a list of objects")
        return found
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if len(lines) > _MAX_ROWS + 1:
        raise ValueError(f"more than {_MAX_ROWS:,} rows")
    return list(csv.DictReader(lines, strict=True))


def _type(row: Mapping[str, Any]) -> tuple[NodePool, float]:
    unknown = [str(key) for key in row if key not in _KEYS]
    if unknown:
        raise ValueError(f"{unknown[0]!r:.80} is no column; there are {', '.join(_KEYS)}")
    given = {key: str(value).strip() for key, value in row.items() if value not in (None, "")}
    name = given.get("type", "")
    if not name or "usd_per_hour" not in given:
        raise ValueError("needs a type and usd_per_hour")
    usd = float(given["usd_per_hour"])
    if not (math.isfinite(usd) and 0 < usd <= _MOST_USD):
        raise ValueError(f"usd_per_hour {given['usd_per_hour']:.40}: must be more than 0, and {_MOST_USD:,.0f} at most")
    if "cpu" not in given and "memory" not in given:
        return parse_type(name), usd
    if "cpu" not in given or "memory" not in given:
        raise ValueError(f"{name:.80}: has one of cpu and memory; give both")
    known = parse_type(name) if name in INSTANCE_TYPES else NodePool(1)
    sized = replace(known, cpu_m=parse_cpu(given["cpu"]), memory_bytes=parse_memory(given["memory"]))
    check_label(INSTANCE_TYPE, name)
    labels = {**dict(known.labels), INSTANCE_TYPE: name}
    pods = int(given["pods"]) if "pods" in given else sized.pods
    return replace(sized, pods=pods, labels=tuple(sorted(labels.items()))), usd
