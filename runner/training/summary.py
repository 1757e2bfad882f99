"""What is said of the episodes of a training: totals, means and lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_NO_MEANS = {"episode", "transitions", "scenario", "problem", "target"}
LAST = 100
"""Episodes that "last" in a summary means."""


def summarise(history: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Totals of a training, and means over its last `LAST` episodes; None where there are none."""
    last = episode_means(history[-LAST:])
    return {
        "episodes": len(history),
        "env_steps": sum(summary["steps"] for summary in history),
        "solved": sum(summary["solved"] for summary in history),
        "last_episodes": len(history[-LAST:]),
        "last_solved_rate": last.get("solved"),
        "last_mean_steps": last.get("steps"),
        "last_mean_return": last.get("reward"),
    }


def episode_means(history: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Mean of each metric over the episodes that have it; metrics that none has are left out."""
    means = {}
    names = dict.fromkeys(("reward", "steps", "solved", "loss", "q_mean", "epsilon"))
    names |= dict.fromkeys(name for summary in history for name in summary if name not in _NO_MEANS)
    for name in names:
        values = [float(summary[name]) for summary in history if summary.get(name) is not None]
        if values:
            means[name] = sum(values) / len(values)
    return means


def log_lines(history: Sequence[Mapping[str, Any]]) -> str:
    """One line per episode, for people."""
    return "".join(about([summary]) + "\n" for summary in history)


def about(history: Sequence[Mapping[str, Any]]) -> str:
    """One line about some episodes."""
    first, last, means = history[0], history[-1], episode_means(history)
    names = {"loss": "loss", "q_mean": "q", "epsilon": "epsilon", "entropy": "entropy", "approx_kl": "kl"}
    known = "".join(f" {label} {means[name]:.3f}" for name, label in names.items() if name in means)
    if len(history) == 1:
        end = f"{'solved' if last['solved'] else 'not solved'} in {last['steps']}"
        return f"episode {last['episode']} {last['scenario']}: {end}, return {last['reward']:.2f}{known}"
    end = f"{100 * means['solved']:.1f} % solved, {means['steps']:.2f} steps"
    return f"episodes {first['episode']} to {last['episode']}: {end}, return {means['reward']:.2f}{known}"
