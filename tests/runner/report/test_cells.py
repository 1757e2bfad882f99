"""A table's values as text."""

from __future__ import annotations

import pytest

from runner.report.cells import cell_text
from runner.report.page import Cell, Kind


@pytest.mark.parametrize(
    ("value", "kind", "shown"),
    [
        (None, "number", "–"),
        (float("nan"), "share", "–"),
        (12345, "number", "12,345"),
        (0.01234, "number", "0.0123"),
        (3.14159, "number", "3.14"),
        (0.985, "share", "98.5\u202f%"),
        (0.24, "seconds", "240 ms"),
        (245, "seconds", "4 min 05 s"),
        (11_220, "seconds", "3 h 07 min"),
        (187_200, "seconds", "2 d 04 h"),
        (999, "bytes", "999 B"),
        (1_234_567, "bytes", "1.23 MB"),
        (0.000123, "dollars", "$0.000123"),
        (0.0000312, "dollars", "$0.0000312"),
        (12, "dollars", "$12.00"),
        (True, "text", "yes"),
        ("as it is", "number", "as it is"),
    ],
)
def test_a_value_is_shown_by_its_columns_kind(value: Cell, kind: Kind, shown: str) -> None:
    assert cell_text(value, kind) == shown


def test_whole_numbers_beside_fractions_have_as_many_digits() -> None:
    shown = [cell_text(value, "number", fractions=True) for value in (74, 3.6, 0, 0.5, 0.0123, 12_345.6)]
    assert shown == ["74.00", "3.60", "0.00", "0.50", "0.0123", "12,346"]
