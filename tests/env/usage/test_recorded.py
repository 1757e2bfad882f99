"""What Prometheus 3.16 and metrics-server 0.9 answered on a control plane with KWOK; and the fake answers alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import urllib3
from fake_prometheus import NOW, FakePrometheus

from env.usage.metrics_api import uses_of_metrics
from env.usage.prometheus_answer import read_answer, read_refusal
from env.usage.prometheus_queries import series_of
from env.usage.usage import ContainerKey

RECORDED = Path(__file__).parent / "recorded"
ANSWERS: dict[str, Any] = json.loads((RECORDED / "prometheus-3.16.json").read_text())


def body(name: str) -> bytes:
    return json.dumps(ANSWERS[name]["body"]).encode()


def test_a_vector_is_read() -> None:
    answer = read_answer(body("peak"))
    assert [each.value for each in answer.samples] == [2147483648.0] * 2
    assert [tuple(series_of(each.labels)) for each in answer.samples] == [
        ((), "shop", "db-0", "db"),
        ((), "shop", "db-1", "db"),
    ]
    assert (answer.left_out, answer.warnings, answer.is_partial) == (0, (), False)


@pytest.mark.parametrize("name", ["not a number", "infinite"])
def test_a_value_that_is_no_number_is_left_out(name: str) -> None:
    answer = read_answer(body(name))
    assert (answer.samples, answer.left_out) == ((), 1)


@pytest.mark.parametrize(("name", "is_partial"), [("limit", True), ("warning", False), ("info", False)])
def test_a_warning_that_something_is_missing_is_told_from_one_about_the_query(name: str, is_partial: bool) -> None:
    assert read_answer(body(name)).is_partial == is_partial


@pytest.mark.parametrize(("name", "too_big"), [("too many samples", True), ("parse error", False)])
def test_a_query_that_is_too_much_is_told_from_a_wrong_one(name: str, too_big: bool) -> None:
    refusal = read_refusal(ANSWERS[name]["status"], body(name))
    assert refusal.too_big == too_big
    assert refusal.message == ANSWERS[name]["body"]["error"]


@pytest.mark.parametrize("name", ["peak", "cpu", "coverage", "throttled", "owners", "clusters", "alike"])
def test_the_fake_answers_the_same_queries_in_the_same_form(server: FakePrometheus, name: str) -> None:
    for pod in ("db-0", "db-1"):
        labels = {"namespace": "shop", "pod": pod, "container": "db", "job": "kubelet"}
        server.gauge("container_memory_working_set_bytes", labels, 2147483648, 600)
        server.cpu(labels, 1.5, 600)
    server.ready()
    query = ANSWERS[name]["query"]
    reply = urllib3.request("GET", f"{server.url}/api/v1/query", fields={"query": query, "time": str(NOW)})
    assert form(reply.json()) == form(ANSWERS[name]["body"])


def form(document: Any) -> Any:
    """Keys and types; of a list the first item's."""
    if isinstance(document, dict):
        return {key: form(value) for key, value in document.items()}
    if isinstance(document, list):
        return (
            [form(each) for each in document[:2]]
            if document and not isinstance(document[0], dict)
            else list(map(form, document[:1]))
        )
    return type(document)


def test_the_metrics_api_is_read() -> None:
    items = json.loads((RECORDED / "metrics-server-0.9.json").read_text())["items"]
    keys = [ContainerKey("StatefulSet", "shop", "db", "db"), ContainerKey("Deployment", "shop", "web", "web")]
    found = uses_of_metrics(items, keys)
    assert [(found[key].cpu_m, found[key].memory_bytes) for key in keys] == [(1501, 2147483648), (251, 314572800)]
