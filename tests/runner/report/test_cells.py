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
        (12, "dollars", "$12.00"),
        (True, "text", "yes"),
        ("as it is", "number", "as it is"),
    ],
)
def test_a_value_is_shown_by_its_columns_kind(value: Cell, kind: Kind, shown: str) -> None:
    assert cell_text(value, kind) == shown
