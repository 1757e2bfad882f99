"""Use from a file."""

import json
from pathlib import Path

import pytest

from env.errors import ConfigError
from env.quantity import MIB
from env.usage.usage import ContainerKey
from env.usage.usage_file import MOST_BYTES, read_usage_file

WEB = ContainerKey("Deployment", "shop", "web", "web")
DB = ContainerKey("StatefulSet", "shop", "db", "db")
HEADER = "kind,namespace,workload,container,cpu,memory,oom_killed,window\n"


def file_of(folder: Path, text: str | bytes) -> Path:
    path = folder / "usage"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_csv_and_json_say_the_same(tmp_path: Path) -> None:
    rows = [
        {"namespace": "shop", "workload": "web", "container": "web", "cpu": "400m", "memory": "300Mi", "window": "7d"},
        {"kind": "StatefulSet", "namespace": "shop", "workload": "db", "container": "db", "cpu": 2, "oom_killed": True},
    ]
    text = HEADER + "Deployment,shop,web,web,400m,300Mi,,7d\nStatefulSet,shop,db,db,2,,true,\n"
    found = read_usage_file(file_of(tmp_path, json.dumps(rows)))
    assert found == read_usage_file(file_of(tmp_path, text))
    assert found == read_usage_file(file_of(tmp_path, json.dumps({"containers": rows})))
    web, db = found.of(WEB), found.of(DB)
    assert (web.cpu_m, web.memory_bytes, web.window_s) == (400, 300 * MIB, 604_800)
    assert (db.cpu_m, db.memory_bytes, db.is_floor, db.window_s) == (2000, None, True, None)


def test_an_empty_cell_is_unknown_and_a_container_that_was_asked_for_is_missing(tmp_path: Path) -> None:
    found = read_usage_file(file_of(tmp_path, HEADER + "Deployment,shop,web,web,,,,\n"), [WEB, DB])
    assert not found.of(WEB).is_known
    assert found.missing == (WEB, DB)


def test_a_container_that_is_none_of_the_workloads_is_a_note(tmp_path: Path) -> None:
    found = read_usage_file(file_of(tmp_path, HEADER + "Deployment,shop,web,wbe,1,1Gi,,\n"), [WEB])
    assert found.notes == ("file usage: Deployment shop/web container wbe is not among the workloads",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("workload,container,cpu\nweb,web,12 cores\n", "row 1: cpu: quantity '12 cores'"),
        ("workload,container,cpu\nweb,web,-1\n", "row 1: cpu: quantity '-1'"),
        ("workload,container,cpu\nweb,web,1,2\n", "line 2: has not as many cells"),
        ("workload,container,cpu\nweb,web,1\nweb,web,2\n", "there twice"),
        ("workload,container,cpus\nweb,web,1\n", "did you mean 'cpu'?"),
        ("workload,container,window\nweb,web,7\n", "not a duration"),
        ("workload,container,oom_killed\nweb,web,perhaps\n", "must be true or false"),
        ("kind,workload,container\nService,web,web\n", "kind 'Service' makes no pods"),
        ("a,b\n1,2\n", "the first line must name the columns"),
        ("", "the first line must name the columns"),
        ("workload,container,cpu\n", "has no rows"),
        ("[]", "has no rows"),
        ('[{"workload": "web", "container": "web", "memory": NaN}]', "memory: quantity"),
        ('[{"workload": "web"}]', "container is missing"),
        ('[{"workload": "web\\u001b", "container": "web"}]', "is no name"),
        ('["web"]', "must be an object"),
        ('{"items": []}', "must be a list"),
        ("[" * 100_000, "no valid JSON"),
        (b"\xff\xfe", "is not text"),
        (b"x" * (MOST_BYTES + 1), "larger than 64 MiB"),
    ],
)
def test_what_is_wrong_is_named_with_its_row(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(ConfigError, match=r"^usage file ") as refused:
        read_usage_file(file_of(tmp_path, text))
    assert said in str(refused.value)
    assert str(refused.value).isprintable()


def test_no_such_file_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_usage_file(tmp_path / "none")
