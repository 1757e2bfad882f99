"""An answer in words, as cells of a table, as JSON, and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from env.plan.moves import Move
from env.plan.offers import pools_of
from env.plan.planner import Plan
from env.plan.spare import Spare
from env.problems.node_metadata import pools_as_metadata
from env.words import count
from runner.plan.answer import HOURS_A_MONTH, Answer, Other, PoolRow
from runner.plan.requests import Sized
from runner.suggest.texts import escaped

_MOST_NAMED = 6
_MOST_KINDS = 3
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
            change = round(100 * (found.usd_then / found.usd_now - 1))
            parts += f" instead of {dollars(found.usd_now)}" + (f" ({change:+} %)" if change else "")
    return parts


def proof(plan: Plan, priced: bool) -> str:
    """How far from the least possible the plan is at most."""
    least = f"{dollars(plan.bound)} $ a month" if priced else count(round(plan.bound), "node")
    if plan.gap < 1e-6:
        return f"no plan has less than {least}: this is the least"
    return f"no plan has less than {least}; this one is at most {100 * plan.gap:.1f} % above the least"


def spared(spare: Spare, plan: Plan, priced: bool) -> str:
    """What a placeholder would save."""
    cost = f", {dollars(spare.cost)} $ a month" if priced else ""
    least = ": this is the least" if spare.cost <= plan.bound + 1e-6 else ""
    return f"{count(sum(spare.counts), 'node')}{cost}, if a placeholder keeps one free{least}; --json has its manifests"


def resized(found: Sized) -> str:
    """How many requests change, and of how many containers the use is not known."""
    parts = f"{count(len(found.patches), 'workload')} patched to what is enough for what they use"
    return f"{parts}; use of {count(len(found.unknown), 'container')} not known" if found.unknown else parts


def others(found: Answer) -> dict[str, str]:
    """What autoscalers come to by their documented rules, by their names."""
    return {each.name: _other(each) for each in found.others}


def _other(each: Other) -> str:
    kinds = sorted(each.kinds.items(), key=lambda kind: (-kind[1], kind[0]))
    shown = " + ".join(f"{many} x {name}" for name, many in kinds[:_MOST_KINDS])
    more = f" and {len(kinds) - _MOST_KINDS} other types" if len(kinds) > _MOST_KINDS else ""
    cost = "" if each.usd_per_hour is None else f", {dollars(each.usd_per_hour)} $ a month"
    lacking = f"; {count(each.lacking, 'workload')} not Ready" if each.lacking else ""
    return f"{count(sum(each.kinds.values()), 'node')}{cost}: {shown}{more}{lacking}"


def moved(move: Move, knows_budgets: bool = True) -> str:
    """How the nodes that there are become those of the plan, and what workloads notice.

    Args:
        move: The move.
        knows_budgets: PodDisruptionBudgets could be read.
    """
    joined = " and ".join(f"{many} x {name}" for name, many in move.joined.items())
    parts = [f"{joined} join"] if joined else []
    if move.drained:
        parts.append(f"{count(len(move.drained), 'node')} drained {move.way}, {count(move.evictions, 'pod')} evicted")
    if move.blocked:
        parts.append(f"blocked: {'; '.join(move.blocked)}")
    elif move.missing:
        names = [f"{kind} {namespace}/{name}" for kind, namespace, name in move.missing]
        parts.append(f"at its end {', '.join(names[:_MOST_NAMED])} lack pods")
    elif move.drained:
        kept = "every PodDisruptionBudget is kept" if knows_budgets else "PodDisruptionBudgets are not known"
        parts.append(f"{kept}, and all is Ready at its end")
        down = [f"{key[1]}/{key[2]}" for key, low in sorted(move.lowest.items()) if not low.ready]
        if down:
            more = f" and {len(down) - _MOST_NAMED} more" if len(down) > _MOST_NAMED else ""
            parts.append(f"without a Ready pod for a moment: {', '.join(down[:_MOST_NAMED])}{more}")
    return "; ".join(parts) or "nothing has to move"


def _move(move: Move) -> dict[str, Any]:
    return {
        "way": move.way.value,
        "joined": dict(move.joined),
        "drained": list(move.drained),
        "evictions": move.evictions,
        "is_done": move.is_done,
        "blocked": list(move.blocked),
        "missing": [{**_named(key), "lacking": pods} for key, pods in move.missing.items()],
        "lowest": [{**_named(key), "ready": low.ready, "wanted": low.wanted} for key, low in move.lowest.items()],
    }


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
        "survive": sorted(each.value for each in plan.problem.survive),
        "spare": None if plan.spare is None else _spare(plan.spare, plan),
        "move": None if plan.move is None else _move(plan.move),
        "autoscalers": [
            {
                "name": each.name,
                "nodes": dict(each.kinds),
                "usd_per_hour": each.usd_per_hour,
                "evictions": each.evictions,
                "not_ready": each.lacking,
            }
            for each in found.others
        ],
        "order": [_named(key) for key in plan.order],
        "replays": plan.replays,
        "patches": [
            {
                "kind": each.workload.kind,
                "namespace": each.workload.namespace,
                "name": each.workload.name,
                "patch": each.body,
                "command": each.command,
                "changes": list(each.changes),
                "why": list(each.why),
            }
            for each in found.patches
        ],
        "impossible": [{**_named(each.group.key), "why": each.why} for each in plan.misfits],
        "missing_now": [{**_named(key), "lacking": pods} for key, pods in plan.missing_now.items()],
        "not_ready": [{**_named(each.key), "lacking": each.lacking, "why": each.reason} for each in plan.unready],
    }


def _spare(spare: Spare, plan: Plan) -> dict[str, Any]:
    return {
        "nodes": pools_as_metadata(pools_of(plan.problem.offers, spare.counts)),
        "cost": spare.cost,
        "manifests": list(spare.manifests),
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
    if found.patches:
        lines += ["", "```sh", *(each.command for each in found.patches), "```"]
    return "\n".join(lines) + "\n"
