"""Affinity and anti-affinity between pods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from env.engine.manifests.labels import label_selector, wanted_label

Make = Callable[..., Any]

ZONE = "topology.kubernetes.io/zone"
HOST = "kubernetes.io/hostname"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def term(app: str, key: str = HOST, **fields: Any) -> Any:
    return {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}, **fields}


def near(*terms: Any) -> Any:
    return {"affinity": {"podAffinity": {REQUIRED: list(terms)}}}


def apart(*terms: Any) -> Any:
    return {"affinity": {"podAntiAffinity": {REQUIRED: list(terms)}}}


def preferring(kind: str, weight: int, wanted: Any) -> Any:
    return {"affinity": {kind: {PREFERRED: [{"weight": weight, "podAffinityTerm": wanted}]}}}


def refused(reason: str, nodes: int, *, hopeless: bool) -> str:
    why = "Preemption is not helpful for scheduling" if hopeless else "No preemption victims found for incoming pod"
    return (
        f"0/{nodes} nodes are available: {nodes} {reason}. no new claims to deallocate, preemption: "
        f"0/{nodes} nodes are available: {nodes} {why}."
    )


@pytest.fixture
def pool(node: Make) -> list[Any]:
    """a and b in zone 1, c in zone 2."""
    return [node(name, labels={ZONE: zone}) for name, zone in (("a", "1"), ("b", "1"), ("c", "2"))]


def test_a_pod_goes_where_the_pods_it_needs_are(cluster: Make, pool: Any, manifest: Make) -> None:
    made = cluster(*pool).apply(manifest("Pod", "db", nodeName="b"), manifest(replicas=3, **near(term("db"))))
    assert made.placed() == {"b": 3}


def test_the_same_domain_is_near_enough(cluster: Make, pool: Any, manifest: Make) -> None:
    made = cluster(*pool).apply(manifest("Pod", "db", nodeName="b"), manifest(replicas=7, **near(term("db", ZONE))))
    assert made.placed() == {"a": 4, "b": 3}


def test_without_the_pods_it_needs_a_pod_waits_until_they_come(cluster: Make, pool: Any, manifest: Make) -> None:
    made = cluster(*pool).apply(manifest(**near(term("db"))))
    assert made.messages() == [refused("node(s) didn't match pod affinity rules", 3, hopeless=True)]
    made.apply(manifest("Pod", "db", nodeSelector={HOST: "c"}))
    assert made.placed() == {"c": 1}


def test_the_first_pod_of_a_group_that_needs_itself_may_start_anywhere(
    cluster: Make, pool: Any, manifest: Make
) -> None:
    assert cluster(*pool).apply(manifest(replicas=5, **near(term("web")))).placed() == {"a": 4, "": 1}


def test_the_first_pod_still_needs_the_label(cluster: Make, node: Make, manifest: Make) -> None:
    assert cluster(node("a")).apply(manifest(**near(term("web", ZONE)))).state() == (0, 1, 1)


def test_all_terms_must_hold(cluster: Make, pool: Any, manifest: Make) -> None:
    db, cache = manifest("Pod", "db", nodeName="a"), manifest("Pod", "cache", nodeName="b")
    asked = manifest(**near(term("db", ZONE), term("cache")))
    # A pod must match all terms to count for any of them.
    assert cluster(*pool).apply(db, cache, asked).state() == (0, 1, 1)
    both = {"matchExpressions": [{"key": "app", "operator": "Exists"}]}
    asked = manifest(**near(term("db", ZONE, labelSelector=both), term("db", labelSelector=both)))
    assert cluster(*pool).apply(db, asked).placed() == {"a": 1}


def test_pods_that_keep_apart_get_a_node_each(cluster: Make, pool: Any, manifest: Make) -> None:
    made = cluster(*pool).apply(manifest(replicas=4, **apart(term("web"))))
    assert made.placed() == {"a": 1, "b": 1, "c": 1, "": 1}
    assert made.messages() == [refused("node(s) didn't match pod anti-affinity rules", 3, hopeless=False)]


def test_pods_that_keep_apart_get_a_zone_each(cluster: Make, pool: Any, manifest: Make) -> None:
    made = cluster(*pool).apply(manifest(replicas=3, **apart(term("web", ZONE))))
    assert made.state() == (2, 1, 3)


def test_nodes_without_the_label_keep_no_pods_apart(cluster: Make, node: Make, manifest: Make) -> None:
    assert cluster(node("a")).apply(manifest(replicas=3, **apart(term("web", ZONE)))).state() == (3, 0, 3)


def test_running_pods_keep_others_away(cluster: Make, node: Make, manifest: Make) -> None:
    shy = manifest("Pod", "shy", **apart(term("web")))
    made = cluster(node("a")).apply(shy, manifest())
    assert made.messages() == [refused("node(s) didn't satisfy existing pods anti-affinity rules", 1, hopeless=False)]
    assert made.delete("Pod", "shy").state() == (1, 0, 1)


def test_terms_are_about_the_own_namespace_unless_they_name_others(cluster: Make, node: Make, manifest: Make) -> None:
    other = manifest("Pod", "db", namespace="other", nodeName="a")
    for fields, fits in (({}, False), ({"namespaces": ["other"]}, True), ({"namespaceSelector": {}}, True)):
        made = cluster(node("a")).apply(other, manifest(**near(term("db", **fields))))
        assert made.state() == ((1, 0, 1) if fits else (0, 1, 1)), fields


def test_match_label_keys_narrow_and_mismatch_label_keys_exclude(cluster: Make, pool: Any, manifest: Make) -> None:
    mine, theirs = (
        manifest("Pod", t, cpu="0", labels={"app": "db", "team": t}, nodeName=n) for t, n in (("x", "a"), ("y", "c"))
    )
    labels = {"app": "web", "team": "y"}
    narrow = manifest(labels=labels, **near(term("db", matchLabelKeys=["team"])))
    assert cluster(*pool).apply(mine, theirs, narrow).placed() == {"c": 1}
    wide = manifest(labels=labels, **apart(term("db", ZONE, mismatchLabelKeys=["team"])))
    assert cluster(*pool).apply(mine, theirs, wide).placed() == {"c": 1}


@pytest.mark.parametrize(("kind", "weight", "place"), [("podAffinity", 100, "b"), ("podAntiAffinity", 100, "a")])
def test_a_preference_is_a_wish(kind: str, weight: int, place: str, cluster: Make, node: Make, manifest: Make) -> None:
    # b is a little fuller because of the pod that is meant.
    made = cluster(node("b"), node("a")).apply(
        manifest("Pod", "db", cpu="100m", nodeName="b"), manifest("Pod", **preferring(kind, weight, term("db")))
    )
    assert made.placed() == {place: 1}
    full = cluster(node("b")).apply(
        manifest("Pod", "db", nodeName="b"), manifest("Pod", **preferring("podAntiAffinity", 100, term("db")))
    )
    assert full.state() == (1, 0, 1)


def test_the_wishes_of_running_pods_count_too(cluster: Make, node: Make, manifest: Make) -> None:
    for wish, place in ((preferring("podAffinity", 1, term("web")), "b"), (near(term("web")), "b")):
        fan = manifest("Pod", "fan", cpu="100m", nodeName="b", **wish)
        assert cluster(node("a"), node("b")).apply(fan, manifest("Pod")).placed() == {place: 1}
    foe = manifest("Pod", "foe", cpu="0", nodeName="a", **preferring("podAntiAffinity", 1, term("web")))
    assert cluster(node("a"), node("b")).apply(foe, manifest("Pod")).placed() == {"b": 1}


def soft_apart(name: str, namespace: str) -> Any:
    """The anti-affinity that many charts set by default."""
    return {"labels": {"app": name}, "namespace": namespace} | preferring("podAntiAffinity", 100, term(name))


def test_pods_that_would_rather_be_apart_cost_no_more_among_many_others(
    cluster: Make, node: Make, manifest: Make
) -> None:
    def spent(workloads: int) -> int:
        made = cluster(*(node(f"n{i}", cpu="64") for i in range(20)))
        made.apply(*(manifest("Deployment", f"w{i}", 3, **soft_apart(f"w{i}", f"ns{i}")) for i in range(workloads)))
        assert all(len(made.placed(f"w{i}")) == 3 for i in range(workloads))
        return int(made.plane.api.budget.spent)

    assert spent(160) < 2.2 * spent(80)


LABELS = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xyz"), max_size=3)
EXPRESSIONS = st.lists(
    st.fixed_dictionaries(
        {
            "key": st.sampled_from("abc"),
            "operator": st.sampled_from(("In", "NotIn", "Exists", "DoesNotExist")),
            "values": st.lists(st.sampled_from("xyz"), max_size=2),
        }
    ),
    max_size=2,
)


@given(LABELS, EXPRESSIONS, LABELS)
def test_the_label_that_a_selector_wants_is_on_every_pod_that_it_selects(
    wanted: dict[str, str], expressions: list[Any], labels: dict[str, str]
) -> None:
    selector = {"matchLabels": wanted, "matchExpressions": expressions}
    pair = wanted_label(selector)
    if label_selector(selector)(labels) and pair is not None:
        assert labels[pair[0]] == pair[1]
