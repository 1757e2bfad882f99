"""What `ec2-workers launch` shows: offers with their prices, machines, and all of it as one document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Group
from rich.markup import escape

from infra.ec2.fleet import Instance
from infra.ec2.launch.offers import Offer
from infra.ec2.launch.plan import LaunchPlan
from runner.commands.fitted import Cell, FittedTable


def document(
    plan: LaunchPlan, launched: Sequence[Instance], refusals: Sequence[tuple[Offer, str]] = (), *, dry_run: bool = False
) -> dict[str, Any]:
    """Everything about a launch, for `--json` and for the record."""
    orders = plan.orders
    return {
        "group": orders.group,
        "bucket": orders.bucket,
        "region": plan.region,
        "bucket_region": orders.bucket_region,
        "cluster": orders.cluster,
        "image": plan.image.id,
        "count": plan.count,
        "living": len(plan.living) + len(launched),
        "missing": plan.missing - len(launched),
        "max_hours": orders.max_hours,
        "idle_minutes": orders.idle_minutes,
        "dry_run": dry_run,
        "instances": [
            _row(instance, new) for new, some in ((False, plan.living), (True, launched)) for instance in some
        ],
        "offers": _offers(plan.offers),
        "refusals": _refusals(refusals),
    }


def _offers(offers: Sequence[Offer]) -> list[dict[str, Any]]:
    """A row for each type and market, in the order in which they will first be asked for."""
    rows: dict[tuple[str, str], list[Offer]] = {}
    for offer in offers:
        rows.setdefault((offer.type, offer.market.value), []).append(offer)
    return [
        {
            "type": name,
            "market": market,
            "zones": list(dict.fromkeys(offer.zone for offer in same)),
            "usd_per_hour": _range([offer.usd_per_hour for offer in same if offer.usd_per_hour is not None]),
            "price_source": "; ".join(_sources(same)),
        }
        for (name, market), same in rows.items()
    ]


def _range(prices: Sequence[float]) -> dict[str, float] | None:
    return {"lowest": min(prices), "highest": max(prices)} if prices else None


def _sources(offers: Sequence[Offer]) -> list[str]:
    """Where prices are from, without the zones."""
    return list(dict.fromkeys(offer.source.replace(f" {offer.zone},", "") for offer in offers))


def _refusals(refusals: Sequence[tuple[Offer, str]]) -> list[dict[str, Any]]:
    rows: dict[tuple[str, str, str], list[str]] = {}
    for offer, code in refusals:
        rows.setdefault((offer.type, offer.market.value, code), []).append(offer.zone)
    return [
        {"type": name, "market": market, "code": code, "zones": list(dict.fromkeys(zones))}
        for (name, market, code), zones in rows.items()
    ]


def _row(instance: Instance, new: bool) -> dict[str, Any]:
    return {
        "id": instance.id,
        "type": instance.type,
        "market": "spot" if instance.spot else "on-demand",
        "zone": instance.zone,
        "usd_per_hour": instance.usd_per_hour,
        "launched_now": new,
    }


def offers_table(plan: LaunchPlan) -> Group:
    """Types in the order in which they will be asked for, and what as many as are missing would cost."""
    hours = plan.orders.max_hours
    titles = ("in this order", "zones", "$/h each", f"$/h for {plan.missing}", f"$ for {hours:g} h")
    table = FittedTable(*titles)
    rows: dict[tuple[str, str, float | None], list[str]] = {}
    for offer in plan.offers:
        rows.setdefault((offer.type, offer.market, offer.usd_per_hour), []).append(offer.zone)
    for (name, market, usd), zones in rows.items():
        costs = [_usd(usd, 4, 2), _usd(usd, 2, 0, plan.missing), _usd(usd, 2, 0, plan.missing * hours)]
        table.add_row(f"{name} {market}", " ".join(zone.removeprefix(plan.region) for zone in zones), *costs)
    lines = [f"prices: {escape('; '.join(_sources(plan.offers)))}"]
    lines.append(f"with {plan.image.disk_gb} GB of disk and a public IPv4 address; requests and traffic come on top")
    return Group(table, *lines)


def instances_table(launched: Sequence[Instance]) -> FittedTable:
    """Machines and their prices."""
    table = FittedTable("instance", "type", "market", "zone", "$/h")
    for instance in launched:
        row = _row(instance, True)
        table.add_row(row["id"], row["type"], row["market"], row["zone"], _usd(row["usd_per_hour"], 4, 2))
    return table


def _usd(usd: float | None, digits: int, at_least: int, times: float = 1) -> Cell:
    return "?" if usd is None else (f"{usd * times:.{digits}f}", f"{usd * times:.{at_least}f}")
