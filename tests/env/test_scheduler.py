from __future__ import annotations

import pytest

from env.actions import GIB
from env.scheduler import Node, PodShape, Refusal, Taint, Toleration, admitting, best_node, refusals

SMALL = PodShape(1000, GIB, 1000, GIB)


def node(name: str = "a", **fields: object) -> Node:
    return Node(**{"name": name, "cpu_m": 4000, "memory_bytes": 8 * GIB, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shape", "reasons"),
    [
        (PodShape(4000, 8 * GIB, 0, 0), ()),
        (PodShape(4001, GIB, 0, 0), (Refusal.INSUFFICIENT_CPU,)),
        (PodShape(1000, 8 * GIB + 1, 0, 0), (Refusal.INSUFFICIENT_MEMORY,)),
        (PodShape(4001, 8 * GIB + 1, 0, 0), (Refusal.INSUFFICIENT_CPU, Refusal.INSUFFICIENT_MEMORY)),
    ],
)
def test_requests_must_fit_what_is_left(shape: PodShape, reasons: tuple[Refusal, ...]) -> None:
    assert refusals(shape, node()) == reasons
    assert (best_node(shape, [node()]) is None) == bool(reasons)


def test_what_is_bound_is_taken_and_what_is_released_is_free_again() -> None:
    full = node()
    whole = PodShape(4000, GIB, 4000, GIB)
    full.bind(whole)
    assert refusals(SMALL, full) == (Refusal.INSUFFICIENT_CPU,)
    full.release(whole)
    assert refusals(SMALL, full) == ()


def test_a_node_holds_so_many_pods_and_no_more() -> None:
    crowded = node(pods=1)
    crowded.bind(PodShape(0, 0, 0, 0))
    assert refusals(PodShape(0, 0, 0, 0), crowded) == (Refusal.TOO_MANY_PODS,)


def test_a_request_of_nothing_fits_a_node_without_cpu_left() -> None:
    full = node()
    full.bind(PodShape(4000, 8 * GIB, 0, 0))
    assert best_node(PodShape(0, 0, 100, 0), [full]) is full


def test_a_node_selector_needs_equal_labels() -> None:
    picky = PodShape(1, 1, 1, 1, node_selector=(("disk", "ssd"),))
    assert refusals(picky, node(labels={"disk": "hdd"})) == (Refusal.SELECTOR,)
    assert refusals(picky, node()) == (Refusal.SELECTOR,)
    assert refusals(picky, node(labels={"disk": "ssd", "zone": "a"})) == ()


def test_a_cordoned_node_takes_only_pods_that_tolerate_it() -> None:
    tolerant = PodShape(1, 1, 1, 1, tolerations=(Toleration(operator="Exists"),))
    assert refusals(SMALL, node(unschedulable=True)) == (Refusal.UNSCHEDULABLE,)
    assert refusals(tolerant, node(unschedulable=True)) == ()


@pytest.mark.parametrize(
    ("toleration", "tolerated"),
    [
        (Toleration("key", "Equal", "yes", "NoSchedule"), True),
        (Toleration("key", "Equal", "yes"), True),
        (Toleration("key", "Exists"), True),
        (Toleration("", "Exists"), True),
        (Toleration("key", "Equal", "no"), False),
        (Toleration("other", "Exists"), False),
        (Toleration("key", "Exists", "", "NoExecute"), False),
    ],
)
def test_a_taint_needs_a_toleration_that_matches(toleration: Toleration, tolerated: bool) -> None:
    shape = PodShape(1, 1, 1, 1, tolerations=(toleration,))
    tainted = node(taints=(Taint("key", "yes"),))
    assert refusals(shape, tainted) == (() if tolerated else (Refusal.TAINT,))
    assert admitting(shape, [tainted]) == ([tainted] if tolerated else [])


def test_a_preference_is_no_taint_that_refuses() -> None:
    assert refusals(SMALL, node(taints=(Taint("key", effect="PreferNoSchedule"),))) == ()


def test_the_first_filter_that_refuses_gives_the_reasons() -> None:
    huge = PodShape(9999, GIB, 0, 0, node_selector=(("a", "b"),))
    assert refusals(huge, node(unschedulable=True, taints=(Taint("key"),))) == (Refusal.UNSCHEDULABLE,)
    assert refusals(huge, node(taints=(Taint("key"),))) == (Refusal.TAINT,)
    assert refusals(huge, node()) == (Refusal.SELECTOR,)


def test_the_least_allocated_node_is_best() -> None:
    busy, free = node("busy"), node("free")
    busy.bind(SMALL)
    assert best_node(SMALL, [busy, free]) is free


def test_the_first_of_equal_nodes_is_best() -> None:
    first, second = node("first"), node("second")
    assert best_node(SMALL, [first, second]) is first


def test_a_larger_node_is_less_allocated() -> None:
    large = node("large", cpu_m=8000)
    assert best_node(SMALL, [node(), large]) is large
