"""A training's folder as `sim-arena train` leaves it, without the training."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SHA = "0123456789abcdef" * 4
MakeRun = Callable[..., Path]


def score(solved: float, steps: float, ret: float, **more: Any) -> dict[str, Any]:
    """What an evaluation comes to."""
    return {"n": 200, "solved_rate": solved, "mean_steps": steps, "mean_return": ret, **more}


def lines(*rows: dict[str, Any]) -> str:
    """As JSON Lines."""
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Makes the folder of a run with a name, a seed and a last evaluation."""

    def make(
        name: str = "a-run",
        *,
        seed: int = 0,
        solved: float = 0.98,
        ended: bool = True,
        episodes: int = 300,
        env: str = "cluster",
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        config = {"agent": "dqn", "env": env, "episodes": episodes, "seed": seed, "settings": {"gamma": 0.95}}
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "command.txt").write_text(f"sim-arena train --seed {seed}\n")
        rows: list[dict[str, Any]] = [
            {"kind": "baseline", "episode": 0, "agent": "random", **score(0.3, 74.0, -60.0)},
            {"kind": "baseline", "episode": 0, "agent": "optimum", **score(1.0, 3.0, 2.0)},
        ]
        for number in range(1, episodes + 1):
            skill = 1 - 0.97**number
            row = {"kind": "episode", "episode": number, "reward": -30 + 30 * skill, "steps": 40 - 36 * skill}
            rows.append(
                {**row, "solved": number % 9 > 0, "loss": 1 - 0.5 * skill, "problem": ("cpu", "memory")[number % 2]}
            )
            if number % 60 == 0:
                share = solved if number == episodes else 0.9
                rows.append({"kind": "evaluation", "episode": number, "env_steps": 1, **score(share, 3.5, 1.5)})
        (folder / "metrics.jsonl").write_text(lines(*rows))
        if ended:
            summary = {"env_steps": 2_000, "wall_s": 90.0, "weights_sha256": SHA, "state_sha256": SHA}
            (folder / "summary.json").write_text(json.dumps(summary))
            made = {"python": "3.11.7", "packages": {"numpy": "2.4.6"}, "started": "2026-11-29T10:00:00+00:00"}
            (folder / "environment.json").write_text(json.dumps(made))
        return folder

    return make
