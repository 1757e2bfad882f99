"""An answer in words, as cells of a table, as JSON, and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from env.plan.planner import Plan
from env.problems.node_metadata import pools_as_metadata
from env.words import count
from runner.plan.answer import HOURS_A_MONTH, Answer, PoolRow
from runner.suggest.texts import escaped

TITLES = ("nodes", "each", "now", "plan", "zones", "$/month now", "$/month plan")


def cells(row: PoolRow) -> tuple[str, ...]:
    """A row of the table, in the order of TITLES."""
    zones = ", ".join(f"{zone} {many}" for zone, many in row.zones.items())
    return (
        row.name,
        row.size if row.name not in row.size else "",
        "" if row.now is None else str(row.now),
        str(row.then),
        zones,
        "" if row.now is None or row.usd_per_hour is None else dollars(row.now * row.usd_per_hour),
        "" if row.usd_per_hour is None else dollars(row.then * row.usd_per_hour),
    )


def dollars(usd_per_hour: float) -> str:
    """What an hourly price is in a month of 730 hours."""
    return f"{usd_per_hour * HOURS_A_MONTH:,.0f}"


def verdict(found: Answer) -> str:
    """The plan beside what there is, in one line."""
    parts = count(found.nodes_then, "node")
    if found.now is not None:
        parts += f" instead of {found.now.count}"
    if found.usd_then is not None:
        parts += f", {dollars(found.usd_then)} $ a month"
        if found.usd_now is not None:
            saved = 1 - found.usd_then / found.usd_now
            parts += f" instead of {dollars(found.usd_now)} ({-100 * saved:+.0f} %)"
    return parts


def proof(plan: Plan, priced: bool) -> str:
    """How far from the least possible the plan is at most."""
    least = f"{dollars(plan.bound)} $ a month" if priced else count(round(plan.bound), "node")
    if plan.gap < 1e-6:
        return f"no plan has less than {least}: this is the least"
    return f"no plan has less than {least}; this one is at most {100 * plan.gap:.1f} % above the least"


def document(found: Answer) -> dict[str, Any]:
    """An answer as JSON holds it."""
    plan, nodes = found.plan, found.plan.nodes
    return {
        "pools": [
            {
                "name": row.name,
                "size": row.size,
                "now": row.now,
                "plan": row.then,
                "zones": dict(row.zones),
                "usd_per_hour": row.usd_per_hour,
            }
            for row in found.rows
        ],
        "nodes": None if nodes is None else pools_as_metadata(nodes),
        "nodes_now": None if found.now is None else found.now.count,
        "nodes_plan": found.nodes_then if nodes else None,
        "usd_per_hour_now": found.usd_now,
        "usd_per_hour_plan": found.usd_then,
        "prices": found.prices,
        "saves": found.saves if nodes else False,
        "bound": plan.bound,
        "bound_by_volume": plan.volume,
        "gap": plan.gap if nodes else None,
        "replays": plan.replays,
        "impossible": [{**_named(each.group.key), "why": each.why} for each in plan.misfits],
        "missing_now": [{**_named(key), "lacking": pods} for key, pods in plan.missing_now.items()],
        "not_ready": [{**_named(each.key), "lacking": each.lacking, "why": each.reason} for each in plan.unready],
    }


def _named(key: tuple[str, str, str]) -> Mapping[str, str]:
    return dict(zip(("kind", "namespace", "name"), key, strict=True))


def markdown(found: Answer, facts: Mapping[str, str]) -> str:
    """An answer as a comment of a pull request. Text of others, such as names, cannot become markup."""
    title = verdict(found) if found.plan.counts else "No plan"
    lines = [f"### {escaped(title)}", ""]
    lines += [f"- {name}: {escaped(text)}" for name, text in facts.items()]
    if found.rows:
        lines += ["", "| " + " | ".join(TITLES) + " |", "|" + " --- |" * len(TITLES)]
        lines += ["| " + " | ".join(map(escaped, cells(row))) + " |" for row in found.rows]
    return "\n".join(lines) + "\n"
