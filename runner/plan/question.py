"""Which nodes a plan may use: kinds that are named, all of a price list, or those that there are now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from env.engine.manifests.labels import ARCH
from env.errors import ConfigError, QuantityError, ScenarioError
from env.plan.offers import (
    REGION,
    ZONE,
    Offer,
    common_labels,
    kind_name,
    offers_of_nodes,
    offers_of_types,
    parse_type,
    zones_of,
)
from env.plan.prices import PriceList
from env.problems.instance_types import GPU
from env.problems.nodes import IN_ZONES, NodePool, NodePools

ANY = "any"
"""What names all types of the price list that run images for amd64, but those with GPUs, and burstable ones, of which
a share of the CPU can be used at length."""

_CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
_BURSTABLE = ("t2.", "t3.", "t3a.", "t4g.", "e2-micro", "e2-small", "e2-medium", "Standard_B")


@dataclass(frozen=True)
class Allowed:
    """What may be had.

    Attributes:
        types: Kinds by name or size, or ANY; none: those that there are, else all of the user's price list.
        zones: Where; none: the zones that there are.
        prices: The price list.
        own_prices: It is the user's own.
    """

    types: tuple[str, ...]
    zones: tuple[str, ...]
    prices: PriceList
    own_prices: bool = False


def offers_for(nodes: NodePools | None, allowed: Allowed) -> tuple[Offer, ...]:
    """The offers, with prices where all of them have one.

    Args:
        nodes: Those that there are.
        allowed: What may be had.

    Raises:
        ConfigError: Nothing says what may be had, or a type that is none.
    """
    if not allowed.types and not allowed.own_prices:
        if nodes is None:
            raise ConfigError("which nodes? say those that there are, --nodes 3xm6i.large, or may be had, --node-type")
        offers = offers_of_nodes(nodes)
        if allowed.zones:
            types = {offer.name: _without_place(offer.node) for offer in offers}
            offers = _everywhere(list(types.values()), nodes, allowed.zones)
    else:
        offers = _everywhere(_types(allowed), nodes, allowed.zones)
    priced = tuple(replace(offer, usd_per_hour=allowed.prices.of(offer.node)) for offer in offers)
    if all(offer.usd_per_hour is not None for offer in priced):
        return priced
    return tuple(replace(offer, usd_per_hour=None) for offer in priced)


def parted(nodes: NodePools | None) -> tuple[NodePools | None, NodePools | None]:
    """The workers among nodes, and those of the control plane, which stay as they are."""
    kinds: dict[bool, list[NodePool]] = {False: [], True: []}
    for pool in nodes.pools if nodes else ():
        kinds[any(taint.key in _CONTROL_PLANE for taint in pool.taints)].append(pool)
    workers, control_plane = (NodePools(tuple(kinds[each])) if kinds[each] else None for each in (False, True))
    return workers, control_plane


def _types(allowed: Allowed) -> list[NodePool]:
    found: dict[str, NodePool] = {}
    for text in allowed.types or tuple(allowed.prices.types):
        if text == ANY:
            found |= {name: node for name, node in allowed.prices.types.items() if _is_common(node)}
        elif text in allowed.prices.types:
            found[text] = allowed.prices.types[text]
        else:
            try:
                found[text] = parse_type(text)
            except (ScenarioError, QuantityError) as error:
                raise ConfigError(f"--node-type {text:.80}: {error}") from error
    return list(found.values())


def _is_common(node: NodePool) -> bool:
    is_burstable = kind_name(node).startswith(_BURSTABLE)
    return not is_burstable and dict(node.labels).get(ARCH, "amd64") == "amd64" and GPU not in dict(node.resources)


def _everywhere(types: Sequence[NodePool], nodes: NodePools | None, zones: tuple[str, ...]) -> tuple[Offer, ...]:
    there = nodes or IN_ZONES
    regions = {region for pool in there.pools if (region := dict(pool.labels).get(REGION))}
    region = regions.pop() if len(regions) == 1 else ""
    labels = common_labels(nodes).items() if nodes else ()
    return offers_of_types(types, zones or zones_of(there), region, labels)


def _without_place(node: NodePool) -> NodePool:
    return replace(node, labels=tuple((key, value) for key, value in node.labels if key not in (ZONE, REGION)))
