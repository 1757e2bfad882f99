"""The commands: what they print and how they refuse."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgpack
import pytest

from env.trace.document import load_trace

from ..conftest import one_line


def test_step_takes_the_action_asked_for_and_saves_the_trace(cli: Any, trace: Path, tmp_path: Path) -> None:
    saved = tmp_path / "next.msgpack"
    result = cli("step", "--trace", str(trace), "--action", "reduce_cpu_small", "--to", str(saved), "--json")
    record = json.loads(result.out)
    assert result.code == 0
    assert record["action"]["name"] == "reduce_cpu_small"
    assert record["after"]["resources"]["cpu"] == "6800m"
    requests = load_trace(saved).events[0]["applied_objs"][0]["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert requests["requests"] == {"cpu": "6800m", "memory": "2352Mi"}


def test_step_says_what_was_not_simulated(cli: Any, trace: Path, tmp_path: Path) -> None:
    made = load_trace(trace)
    made.events[0]["applied_objs"][0]["spec"]["template"]["spec"]["serviceAccountName"] = "runner"
    other = tmp_path / "other.msgpack"
    other.write_bytes(made.to_bytes())
    assert "not simulated  ServiceAccount" in cli("step", "--trace", str(other)).out
    (only,) = json.loads(cli("step", "--trace", str(other), "--json").out)["left_out"]
    assert (only["kind"], only["name"].partition("/")[2]) == ("ServiceAccount", "runner")


def test_step_prints_a_table(cli: Any) -> None:
    result = cli("step", "--problem", "memory", "--seed", "3")
    assert result.code == 0
    assert "reduce_mem_small" in result.out


def test_episode_prints_every_step_and_its_end(cli: Any, trace: Path, tmp_path: Path) -> None:
    saved = tmp_path / "solved.msgpack"
    result = cli("episode", "--trace", str(trace), "--to", str(saved), "--json")
    document = json.loads(result.out)
    assert result.code == 0
    assert document["solved"]
    assert len(document["records"]) == document["steps"]
    again = json.loads(cli("episode", "--trace", str(saved), "--agent", "noop", "--steps", "1", "--json").out)
    assert again["solved"]
    assert "reduce_cpu_small" in cli("episode", "--trace", str(trace)).out


def test_a_workload_of_another_kind_is_shown_named_and_solved(cli: Any, trace: Path, tmp_path: Path) -> None:
    made = load_trace(trace)
    (manifest,) = made.events[0]["applied_objs"]
    made.events[0]["applied_objs"][:] = [{**manifest, "kind": kind} for kind in ("Deployment", "StatefulSet")]
    path = tmp_path / "two.msgpack"
    path.write_bytes(made.to_bytes())
    (only,) = json.loads(cli("trace", "show", str(path), "--json").out)["other_workloads"]
    assert (only["kind"], only["name"]) == ("StatefulSet", "web")
    assert "StatefulSet" in cli("trace", "show", str(path)).out
    solved = json.loads(cli("trace", "solve", str(path), "--workload", "sts/web", "--json").out)
    assert solved["workload"] == "StatefulSet default/web"
    refused = cli("episode", "--trace", str(path), "--workload", "ds/web")
    assert refused.code == 2
    assert "no DaemonSet */web; its DaemonSets: none; its workloads: default/web, StatefulSet" in one_line(refused.err)


def test_trace_show_upgrade_and_generate(cli: Any, tmp_path: Path) -> None:
    written = json.loads(cli("trace", "generate", "--to", "made", "--count", "3", "--seed", "5", "--json").out)
    assert [Path(row["path"]).exists() for row in written] == [True] * 3
    path = written[0]["path"]
    shown = json.loads(cli("trace", "show", path, "--json").out)
    assert shown["version"] == 2
    assert shown["deployments"][0]["name"] == "web"
    assert "deployment" in cli("trace", "show", path).out
    assert cli("trace", "upgrade", path).code == 3

    old = msgpack.unpackb(Path(path).read_bytes(), strict_map_key=False)
    document = {"version": 1, "metadata": {}, "events": old["events"]}
    (tmp_path / "old.msgpack").write_bytes(msgpack.packb(document))
    assert "trace upgrade" in one_line(cli("trace", "show", "old.msgpack").err)
    assert cli("trace", "upgrade", "old.msgpack", "--to", "new.msgpack").code == 0
    assert json.loads(cli("trace", "show", "new.msgpack", "--json").out)["version"] == 2


def test_trace_generate_says_how_few_actions_solve_each(cli: Any) -> None:
    written = json.loads(cli("trace", "generate", "--to", "made", "--count", "4", "--problem", "memory", "--json").out)
    for row in written:
        solved = json.loads(cli("trace", "solve", row["path"], "--json").out)
        assert (solved["least_actions"], solved["target"]) == (row["least_actions"], row["target"])
    table = cli("trace", "generate", "--to", "made", "--count", "4", "--problem", "memory").out
    assert "least actions" in table
    assert all(row["path"] in table for row in written)


def test_trace_solve_prints_the_actions_and_what_they_lead_to(cli: Any, trace: Path) -> None:
    solved = json.loads(cli("trace", "solve", str(trace), "--json").out)
    assert solved["actions"] == ["reduce_cpu_small"] * 7
    assert solved["start"] == {"replicas": 7, "cpu": "7300m", "memory": "2352Mi"}
    assert solved["end"] == {"replicas": 7, "cpu": "3800m", "memory": "2352Mi"}
    assert "7 x reduce_cpu_small" in cli("trace", "solve", str(trace)).out
    assert "1 x reduce_cpu_small" in cli("trace", "solve", str(trace), "--nodes", "7", "--node-cpu", "6800m").out


def test_trace_solve_says_when_its_bound_ended_the_search(cli: Any, trace: Path) -> None:
    result = cli("trace", "solve", str(trace), "--within", "6")
    assert result.code == 1
    assert "no solution within 6 actions" in one_line(result.err)
    result = cli("trace", "solve", str(trace), "--within", "6", "--json")
    assert result.code == 1
    assert json.loads(result.out)["least_actions"] is None


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["step", "--trace", "nowhere.msgpack"], 2, "nowhere.msgpack"),
        (["step", "--action", "bump"], 2, "choose from noop, bump_cpu_small"),
        (["step", "--problem", "cpus"], 2, "did you mean 'cpu'?"),
        (["step", "--reward", "shapd"], 2, "shaped"),
        (["step", "--agent", "heuristc"], 2, "did you mean 'heuristic'"),
        (["step", "--agent", "nowhere.pt"], 2, "nowhere.pt"),
        (["step", "--trace", "cpu-38.msgpack", "--nodes", "3", "--node-cpu", "many"], 2, "many"),
        (["step", "--nodes", "3"], 2, "--nodes: needs --trace"),
        (["episode", "--agent", "damaged.pt"], 2, "damaged.pt"),
        (["episode", "--trace", "cpu-38.msgpack", "--problem", "cpu"], 2, "--problem cpu"),
        (["episode", "--trace", "cpu-38.msgpack", "--trace", "cpu-38.msgpack"], 2, "takes one"),
        (["episode", "--trace", "cpu-38.msgpack", "--deploy", "api"], 2, "api"),
        (["trace", "show", "damaged.pt"], 2, "damaged.pt"),
        (["trace", "upgrade", "damaged.pt"], 2, "damaged.pt"),
        (["trace", "generate", "--to", "damaged.pt"], 2, "damaged.pt"),
    ],
)
def test_a_mistake_is_one_line_and_an_exit_code(
    cli: Any, trace: Path, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    (tmp_path / "damaged.pt").write_bytes(b"PK\x03\x04 and no more")
    (tmp_path / "empty").mkdir()
    result = cli(*arguments)
    assert result.code == code
    assert message in one_line(result.err)
    assert result.out == ""
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("arguments", [["step", "--nodes", "x"], ["step", "--bogus"]])
def test_wrong_usage_is_exit_code_2(cli: Any, arguments: list[str]) -> None:
    assert cli(*arguments).code == 2


def test_help_needs_no_heavy_package() -> None:
    program = (
        "import sys, runner.commands.episode; f = {'torch', 'matplotlib', 'tensorboard'} & set(sys.modules);"
        "sys.exit(str(f) if f else 0)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_text_between_colons_is_no_emoji() -> None:
    program = "from runner.commands.console import err\nerr.print('a:b: c')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr == "a:b: c\n"


def test_a_reader_that_leaves_early_is_no_failure() -> None:
    program = "from runner.commands.console import out, run\nrun(lambda: [out.print(i) for i in range(100_000)])"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0
