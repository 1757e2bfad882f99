"""The tables that `dispatch` prints."""

from __future__ import annotations

from typing import Any

from rich.console import Group
from rich.markup import escape

from protocol.commands.status import FederationSummary, JobSummary, RoundSummary
from runner.commands.fitted import FittedTable

_STYLES = {"running": "cyan", "success": "green", "failed": "red", "rejected": "red", "cancelled": "yellow"}


def jobs_table(rows: list[JobSummary] | tuple[JobSummary, ...]) -> FittedTable:
    table = FittedTable("job", "state", "attempt", "episode", "reward", "worker", "")
    for row in rows:
        table.add_row(
            row.job_id,
            f"[{_STYLES.get(row.state, 'default')}]{escape(row.state)}[/]",
            str(row.attempt or ""),
            str(row.episode or ""),
            "" if row.reward is None else (f"{row.reward:+.2f}", f"{row.reward:+.0f}"),
            escape(row.worker or ""),
            escape(row.error or row.doing),
        )
    return table


def group_table(status: FederationSummary) -> Group:
    """A federation: headline, members, last rounds."""
    state = f"[{_STYLES.get(status.outcome or '', 'bold')}]{status.outcome or 'running'}[/]"
    reason = f": {escape(status.reason)}" if status.reason else ""
    parts: list[Any] = [f"[bold]{status.group}[/]  {state}{reason}  round {status.closed} of {status.rounds} closed"]
    if status.sample:
        parts.append(f"each round draws {status.sample} of {status.size} members")
    if status.weights_sha256:
        parts.append(f"weights sha256 {status.weights_sha256}")
    if status.open_round:
        parts.append(escape(status.open_round))
    parts.append(jobs_table(status.members))
    if status.recent:
        parts.append(_rounds_table(status.recent))
    return Group(*parts)


def _rounds_table(rounds: tuple[RoundSummary, ...]) -> FittedTable:
    table = FittedTable("round", "closed", "members", "mean reward", "solved", "left out")
    for row in rounds:
        reward = "" if row.reward is None else (f"{row.reward:+.2f}", f"{row.reward:+.0f}")
        left_out = escape("; ".join(row.left_out))
        solved = "" if row.solved is None else f"{row.solved}/{row.episodes}"
        table.add_row(str(row.round), escape(row.reason), str(row.participants), reward, solved, left_out)
    return table
