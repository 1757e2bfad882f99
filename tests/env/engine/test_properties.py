"""What holds for all manifests."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import Phase as Stage
from hypothesis import strategies as st

from env.engine.manifests.objects import read_object
from env.engine.pods import UNBOUND, Phase
from env.errors import QuantityError, TraceError
from env.problems.virtual_nodes import on_virtual_nodes
from env.workload import ObjectRef

Make = Callable[..., Any]

ZONE = "topology.kubernetes.io/zone"
HOST = "kubernetes.io/hostname"
KINDS = ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod"]

selector = {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}
term = {"topologyKey": HOST, "labelSelector": selector, "namespaces": ["default"], "matchLabelKeys": ["app"]}
REQUIRED, PREFERRED = (f"{name}DuringSchedulingIgnoredDuringExecution" for name in ("required", "preferred"))
spread = {"maxSkew": 1, "topologyKey": ZONE, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": selector}

# Everything that the engine reads of a pod.
FULL_POD: Any = {
    "labels": {"app": "web"},
    "limits": {"cpu": "2", "memory": "1Gi", "nvidia.com/gpu": "1"},
    "memory": "512Mi",
    "uses": {"memory": "300Mi"},
    "ports": [{"containerPort": 80, "hostPort": 80, "protocol": "TCP", "hostIP": "10.0.0.1"}],
    "initContainers": [{"name": "i", "restartPolicy": "Always", "resources": {"limits": {"cpu": "1"}}}],
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "a", "operator": "Exists", "value": "v", "effect": "NoSchedule"}],
    "topologySpreadConstraints": [{**spread, "minDomains": 2, "matchLabelKeys": ["app"], "nodeTaintsPolicy": "Honor"}],
    "affinity": {
        "nodeAffinity": {
            REQUIRED: {
                "nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a"]}]}]
            },
            PREFERRED: [
                {"weight": 5, "preference": {"matchExpressions": [{"key": "g", "operator": "Gt", "values": ["1"]}]}}
            ],
        },
        "podAffinity": {REQUIRED: [term], PREFERRED: [{"weight": 5, "podAffinityTerm": term}]},
        "podAntiAffinity": {REQUIRED: [{**term, "namespaceSelector": {"matchLabels": {"a": "b"}}}]},
    },
    "priorityClassName": "high",
    "priority": 5,
    "preemptionPolicy": "Never",
    "schedulingGates": [{"name": "g"}],
    "schedulerName": "other",
    "nodeName": "a",
    "overhead": {"cpu": "1"},
    "restartPolicy": "Always",
    "hostNetwork": True,
    "volumes": [{"persistentVolumeClaim": {"claimName": "c"}}],
}
FULL_SPECS: dict[str, Any] = {
    "Deployment": {
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 1}},
        "paused": False,
        "minReadySeconds": 3,
    },
    "ReplicaSet": {"minReadySeconds": 3},
    "StatefulSet": {
        "podManagementPolicy": "Parallel",
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1, "maxUnavailable": 1}},
        "ordinals": {"start": 1},
        "volumeClaimTemplates": [],
    },
    "DaemonSet": {
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "5%", "maxSurge": 0}}
    },
    "Job": {"completions": 2, "parallelism": 2, "suspend": False, "backoffLimit": 2},
    "CronJob": {
        "schedule": "*/5 * * * 1-5",
        "timeZone": "Europe/Berlin",
        "concurrencyPolicy": "Forbid",
        "suspend": False,
        "successfulJobsHistoryLimit": 2,
        "failedJobsHistoryLimit": 2,
        "job": {"completions": 2},
    },
    "Pod": None,
}

# Examples are large, and take minutes to shrink.
LARGE: Any = {
    "suppress_health_check": [HealthCheck.function_scoped_fixture],
    "phases": [Stage.explicit, Stage.generate],
}

junk = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.integers(2**31 - 1, 2**70)
    | st.floats()
    | st.sampled_from(["", "1", "Ki", "-1", "99999999999%", "0 0 31 2 *", "60 * * * *", "@every 1h", "../etc", "1e99"])
    | st.sampled_from([[], [{}], {}, [[]], ["x"], [None], {"x": None}, [1], {"x": [1]}, {"": {}}])
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place inside nested maps and lists."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, inner in items for place in places(inner, (*path, key)))]


@settings(**LARGE, max_examples=1500)
@given(st.data(), st.sampled_from(KINDS), junk)
def test_a_damaged_manifest_is_read_or_refused_with_an_error_that_names_it(
    cluster: Make, node: Make, manifest: Make, drawn: st.DataObject, kind: str, value: Any
) -> None:
    damaged = copy.deepcopy(manifest(kind, replicas=2, spec=FULL_SPECS[kind], **FULL_POD))
    root = damaged["spec"] if kind != "Pod" else damaged
    allowed = [path for path in places(root)[1:] if kind != "Pod" or path[0] in ("spec",) or path[-1] == "labels"]
    *path, last = drawn.draw(st.sampled_from(allowed))
    parent = root
    for key in path:
        parent = parent[key]
    parent[last] = value
    refusal = f"{kind} default/web: "
    try:
        read_object(on_virtual_nodes_or_refuse(damaged), {})
        made = cluster(node("a"), node("b"), now_s=1.7e9)
        made.apply(damaged)
        made.wait(60)
    except (TraceError, QuantityError) as error:
        refusal = str(error)
    assert refusal.startswith(f"{kind} default/web: ")


def on_virtual_nodes_or_refuse(manifest: Any) -> Any:
    try:
        return on_virtual_nodes(manifest)
    except ValueError as error:
        raise TraceError(f"{manifest['kind']} default/web: {error}") from error


small = st.fixed_dictionaries(
    {
        "cpu": st.sampled_from(["0", "500m", "3", "5"]),
        "memory": st.sampled_from([None, "1Gi"]),
    },
    optional={
        "uses": st.sampled_from([{"memory": "2Gi"}, {"cpu": "4"}]),
        "priorityClassName": st.sampled_from(["high", "unknown"]),
        "topologySpreadConstraints": st.just([spread]),
        "affinity": st.sampled_from(
            [
                {"podAntiAffinity": {REQUIRED: [term]}},
                {"podAffinity": {PREFERRED: [{"weight": 5, "podAffinityTerm": term}]}},
            ]
        ),
        "ports": st.just([{"containerPort": 80, "hostPort": 80}]),
        "extra": st.just({"nvidia.com/gpu": "1"}),
        "nodeName": st.sampled_from(["n0", "gone"]),
        "restartPolicy": st.just("Never"),
    },
)
moves = st.lists(
    st.tuples(st.sampled_from(KINDS), st.sampled_from(["web", "db"]), st.integers(0, 6), small)
    | st.tuples(st.just("delete"), st.sampled_from(KINDS), st.sampled_from(["web", "db"]))
    | st.tuples(st.just("wait"), st.sampled_from([1.0, 30.0, 400.0])),
    max_size=10,
)


def play(
    cluster: Make, node: Make, manifest: Make, priority: Make, steps: list[Any], check: Callable[[Any], None]
) -> Any:
    pool = [node(f"n{i}", pods=5, labels={ZONE: str(i % 2)}, **{"nvidia.com/gpu": "2"}) for i in range(3)]
    made = cluster(*pool, now_s=1.7e9).apply(priority("high", 10))
    for step in steps:
        match step:
            case ("wait", seconds):
                made.wait(seconds)
            case ("delete", kind, name):
                made.delete(kind, name)
            case (kind, name, replicas, pod):
                pod = {k: v for k, v in pod.items() if k != "restartPolicy" or kind in ("Job", "CronJob", "Pod")}
                spec: Any = {"CronJob": {"schedule": "* * * * *"}, "Job": {"completions": replicas, "parallelism": 2}}
                made.apply(manifest(kind, name, replicas, spec=spec.get(kind), **pod))
        check(made)
    return made


def check_books(made: Any) -> None:
    table = made.plane.api.scheduler.bound.table
    pods = [pod for workload in made.plane.workloads.values() for pod in workload.pods()]
    held = [pod for pod in pods if pod.row != UNBOUND and not pod.ended]
    assert set(made.plane.api.scheduler.bound.pods) == set(held)
    for row in range(len(table)):
        here = [pod for pod in held if pod.row == row]
        assert table.used[row, 0] == sum(pod.template.cpu_m for pod in here)
        assert table.used[row, 1] == sum(pod.template.memory_bytes for pod in here)
        assert table.scored[row, 0] == sum(pod.template.score_cpu_m for pod in here)
        assert table.used[row, 2:].sum() == sum(amount for pod in here for _, amount in pod.template.extended)
        assert table.pods[row, 1] == len(here)
        scheduled = [pod for pod in here if not pod.template.node_name]
        if len(scheduled) == len(here):
            assert (table.used[row] <= table.set.allocatable[row, : table.used.shape[1]]).all()
            assert table.pods[row, 1] <= table.pods[row, 0]
    for pod in pods:
        assert not pod.deleted
        assert not pod.leaving
        assert (pod.row == UNBOUND) == (pod.phase is Phase.PENDING)
        assert not pod.ready or pod.phase is Phase.RUNNING
        counts = pod.owner.node_counts
        if len(counts):
            assert counts.sum() == sum(each in held for each in pod.owner.pods())
    assert made.plane.api.scheduler.bound.with_terms == sum(
        bool(p.template.affinity or p.template.anti_affinity) for p in held
    )


@settings(**LARGE, max_examples=300)
@given(moves)
def test_the_books_balance_in_every_run(
    cluster: Make, node: Make, manifest: Make, priority: Make, steps: list[Any]
) -> None:
    play(cluster, node, manifest, priority, steps, check_books)


@settings(**LARGE, max_examples=60)
@given(moves)
def test_the_same_twice_is_the_same(
    cluster: Make, node: Make, manifest: Make, priority: Make, steps: list[Any]
) -> None:
    one, other = (play(cluster, node, manifest, priority, steps, lambda made: None) for _ in range(2))
    assert one.plane.events == other.plane.events
    assert [one.placed(ref.name) for _, ref in one.plane.workloads] == [
        other.placed(ref.name) for _, ref in other.plane.workloads
    ]


moments = st.lists(
    st.lists(
        st.tuples(st.sampled_from(["Deployment"] * 4 + KINDS), st.sampled_from("abcd"), st.integers(0, 5), small),
        max_size=6,
    ),
    max_size=4,
)


@settings(**LARGE, max_examples=150)
@given(moments)
def test_objects_of_one_moment_that_are_scheduled_together_end_as_one_by_one(
    cluster: Make, node: Make, manifest: Make, priority: Make, steps: list[Any]
) -> None:
    ends = []
    for events in (True, False):  # where events are recorded, the scheduler acts after every object
        pool = [node(f"n{i}", pods=5, labels={ZONE: str(i % 2)}, **{"nvidia.com/gpu": "2"}) for i in range(3)]
        made = cluster(*pool, now_s=1.7e9, events=events).apply(priority("high", 10))
        for moment in steps:
            jobs: Any = {"CronJob": {"schedule": "* * * * *"}, "Job": {"completions": 3, "parallelism": 2}}
            objects = []
            for kind, name, replicas, pod in moment:
                restarts = kind in ("Job", "CronJob", "Pod")
                fields = {key: value for key, value in pod.items() if key != "restartPolicy" or restarts}
                objects.append(manifest(kind, name, replicas, spec=jobs.get(kind), **fields))
            made.apply(*objects).wait(3)
        ends.append(
            {
                key: [(pod.row, pod.phase, pod.ready, pod.started_s, pod.attempts) for pod in workload.pods()]
                for key, workload in made.plane.workloads.items()
            }
        )
    assert ends[0] == ends[1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_manifest_reads_and_says_what_is_not_modelled(kind: str, manifest: Make) -> None:
    record = read_object(manifest(kind, replicas=2, spec=FULL_SPECS[kind], **FULL_POD), {})
    assert {
        "schedulerName other (the pods stay pending)",
        "schedulingGates (the pods stay pending)",
        "volumes of a PersistentVolumeClaim",
        "namespaceSelector of podAntiAffinity",
    } <= set(record.not_modelled)
    assert json.dumps(record.not_modelled)
    assert record.ref == ObjectRef("default", "web")
