"""What actions, time and faults do to a cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from env.doctor.actions import ACTIONS, DoctorAction
from env.doctor.cluster import CLUSTER, failing, is_healthy, is_reportable, record
from env.doctor.doctor_env import faults_of
from env.doctor.draw import Problems, start
from env.doctor.faults import CAUSES, KNOWN_FOR, Fault
from env.doctor.mask import action_mask
from env.doctor.rules import EVICTED_AFTER, act, pass_time, strike

Make = Callable[..., Any]
A, F = DoctorAction, Fault

MENDS: dict[Fault, tuple[DoctorAction, ...]] = {
    F.NODE_CORDONED: (A.UNCORDON_NODE,),
    F.CRASH_LOOP: (A.RESTART_FAILED_PODS,),
    F.TOO_FEW_REPLICAS: (A.SCALE_UP_DEPLOYMENT, A.SCALE_UP_DEPLOYMENT),
    F.TOO_MANY_REPLICAS: (A.SCALE_DOWN_DEPLOYMENT, A.SCALE_DOWN_DEPLOYMENT),
    F.DNS: (A.RESTART_FAILED_PODS,),
}
REPORTED: dict[Fault, DoctorAction] = {
    F.OUT_OF_MEMORY: A.TOP_PODS,
    F.BAD_IMAGE: A.GET_EVENTS,
    F.CLAIM_UNBOUND: A.DESCRIBE_UNHEALTHY,
    F.QUOTA_USED_UP: A.GET_RESOURCE_QUOTAS,
    F.NETWORK_POLICY: A.CHECK_LOGS,
}


def played(cluster: Any, *actions: DoctorAction) -> Any:
    for action in actions:
        act(cluster, action)
        pass_time(cluster, False, False)
    return cluster


def drawn(seed: int, problems: Problems) -> Any:
    made = record(np.zeros(1, CLUSTER), 0)
    start(made, problems, seed)
    return made


@pytest.mark.parametrize("fault", MENDS)
def test_a_fault_is_mended_by_its_action(fault: Fault, cluster: Make) -> None:
    made = cluster(fault)
    assert made.amount[fault] > 0
    assert is_healthy(played(made, *MENDS[fault]))


@pytest.mark.parametrize("fault", REPORTED)
def test_a_fault_that_no_action_mends_can_be_reported_once_it_is_known(fault: Fault, cluster: Make) -> None:
    made = cluster(fault)
    assert not is_reportable(made)
    played(made, *[action for action in A if action in MENDS.get(fault, ())])
    assert is_reportable(played(made, REPORTED[fault]))


def test_what_is_known_goes_stale(cluster: Make) -> None:
    made = played(cluster(F.NETWORK_POLICY), A.CHECK_LOGS)
    for _ in range(KNOWN_FOR - 1):
        assert is_reportable(played(made, A.WAIT))
    assert not is_reportable(played(made, A.WAIT))


def test_a_fault_that_comes_after_a_reading_is_not_known(cluster: Make) -> None:
    made = played(cluster(F.BAD_IMAGE), A.CHECK_LOGS, A.DESCRIBE_UNHEALTHY)
    assert is_reportable(made)
    strike(made, F.NETWORK_POLICY, 1)
    assert not is_reportable(made)
    assert is_reportable(played(made, A.CHECK_LOGS))


def test_a_write_makes_unknown_what_it_may_have_changed(cluster: Make) -> None:
    made = played(cluster(F.BAD_IMAGE, F.NODE_CORDONED), A.DESCRIBE_UNHEALTHY, A.UNCORDON_NODE)
    assert not is_reportable(made)
    assert is_reportable(played(made, A.DESCRIBE_UNHEALTHY))


def test_a_write_that_changes_nothing_leaves_what_is_known(cluster: Make) -> None:
    made = played(cluster(F.OUT_OF_MEMORY), A.DESCRIBE_UNHEALTHY, A.RESTART_FAILED_PODS, A.UNCORDON_NODE)
    assert is_reportable(made)


def test_a_lost_node_makes_pods_pending(cluster: Make) -> None:
    made = played(cluster(F.NODE_NOT_READY), A.DRAIN_NODE)
    assert faults_of(made) == {"node-not-ready": 1, "no-room": 1}
    assert is_reportable(played(made, A.DESCRIBE_UNHEALTHY))


def test_pods_on_a_lost_node_are_replaced_after_their_toleration(cluster: Make) -> None:
    made = cluster(F.NODE_NOT_READY)
    assert made.unknown == 3
    played(made, *[A.WAIT] * (EVICTED_AFTER - 1))
    assert (made.unknown, made.placed) == (3, 6)
    played(made, A.WAIT)
    assert (made.unknown, made.placed) == (0, 8)


def test_a_node_that_recovers_in_time_keeps_its_pods(cluster: Make) -> None:
    made = cluster(F.NODE_NOT_READY)
    pass_time(made, True, False)
    assert is_healthy(made)


def test_a_node_that_was_drained_while_it_was_lost_comes_back_cordoned(cluster: Make) -> None:
    made = played(cluster(F.NODE_NOT_READY), A.DRAIN_NODE)
    pass_time(made, True, False)
    assert made.amount[F.NODE_CORDONED] == 1
    assert is_healthy(played(made, A.UNCORDON_NODE))


def test_to_uncordon_does_not_mend_a_lost_node(cluster: Make) -> None:
    made = played(cluster(F.NODE_NOT_READY), A.UNCORDON_NODE)
    assert faults_of(made) == {"node-not-ready": 1}


def test_draining_a_node_of_a_full_cluster_makes_its_pods_pending(healthy: Make) -> None:
    made = played(healthy(3, 4, 4, 3), A.DRAIN_NODE)
    assert faults_of(made) == {"node-cordoned": 1, "no-room": 4}
    assert is_healthy(played(made, A.UNCORDON_NODE))


def test_crashes_may_heal_and_those_for_want_of_names_do_not(cluster: Make) -> None:
    made, unnamed = cluster(F.CRASH_LOOP), cluster(F.CRASH_LOOP, F.DNS)
    pass_time(made, False, True)
    pass_time(unnamed, False, True)
    assert is_healthy(made)
    assert unnamed.amount[F.CRASH_LOOP] == 1


def test_broken_dns_makes_more_pods_crash_and_memory_kills_more_with_time(cluster: Make) -> None:
    made = played(cluster(F.DNS, F.OUT_OF_MEMORY), *[A.WAIT] * 12)
    assert (made.amount[F.CRASH_LOOP], made.amount[F.OUT_OF_MEMORY]) == (3, 3)  # as many as the Deployment has


def test_a_healthy_deployment_can_be_scaled_wrong_and_back(healthy: Make) -> None:
    made = healthy(4, 4, 4, 3)
    assert faults_of(played(made, A.SCALE_DOWN_DEPLOYMENT)) == {"too-few-replicas": 2}
    assert is_healthy(played(made, A.SCALE_UP_DEPLOYMENT, A.SCALE_UP_DEPLOYMENT))
    assert faults_of(played(made, A.SCALE_UP_DEPLOYMENT)) == {"too-many-replicas": 3}
    assert is_healthy(played(made, A.SCALE_DOWN_DEPLOYMENT))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**62), st.sampled_from(Problems), st.lists(st.integers(0, ACTIONS - 1), max_size=12))
def test_pods_and_nodes_are_neither_lost_nor_invented(seed: int, problems: Problems, actions: list[int]) -> None:
    made = drawn(seed, problems)
    nodes = made.nodes.sum()
    assert not is_healthy(made)
    for number, action in enumerate(actions):
        act(made, action)
        if number % 3 == 0:
            strike(made, CAUSES[(seed + number) % len(CAUSES)], 1 + seed % 5)
        pass_time(made, number % 4 == 0, number % 5 == 0)
        amount = made.amount
        assert (made.nodes >= 0).all()
        assert (amount >= 0).all()
        assert made.nodes.sum() == nodes
        assert not made.nodes[:, made.slots + 1 :].any()
        wanted = made.deployments * made.replicas - amount[F.TOO_FEW_REPLICAS] + amount[F.TOO_MANY_REPLICAS]
        held = made.placed + made.unknown + amount[F.NO_ROOM]
        assert held == wanted - amount[F.QUOTA_USED_UP] - amount[F.CLAIM_UNBOUND] or held == made.unknown
        assert 0 <= failing(made) <= made.placed


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**62), st.sampled_from(Problems), st.lists(st.integers(0, ACTIONS - 1), max_size=8))
def test_what_is_masked_out_changes_nothing(seed: int, problems: Problems, actions: list[int]) -> None:
    made = drawn(seed, problems)
    mask = np.empty(ACTIONS, np.bool_)
    for action in actions:
        act(made, action)
        pass_time(made, False, False)
        made.started = 0
        action_mask(made, mask)
        for blocked in np.flatnonzero(~mask).tolist():
            before = made.tobytes()
            act(made, blocked)
            assert made.tobytes() == before
