"""What is quoted of a driver's log."""

from __future__ import annotations

import pytest

from env.simkube.driver import last_error

FAILED = """\
2026-11-29T02:00:00.1Z  INFO src/main.rs:62: new
\x1b[2m2026-11-29T02:00:01.1Z\x1b[0m \x1b[31mERROR\x1b[0m src/main.rs:62: driver failed

Missing pod spec path for v1.ConfigMap

Partial Stack Trace:

      -- <skipped 20 frames> --
"""


@pytest.mark.parametrize(
    ("log", "said"),
    [
        pytest.param(FAILED, "Missing pod spec path for v1.ConfigMap", id="the driver's own last error"),
        pytest.param("t ERROR a.rs:1: first\nt ERROR a.rs:2: second\nt INFO a.rs:3: going on\n", "a.rs:2: second",
                     id="the last of several"),
        pytest.param("t INFO a.rs:1: one\nt WARN a.rs:2: two\n\n", "a.rs:2: two", id="no error: the last line"),
        pytest.param("t ERROR a.rs:1: driver failed", "a.rs:1: driver failed", id="a headline alone"),
        pytest.param("", "nothing", id="no log"),
        pytest.param("::run\n  25: std::thread\n     at /rustc/x.rs:1:2\n", "nothing", id="the end of a stack trace"),
        pytest.param("ERROR \x1b[2Jbad\x07" + 5_000 * "x", "[2Jbad " + 393 * "x", id="nothing for a terminal"),
    ],
)  # fmt: skip
def test_the_last_error_is_one_line(log: str, said: str) -> None:
    assert last_error(log) == said
    assert said.isprintable()
