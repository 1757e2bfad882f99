"""Kubernetes quantities ("500m", "2", "256Mi", "1e3") to integers and back.

The grammar is that of apimachinery's `pkg/api/resource/quantity.go`. Values are rounded up, as Kubernetes does
when it needs an integer, and refused above 2**63 - 1, the largest it can hold.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal, Inexact, InvalidOperation
from functools import lru_cache

from env.errors import QuantityError

_QUANTITY = re.compile(
    r"\+?(?P<number>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE](?P<exponent>[+-]?[0-9]{1,3})|(?P<suffix>[numkMGTPE]|[KMGTPE]i)?)",
    re.ASCII,
)
_DECIMAL_POWERS = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY_UNITS = ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_LARGEST = 2**63 - 1
_LONGEST = 64
_EXACT = Context(prec=2 * _LONGEST, traps=[Inexact, InvalidOperation])


def parse_cpu(value: str | int | float) -> int:
    """CPU in millicores, rounded up: "2" -> 2000, "0.1" -> 100, "1u" -> 1.

    Raises:
        QuantityError: Not a Kubernetes quantity, negative, or too large.
    """
    return _parse(str(value), 3) if _is_number(value) else _refuse(value)


def parse_memory(value: str | int | float) -> int:
    """Memory in bytes, rounded up: "256Mi" -> 268435456, "1e3" -> 1000, "500m" -> 1.

    Raises:
        QuantityError: Not a Kubernetes quantity, negative, or too large.
    """
    return _parse(str(value), 0) if _is_number(value) else _refuse(value)


def format_cpu(cpu_m: int) -> str:
    """Millicores as Kubernetes writes them: 500 -> "500m", 2000 -> "2"."""
    return f"{cpu_m}m" if cpu_m % 1000 else str(cpu_m // 1000)


def format_memory(memory_bytes: int) -> str:
    """Bytes in the largest binary unit that divides them: 268435456 -> "256Mi", 1000 -> "1000"."""
    for power in range(len(_BINARY_UNITS), 0, -1):
        if memory_bytes and memory_bytes % 1024**power == 0:
            return f"{memory_bytes // 1024**power}{_BINARY_UNITS[power - 1]}"
    return str(memory_bytes)


def _is_number(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _refuse(value: object) -> int:
    raise QuantityError(f'quantity {value!r:.80}: not a Kubernetes quantity; write one like "500m", "2" or "256Mi"')


@lru_cache(maxsize=4096)
def _parse(text: str, places: int) -> int:
    """The quantity times 10**places, rounded up."""
    match = _QUANTITY.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        return _refuse(text)
    number = Decimal(match["number"])
    suffix = match["suffix"] or ""
    if suffix in _BINARY_UNITS:
        number = _EXACT.multiply(number, Decimal(1024 ** (_BINARY_UNITS.index(suffix) + 1)))
        power = places
    else:
        power = places + int(match["exponent"] or _DECIMAL_POWERS[suffix])
    return _ceiling(number.scaleb(power, _EXACT), text)


def _ceiling(number: Decimal, text: str) -> int:
    if number > _LARGEST:
        raise QuantityError(f"quantity {text!r}: larger than 2^63 - 1, the most Kubernetes can hold")
    return int(number.to_integral_value(rounding="ROUND_CEILING"))
