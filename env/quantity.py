"""Kubernetes quantities ("500m", "2", "256Mi", "1e3") to integers and back.

The grammar is that of apimachinery's `pkg/api/resource/quantity.go`. Values are rounded up, as Kubernetes does
when it needs an integer, and refused above 2**63 - 1, the largest it can hold.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal, Inexact, InvalidOperation
from functools import lru_cache

from env.errors import QuantityError

MIB = 1024**2
GIB = 1024**3

_QUANTITY = re.compile(
    r"\+?(?P<number>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE](?P<exponent>[+-]?[0-9]{1,3})|(?P<suffix>[numkMGTPE]|[KMGTPE]i)?)",
    re.ASCII,
)
_DECIMAL_POWERS = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_SUFFIXES = {power: suffix for suffix, power in _DECIMAL_POWERS.items()}
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


def thousandths(value: str | int | float) -> int:
    """The value of any quantity in thousandths, rounded up as `SetDefaults_ResourceList` does: "1Ki" -> 1024000.

    Raises:
        QuantityError: Not a Kubernetes quantity, negative, or too large.
    """
    return _thousandths(str(value)) if _is_number(value) else _refuse(value)


def format_cpu(cpu_m: int) -> str:
    """Millicores as Kubernetes writes them: 500 -> "500m", 2000 -> "2"."""
    return f"{cpu_m}m" if cpu_m % 1000 else str(cpu_m // 1000)


def format_memory(memory_bytes: int) -> str:
    """Bytes in the largest binary unit that divides them: 268435456 -> "256Mi", 1000 -> "1000"."""
    for power in range(len(_BINARY_UNITS), 0, -1):
        if memory_bytes and memory_bytes % 1024**power == 0:
            return f"{memory_bytes // 1024**power}{_BINARY_UNITS[power - 1]}"
    return str(memory_bytes)


def canonical(value: str | int | float) -> str:
    """A quantity as the API server shows it after it has taken it: "0.25" -> "250m", "4849664Ki" -> "4736Mi".

    The API server rounds up to thousandths (`SetDefaults_ResourceList`) and keeps the kind of notation: decimal suffix,
    exponent or binary suffix. Text that `ParseQuantity` holds for canonical stays as it is, even "1.500".

    Raises:
        QuantityError: Not a Kubernetes quantity, negative, or too large.
    """
    text = str(value) if _is_number(value) else str(_refuse(value))
    milli = _thousandths(text)
    match = _QUANTITY.fullmatch(text)
    if milli == 0 or match is None:
        return "0"
    if _stays(match):
        return text
    whole, fraction = divmod(milli, 1000)
    if match["suffix"] in _BINARY_UNITS and whole >= 1024 and not fraction:
        return format_memory(whole)
    power = -3
    while milli % 1000 == 0:
        milli, power = milli // 1000, power + 3
    if match["exponent"]:
        return f"{milli}e{power}" if power else str(milli)
    return f"{milli}{_DECIMAL_SUFFIXES[power]}"


def _stays(match: re.Match[str]) -> bool:
    """Whether `ParseQuantity` takes it for canonical and keeps the text; its quick way for up to 18 digits."""
    whole, _, fraction = match["number"].partition(".")
    whole = whole.lstrip("0") or "0"
    suffix = match["suffix"] or ""
    if suffix in _BINARY_UNITS:
        room = 14 - 3 * (_BINARY_UNITS.index(suffix) + 1)
        return not fraction and len(whole) <= room and int(whole) % 8 != 0
    power = int(match["exponent"] or _DECIMAL_POWERS[suffix]) - len(fraction)
    digits = whole + fraction
    return len(digits) <= 18 and power >= -3 and power % 3 == 0 and digits[0] != "0" and not digits.endswith("000")


def _is_number(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _refuse(value: object) -> int:
    raise QuantityError(f'quantity {value!r:.80}: not a Kubernetes quantity; write one like "500m", "2" or "256Mi"')


@lru_cache(maxsize=4096)
def _thousandths(text: str) -> int:
    return _ceiling(_exact(text).scaleb(3, _EXACT), text, 1000 * _LARGEST)


@lru_cache(maxsize=4096)
def _parse(text: str, places: int) -> int:
    """The quantity times 10**places, rounded up."""
    return _ceiling(_exact(text).scaleb(places, _EXACT), text)


def _exact(text: str) -> Decimal:
    match = _QUANTITY.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        return Decimal(_refuse(text))
    number = Decimal(match["number"])
    suffix = match["suffix"] or ""
    if suffix in _BINARY_UNITS:
        return _EXACT.multiply(number, Decimal(1024 ** (_BINARY_UNITS.index(suffix) + 1)))
    return number.scaleb(int(match["exponent"] or _DECIMAL_POWERS[suffix]), _EXACT)


def _ceiling(number: Decimal, text: str, largest: int = _LARGEST) -> int:
    if number > largest:
        raise QuantityError(f"quantity {text!r}: larger than 2^63 - 1, the most Kubernetes can hold")
    return int(number.to_integral_value(rounding="ROUND_CEILING"))
