"""What changes between two looks at a cluster, as events; and manifests beside what runs in one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from env.problems.nodes import NodePools
from env.snapshot.beside import beside
from env.snapshot.changes import Change, change, recorded_trace
from env.snapshot.now import WorkloadNow
from env.snapshot.pods import Key
from env.snapshot.snapshot import Skipped, Snapshot
from env.trace.document import Trace, read_trace

Manifest = dict[str, Any]


def _object(name: str, kind: str = "Deployment", **spec: Any) -> Manifest:
    api_version = {"Job": "batch/v1", "PriorityClass": "scheduling.k8s.io/v1"}.get(kind, "apps/v1")
    namespace = "" if kind == "PriorityClass" else "shop"
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def _seen(*objects: Manifest, unread: str = "") -> Snapshot:
    skipped = (Skipped(unread, "*", "not read: 403"),) if unread else ()
    return Snapshot("context fake", objects, NodePools(), skipped)


def _names(change: Change | None) -> tuple[list[str], list[str]]:
    assert change is not None
    applied, deleted = ([each["metadata"]["name"] for each in part] for part in (change.applied, change.deleted))
    return applied, deleted


def test_what_is_new_or_changed_is_applied_and_what_is_gone_is_deleted() -> None:
    before = _seen(_object("same", replicas=1), _object("grows", replicas=1), _object("goes"))
    after = _seen(_object("same", replicas=1), _object("grows", replicas=2), _object("comes"))
    assert _names(change(before, after, 7)) == (["grows", "comes"], ["goes"])


def test_without_a_change_there_is_no_event() -> None:
    assert change(_seen(_object("web")), _seen(_object("web")), 7) is None


def test_a_job_that_works_on_is_no_change() -> None:
    assert change(_seen(_object("job", "Job", completions=5)), _seen(_object("job", "Job", completions=3)), 7) is None


def test_a_kind_that_could_not_be_read_has_not_been_deleted() -> None:
    before, blind = _seen(_object("web"), _object("job", "Job")), _seen(_object("job", "Job"), unread="Deployment")
    assert change(before, blind, 7) is None
    assert change(blind, before, 7) is None


def _recorded(first: Snapshot, *changes: Change, end_ts: int | None = None) -> Trace:
    trace = recorded_trace(first, 1_000, changes, end_ts)
    return read_trace(trace.to_bytes(), "again")


def test_a_watch_becomes_events_with_their_times() -> None:
    later = Change(1_060, (_object("late"),), (_object("web", replicas=1),))
    trace = _recorded(_seen(_object("web", replicas=1)), later, end_ts=1_800)
    assert [event["ts"] for event in trace.events] == [1_000, 1_060, 1_800]
    assert [len(event["applied_objs"]) for event in trace.events] == [1, 1, 0]
    (deleted,) = trace.events[1]["deleted_objs"]
    assert deleted == {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}}
    assert set(trace.index["apps/v1.Deployment"]) == {"shop/web", "shop/late"}


def test_what_no_driver_applies_holds_from_the_beginning() -> None:
    trace = _recorded(_seen(_object("web")), Change(1_060, (_object("high", "PriorityClass"),)))
    assert [each["metadata"]["name"] for each in trace.extra["metadata"]["unapplied"]] == ["high"]
    assert trace.events[1]["applied_objs"] == []


def test_given_manifests_replace_their_like_where_it_stands_and_others_come_after() -> None:
    now = tuple(WorkloadNow(Key("Deployment", "shop", name), 1, 0, 1) for name in ("web", "db"))
    cluster = replace(_seen(_object("web", replicas=1), _object("db")), now=now)
    given = Snapshot("web.yaml", (_object("new"), _object("web", replicas=3)), None, (Skipped("Foo", "x", "unknown"),))
    both = beside(given, cluster)
    assert [(each["metadata"]["name"], each["spec"].get("replicas")) for each in both.objects] == [
        ("web", 3),
        ("db", None),
        ("new", None),
    ]
    assert both.nodes == cluster.nodes
    assert both.source == "web.yaml beside context fake"
    assert [each.kind for each in both.skipped] == ["Foo"]
    assert [each.key.name for each in both.now] == ["db"]


def test_jobs_run_until_an_event_deletes_them() -> None:
    now = (WorkloadNow(Key("Job", "shop", "late"), 1, 1, 1),)
    trace = _recorded(_seen(_object("web")), Change(1_060, (_object("late", "Job"),), (), now))
    assert trace.pod_lifecycles == {("batch/v1.Job", "shop/late"): {0: [{"Running": 1_000}]}}
