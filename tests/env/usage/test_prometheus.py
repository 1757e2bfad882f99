"""Use from a Prometheus: what is known to go wrong with its series."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from fake_prometheus import DAY_S, NOW, FakePrometheus, Labels

from env.errors import ConfigError
from env.quantity import MIB
from env.usage.containers import Amounts
from env.usage.enough import Verdict, sizing
from env.usage.owners import Owner
from env.usage.usage import UNKNOWN, ContainerKey, Usage

Read = Callable[..., Usage]
WEB = ContainerKey("Deployment", "shop", "web", "web")
POD = "web-6d4b9c7f5-x7k2p"
WORKING_SET, RSS, CPU = (
    "container_memory_working_set_bytes",
    "container_memory_rss",
    "container_cpu_usage_seconds_total",
)


def of(pod: str = POD, container: str = "web", **more: str) -> Labels:
    return {"namespace": "shop", "pod": pod, "container": container, "job": "kubelet", **more}


def test_a_container_has_the_peak_of_its_memory_and_its_cpu(server: FakePrometheus, read: Read) -> None:
    server.gauge(WORKING_SET, of(), 100 * MIB)
    server.add(WORKING_SET, of(), [(3590, 300 * MIB)])
    server.cpu(of(), 0.4)
    found = read(WEB).of(WEB)
    assert (found.memory_bytes, found.cpu_m, found.pods, found.source) == (300 * MIB, 400, 1, "Prometheus")
    assert found.window_s == pytest.approx(DAY_S, rel=0.01)
    assert sizing(found, Amounts(1000, 2000 * MIB), Amounts()).memory.verdict is Verdict.TOO_MUCH


def test_jobs_that_scrape_the_same_container_do_not_add_up(server: FakePrometheus, read: Read) -> None:
    for job in ("kubelet", "cadvisor", "federate"):
        server.gauge(WORKING_SET, of(job=job), 100 * MIB)
        server.cpu(of(job=job), 0.4)
    found = read(WEB).of(WEB)
    assert (found.memory_bytes, found.cpu_m) == (100 * MIB, 400)


def test_whole_pods_and_pause_containers_do_not_count(server: FakePrometheus, read: Read) -> None:
    for container, size in (("web", 100), ("", 900), ("POD", 700)):
        server.gauge(WORKING_SET, of(container=container), size * MIB)
        server.cpu(of(container=container), size / 100)
    found = read(WEB, ContainerKey("Deployment", "shop", "web", "POD"), ContainerKey("Deployment", "shop", "web", ""))
    assert list(found.uses) == [WEB]
    assert (found.of(WEB).memory_bytes, found.of(WEB).cpu_m) == (100 * MIB, 1000)


def test_a_restarted_container_is_not_counted_twice_while_its_last_run_echoes(
    server: FakePrometheus, read: Read
) -> None:
    server.gauge(WORKING_SET, of(id="/a"), 200 * MIB, DAY_S, 7200)
    server.gauge(WORKING_SET, of(id="/b"), 200 * MIB, 7200)
    server.cpu(of(id="/a"), 0.5, DAY_S, 7200)
    server.cpu(of(id="/b"), 0.5, 7200)
    found = read(WEB).of(WEB)
    assert (found.memory_bytes, found.cpu_m) == (200 * MIB, 500)


def test_a_counter_that_begins_again_is_no_negative_and_no_huge_rate(server: FakePrometheus, read: Read) -> None:
    server.gauge(WORKING_SET, of(), MIB)
    before = ((each, 0.5 * (DAY_S - each)) for each in range(43_260, DAY_S, 60))
    after = ((each, 0.5 * (43_200 - each)) for each in range(0, 43_201, 60))
    server.add(CPU, of(), [*before, *after])
    assert read(WEB).of(WEB).cpu_m == 500


def test_a_gap_is_neither_zero_nor_measured_time(server: FakePrometheus, read: Read) -> None:
    for since, until in ((DAY_S, 0.75 * DAY_S), (0.25 * DAY_S, 0)):
        server.gauge(WORKING_SET, of(), 100 * MIB, since, until)
        server.cpu(of(), 0.4, since, until)
    found = read(WEB).of(WEB)
    assert (found.memory_bytes, found.cpu_m) == (100 * MIB, 400)
    assert found.window_s == pytest.approx(DAY_S / 2, rel=0.02)


def test_a_young_prometheus_lowers_nothing(server: FakePrometheus, read: Read) -> None:
    server.gauge(WORKING_SET, of(), 100 * MIB, 7200)
    server.cpu(of(), 0.1, 7200)
    found = read(WEB, range_s=3.0 * DAY_S).of(WEB)
    assert found.window_s == pytest.approx(7200, rel=0.1)
    assert sizing(found, Amounts(4000, 4000 * MIB), Amounts()).memory.verdict is Verdict.ENOUGH


def test_page_cache_is_told_apart(server: FakePrometheus, read: Read) -> None:
    server.gauge(WORKING_SET, of(), 900 * MIB)
    server.gauge(RSS, of(), 200 * MIB)
    found = read(WEB).of(WEB)
    assert (found.memory_bytes, found.resident_bytes) == (900 * MIB, 200 * MIB)
    assert sizing(found, Amounts(None, 500 * MIB), Amounts(None, 500 * MIB)).memory.propose == 500 * MIB


def test_shared_memory_is_no_page_cache_that_is_given_back(server: FakePrometheus, read: Read) -> None:
    for metric, mib in ((WORKING_SET, 900), (RSS, 200), ("container_memory_mapped_file", 500)):
        server.gauge(metric, of(), mib * MIB)
    assert read(WEB).of(WEB).resident_bytes == 700 * MIB


def test_no_data_is_unknown_and_never_zero(server: FakePrometheus, read: Read) -> None:
    server.gauge(WORKING_SET, {**of("ads-6d4b9c7f5-x7k2p", "ads")}, MIB)
    found = read(WEB)
    assert found.of(WEB) is UNKNOWN
    assert found.missing == (WEB,)
    assert "no samples of these workloads" in " ".join(found.notes)


def test_memory_without_cpu_leaves_cpu_unknown(server: FakePrometheus, read: Read) -> None:
    server.gauge(WORKING_SET, of(), MIB)
    found = read(WEB)
    assert (found.of(WEB).cpu_m, found.of(WEB).memory_bytes) == (None, MIB)
    assert "what CPU is used is unknown" in " ".join(found.notes)


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf, -5.0, 1e30])
def test_values_that_are_no_use_are_left_out(server: FakePrometheus, read: Read, odd: float) -> None:
    server.gauge(WORKING_SET, of("web-6d4b9c7f5-bbbbb"), odd)
    server.gauge(WORKING_SET, of(), 100 * MIB)
    assert read(WEB).of(WEB).memory_bytes == 100 * MIB


def test_rare_scrapes_still_give_a_rate(server: FakePrometheus, read: Read) -> None:
    server.gauge(WORKING_SET, of(), MIB)
    server.add(CPU, of(), ((each, 0.25 * (DAY_S - each)) for each in range(0, DAY_S, 360)))
    assert read(WEB).of(WEB).cpu_m == 250


def test_a_start_up_is_not_what_a_workload_uses(server: FakePrometheus, read: Read) -> None:
    server.gauge(WORKING_SET, of(), 100 * MIB)
    server.cpu(of(), 0.1)
    short = of("web-6d4b9c7f5-zzzzz")
    server.gauge(WORKING_SET, short, 150 * MIB, 1200, 600)
    server.cpu(short, 4.0, 1200, 600)
    found = read(WEB).of(WEB)
    assert (found.cpu_m, found.memory_bytes) == (100, 150 * MIB)


def test_a_run_of_some_minutes_says_nothing_of_cpu(server: FakePrometheus, read: Read) -> None:
    server.gauge(WORKING_SET, of(), 100 * MIB, 60)
    server.cpu(of(), 1.5, 60)
    found = read(WEB).of(WEB)
    assert (found.cpu_m, found.memory_bytes) == (None, 100 * MIB)


def test_the_busiest_day_decides(server: FakePrometheus, read: Read) -> None:
    for day, cores in enumerate((0.1, 0.8, 0.2)):
        server.gauge(WORKING_SET, of(), 100 * MIB, (day + 1) * DAY_S - 60, day * DAY_S)
        server.cpu(of(id=str(day)), cores, (day + 1) * DAY_S - 60, day * DAY_S)
    found = read(WEB, range_s=3.0 * DAY_S).of(WEB)
    assert found.cpu_m == 800
    assert found.window_s == pytest.approx(3 * DAY_S, rel=0.02)


def test_a_throttled_container_may_need_more_cpu(server: FakePrometheus, read: Read) -> None:
    server.gauge(WORKING_SET, of(), MIB)
    server.cpu(of(), 0.5)
    for metric, each_minute in (("throttled_periods_total", 300), ("periods_total", 600)):
        points = ((before, (DAY_S - before) / 60 * each_minute) for before in range(0, DAY_S, 60))
        server.add(f"container_cpu_cfs_{metric}", of(), points)
    assert read(WEB).of(WEB).cpu_is_floor


@pytest.mark.parametrize(
    "by", ["cadvisor", "kube-state-metrics", "kube-state-metrics without honor_labels", "pod status"]
)
def test_a_killed_containers_peak_is_a_floor_at_its_limit(server: FakePrometheus, read: Read, by: str) -> None:
    server.gauge(WORKING_SET, of(), 100 * MIB)
    server.gauge("container_spec_memory_limit_bytes", of(), 256 * MIB)
    reason, killed = "kube_pod_container_status_last_terminated_reason", {}
    if by == "cadvisor":
        server.gauge("container_oom_events_total", of(), 2)
    elif by == "kube-state-metrics":
        server.gauge(reason, of(job="ksm", reason="OOMKilled"), 1)
    elif by == "pod status":
        killed = {WEB: 256 * MIB}
    else:
        own = {"namespace": "monitoring", "pod": "ksm-0", "container": "ksm"}
        exported = {"exported_namespace": "shop", "exported_pod": POD, "exported_container": "web"}
        server.gauge(reason, {**own, **exported, "reason": "OOMKilled"}, 1)
    found = read(WEB, killed=killed).of(WEB)
    assert (found.is_floor, found.memory_bytes) == (True, 256 * MIB)
    assert sizing(found, Amounts(None, 256 * MIB), Amounts(None, 256 * MIB)).memory.verdict is Verdict.TOO_LITTLE


def test_a_kill_under_an_older_smaller_limit_is_no_floor_any_more(server: FakePrometheus, read: Read) -> None:
    old = of("web-7f9d4c5b8b-zzzzz")
    server.gauge(WORKING_SET, old, 60 * MIB, DAY_S, 80_000)
    server.gauge("container_spec_memory_limit_bytes", old, 64 * MIB, DAY_S, 80_000)
    server.gauge("container_oom_events_total", old, 9, DAY_S, 80_000)
    server.gauge(WORKING_SET, of(), 700 * MIB)
    found = read(WEB).of(WEB)
    assert (found.is_floor, found.memory_bytes) == (False, 700 * MIB)


def test_another_reason_of_the_last_end_is_no_kill(server: FakePrometheus, read: Read) -> None:
    server.gauge(WORKING_SET, of(), MIB)
    server.gauge("kube_pod_container_status_last_terminated_reason", of(reason="Error"), 1)
    server.gauge("container_oom_events_total", of(), 0)
    assert not read(WEB).of(WEB).is_floor


def test_owners_of_kube_state_metrics_are_believed_before_names(server: FakePrometheus, read: Read) -> None:
    for pod, kind, name in ((POD, "Job", "web-6d4b9c7f5"), ("odd", "ReplicaSet", "web-7f9d4c5b8b")):
        server.gauge(WORKING_SET, of(pod), (100 if pod == "odd" else 900) * MIB)
        owner = {"namespace": "shop", "pod": pod, "owner_kind": kind, "owner_name": name, "owner_is_controller": "true"}
        server.gauge("kube_pod_owner", owner, 1)
    found = read(WEB)
    assert found.of(WEB).memory_bytes == 100 * MIB
    assert not found.notes[1:]


def test_owners_that_the_cluster_says_are_believed_too(server: FakePrometheus, read: Read) -> None:
    server.gauge(WORKING_SET, of("odd"), MIB)
    found = read(WEB, pod_owners={("shop", "odd"): Owner("ReplicaSet", "shop", "web-6d4b9c7f5")})
    assert found.of(WEB).memory_bytes == MIB


def test_without_kube_state_metrics_names_tell_and_it_is_said(server: FakePrometheus, read: Read) -> None:
    keys = [
        WEB,
        ContainerKey("StatefulSet", "shop", "db", "db"),
        ContainerKey("DaemonSet", "shop", "agent", "agent"),
        ContainerKey("CronJob", "shop", "night", "night"),
        ContainerKey("Pod", "shop", "one", "one"),
    ]
    names = (POD, "db-0", "agent-x7k2p", "night-28473600-x7k2p", "one", "web-migrate-x7k2p")
    for size, (pod, container) in enumerate(zip(names, ("web", "db", "agent", "night", "one", "web"), strict=True), 1):
        server.gauge(WORKING_SET, of(pod, container), size * MIB)
    found = read(*keys)
    assert [found.of(key).memory_bytes for key in keys] == [each * MIB for each in range(1, 6)]
    assert "matched to workloads by their names" in " ".join(found.notes)


def test_other_namespaces_are_neither_read_nor_counted(server: FakePrometheus, read: Read) -> None:
    server.gauge(WORKING_SET, of(), MIB)
    server.gauge(WORKING_SET, {**of(), "namespace": "test"}, 900 * MIB)
    assert read(WEB).of(WEB).memory_bytes == MIB
    assert all('namespace=~"shop"' in query for query, _ in server.queries)


@pytest.mark.parametrize(
    "renamed",
    [
        {"exported_namespace": "shop", "namespace": "kube-system", "pod": POD, "container": "web"},
        {"exported_namespace": "shop", "exported_pod": POD, "exported_container": "web", "namespace": "x", "pod": "y"},
        {"namespace": "shop", "pod_name": POD, "container_name": "web"},
    ],
)
def test_labels_of_other_scrapes_are_understood(server: FakePrometheus, read: Read, renamed: Labels) -> None:
    server.gauge(WORKING_SET, renamed, 100 * MIB)
    server.cpu(renamed, 0.4)
    found = read(WEB).of(WEB)
    assert (found.memory_bytes, found.cpu_m) == (100 * MIB, 400)


def test_a_renamed_metric_is_named(server: FakePrometheus, read: Read) -> None:
    server.gauge("cadvisor_memory_working_set_bytes", of(), MIB)
    notes = " ".join(read(WEB).notes)
    assert "relabelling may have made cadvisor_memory_working_set_bytes of it" in notes


def test_two_clusters_with_the_workload_are_named_and_one_is_asked_for(server: FakePrometheus, read: Read) -> None:
    server.gauge(WORKING_SET, of(cluster="prod"), 300 * MIB)
    server.gauge(WORKING_SET, of(cluster="test"), 100 * MIB)
    with pytest.raises(ConfigError, match=r"2 clusters: cluster=prod; cluster=test; .*--prometheus-label cluster=prod"):
        read(WEB)
    found = read(WEB, labels=[("cluster", "test")])
    assert found.of(WEB).memory_bytes == 100 * MIB
    assert "all samples are of cluster=test" in " ".join(found.notes)


def test_a_cluster_that_is_not_there_is_told_from_those_that_are(server: FakePrometheus, read: Read) -> None:
    server.gauge(WORKING_SET, of(cluster="prod"), 300 * MIB)
    found = read(WEB, labels=[("cluster", "prd")])
    assert found.missing == (WEB,)
    assert "cluster=prod" in " ".join(found.notes)


def test_a_server_that_computes_no_day_at_once_is_read_in_parts(server: FakePrometheus, read: Read) -> None:
    server.gauge(WORKING_SET, of(), 100 * MIB)
    server.add(WORKING_SET, of(id="x"), [(50_000, 300 * MIB)])
    server.cpu(of(), 0.4)
    whole = read(WEB).of(WEB)
    server.most_samples = 400
    parts = read(WEB)
    assert (parts.of(WEB).memory_bytes, parts.of(WEB).cpu_m) == (whole.memory_bytes, whole.cpu_m) == (300 * MIB, 400)
    assert parts.of(WEB).window_s == pytest.approx(whole.window_s, rel=0.01)
    assert not parts.of(WEB).is_partial
    assert "read in parts" in " ".join(parts.notes)


def test_what_is_too_much_even_in_parts_is_said_and_lowers_nothing(server: FakePrometheus, read: Read) -> None:
    ads = ContainerKey("Deployment", "ads", "ads", "ads")
    server.gauge(WORKING_SET, of(), 100 * MIB)
    often = ((before, MIB) for before in range(0, 3000, 4))
    server.add(WORKING_SET, {**of("ads-6d4b9c7f5-x7k2p", "ads"), "namespace": "ads"}, often)
    server.most_samples = 500
    found = read(WEB, ads, range_s=7200.0)
    assert found.of(WEB).memory_bytes == 100 * MIB
    assert found.of(WEB).is_partial
    assert "a part of namespace ads was not read" in " ".join(found.notes)


def test_the_range_is_bounded(read: Read) -> None:
    for range_s in (60.0, 91.0 * DAY_S):
        with pytest.raises(ConfigError, match="must be from 1h to 90d"):
            read(WEB, range_s=range_s)


def test_names_that_no_namespace_can_have_are_not_asked_for(server: FakePrometheus, read: Read) -> None:
    odd = ContainerKey("Deployment", 'a"} or vector(1)', "web", "web")
    assert read(odd).missing == (odd,)
    assert not server.queries
    assert NOW
