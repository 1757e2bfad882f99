"""Plans that hold everything after a node or a zone is lost, or after a restart of everything."""

from __future__ import annotations

import numpy as np
from large import drawn
from plans import offers, trace_of, workload

from env.plan.planner import Plan, Problem, plan
from env.plan.spare import placeholder
from env.plan.trial import Survive

WEB = workload("web", "2", 6)


def planned(*manifests: dict, survive: Survive | None, zones: tuple[str, ...] = ()) -> Plan:  # type: ignore[type-arg]
    lost = frozenset([survive] if survive else [])
    return plan(Problem(trace_of(*manifests), None, offers("4:8Gi", zones=zones), lost))


def test_a_node_more_is_needed_where_one_may_be_lost() -> None:
    assert planned(WEB, survive=None).counts == (3,)
    found = planned(WEB, survive=Survive.NODE)
    assert found.counts == (4,)
    assert found.bound == 4


def test_half_as_many_again_are_needed_where_one_of_three_zones_may_be_lost() -> None:
    found = planned(WEB, survive=Survive.ZONE, zones=("a", "b", "c"))
    assert sorted(found.counts or ()) == [1, 2, 2]
    assert found.bound == 5


def test_what_may_run_in_one_zone_only_is_not_expected_to_survive_its_loss() -> None:
    bound = workload("db", "1", 1, nodeSelector={"topology.kubernetes.io/zone": "a"})
    found = planned(WEB, bound, survive=Survive.ZONE, zones=("a", "b", "c"))
    assert found.counts is not None
    assert found.counts[0] > 0


def test_more_nodes_are_needed_where_pods_may_come_in_any_order() -> None:
    every = workload("small", "500m", 10), workload("large", "3", 3)
    assert planned(*every, survive=None).counts == (4,)
    assert planned(*every, survive=Survive.RESTART).counts == (5,)


def test_a_placeholder_keeps_a_node_free_with_fewer_nodes_than_where_room_is_spread() -> None:
    every = trace_of(*(drawn(number) for number in range(100)))
    found = plan(Problem(every, None, offers("8:32Gi"), frozenset({Survive.NODE})))
    assert found.spare is not None
    assert (found.cost, found.spare.cost, found.bound) == (22, 18, 18)
    room = found.spare.manifests[1]["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]
    assert room == {"cpu": "8000m", "memory": str(32 * 2**30)}


def test_the_placeholder_of_an_earlier_plan_needs_no_node() -> None:
    _, earlier = placeholder(np.array([4_000, 2**33, 110]))
    first, again = planned(WEB, survive=Survive.NODE), planned(earlier, WEB, survive=Survive.NODE)
    assert (again.counts, again.bound) == (first.counts, first.bound)
