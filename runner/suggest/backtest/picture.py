"""Backtests as a picture: the use of each container, what each rule requested for it, and where use was above that."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from agents.saved.files import write_atomic
from env.printable import one_line
from env.quantity import MIB
from env.season.variants import WINDOWS_A_DAY
from env.usage.containers import Amounts
from env.usage.usage import ContainerKey
from env.words import count
from runner.suggest.backtest.proposers import LEARNED
from runner.suggest.backtest.texts import Tests, name_of
from runner.suggest.backtest.walk import Backtest
from runner.suggest.backtest.windows import WEEK

MOST_SHOWN = 8

_WIDTH, _HEIGHT = 11.0, 2.6  # inches; of one container
_COLOURS = {LEARNED: "tab:blue", "seasonal": "tab:green", "VPA": "tab:orange", "KRR": "tab:purple"}


def draw(tests: Tests, now: Mapping[ContainerKey, Amounts], path: Path) -> int:
    """Write a picture of the containers that most memory is typical of; how many it shows.

    Args:
        tests: At least one container's.
        now: What they request.
        path: A .png file.

    Raises:
        AgentError: It cannot be written.
    """
    keys = sorted(tests, key=lambda key: -tests[key].windows.typical)[:MOST_SHOWN]
    figure = Figure(figsize=(_WIDTH, _HEIGHT * len(keys) + 0.4), layout="constrained")
    for axes, key in zip(figure.subplots(len(keys), 1, squeeze=False)[:, 0], keys, strict=True):
        _draw(axes, key, tests[key], now.get(key))
    figure.supxlabel("days; a bar: the peak of six hours; grey: history; red: above what was proposed", fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    write_atomic(path, buffer.getvalue())
    return len(keys)


def _draw(axes: Axes, key: ContainerKey, test: Backtest, now: Amounts | None) -> None:
    peaks, day = test.windows.peaks / MIB, np.arange(len(test.windows)) / WINDOWS_A_DAY
    over = np.append(np.zeros(WEEK, np.bool_), test.windows.peaks[WEEK:] > test.followed.requests)
    colours = np.where(over, "tab:red", np.where(np.arange(len(peaks)) < WEEK, "silver", "lightsteelblue"))
    colours[~test.windows.is_measured] = "white"
    axes.bar(day, peaks, 1 / WINDOWS_A_DAY, align="edge", color=colours.tolist())
    ends = np.append(day[WEEK:], len(peaks) / WINDOWS_A_DAY)
    for each in test.tried:
        axes.stairs(each.requests / MIB, ends, baseline=None, color=_COLOURS[each.name], lw=1, label=each.name)
    axes.stairs(test.followed.requests / MIB, ends, baseline=None, color="k", lw=1.8, label="proposed")
    if now is not None and now.memory_bytes is not None:
        axes.axhline(now.memory_bytes / MIB, color="k", lw=1, ls=":", label="now")
    ooms = f"{test.followed.ooms} of {count(test.followed.windows, 'window')} above"
    title = f"{name_of(key)}: proposed {test.chosen.request / MIB:.0f}Mi ({test.chosen.name}), {ooms}"
    axes.set_title(_plain(title), loc="left", fontsize=9)
    axes.set_ylabel("MiB", fontsize=8)
    axes.margins(x=0)
    axes.tick_params(labelsize=8)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 0.97), ncols=6, fontsize=7, frameon=False)


def _plain(text: str) -> str:
    """A text in which matplotlib finds no formula."""
    return one_line(text, 160).replace("$", r"\$")
