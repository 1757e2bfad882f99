"""The picture of a season suite: workloads and what is requested for them; what each one holds and risks; its costs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from agents.saved.files import write_atomic
from env.season import policy
from env.season.bounds.backward import follow
from env.season.bounds.clairvoyant import clairvoyant_plan
from env.season.laws import KINDS
from env.season.series import Floats, Series
from env.season.variants import WARM_UP, WINDOWS_A_DAY, Variant
from env.season.window import Prices, start_request
from runner.evaluation.intervals import Estimate
from runner.evaluation.pictures import grid
from runner.evaluation.season import ALL, INFERRING, SeasonScore, part

_COLUMNS, _SHOWN = 4, 8
_LETTERS = 30
_PLACES = (
    ((4, 3), "left", "bottom"),
    ((-4, 3), "right", "bottom"),
    ((4, -3), "left", "top"),
    ((-4, -3), "right", "top"),
    ((0, 6), "center", "bottom"),
    ((0, -6), "center", "top"),
)
"""Where a point's name may be: points from it, and which side of the name is there."""
_MOST = 60  # percent above the yardstick from which a field is as dark as it gets


@dataclass(frozen=True)
class Example:
    """A workload and what was requested for it, in steps.

    Attributes:
        name: Its kind, or its number.
        peaks: Float64 (ALL_WINDOWS,).
        requests: Of the windows that are played, (WINDOWS,).
        exceeded: Whether use was above the request, bool (WINDOWS,).
    """

    name: str
    peaks: Floats
    requests: Floats
    exceeded: Floats


def examples(series: Series, variant: Variant, prices: Prices, play: policy.Policy | None) -> list[Example]:
    """The first workload of each kind, or the first ones where kinds are not known; None: a clairvoyant plays."""
    firsts = {int(kind): i for i, kind in reversed([*enumerate(series.kinds)]) if kind >= 0}
    chosen = [firsts[kind] for kind in sorted(firsts)] or [*range(min(_SHOWN, len(series)))]
    found = []
    for i in chosen:
        one = part(series, i)
        name = KINDS[series.kinds[i]] if series.kinds[i] >= 0 else f"series {i + 1}"
        if play is not None:
            played = policy.play(play, one, variant, prices.kappa)
            peaks, requests, over = played.peaks[0], played.requests[0], played.exceeded[0]
        else:
            _, plan = clairvoyant_plan(one, 0, variant, prices)
            start = start_request(one.peaks[0], variant.largest)
            deploys = one.deploys[0, WARM_UP:]
            windows = follow(plan, one.peaks[0, WARM_UP:], float(one.growth[0]), deploys, start, variant)
            peaks, requests, over = (np.array([each[k] for each in windows]) for k in (2, 0, 3))
        found.append(Example(name, np.concatenate([one.peaks[0, :WARM_UP], peaks]), requests, over))
    return found


def draw(
    rows: Sequence[SeasonScore], yardstick: str, shown: Sequence[Example], who: str, above: str, path: Path
) -> None:
    """Write the picture.

    Args:
        rows: Everybody's scores.
        yardstick: The bound by which costs are measured.
        shown: Workloads to be drawn.
        who: Asked for the requests in them.
        above: What a window is called in which use was above the request.
        path: A .png file.

    Raises:
        AgentError: It cannot be written.
    """
    lines = -(-len(shown) // _COLUMNS)
    figure = Figure(figsize=(11, 1.9 * lines + 4.4), layout="constrained")
    halves: Any = figure.subfigures(2, 1, height_ratios=[1.9 * lines, 4.4])
    top, bottom = halves
    top.suptitle(
        f"peaks of six hours (grey: the week before) and the requests of {_short(who)}; red: {above}", fontsize=9
    )
    panels = top.subplots(lines, _COLUMNS, squeeze=False).ravel()
    for panel, example in zip(panels, shown, strict=False):
        _windows(panel, example)
    for panel in panels[len(shown) :]:
        panel.axis("off")
    left, right = bottom.subplots(1, 2, width_ratios=[2, 3])
    points = _held_and_above(left, [row for row in rows if row.kind == ALL], above)
    shares: dict[str, dict[str, Estimate | None]] = {}
    for row in rows:
        if row.held is not None or row.agent == INFERRING:
            shares.setdefault(_short(row.agent), {})[row.kind] = row.above
    grid(right, f"cost above {yardstick}, %", shares, "Reds", _MOST)
    figure.draw_without_rendering()  # places the axes, which gives the names below their sizes
    _name(left, points)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    write_atomic(path, buffer.getvalue())


def _windows(axes: Axes, example: Example) -> None:
    """One workload's peaks, and the requests over them."""
    days = np.arange(len(example.peaks)) / WINDOWS_A_DAY
    known, played = days[:WARM_UP], days[WARM_UP:]
    over = example.exceeded.astype(bool)
    axes.bar(known, example.peaks[:WARM_UP], 1 / WINDOWS_A_DAY, align="edge", color="0.8")
    axes.bar(
        played,
        example.peaks[WARM_UP:],
        1 / WINDOWS_A_DAY,
        align="edge",
        color=np.where(over, "tab:red", "tab:blue").tolist(),
    )
    axes.step(
        [*played, days[-1] + 1 / WINDOWS_A_DAY], [*example.requests, example.requests[-1]], "k", where="post", lw=1
    )
    axes.set_title(example.name, loc="left", fontsize=9)
    axes.tick_params(labelsize=7)
    axes.set_ylim(bottom=0)


def _held_and_above(axes: Axes, rows: Sequence[SeasonScore], above: str) -> list[tuple[float, float, str]]:
    """What each holds, and in how many windows use is above it: further down and to the left is better.

    Returns:
        The points and their names.
    """
    points = [
        (row.held.value, 100 * row.exceeded.value, _short(row.agent))
        for row in rows
        if row.held is not None and row.exceeded is not None
    ]
    for held, exceeded, _ in points:
        axes.plot(held, exceeded, "o", ms=5)
    axes.set_xlabel("held: request over the typical peak", fontsize=8)
    axes.set_ylabel(above, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.margins(x=0.35)
    axes.set_ylim(bottom=0)
    return points


def _name(axes: Axes, points: Sequence[tuple[float, float, str]]) -> None:
    """Write each point's name beside it, where no other name and no point is.

    Of places to the right, to the left, above and below, the first that is free and within the axes is taken; the last
    one if none is.
    """
    inside = axes.get_window_extent()
    taken = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in axes.transData.transform([point[:2] for point in points])]
    for held, exceeded, name in points:
        text = None
        for offset, across, along in _PLACES:
            if text is not None:
                text.remove()
            text = axes.annotate(
                name, (held, exceeded), offset, textcoords="offset points", fontsize=7, ha=across, va=along
            )
            box = text.get_window_extent()
            within = inside.x0 + 4 <= box.x0 and box.x1 <= inside.x1 - 4
            if within and not any(box.overlaps(other) for other in taken):
                break
        if text is not None:
            taken.append(text.get_window_extent())


def _short(agent: str) -> str:
    """A file's name without its folders, cut."""
    return Path(agent).name[:_LETTERS] if Path(agent).suffix == ".pt" else agent[:_LETTERS]
