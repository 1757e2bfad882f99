"""Series from what a Prometheus answered to `query_range`, saved as JSON.

    curl -s "$URL/api/v1/query_range" --data-urlencode 'query=container_memory_working_set_bytes{container!=""}' \
      -d start=… -d end=… -d step=300 > memory.json

Several answers can be in one file, as a list (`jq -s . memory.json cpu.json`). `promtool query range --format json`
writes the list of series alone, which is read too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from env.errors import ConfigError
from env.printable import one_line
from env.untrusted import mapping, message, name
from env.usage.prometheus_queries import WORKING_SET, series_of
from env.usage.series_gather import CPU, MEMORY, VALUE, Gatherer
from env.usage.series_names import Named

_MOST_ANSWERS = 1_000
_MOST_LABELS = 64
_COUNTERS = ("_total", "_count", "_sum", "_bucket")
_KINDS = {
    each.lower(): each for each in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Pod")
}
_PAUSE = "POD"


def is_answer(document: Any) -> bool:
    """Whether a JSON document is an answer of a Prometheus, or a list of such."""
    first = next(iter(document), None) if isinstance(document, list) else document
    return isinstance(first, dict) and any(each in first for each in ("status", "data", "resultType", "metric"))


def read_answers(document: Any, gather: Gatherer) -> None:
    """Give the samples of answers to a gatherer.

    Raises:
        ConfigError: Not of that form; the message names the series.
    """
    file = f"usage {gather.file}"
    series = list(_series(document, file, gather))
    labels = [_labels(each, f"{file}, series {number}") for number, each in enumerate(series, 1)]
    has_containers = any(series_of(each).container for each in labels)
    memories = {each.get("__name__", "") for each in labels if _resource(each.get("__name__", "")) == MEMORY}
    if WORKING_SET in memories and len(memories) > 1:
        gather.notes.append(f"of several metrics of memory {WORKING_SET} counts")
    for number, (each, said) in enumerate(zip(series, labels, strict=True), 1):
        where = f"{file}, series {number}"
        metric, about = said.get("__name__", ""), series_of(said)
        is_whole_pod = has_containers and about.container in ("", _PAUSE)
        if is_whole_pod or (WORKING_SET in memories and metric in memories - {WORKING_SET}):
            continue
        if metric.endswith(_COUNTERS):
            raise ConfigError(
                f"{where}: {one_line(metric, 80)} is a counter, and no use; query rate({one_line(metric, 80)}[5m])"
            )
        if metric.startswith("kube_"):
            raise ConfigError(f"{where}: {one_line(metric, 80)} is what is requested or was seen, and no use")
        named = Named(
            about.namespace,
            _KINDS.get(said.get("workload_type", "").lower(), ""),
            said.get("workload", ""),
            about.pod,
            about.container,
        )
        key = gather.key(named, where, about.cluster)
        if key is not None:
            for at, value in _samples(each, where):
                gather.add(key, about.pod, _resource(metric), at, value, where)


def _series(document: Any, file: str, gather: Gatherer) -> Iterator[Any]:
    """The series of all answers in a document."""
    if isinstance(document, list) and is_answer(document) and "metric" in document[0]:
        yield from document
        return
    answers = document if isinstance(document, list) else [document]
    if len(answers) > _MOST_ANSWERS:
        raise ConfigError(f"{file}: more than {_MOST_ANSWERS:,} answers")
    for number, answer in enumerate(map(mapping, answers), 1):
        where = f"{file}, answer {number}" if len(answers) > 1 else file
        if answer.get("status", "success") != "success":
            raise ConfigError(f"{where}: is an error of the server: {message(answer.get('error')) or 'without a text'}")
        data = mapping(answer.get("data", answer))
        kind, result = data.get("resultType"), data.get("result")
        if kind not in ("matrix", "vector") or not isinstance(result, list):
            raise ConfigError(
                f"{where}: resultType {one_line(str(kind), 40)!r}: must be matrix, which query_range answers with"
            )
        warnings = answer.get("warnings")
        if answer.get("isPartial") is True or (isinstance(warnings, list) and warnings):
            first = message(warnings[0]) if isinstance(warnings, list) and warnings else "it is partial"
            gather.is_partial = True
            gather.notes.append(f"the server said that the answer may lack something: {first}")
        yield from result


def _labels(series: Any, where: str) -> Mapping[str, str]:
    labels = series.get("metric") if isinstance(series, dict) else None
    if not isinstance(labels, dict) or len(labels) > _MOST_LABELS:
        raise ConfigError(f"{where}: must be an object with labels as metric and samples as values")
    return {name(key): name(value) for key, value in labels.items()}


def _resource(metric: str) -> str:
    return MEMORY if "memory" in metric else CPU if "cpu" in metric else VALUE


def _samples(series: Mapping[str, Any], where: str) -> Iterator[tuple[float, float]]:
    pairs = series.get("values", [series["value"]] if "value" in series else None)
    if not isinstance(pairs, list):
        raise ConfigError(f"{where}: must have a list of samples as values")
    for pair in pairs:
        if not isinstance(pair, list) or len(pair) != 2:
            raise ConfigError(f"{where}: sample {one_line(str(pair)[:200], 60)}: must be a time and a value")
        try:
            yield _number(pair[0]), _number(pair[1])
        except (ValueError, OverflowError):
            said = one_line(str(pair)[:200], 60)
            raise ConfigError(f"{where}: sample {said}: must be seconds and a number") from None


def _number(value: Any) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError
    return float(value)
