"""A federation's rounds as event files for TensorBoard, where that is installed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from protocol.report.record import RoundRecord, seconds_each
from runner.training.tensorboard import tensorboard

MEMBERS_WRITTEN = 100


def write_events(rounds: Sequence[RoundRecord], folder: Path) -> None:
    """Write what is known of rounds; nothing if TensorBoard is not installed.

    Scalars by round: `federation/return`, `federation/solved` (share), `federation/members`, `federation/seconds`, and
    the returns of the first members, `member/0000` and on.
    """
    with tensorboard(folder, 0) as add:
        for round_, took in zip(rounds, seconds_each(rounds), strict=True):
            if round_.error is not None:
                continue
            known = {"return": round_.reward, "solved": round_.solved_share, "seconds": took}
            shared = {name: value for name, value in known.items() if value is not None}
            add("federation", {**shared, "members": float(round_.participants)}, round_.number)
            own = {f"{member:04d}": float(value) for member, value in enumerate(round_.rewards[:MEMBERS_WRITTEN])}
            add("member", {name: value for name, value in own.items() if not math.isnan(value)}, round_.number)
