"""Which source of use is believed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from env.demand import DEMAND_ANNOTATION
from env.errors import ConfigError
from env.quantity import MIB
from env.snapshot.now import WorkloadNow
from env.snapshot.pods import Key
from env.usage.usage import ContainerKey
from runner.options.usage import UsageChoice, killed_of


def workload(name: str, demand: str | None = None) -> dict[str, Any]:
    container = {"name": "c", "resources": {"limits": {"memory": "64Mi"}}}
    annotations = {} if demand is None else {DEMAND_ANNOTATION: demand}
    template = {"metadata": {"annotations": annotations}, "spec": {"containers": [container]}}
    return {"kind": "Deployment", "metadata": {"namespace": "shop", "name": name}, "spec": {"template": template}}


def key(name: str) -> ContainerKey:
    return ContainerKey("Deployment", "shop", name, "c")


def test_the_file_is_believed_before_the_annotation_and_the_rest_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "usage.csv"
    path.write_text("namespace,workload,container,cpu\nshop,web,c,100m\n")
    objects = [workload("web", '{"c": {"cpu": "900m"}}'), workload("ads", '{"c": {"cpu": "5m"}}'), workload("db")]
    found = UsageChoice(usage=path).read(objects)
    assert [found.of(key(name)).cpu_m for name in ("web", "ads", "db")] == [100, 5, None]
    assert found.missing == (key("db"),)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"range": "7d"}, "--range 7d: needs --prometheus URL"),
        ({"prometheus_label": ("cluster=a",)}, "--prometheus-label cluster=a: needs --prometheus URL"),
        ({"prometheus_ca": Path("ca.pem")}, "--prometheus-ca ca.pem: needs --prometheus URL"),
    ],
)
def test_an_option_about_prometheus_needs_one(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        UsageChoice(**options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"range": "week"}, "--range 'week': not a duration"),
        ({"range": "1m"}, "must be from 1h to 90d"),
        ({"prometheus_label": ("cluster",)}, "--prometheus-label 'cluster': must be KEY=VALUE"),
        ({"prometheus_ca": Path("/none")}, "--prometheus-ca /none: no certificates"),
    ],
)
def test_a_wrong_option_is_told_before_anything_is_asked(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        UsageChoice(prometheus="http://127.0.0.1:1", **options).read([workload("web")])


def test_killed_containers_come_with_their_limit() -> None:
    now = WorkloadNow(Key("Deployment", "shop", "web"), 1, 0, 1, oom_killed=("c",))
    assert killed_of([workload("web"), workload("ads")], [now]) == {key("web"): 64 * MIB}
