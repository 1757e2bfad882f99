"""A workload's windows as a line of text and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env.picture import FAILING, OTHER, READY, chart
from env.quantity import MIB, format_memory
from env.season.variants import WARM_UP, WINDOWS_A_DAY, Variant
from env.words import count

_LEGEND = "a bar: the peak of six hours; line: the request; red: use was above it; grey: the week before"


def line(lane: Any, variant: Variant) -> str:
    """How the last window of a lane went, for people."""
    known, request = int(lane["known"]), int(lane["request"])
    asked = f"request {amount(request, variant)}"
    if known == WARM_UP:
        return f"window 0: reset -> {asked}"
    used = f"use above it ({excess_of(variant)})" if lane["oom"] else f"use {amount(lane['peak'], variant)}"
    return f"window {known - WARM_UP}: {asked}{', changed' if lane['changed'] else ''}; {used}; cost {lane['cost']:.2f}"


def amount(steps: float, variant: Variant) -> str:
    """Steps in the variant's unit: `512Mi`, `1500m`, `3 pods`."""
    if variant.unit == "bytes":
        return format_memory(round(float(steps) * variant.step / MIB) * MIB)
    whole = round(float(steps) * variant.step)
    return f"{whole}m" if variant.unit == "millicores" else count(whole, "pod")


def excess_of(variant: Variant) -> str:
    """What use above the request is called."""
    return {"memory": "OOM-killed", "cpu": "throttled"}.get(variant.name, "overloaded")


def season_picture(lane: Any, variant: Variant) -> NDArray[np.uint8]:
    """The windows that are over, and the requests in them; what its agent does not know: how far use was above them."""
    known, over = int(lane["known"]), lane["exceeded"] != 0
    peaks = np.where(over, np.maximum(lane["requests"], lane["peaks"]), lane["peaks_taken"])
    peaks[known:] = 0
    requests = lane["requests"][:known].astype(float).tolist()
    return windows_picture(line(lane, variant), peaks.tolist(), requests, over.tolist(), variant)


def windows_picture(
    text: str, peaks: Sequence[float], requests: Sequence[float], over: Sequence[bool], variant: Variant
) -> NDArray[np.uint8]:
    """Windows as bars, and the requests in them as a line.

    Args:
        text: What stands above.
        peaks: In steps, of the warm-up and the windows that are played; 0 of those that are still to come.
        requests: In steps, of the windows that are over.
        over: In which windows use was above the request.
        variant: What is asked for.
    """
    colours = [OTHER] * WARM_UP + [FAILING if each else READY for each in over[WARM_UP:]]
    scale = f"{amount(max(*peaks, *requests), variant)}; {count(len(peaks) // WINDOWS_A_DAY, 'day')}"
    return chart(text, list(zip(peaks, colours, strict=True)), requests, scale, _LEGEND)
