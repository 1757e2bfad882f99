"""What came of backtests in words: cells of a table, JSON, and the line that says what was held against what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from env.season.variants import WINDOWS_A_DAY
from env.usage.containers import Amounts
from env.usage.enough import mib_text
from env.usage.usage import ContainerKey
from env.words import count
from runner.suggest.backtest.proposers import LEARNED
from runner.suggest.backtest.walk import Backtest, Tried
from runner.suggest.backtest.windows import WEEK
from runner.suggest.texts import escaped, markdown_table

TITLES = ("memory", "request", "OOM windows", "held", "cost")

Tests = Mapping[ContainerKey, Backtest]


def name_of(key: ContainerKey) -> str:
    """A container as a row's name."""
    kind = "" if key.kind == "Deployment" else f"{key.kind} "
    container = "" if key.container == key.workload else f" {key.container}"
    return f"{kind}{key.namespace}/{key.workload}{container}"


def heading(key: ContainerKey, test: Backtest, now: Amounts | None) -> str:
    """What is said of a container above its rules."""
    asks = "" if now is None else f", requests {mib_text(now.memory_bytes) if now.memory_bytes is not None else 'none'}"
    return f"{name_of(key)}{asks}, typically uses {mib_text(int(test.windows.typical))}"


def rows(test: Backtest) -> list[tuple[str | tuple[str, ...], ...]]:
    """A container's rows, in the order of TITLES; a cell in several forms begins with the longest.

    First comes what is proposed, with how the choice would have gone.
    """
    first = _cells(f"proposed: {test.chosen.name}", test.followed)
    return [first, *(_cells(each.name, each) for each in test.tried)]


def _cells(name: str, tried: Tried) -> tuple[str | tuple[str, ...], ...]:
    low, high = tried.oom_interval
    number = f"{tried.ooms} of {tried.windows}"
    return (
        f"  {name}",
        mib_text(tried.request),
        (f"{number} ({100 * low:.1f}–{100 * high:.1f} %)", number),
        f"{tried.held:.2f}",
        f"{tried.cost:.2f}",
    )


def split(tests: Tests) -> str:
    """What the backtests held against what."""
    days = sorted({len(each.windows) for each in tests.values()})
    last = " to ".join(dict.fromkeys(f"{each / WINDOWS_A_DAY:g}" for each in (days[0], days[-1])))
    week = WEEK // WINDOWS_A_DAY
    return (
        f"memory of {count(len(tests), 'container')}: days 1 to {week} are history; days {week + 1} to {last} test, "
        "week by week, what each rule requests by all days before"
    )


def price(tests: Tests) -> str:
    """At which price they were held against one another."""
    kappa = next(iter(tests.values())).kappa
    return f"{kappa:g}: a window above the request costs as much as the typical peak, requested for {kappa:g} windows"


def overruled(tests: Tests) -> str:
    """How often another rule is proposed instead of the learned one; "" where it never is."""
    others = [each.chosen.name for each in tests.values() if each.tried[0].name == LEARNED != each.chosen.name]
    if not others:
        return ""
    names = ", ".join(f"{name} {others.count(name)}" for name in dict.fromkeys(others))
    return f"for {count(len(others), 'container')} another rule cost less than the learned one: {names}"


def document(tests: Tests) -> list[dict[str, Any]]:
    """Backtests as JSON holds them."""
    return [
        {
            **key._asdict(),
            "resource": "memory",
            "typical_bytes": test.windows.typical,
            "history_windows": WEEK,
            "tested_windows": len(test.windows) - WEEK,
            "kappa": test.kappa,
            "proposed": {**_tried(test.followed), "name": test.chosen.name},
            "rules": [_tried(each) for each in test.tried],
        }
        for key, test in tests.items()
    ]


def markdown(tests: Tests, now: Mapping[ContainerKey, Amounts]) -> str:
    """Backtests as a part of a comment of a pull request."""
    if not tests:
        return ""
    lines: list[Sequence[str]] = []
    for key, test in tests.items():
        lines.append([heading(key, test, now.get(key))])
        lines += [[cell if isinstance(cell, str) else cell[0] for cell in row] for row in rows(test)]
    said = "\n".join(f"- {escaped(each)}" for each in (split(tests), f"kappa {price(tests)}", overruled(tests)) if each)
    return f"\n{said}\n\n{markdown_table(TITLES, lines)}\n"


def _tried(tried: Tried) -> dict[str, Any]:
    low, high = tried.oom_interval
    return {
        "name": tried.name,
        "request_bytes": tried.request,
        "oom_windows": tried.ooms,
        "windows": tried.windows,
        "oom_rate": {"value": tried.ooms / tried.windows, "low": low, "high": high},
        "held": tried.held,
        "cost": tried.cost,
    }
