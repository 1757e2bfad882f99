"""What no action can mend: it is named, and never claimed of what some actions mend."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from env.actions import CPU_STEP_M, MEMORY_STEP_BYTES, MIN_CPU_M, MIN_MEMORY_BYTES, least_reachable
from env.embedded.closed_form import plain_workload
from env.embedded.cluster import EmbeddedCluster
from env.embedded.most_that_fit import Bound, most_that_fit
from env.embedded.unmendable import unmendable
from env.engine.manifests.deployment import read_deployment
from env.engine.manifests.edited_container import DEFAULT_CONTAINER
from env.engine.manifests.terms import Taint
from env.engine.scheduling.nodes import Node
from env.gym.reward import goal
from env.gym.search import solved_plain
from env.problems.nodes import equal_nodes
from env.problems.scenario import Scenario
from env.quantity import GIB, MIB
from env.trace.document import Manifest, Trace
from env.workload import Resources, WorkloadRef

SMALL = {"cpu": "100m", "memory": "64Mi"}
WEB = {"matchLabels": {"app": "web"}}


def required(kind: str, key: str, selector: Manifest) -> Manifest:
    terms = [{"topologyKey": key, "labelSelector": selector}]
    return {"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": terms}}}


def node_affinity(*expressions: Manifest) -> Manifest:
    terms = {"nodeSelectorTerms": [{"matchExpressions": list(expressions)}]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}}


def spread(key: str, **fields: Any) -> Manifest:
    constraint = {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": WEB}
    return {"topologySpreadConstraints": [{**constraint, **fields}]}


def container(name: str, requests: Manifest, **fields: Any) -> Manifest:
    return {"name": name, "image": name, "resources": {"requests": requests}, **fields}


def manifest(
    replicas: int = 5, annotations: Manifest | None = None, *, spec: Manifest | None = None, **pod: Any
) -> Manifest:
    containers = [container("web", SMALL)]
    template = {
        "metadata": {"labels": {"app": "web"}, "annotations": {DEFAULT_CONTAINER: "web", **(annotations or {})}},
        "spec": {"containers": containers, **pod},
    }
    spec = {"replicas": replicas, "selector": WEB, "template": template, **(spec or {})}
    metadata = {"name": "web", "namespace": "default"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


HOSTNAME = "kubernetes.io/hostname"
BIG = "container big"
CASES: dict[str, tuple[Manifest, str]] = {
    "a label that no node has": (
        {"nodeSelector": {"kubernetes.io/os": "windows"}},
        "3 of 3 nodes without label kubernetes.io/os=windows (node selector)",
    ),
    "node affinity that no node matches": (
        node_affinity({"key": "disk", "operator": "In", "values": ["ssd"]}),
        "3 of 3 nodes that do not match node affinity disk In (ssd)",
    ),
    "a resource that no node has": (
        {"containers": [container("web", {**SMALL, "nvidia.com/gpu": "1"})]},
        "3 of 3 nodes without nvidia.com/gpu (container web asks for 1)",
    ),
    "huge pages": (
        {"containers": [container("web", {**SMALL, "hugepages-2Mi": "4Mi"})]},
        "3 of 3 nodes without hugepages-2Mi (container web asks for 4Mi)",
    ),
    "another container that asks for more than a node has": (
        {"containers": [container("web", SMALL), container("big", {"cpu": "20"})]},
        "3 of 3 nodes with 16 cpu (a pod asks for at least 20100m, 20 of it for container big)",
    ),
    "another container of which too few fit": (
        {"containers": [container("web", SMALL), container("big", {"memory": "20Gi"})]},
        "at most 3 of 5 pods can run: 3 of 3 nodes with 32Gi memory "
        "(a pod asks for at least 20544Mi, 20Gi of it for container big)",
    ),
    "the pod as a whole": (
        {"resources": {"requests": {"cpu": "20"}}},
        "3 of 3 nodes with 16 cpu (a pod asks for at least 20, as its own resources say)",
    ),
    "more pods than domains": (
        required("podAntiAffinity", HOSTNAME, WEB),
        "at most 3 of 5 pods can run: required anti-affinity to its own pods lets one run in each " + HOSTNAME,
    ),
    "more pods than nodes with the port": (
        {"containers": [container("web", SMALL, ports=[{"containerPort": 80, "hostPort": 8080}])]},
        "at most 3 of 5 pods can run: host port 8080 is free once on each node",
    ),
    "affinity to pods that there are none of": (
        required("podAffinity", HOSTNAME, {"matchLabels": {"app": "db"}}),
        "no pod in the trace is one that its required pod affinity means",
    ),
    "a spread over a label that no node has": (
        spread("topology.kubernetes.io/zone"),
        "3 of 3 nodes without label topology.kubernetes.io/zone (topology spread)",
    ),
    "a spread over more domains than there are": (
        spread(HOSTNAME, minDomains=4),
        f"at most 3 of 5 pods can run: topology spread over {HOSTNAME} lets 1 run in each while there are 3 of 4",
    ),
    "a scheduling gate": (
        {"schedulingGates": [{"name": "example.com/wait"}]},
        "pods wait until example.com/wait removes its scheduling gate",
    ),
    "another scheduler": (
        {"schedulerName": "volcano"},
        "pods wait for the scheduler volcano, which is not simulated",
    ),
    "a node that there is not": (
        {"nodeName": "gone"},
        "its pods name the node gone, and there is none of that name",
    ),
    "a pause from the beginning": (
        {"spec": {"paused": True}},
        "the Deployment is paused, so that it makes no pods",
    ),
    "another container that gets less than it uses": (
        {
            "containers": [container("web", SMALL), container("log", {"memory": "64Mi"})],
            "annotations": {"sim-arena.io/demand": '{"log": {"memory": "100Mi"}}'},
        },
        "container log is OOM-killed: it uses 100Mi of memory and gets 64Mi, and actions change the memory of "
        "container web",
    ),
}


@pytest.mark.parametrize(("pod", "reason"), CASES.values(), ids=CASES)
def test_what_no_action_mends_is_named(pod: Manifest, reason: str, trace: Callable[..., Trace], scenario: Any) -> None:
    assert unmendable(scenario(trace([manifest(**pod)]), target=5)) == (reason,)


@pytest.mark.parametrize("pod", [case for case, reason in CASES.values() if reason.startswith("at most 3 of 5")])
def test_nothing_is_claimed_where_the_target_fits(pod: Manifest, trace: Any, scenario: Any) -> None:
    assert unmendable(scenario(trace([manifest(**pod)]), target=3)) == ()


def test_taints_and_cordons_are_named() -> None:
    taint = Taint("dedicated", "gpu")
    nodes = [Node(f"n{i}", 16_000, 32 * GIB, taints=(taint,)) for i in range(2)]
    nodes.append(Node("n2", 16_000, 32 * GIB, unschedulable=True))
    template = read_deployment(manifest()).template
    bound = most_that_fit(template, (), {"containers": []}, nodes, [], only_template=True)
    assert bound == Bound(0, ("2 of 3 nodes with untolerated taint dedicated=gpu:NoSchedule", "1 of 3 nodes cordoned"))
    tolerant = read_deployment(manifest(tolerations=[{"key": "dedicated", "operator": "Exists"}])).template
    assert most_that_fit(tolerant, (), {"containers": []}, nodes, [], only_template=True).pods == 220


def test_replicas_out_of_reach_are_named(trace: Any, scenario: Any) -> None:
    (reason,) = unmendable(scenario(trace([manifest()]), target=101))
    assert reason == "101 replicas are wanted, and actions lead to 1 to 100"


def test_a_rollout_that_breaks_is_judged_by_its_last_template(trace: Any, scenario: Any) -> None:
    broken = manifest(nodeSelector={"disk": "ssd"})
    assert unmendable(scenario(trace([manifest()], [broken]), target=5)) != ()
    assert unmendable(scenario(trace([broken], [manifest()]), target=5)) == ()
    assert unmendable(scenario(trace([manifest()], [broken]), target=5, duration_s=10.0)) == ()


@given(st.data())
def test_of_plain_scenarios_the_bound_is_exact(plain_scenarios: Any, data: st.DataObject) -> None:
    scenario = data.draw(plain_scenarios)
    plain = plain_workload(scenario)
    if plain is not None:
        assert bool(unmendable(scenario)) == (solved_plain(*plain, scenario.target) is None)


@st.composite
def crowded(draw: st.DrawFn) -> Scenario:
    """A Deployment with rules about its place, beside another one, on few small nodes."""
    others = draw(st.sampled_from([{"cpu": "100m"}, {"cpu": "900m"}, {"memory": "900Mi"}, {"nvidia.com/gpu": "1"}]))
    containers = [
        container("web", draw(st.sampled_from([{"cpu": "1600m", "memory": "64Mi"}, {"memory": "700Mi"}, {}]))),
        *([container("log", others)] if draw(st.booleans()) else []),
    ]
    pod: Manifest = {"containers": containers}
    for rule in draw(st.lists(st.sampled_from(RULES), max_size=2)):
        pod |= rule
    uses = draw(st.sampled_from([None, '{"web": {"cpu": "700m"}}', '{"web": {"memory": "500Mi"}}']))
    web = manifest(draw(st.integers(1, 4)), None if uses is None else {"sim-arena.io/demand": uses}, **pod)
    beside = manifest(draw(st.integers(0, 2)), containers=[container("db", {"cpu": "200m"})])
    beside["metadata"] = {"name": "db", "namespace": "default"}
    beside["spec"]["template"]["metadata"] = {"labels": {"app": draw(st.sampled_from(["db", "web"]))}}
    events = [[web], [beside]] if draw(st.booleans()) else [[beside], [web]]
    document = {
        "version": 2,
        "config": {"trackedObjects": {"apps/v1.Deployment": {"podSpecTemplatePaths": ["/spec/template"]}}},
        "events": [{"ts": 10 * i, "applied_objs": each, "deleted_objs": []} for i, each in enumerate(events)],
        "index": {},
        "pod_lifecycles": {},
    }
    nodes = equal_nodes(draw(st.integers(1, 3)), 2_000, 2 * GIB, draw(st.sampled_from([2, 110])))
    ref = WorkloadRef("default", "web")
    return Scenario(Trace(document, "crowded"), ref, draw(st.integers(1, 4)), nodes, None, "crowded", None)


RULES = [
    required("podAntiAffinity", HOSTNAME, WEB),
    required("podAntiAffinity", "kubernetes.io/os", WEB),
    required("podAffinity", HOSTNAME, {"matchLabels": {"app": "db"}}),
    required("podAffinity", HOSTNAME, WEB),
    spread(HOSTNAME),
    spread(HOSTNAME, minDomains=3),
    node_affinity({"key": HOSTNAME, "operator": "In", "values": ["node-1", "node-2"]}),
    {"nodeSelector": {HOSTNAME: "node-2"}},
    {"initContainers": [container("init", {"cpu": "1500m"})]},
]


@given(crowded())
def test_what_some_requests_mend_is_never_called_unmendable(scenario: Scenario) -> None:
    if not unmendable(scenario):
        return
    cluster = EmbeddedCluster()
    start = cluster.observe(scenario, None).resources
    least = least_reachable(start, Resources(0, 0, scenario.target))
    assert least is not None
    cpus = {start.cpu_m, *range(least.cpu_m, 2_600, CPU_STEP_M)}
    memories = {start.memory_bytes, *range(least.memory_bytes, 1500 * MIB, MEMORY_STEP_BYTES)}
    for cpu_m, memory_bytes in product(cpus, memories):
        seen = cluster.observe(scenario, Resources(cpu_m, memory_bytes, scenario.target))
        assert not goal(seen, scenario.target)


def test_the_least_that_can_be_reached_keeps_to_the_steps_and_the_safeguards() -> None:
    assert least_reachable(Resources(1_700, GIB, 3), Resources(0, 0, 5)) == Resources(200, 256 * MIB, 5)
    assert least_reachable(Resources(400, 100 * MIB, 3), Resources(500, 0, 3)) == Resources(900, 100 * MIB, 3)
    assert least_reachable(Resources(MIN_CPU_M - 1, MIN_MEMORY_BYTES, 1), Resources(0, 0, 1)) == Resources(
        MIN_CPU_M - 1, MIN_MEMORY_BYTES, 1
    )
    assert least_reachable(Resources(400, GIB, 3), Resources(17_000, 0, 3)) is None
    assert least_reachable(Resources(400, GIB, 0), Resources(0, 0, 0)) == Resources(400, 256 * MIB, 0)
