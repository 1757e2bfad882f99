"""A plan is the fewest or cheapest nodes on which the engine has placed everything."""

from __future__ import annotations

from plans import apart, offers, trace_of, workload

from env.embedded.cluster import EmbeddedCluster
from env.plan.planner import Plan, Problem, plan
from env.plan.trial import lacking_of
from env.problems.node_text import parse_nodes, parse_taints


def planned(*manifests: dict, types: tuple[str, ...] = ("4:8Gi",), **more: object) -> Plan:  # type: ignore[type-arg]
    usd, zones = more.pop("usd", None), more.pop("zones", ())
    return plan(Problem(trace_of(*manifests), None, offers(*types, usd=usd, zones=zones), **more))  # type: ignore[arg-type]


def test_the_plan_holds_everything_and_reaches_the_bound() -> None:
    found = planned(workload("small", "500m", 8), workload("large", "3", 4))
    assert found.counts == (4,)
    assert found.bound == 4
    assert found.nodes is not None
    assert lacking_of(EmbeddedCluster().replayed(found.trace, found.nodes)) == {}


def test_large_pods_come_first_so_that_small_ones_do_not_leave_pieces() -> None:
    found = planned(workload("small", "500m", 10), workload("large", "3", 3))
    order = [each["metadata"]["name"] for each in found.trace.events[0]["applied_objs"]]
    assert order == ["large", "small"]
    as_written = trace_of(workload("small", "500m", 10), workload("large", "3", 3))
    assert found.nodes is not None
    assert lacking_of(EmbeddedCluster().replayed(as_written, found.nodes)) != {}


def test_daemon_sets_take_their_part_of_every_node() -> None:
    found = planned(workload("agent", "1", kind="DaemonSet"), workload("web", "2", 3))
    assert found.counts == (3,)


def test_pods_that_must_not_share_a_node_need_one_each() -> None:
    found = planned(workload("web", "100m", 5, affinity=apart("web")))
    assert found.counts == (5,)
    assert found.bound == 5


def test_the_cheaper_mix_of_types_is_taken() -> None:
    usd = {"4 CPU, 8Gi": 1.0, "4 CPU, 32Gi": 1.5}
    found = planned(
        workload("lean", "2", 4, "1Gi"), workload("fat", "1", 2, "20Gi"), types=("4:8Gi", "4:32Gi"), usd=usd
    )
    assert found.cost == 4.0  # two for the fat ones, which leave room for two lean ones, and one for the other two
    assert found.counts == (1, 2)


def test_a_pod_larger_than_every_type_is_named_and_nothing_is_searched_for() -> None:
    found = planned(workload("web", "5"), workload("ads", "1"))
    assert [each.group.key for each in found.misfits] == [("Deployment", "shop", "web")]
    assert "5 CPU" in found.misfits[0].why
    assert found.counts is None
    assert found.replays == 0


def test_a_workload_that_no_room_mends_is_said_and_does_not_hold_the_plan_up() -> None:
    gated = workload("gated", "100m", schedulingGates=[{"name": "example.com/wait"}])
    found = planned(workload("web", "2", 2), gated)
    assert [state.name for state in found.unready] == ["gated"]
    assert found.counts == (1,)


def test_pods_that_no_node_helps_count_for_neither_plan_nor_bound() -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few", "namespace": "shop"}}
    found = planned({**quota, "spec": {"hard": {"requests.cpu": "4"}}}, workload("web", "1", 10))
    assert found.counts == (1,)
    assert found.bound == 1
    assert [(state.name, state.lacking) for state in found.unready] == [("web", 6)]


def test_no_nodes_are_added_for_pods_that_must_be_spread_over_zones_where_nodes_have_none() -> None:
    spread = {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"}
    constraint = {**spread, "labelSelector": {"matchLabels": {"app": "web"}}}
    found = planned(workload("web", "1", 10, topologySpreadConstraints=[constraint]), workload("small", "100m", 2))
    assert found.counts == (1,)
    assert found.bound == 1
    assert [each.nodes.count for each in found.others] == [1, 1]


def test_workloads_that_share_no_node_with_each_other_need_as_many_nodes() -> None:
    any_other = {"labelSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}}
    term = {**any_other, "topologyKey": "kubernetes.io/hostname"}
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    found = planned(*(workload(f"web-{number}", "100m", affinity=affinity) for number in range(9)))
    assert found.counts == (9,)
    assert not found.unready


def test_what_only_the_control_plane_takes_stays_there() -> None:
    key = "node-role.kubernetes.io/control-plane"
    own = parse_nodes("1x4:8Gi").marked({key: ""}, parse_taints([f"{key}:NoSchedule"]))
    tolerations = [{"key": key, "effect": "NoSchedule"}]
    manager = workload("manager", "1", nodeSelector={key: ""}, tolerations=tolerations)
    either = workload("either", "1", 4, tolerations=tolerations)
    found = planned(manager, either, control_plane=own)
    assert dict(found.staying) == {("Deployment", "shop", "manager"): 1}
    assert found.counts == (1,)
    assert not found.unready


def test_a_misfit_says_which_resource_no_node_has() -> None:
    gpu = workload("gpu", "1")
    gpu["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"] = {"nvidia.com/gpu": 2}
    (misfit,) = planned(gpu, workload("web", "1")).misfits
    assert misfit.why == "a pod asks for 2 of nvidia.com/gpu, and no node has more than 0"


def test_zones_are_used_where_pods_must_be_spread_over_them() -> None:
    spread = {
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "minDomains": 3,
                "topologyKey": "topology.kubernetes.io/zone",
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": {"app": "web"}},
            }
        ]
    }
    found = planned(workload("web", "100m", 3, **spread), zones=("a", "b", "c"))
    assert found.counts == (1, 1, 1)


def test_the_same_input_gives_the_same_plan() -> None:
    every = [workload(f"web-{number}", f"{100 + 170 * number}m", 1 + number % 4) for number in range(12)]
    types = ("2:8Gi", "4:8Gi", "8:32Gi")
    first, second = planned(*every, types=types), planned(*every, types=types)
    assert first.counts == second.counts
    assert first.replays == second.replays


def test_what_the_nodes_now_lack_is_said() -> None:
    problem = Problem(trace_of(workload("web", "3", 3)), parse_nodes("2x4:8Gi"), offers("4:8Gi"))
    found = plan(problem)
    assert dict(found.missing_now) == {("Deployment", "shop", "web"): 1}
    assert found.counts == (3,)


def test_workloads_without_pods_need_one_node() -> None:
    none = planned(workload("web", "1", 0))
    assert none.counts == (1,)
    assert none.bound == 1
    assert planned(workload("agent", "1", kind="DaemonSet")).counts == (1,)
