from __future__ import annotations

import contextlib
import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from env.errors import QuantityError
from env.quantity import canonical, format_cpu, format_memory, parse_cpu, parse_memory

SUFFIXES = ("n", "u", "m", "", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti")
numbers = st.decimals(0, 5000, places=6).map(lambda number: format(number.normalize(), "f"))


@pytest.mark.parametrize(
    ("text", "cpu_m"),
    [("500m", 500), ("2", 2000), ("0.1", 100), ("1u", 1), ("100n", 1), (".5", 500), ("1.", 1000), ("+1", 1000)],
)
def test_cpu_is_in_millicores_rounded_up(text: str, cpu_m: int) -> None:
    assert parse_cpu(text) == cpu_m


@pytest.mark.parametrize(
    ("text", "memory_bytes"),
    [
        ("256Mi", 256 * 2**20),
        ("17.41550499759833Gi", math.ceil(Decimal("17.41550499759833") * 2**30)),
        ("1e3", 1000),
        ("1E3", 1000),
        ("1E", 10**18),
        ("500M", 500 * 10**6),
        ("1Pi", 2**50),
        ("500m", 1),
        ("7Ei", 7 * 2**60),
        ("1e-999", 1),
        ("0", 0),
    ],
)
def test_memory_is_in_bytes_rounded_up(text: str, memory_bytes: int) -> None:
    assert parse_memory(text) == memory_bytes


def test_plain_numbers_are_quantities_too() -> None:
    assert parse_cpu(2) == 2000
    assert parse_cpu(5.556655340828402) == 5557
    assert parse_memory(1e9) == 10**9


@pytest.mark.parametrize(
    "value",
    [
        *("", "m", "-1", "1K", "1B", "1 Gi", "1mm", "1e", "1ee3", "0x10", ".", "nan", "inf", "١", "1\n", "9" * 99),
        *("1e19", "8Ei", "1e999", math.nan, math.inf, -math.inf, -1, True, None, [], {}),
    ],
)
def test_anything_else_is_refused(value: object) -> None:
    for parse in (parse_cpu, parse_memory):
        with pytest.raises(QuantityError, match="quantity"):
            parse(value)  # type: ignore[arg-type]


@given(numbers, st.sampled_from(SUFFIXES))
def test_agrees_with_the_kubernetes_client(number: str, suffix: str) -> None:
    kubernetes_parse = pytest.importorskip("kubernetes.utils.quantity").parse_quantity
    expected = kubernetes_parse(number + suffix)
    assert parse_memory(number + suffix) == math.ceil(expected)
    assert parse_cpu(number + suffix) == math.ceil(expected * 1000)


@given(st.integers(0, 2**63 - 1))
def test_what_is_written_reads_back(value: int) -> None:
    assert parse_cpu(format_cpu(value)) == value
    assert parse_memory(format_memory(value)) == value


@pytest.mark.parametrize(("cpu_m", "text"), [(500, "500m"), (2000, "2"), (17500, "17500m"), (0, "0")])
def test_cpu_is_written_in_canonical_form(cpu_m: int, text: str) -> None:
    assert format_cpu(cpu_m) == text


@pytest.mark.parametrize(
    ("memory_bytes", "text"), [(2**28, "256Mi"), (2**35, "32Gi"), (1000, "1000"), (0, "0"), (3 * 2**60, "3Ei")]
)
def test_memory_is_written_in_the_largest_unit_that_divides_it(memory_bytes: int, text: str) -> None:
    assert format_memory(memory_bytes) == text


@given(st.text(max_size=12))
def test_text_is_either_a_quantity_or_refused(text: str) -> None:
    with contextlib.suppress(QuantityError):
        assert parse_memory(text) >= 0


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        *(("0.25", "250m"), ("5.15", "5150m"), ("17000m", "17"), ("1.0005", "1001m"), ("100u", "1m"), ("3", "3")),
        *(("4849664Ki", "4736Mi"), ("12288Mi", "12Gi"), ("98304Mi", "96Gi"), ("8064Mi", "8064Mi"), ("0.5Ki", "512")),
        *(
            ("4000M", "4G"),
            ("2e9", "2e9"),
            ("2e8", "200e6"),
            ("1e3", "1e3"),
            ("1000e-3", "1"),
            ("8455716864", "8455716864"),
        ),
        *((".001Ki", "1024m"), (".000001Ki", "2m"), ("1.5Gi", "1536Mi"), ("0", "0"), ("0.0", "0"), ("0Gi", "0")),
        *((2, "2"), (0.5, "500m"), ("7Ei", "7Ei"), ("9P", "9P"), ("1E", "1E")),
    ],
)
def test_the_canonical_form_is_the_api_servers(text: str | float, shown: str) -> None:
    assert canonical(text) == shown


@pytest.mark.parametrize("text", ["1.500", "+1", "1.", "007m", "012Gi"])
def test_what_the_api_server_holds_for_canonical_stays_as_written(text: str) -> None:
    assert canonical(text) == text


@given(numbers, st.sampled_from(SUFFIXES))
def test_the_canonical_form_is_the_same_quantity_rounded_up_to_thousandths(number: str, suffix: str) -> None:
    assert parse_cpu(canonical(number + suffix)) == parse_cpu(number + suffix)


@given(numbers, st.sampled_from(SUFFIXES))
def test_a_canonical_form_stays_canonical(number: str, suffix: str) -> None:
    once = canonical(number + suffix)
    assert canonical(once) == once


@pytest.mark.parametrize("value", ["", "-1", "1K", "8Ei", "1e19", None, True])
def test_there_is_no_canonical_form_of_what_is_no_quantity(value: object) -> None:
    with pytest.raises(QuantityError):
        canonical(value)  # type: ignore[arg-type]
