"""Workloads of other kinds than Deployment: episodes on StatefulSets, DaemonSets and ReplicaSets."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.policies import Policy, autoscaler, heuristic
from env.actions import Action
from env.embedded.cluster import EmbeddedCluster
from env.embedded.node_room import excess
from env.embedded.unmendable import unmendable
from env.errors import ScenarioError
from env.gym.cluster_env import ClusterEnv
from env.gym.reward import goal
from env.gym.search import least_actions
from env.gym.vector_env import ClusterVectorEnv
from env.observation import Observation
from env.problems.nodes import NodePool, NodePools
from env.problems.scenario import Scenario, edited_trace, fingerprint, recorded_resources, scenario_from_trace
from env.quantity import GIB
from env.trace.document import Trace
from env.workload import KINDS, Resources, WorkloadRef

UNEQUAL = NodePools((NodePool(2, 8000), NodePool(1, 2000)))


def manifest(kind: str, cpu: str = "1", memory: str = "1Gi", uses: Any = None, name: str = "web", **spec: Any) -> Any:
    pod = {"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu, "memory": memory}}}]}
    metadata: Any = {"labels": {"app": name}}
    if uses:
        metadata["annotations"] = {"sim-arena.io/demand": json.dumps({"c": uses})}
    template = {"metadata": metadata, "spec": {**pod, **spec.pop("pod", {})}}
    asked = {"selector": {"matchLabels": {"app": name}}, "template": template, **spec}
    where = {"name": name, "namespace": "shop"}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": where, "spec": asked}


def trace_of(*applied: Any) -> Trace:
    tracked = {f"apps/v1.{kind}": {"podSpecTemplatePaths": ["/spec/template"]} for kind in KINDS}
    event = {"ts": 0, "applied_objs": list(applied), "deleted_objs": []}
    config = {"trackedObjects": tracked}
    return Trace({"version": 2, "config": config, "events": [event], "index": {}, "pod_lifecycles": {}}, "shop")


def scenario(*applied: Any, nodes: NodePools | None = None, **given: Any) -> Scenario:
    """The first object is the workload; two nodes of 4 CPU."""
    kind = given.pop("kind", applied[0]["kind"])
    nodes = nodes or NodePools((NodePool(2, 4000),))
    return scenario_from_trace(trace_of(*applied), name="shop", kind=kind, deploy="web", nodes=nodes, **given)


def seen(case: Scenario, *asked: int) -> Observation:
    return EmbeddedCluster().observe(case, Resources(*asked) if asked else None)


def play(case: Scenario, agent: Policy, steps: int = 30) -> Observation:
    env = ClusterEnv([case], max_steps=steps)
    state, info = env.reset(seed=0)
    for _ in range(steps):
        if info["is_success"]:
            break
        state, _, _, _, info = env.step(np.int64(agent.act(state, explore=False)))
    return env.observation


ORDERED = manifest("StatefulSet", cpu="6", replicas=3)
DAEMON = manifest("DaemonSet", cpu="3")


def test_the_first_pod_of_a_statefulset_blocks_the_rest() -> None:
    case = scenario(ORDERED)
    assert case.target == 3
    found = seen(case)
    assert (found.ready, found.pending, found.total, found.insufficient_cpu) == (0, 1, 1, 2)
    assert found.resources == Resources(6000, GIB, 3)
    insufficient, waits = EmbeddedCluster().why(case, None)
    assert "2 Insufficient cpu" in insufficient
    assert waits == "2 pods not made before web-0 is Ready (podManagementPolicy OrderedReady)"


def test_pods_of_a_parallel_statefulset_do_not_wait_for_each_other() -> None:
    found = seen(scenario({**ORDERED, "spec": {**ORDERED["spec"], "podManagementPolicy": "Parallel"}}))
    assert (found.pending, found.total) == (3, 3)


def test_a_daemonset_lacks_a_pod_on_a_node_that_is_too_small() -> None:
    case = scenario(DAEMON, nodes=UNEQUAL)
    assert case.target == 3
    found = seen(case)
    assert (found.ready, found.pending, found.total, found.insufficient_cpu) == (2, 1, 3, 1)
    assert found.resources == Resources(3000, GIB, 3)


def test_a_daemonset_wants_pods_where_its_node_selector_lets_it() -> None:
    pools = NodePools((NodePool(2, labels=(("disk", "ssd"),)), NodePool(3)))
    assert scenario(manifest("DaemonSet", pod={"nodeSelector": {"disk": "ssd"}}), nodes=pools).target == 2


@pytest.mark.parametrize("action", [Action.SCALE_UP_REPLICAS, Action.SCALE_DOWN_REPLICAS])
def test_replicas_of_a_daemonset_cannot_be_asked_for(action: Action) -> None:
    env = ClusterEnv([scenario(DAEMON, nodes=UNEQUAL)], render_mode="ansi")
    env.reset(seed=0)
    env.step(np.int64(action))
    assert env.outcome is not None
    assert env.outcome.blocked
    assert env.outcome.reason == "it has no replicas: its controller runs one on each node that admits it"
    assert env.observation.resources == Resources(3000, GIB, 3)


CASES = [
    scenario(ORDERED),
    scenario(manifest("StatefulSet", replicas=3, uses={"memory": "1500Mi"})),
    scenario(DAEMON, nodes=UNEQUAL),
    scenario(manifest("DaemonSet", uses={"memory": "1500Mi"})),
    scenario(manifest("ReplicaSet", cpu="3", replicas=3)),
    scenario(manifest("StatefulSet", replicas=2), target=3),
]


@pytest.mark.parametrize("agent", [heuristic, autoscaler])
@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.workload))
def test_policies_solve_workloads_of_every_kind(case: Scenario, agent: Any) -> None:
    assert not unmendable(case)
    assert goal(play(case, Policy(agent)), case.target)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.workload))
def test_the_search_solves_workloads_of_every_kind(case: Scenario) -> None:
    actions = least_actions(case, EmbeddedCluster(), within=8)
    assert actions is not None
    env = ClusterEnv([case])
    env.reset(seed=0)
    infos = [env.step(np.int64(action))[4] for action in actions]
    assert [info["is_success"] for info in infos] == [False] * (len(actions) - 1) + [True]
    assert not any(info["outcome"].blocked for info in infos)


def test_the_vector_environment_steps_workloads_of_every_kind_as_the_single_one() -> None:
    rng = np.random.default_rng(0)
    many = ClusterVectorEnv(len(CASES), CASES)
    singles = [ClusterEnv(CASES) for _ in CASES]
    states, _ = many.reset(seed=0)
    assert np.array_equal(states, [env.reset(seed=i)[0] for i, env in enumerate(singles)])
    ended = np.zeros(len(CASES), np.bool_)
    for _ in range(60):
        actions = rng.integers(len(Action), size=len(CASES))
        states, rewards, terminated, truncated, _ = many.step(actions)
        for i, env in enumerate(singles):
            if ended[i]:
                assert np.array_equal(states[i], env.reset()[0])
            else:
                state, reward, *_ = env.step(actions[i])
                assert np.array_equal(states[i], state)
                assert rewards[i] == reward
        ended = terminated | truncated


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_the_counts_of_an_observation_add_up(kind: str, data: st.DataObject) -> None:
    amounts = st.sampled_from(["100m", "900m", "3", "7"])
    spec: Any = {} if kind == "DaemonSet" else {"replicas": data.draw(st.integers(0, 5))}
    if kind == "StatefulSet":
        spec["podManagementPolicy"] = data.draw(st.sampled_from(["OrderedReady", "Parallel"]))
    uses = data.draw(st.sampled_from([None, {"memory": "2Gi"}, {"cpu": "2"}]))
    others = [manifest(data.draw(st.sampled_from(KINDS)), data.draw(amounts), name="other")]
    case = scenario(manifest(kind, data.draw(amounts), uses=uses, **spec), *others, nodes=UNEQUAL)
    asked = data.draw(
        st.none() | st.builds(Resources, st.just(600), st.sampled_from([GIB, 3 * GIB]), st.integers(1, 6))
    )
    found = EmbeddedCluster().observe(case, asked)
    assert found.ready + found.pending + found.oom_killed + found.cpu_starved == found.total
    assert found.total <= found.resources.replicas
    again = EmbeddedCluster().observe(scenario_of(edited_trace(case, found.resources), case), None)
    assert again._replace(broken=0) == found._replace(broken=0)


def scenario_of(trace: Trace, like: Scenario) -> Scenario:
    return Scenario(trace, like.workload, like.target, like.nodes, None, "edited", None)


def test_a_request_that_no_node_holds_is_not_mended_by_actions() -> None:
    case = scenario(manifest("DaemonSet", uses={"cpu": "3"}), nodes=UNEQUAL)
    [why] = unmendable(case)
    assert why == "at most 2 of 3 pods can run: 1 of 3 nodes with 2 cpu (a pod asks for at least 3)"


def test_a_daemonset_s_own_pods_take_no_room_from_it() -> None:
    case = scenario(DAEMON)
    assert excess(case, recorded_resources(case.trace, case.workload, None, case.nodes)) is None


def test_a_name_alone_is_a_deployment_s_and_a_kind_tells_the_others() -> None:
    trace = trace_of(manifest("Deployment", replicas=1), manifest("StatefulSet", replicas=2), DAEMON)
    assert scenario_from_trace(trace, name="x").workload == WorkloadRef("shop", "web")
    assert scenario_from_trace(trace, name="x", deploy="web").workload == WorkloadRef("shop", "web")
    stateful = scenario_from_trace(trace, name="x", kind="StatefulSet")
    assert (str(stateful.workload), stateful.target) == ("StatefulSet shop/web", 2)
    only = scenario_from_trace(trace_of(DAEMON), name="x", nodes=UNEQUAL)
    assert (only.workload, only.target) == (WorkloadRef("shop", "web", "DaemonSet"), 3)
    with pytest.raises(ScenarioError, match="no StatefulSet \\*/api; its StatefulSets: StatefulSet shop/web"):
        scenario_from_trace(trace, name="x", kind="StatefulSet", deploy="api")
    with pytest.raises(
        ScenarioError, match="its ReplicaSets: none; its workloads: shop/web, StatefulSet shop/web, Dae"
    ):
        scenario_from_trace(trace, name="x", kind="ReplicaSet", deploy="web")


def test_two_kinds_of_one_name_are_two_scenarios() -> None:
    trace = trace_of(manifest("Deployment", replicas=2), manifest("StatefulSet", replicas=2))
    one, other = (scenario_from_trace(trace, name="x", kind=kind) for kind in ("Deployment", "StatefulSet"))
    assert fingerprint([one]) != fingerprint([other])
    edited = edited_trace(other, Resources(2000, GIB, 1))
    asked = [recorded_resources(edited, each.workload) for each in (one, other)]
    assert asked == [Resources(1000, GIB, 2), Resources(2000, GIB, 1)]
