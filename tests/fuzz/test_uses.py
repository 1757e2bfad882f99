"""Servers and files that lie about use: what they say becomes figures that a rule can take, or an error of one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hostile
from hypothesis import given, settings
from hypothesis import strategies as st

from env.printable import printable
from env.usage.containers import Amounts
from env.usage.demand import with_usage
from env.usage.enough import sizing
from env.usage.measured import Ends, Span, uses_of
from env.usage.metrics_api import uses_of_metrics
from env.usage.owners import Owners
from env.usage.prometheus_answer import NoAnswer, read_answer, read_refusal
from env.usage.prometheus_queries import series_of
from env.usage.usage import ContainerKey, ContainerUse, Usage
from env.usage.usage_file import read_usage_file

WEB = ContainerKey("Deployment", "shop", "web", "web")
POD = "web-6d4b9c7f5-x7k2p"
SAMPLE = {"metric": {"namespace": "shop", "pod": POD, "container": "web", "cluster": "a"}, "value": [1.5, "1000"]}
ANSWER = {
    "status": "success",
    "data": {"resultType": "vector", "result": [SAMPLE]},
    "warnings": ["w"],
    "isPartial": False,
}
METRICS = {"metadata": {"namespace": "shop", "name": POD},
           "containers": [{"name": "web", "usage": {"cpu": "5n", "memory": "1Ki"}}]}  # fmt: skip
ROWS = [{"kind": "Deployment", "namespace": "shop", "workload": "web", "container": "web", "cpu": "1", "memory": "1Gi",
         "oom_killed": True, "window": "7d"}]  # fmt: skip
WORKLOAD = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"namespace": "shop", "name": "web"},
            "spec": {"template": {"spec": {"containers": [{"name": "web"}]}}}}  # fmt: skip


def check(uses: dict[ContainerKey, ContainerUse]) -> None:
    """The uses are of who was asked for, and the rule and a trace can take them."""
    assert set(uses) <= {WEB}
    for use in uses.values():
        assert all(each is None or 0 <= each < 2**63 for each in (use.cpu_m, use.memory_bytes, use.resident_bytes))
        sizing(use, Amounts(100, 100), Amounts())
    json.dumps(with_usage([WORKLOAD], Usage(uses)), allow_nan=False)


def measured(data: bytes) -> None:
    try:
        answer = read_answer(data)
    except NoAnswer as error:
        hostile.check_message(str(error))
        return
    assert all(printable(each) == each for each in answer.warnings)
    values = {series_of(each.labels): each.value for each in answer.samples}
    span = Span(86_400, values, values, values, values)
    check(uses_of([span], Ends(set(values), values, set(values)), Owners([WEB]), frozenset([WEB]))[0])


@settings(settings.get_profile("fuzz"))
@given(mutant=hostile.mutants(ANSWER), status=st.sampled_from([400, 401, 422, 503]))
def test_a_mutated_answer_of_a_prometheus_is_figures_or_an_error(mutant: Any, status: int) -> None:
    data = hostile.loose_json(mutant)
    hostile.answered("uses", len(data), lambda: measured(data))
    assert printable(read_refusal(status, data).message) == read_refusal(status, data).message


@settings(settings.get_profile("fuzz"))
@given(seed=st.integers(0, 2**32))
def test_a_damaged_answer_of_a_prometheus_is_figures_or_an_error(seed: int) -> None:
    for chance in hostile.chances(seed):
        data = hostile.damaged(json.dumps(ANSWER).encode(), chance)
        measured(data)
        assert printable(read_refusal(500, data).message) == read_refusal(500, data).message


@settings(settings.get_profile("fuzz"))
@given(mutant=hostile.mutants(METRICS))
def test_a_mutated_pod_of_the_metrics_api_is_figures_or_unknown(mutant: Any) -> None:
    pods = [json.loads(hostile.loose_json(mutant))]
    check(uses_of_metrics([each for each in pods if isinstance(each, dict)], [WEB]))


@settings(settings.get_profile("fuzz"))
@given(mutant=hostile.mutants(ROWS))
def test_a_mutated_file_is_figures_or_wrong_usage(mutant: Any, tmp_path_factory: Any) -> None:
    path: Path = tmp_path_factory.mktemp("uses") / "usage"
    data = hostile.loose_json(mutant)
    path.write_bytes(data)
    found = hostile.answered("uses", len(data), lambda: read_usage_file(path, [WEB]))
    if found is not None:
        check({key: use for key, use in found.uses.items() if key == WEB})
        assert all(printable(each) == each for each in found.notes)
