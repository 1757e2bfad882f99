"""Use over time from a file: samples as CSV, and answers of a Prometheus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from env.errors import ConfigError
from env.quantity import MIB
from env.usage.owners import Owner
from env.usage.usage import ContainerKey, Usage
from env.usage.usage_file import read_usage_file

WEB = ContainerKey("Deployment", "shop", "web", "web")
PROXY = ContainerKey("Deployment", "shop", "web", "proxy")
DB = ContainerKey("StatefulSet", "shop", "db", "db")
POD, OTHER_POD = "web-6d4b9c7f5-x7k2p", "web-6d4b9c7f5-abcde"


def read(folder: Path, text: Any, *asked: ContainerKey, only: Owner | None = None) -> Usage:
    path = folder / "use"
    path.write_text(text if isinstance(text, str) else json.dumps(text))
    return read_usage_file(path, asked, only)


def answer(*series: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": "matrix", "result": list(series)}, **more}


def memory(values: list[Any], **labels: str) -> dict[str, Any]:
    about = {"__name__": "container_memory_working_set_bytes", "namespace": "shop", "pod": POD, "container": "web"}
    return {"metric": about | labels, "values": values}


def test_a_loop_of_kubectl_top_is_read_with_its_units_and_repeated_headers(tmp_path: Path) -> None:
    head = "TIME        NAMESPACE POD                  NAME  CPU(cores) MEMORY(bytes)\n"
    lines = [f"{1_700_000_000 + 60 * i}  shop      {POD}  web   {100 + i}m  {300 + i}Mi\n" for i in range(3)]
    use = read(tmp_path, head + lines[0] + head + lines[2] + lines[1], WEB).of(WEB)
    assert (use.cpu_m, use.memory_bytes, use.window_s, use.samples, use.pods) == (102, 302 * MIB, 120.0, 3, 1)


def test_unsorted_times_duplicates_and_values_that_are_no_use_count_as_little_as_they_should(tmp_path: Path) -> None:
    rows = "time,workload,namespace,container,memory\n"
    rows += "180,web,shop,web,30Mi\n60,web,shop,web,10Mi\n60,web,shop,web,20Mi\n120,web,shop,web,NaN\n0,web,shop,web,\n"
    found = read(tmp_path, rows + "240,web,shop,web,-5\n", WEB)
    (track,) = found.series[WEB].memory
    assert (list(track.seconds), list(track.values)) == ([60.0, 180.0], [20.0 * MIB, 30.0 * MIB])
    assert "2 samples that cannot be a use (NaN, negative, too large) left out" in found.notes[1]


def test_a_range_answer_is_read_and_said_in_one_line(tmp_path: Path) -> None:
    values = [[1_700_000_000 + 300 * i, str(100 * MIB + i)] for i in range(289)]
    cpu = {
        "metric": {"namespace": "shop", "pod": POD, "container": "web"},
        "values": [[at, "0.25"] for at, _ in values],
    }
    found = read(tmp_path, [answer(memory(values)), answer(cpu)], WEB, DB)
    assert (found.of(WEB).memory_bytes, found.of(WEB).cpu_m, found.of(WEB).window_s) == (100 * MIB + 288, 250, 86_400)
    assert found.missing == (DB,)
    assert found.notes == (
        "file use: 578 samples of 1 container: cpu, memory; 1.0 days to 2023-11-15 22:13 UTC, one in 300 s",
    )


def test_the_sums_of_pods_and_other_metrics_of_memory_are_left_out(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        answer(
            memory([[0, "10"]]),
            memory([[0, "99"]], container=""),
            memory([[0, "98"]], container="POD"),
            memory([[0, "97"]], __name__="container_memory_usage_bytes"),
        ),
        WEB,
    )
    assert found.of(WEB).memory_bytes == 10


def test_pods_of_one_workload_are_one_container_and_the_largest_counts(tmp_path: Path) -> None:
    found = read(tmp_path, answer(memory([[0, "10"]]), memory([[0, "30"]], pod=OTHER_POD)), WEB)
    assert (found.of(WEB).memory_bytes, found.of(WEB).pods) == (30, 2)


def test_without_workloads_those_of_the_file_are_told_by_the_names_of_pods(tmp_path: Path) -> None:
    pods = (POD, "db-0", "lone", "log-x7k2p", "b-28123456-x7k2p")
    rows = "timestamp,pod,value\n" + "".join(f"0,{pod},104857600\n" for pod in pods)
    assert sorted(read(tmp_path, rows).uses) == [
        ContainerKey("CronJob", "default", "b", "b"),
        ContainerKey("DaemonSet", "default", "log", "log"),
        ContainerKey("Deployment", "default", "web", "web"),
        ContainerKey("Pod", "default", "lone", "lone"),
        ContainerKey("StatefulSet", "default", "db", "db"),
    ]


def test_samples_without_a_name_are_of_the_workload_that_is_named(tmp_path: Path) -> None:
    rows = "seconds,value\n0,0.5\n60,0.7\n"
    only = Owner("StatefulSet", "shop", "db")
    assert read(tmp_path, rows, only=only).of(DB).cpu_m == 690  # its 95th percentile
    assert read(tmp_path, rows, WEB, PROXY, DB, only=only).of(DB).cpu_m == 690
    with pytest.raises(
        ConfigError, match="no name of a workload, pod or container; say which workload it is with --wo"
    ):
        read(tmp_path, rows)


def test_names_of_several_containers_are_refused_and_say_what_would_tell_them_apart(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"line 2: pod web-.*: could be .* container web or .* container proxy; say a con"
    ):
        read(tmp_path, f"time,pod,cpu\n0,{POD},1\n", WEB, PROXY)


def test_names_of_no_workload_are_a_note(tmp_path: Path) -> None:
    found = read(tmp_path, "time,namespace,workload,container,cpu\n0,shop,web,wbe,1\n0,shop,web,web,1\n", WEB)
    assert found.notes[1] == (
        "file use: 1 name of none of the workloads left out: namespace shop, workload web, container wbe"
    )


def test_an_answer_that_lacks_something_is_partial(tmp_path: Path) -> None:
    found = read(tmp_path, answer(memory([[0, "10"]]), warnings=["a store is down"]), WEB)
    assert found.of(WEB).is_partial
    assert found.notes[1].endswith("the server said that the answer may lack something: a store is down")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("time,pod,cpu\nyesterday,a,1\n", "line 2: time 'yesterday': must be seconds since 1970, or RFC 3339 such as"),
        ("time,pod,cpu\n-5,a,1\n", "line 2: time -5: must be seconds since 1970"),
        ("time,pod,cpu\n0,a,lots\n", "line 2: cpu: quantity 'lots': not a Kubernetes quantity"),
        ("time,pod,cpu\n0,a\n", "line 2: has 2 cells, and the first line 3 columns"),
        ("time,pod,bytes_in\n0,a,1\n", "has no column cpu, memory or value; its first line has time, pod, bytes_in"),
        ("time,pod,cpu\n0,a,NaN\n", "has no samples that can be a use"),
        ("time,pod,cpu\n", "has no samples that can be a use"),
        ('time,pod,cpu\n0,"a,1\n', "line 2: unexpected end of data"),
        (f"time,pod,cpu\n0,{'a' * 254},1\n", "line 2: pod 'aaaaa"),
        ({"status": "error", "error": "bad \x1b[1m query"}, "is an error of the server: bad ?[1m query"),
        ({"status": "success", "data": {"resultType": "scalar"}}, "resultType 'scalar': must be matrix"),
        (answer({"values": []}), "series 1: must be an object with labels as metric and samples as values"),
        (answer(memory([[0, "1"]]), memory([5])), "series 2: sample 5: must be a time and a value"),
        (answer(memory([[0, "x"]])), "series 1: sample [0, 'x']: must be seconds and a number"),
        (
            answer(memory([[0, "1"]], __name__="container_cpu_usage_seconds_total")),
            "is a counter, and no use; query rate(",
        ),
        (answer(memory([[0, "1"]], __name__="kube_pod_info")), "kube_pod_info is what is requested or was seen"),
        (
            answer(memory([[0, "1"]], cluster="a"), memory([[0, "1"]], cluster="b")),
            "is of 2 clusters: cluster=a; cluster=b; save one's",
        ),
    ],
)
def test_what_is_no_series_is_refused_with_file_place_and_field(tmp_path: Path, text: Any, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, text)
    assert str(refused.value).startswith("usage file use")
    assert said in str(refused.value)


def test_more_samples_than_are_read_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("env.usage.series_gather.MOST_SAMPLES", 2)
    with pytest.raises(ConfigError, match="line 4: more than 2 samples; a larger step has fewer"):
        read(tmp_path, "time,pod,cpu\n0,a,1\n1,a,1\n2,a,1\n")


def test_times_in_milliseconds_and_of_rfc_3339_are_the_same(tmp_path: Path) -> None:
    rows = "time;pod;cpu\n2026-11-29T00:00:00Z;a-0;1\n1795910400000;a-0;2\n1795910400;a-0;3\n2026-11-29 00:00;a-0;4\n"
    (series,) = read(tmp_path, rows).series.values()
    assert [list(each.values) for each in series.cpu] == [[4.0]]
