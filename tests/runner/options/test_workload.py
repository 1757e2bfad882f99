"""What is to be solved, as options say it."""

from __future__ import annotations

import pytest

from env.engine.manifests.terms import Taint
from env.errors import ConfigError
from env.problems.nodes import NodePool, NodePools, equal_nodes
from runner.options import completion
from runner.options.workload import ReplayChoice, WorkloadChoice


def test_what_only_a_trace_can_answer_needs_one() -> None:
    WorkloadChoice().check_needed()
    with pytest.raises(ConfigError, match="--duration: needs --trace or -f"):
        WorkloadChoice(replay=ReplayChoice(duration=5.0)).check_needed()


def test_an_environment_that_there_is_not_is_named() -> None:
    with pytest.raises(ConfigError, match="--env clutser: unknown; did you mean 'cluster'"):
        WorkloadChoice(env="clutser")


def test_nodes_are_left_to_the_trace_unless_they_are_given() -> None:
    assert ReplayChoice().pools() is None
    assert ReplayChoice(nodes="3").pools() == equal_nodes(3)
    assert ReplayChoice(nodes="2", node_cpu="4", node_memory="8Gi", node_pods=20).pools() == equal_nodes(
        2, 4_000, 8 << 30, 20
    )


def test_labels_and_taints_go_to_all_nodes() -> None:
    pools = ReplayChoice(nodes="1x16:32Gi", node_label=("a=b",), node_taint=("t=v:NoSchedule",)).pools()
    assert pools == NodePools((NodePool(1, labels=(("a", "b"),), taints=(Taint("t", "v"),)),))


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (
            ReplayChoice(nodes="3x16:32Gi", node_cpu="4"),
            "--node-cpu 4: the nodes of --nodes 3x16:32Gi have their own size",
        ),
        (ReplayChoice(nodes="3xm6i.xlarge", node_pods=110), "--node-pods 110: the nodes of"),
        (ReplayChoice(nodes="n.yaml", node_memory="1Gi"), "--node-memory 1Gi: the nodes of --nodes n.yaml"),
        (ReplayChoice(node_cpu="4"), "--node-cpu 4: needs --nodes, such as --nodes 3"),
        (ReplayChoice(node_label=("a=b",)), "--node-label a=b: needs --nodes"),
        (ReplayChoice(node_taint=("a:NoSchedule",)), "--node-taint a:NoSchedule: needs --nodes"),
        (ReplayChoice(nodes="3", node_label=("a",)), "--node-label: label 'a': expected KEY=VALUE"),
        (ReplayChoice(nodes="3", node_taint=("a",)), "--node-taint: taint 'a': expected KEY=VALUE:EFFECT"),
        (ReplayChoice(nodes="3", node_cpu="0"), "--nodes 3: node cpu"),
        (ReplayChoice(nodes="3x"), "--nodes 3x: pool '3x'"),
        (ReplayChoice(nodes="absent.yaml"), "--nodes absent.yaml: cannot be read"),
    ],
)
def test_options_of_nodes_that_do_not_go_together_are_refused(choice: ReplayChoice, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        choice.pools()


@pytest.mark.parametrize(
    ("typed", "found"),
    [("3xm6i.2x", "3xm6i.2xlarge"), ("3xm6i.xl", "3xm6i.xlarge"), ("1x4:8Gi,2xg5.x", "1x4:8Gi,2xg5.xlarge")],
)
def test_instance_types_are_completed(typed: str, found: str) -> None:
    assert completion.nodes(typed) == [found]


@pytest.mark.parametrize(
    ("choice", "named"),
    [
        (ReplayChoice(), (None, None, None)),
        (ReplayChoice(deploy="web", namespace="shop"), (None, "shop", "web")),
        (ReplayChoice(workload="StatefulSet/shop/db"), ("StatefulSet", "shop", "db")),
        (ReplayChoice(workload="sts/db"), ("StatefulSet", None, "db")),
        (ReplayChoice(workload="daemonsets/log", namespace="kube-system"), ("DaemonSet", "kube-system", "log")),
    ],
)
def test_a_workload_is_named_by_kind_namespace_and_name(
    choice: ReplayChoice, named: tuple[str | None, str | None, str | None]
) -> None:
    assert tuple(choice.named().values()) == named


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (ReplayChoice(workload="db"), "workload 'db': must be KIND/NAMESPACE/NAME, such as StatefulSet/shop/db"),
        (ReplayChoice(workload="Job/shop/db"), "workload 'Job/shop/db': must be .* KIND is one of Deployment, Stat"),
        (ReplayChoice(workload="sts//db"), "workload 'sts//db': must be"),
        (ReplayChoice(workload="sts/a/db", namespace="a"), "--workload sts/a/db: holds the namespace"),
        (ReplayChoice(workload="sts/a/db", deploy="db"), "names the workload, and so does --deploy db"),
    ],
)
def test_a_workload_that_cannot_be_meant_is_refused(choice: ReplayChoice, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        choice.named()
