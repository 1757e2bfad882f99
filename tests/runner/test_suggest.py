"""Suggestions: that the patch is what solved the replay, and that nothing else is sold as a fix."""

from __future__ import annotations

import copy
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agents.kinds import make_agent
from agents.policies import Policy, noop
from env.actions import Action
from env.embedded.cluster import EmbeddedCluster
from env.errors import ScenarioError
from env.gym.reward import goal
from env.observation import Observation
from env.problems.draw import PROBLEMS
from env.problems.generate import generate_scenario
from env.problems.nodes import NodePools, equal_nodes
from env.problems.scenario import Scenario, edited_trace, scenario_from_trace
from env.quantity import GIB, MIB
from env.trace.document import Manifest, Trace, load_trace
from env.workload import Resources, WorkloadRef
from runner.commands.console import run
from runner.commands.program import program
from runner.commands.table import COMMANDS
from runner.suggest.patch import last_manifest, patch_command, strategic_patch
from runner.suggest.play import net_actions
from runner.suggest.suggestion import SuggestionEnd, suggest

HEURISTIC = ("--agent", "heuristic")
FUTILE = "no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
KUBECTL = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")


class Result(NamedTuple):
    code: int
    out: str
    err: str


class Script(Policy):
    """Does what it is told, one action after the other."""

    def __init__(self, *actions: Action) -> None:
        super().__init__(noop)
        self._actions = iter(actions)

    def act(self, state: Any, *, explore: bool) -> int:
        return int(next(self._actions))


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Result]:
    """Runs `sim-arena suggest`, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    app = program("test", COMMANDS)

    def call(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["sim-arena", "suggest", *arguments])
        with pytest.raises(SystemExit) as exit_:
            run(app)
        captured = capfd.readouterr()
        code = exit_.value.code
        assert isinstance(code, int)
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder with real data."""
    if "SIM_ARENA_DATA" not in os.environ:
        pytest.skip("SIM_ARENA_DATA is not set")
    return Path(os.environ["SIM_ARENA_DATA"])


def deployment(resources: Any = None, replicas: int | None = 3, **names: str) -> Manifest:
    """A Deployment whose first container has `resources`, beside another one."""
    first = {"name": names.get("container", "web"), "image": "web:1", "resources": resources}
    other = {"name": names.get("other", "log"), "image": "log:1", "resources": {"requests": {"cpu": "10m"}}}
    labels = {"app": "web"}
    spec: Manifest = {"replicas": replicas, "selector": {"matchLabels": labels}}
    spec["template"] = {"metadata": {"labels": labels}, "spec": {"containers": [first, other]}}
    metadata = {"name": names.get("name", "web"), "namespace": names.get("namespace", "default")}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def scenario_of(*manifests: Manifest, target: int = 3, nodes: NodePools | None = None) -> Scenario:
    """A scenario in which the manifests are applied one after the other."""
    events = [{"ts": 10 * i, "applied_objs": [m], "deleted_objs": []} for i, m in enumerate(manifests)]
    tracked = {"apps/v1.Deployment": {"podSpecTemplatePaths": ["/spec/template"]}}
    document = {
        "version": 2,
        "config": {"trackedObjects": tracked},
        "events": events,
        "index": {},
        "pod_lifecycles": {},
    }
    metadata = manifests[0]["metadata"]
    ref = WorkloadRef(metadata["namespace"], metadata["name"])
    return Scenario(Trace(document, "test"), ref, target, nodes or equal_nodes(), None, "test", None)


def write(path: Path, scenario: Scenario) -> str:
    path.write_bytes(scenario.trace.to_bytes())
    return str(path)


def merged(value: Any, patch: Any) -> Any:
    """Strategic merge, as far as Deployments' containers need it: maps by key, containers by name."""
    if isinstance(patch, Mapping):
        value = value if isinstance(value, Mapping) else {}
        return {**value, **{key: merged(value.get(key), part) for key, part in patch.items()}}
    if isinstance(patch, list):
        by_name = {part["name"]: part for part in patch}
        return [merged(part, by_name.get(part["name"], {})) for part in value]
    return patch


def by_kubectl(manifest: Manifest, scenario: Scenario, patch: dict[str, Any], folder: Path) -> Manifest:
    """The manifest after the command as printed, but for where the manifest comes from."""
    file = folder / "manifest.json"
    file.write_text(json.dumps(manifest))
    place = f"deployment {scenario.workload.name} -n {scenario.workload.namespace}"
    command = patch_command(scenario.workload, patch)
    assert place in command
    local = command.replace(place, f"--local -f {shlex.quote(str(file))} -o json", 1)
    done = subprocess.run(["sh", "-c", local], capture_output=True, check=True, env={**os.environ, "KUBECONFIG": ""})
    after: Manifest = without_nulls(json.loads(done.stdout))
    return after


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(part) for key, part in value.items() if part is not None}
    return [without_nulls(part) for part in value] if isinstance(value, list) else value


amounts = st.fixed_dictionaries(
    {},
    optional={
        "cpu": st.sampled_from(["0", "100m", "0.5", "2", "17"]),
        "memory": st.sampled_from(["64Mi", "1024Mi", "3e9", "33Gi"]),
        "nvidia.com/gpu": st.just("1"),
    },
)
asked = st.none() | st.fixed_dictionaries({}, optional={"requests": st.none() | amounts, "limits": amounts})


@settings(deadline=None)
@given(
    first=asked,
    resources=asked,
    replicas=st.none() | st.integers(0, 9),
    wanted=st.builds(
        Resources, st.sampled_from([50, 500, 2_000]), st.sampled_from([64 * MIB, GIB]), st.sampled_from([1, 3, 9])
    ),
)
@example({}, {"requests": {"cpu": "1"}, "limits": {"cpu": "1"}}, 3, Resources(2_000, GIB, 3))
def test_the_patch_makes_of_the_recorded_manifest_what_the_replay_has_used(
    first: Any, resources: Any, replicas: int | None, wanted: Resources
) -> None:
    scenario = scenario_of(deployment(first), deployment(resources, replicas))
    recorded = copy.deepcopy(scenario.trace.events[-1]["applied_objs"][0])
    used = edited_trace(scenario, wanted).events[-1]["applied_objs"][0]
    assert last_manifest(scenario.trace, scenario) == recorded
    assert merged(recorded, strategic_patch(recorded, used)) == used


@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_trace_with_the_patch_in_it_reaches_the_goal(problem: str) -> None:
    solved = 0
    for seed in range(20):
        scenario = generate_scenario(problem, seed)
        patch = suggest(scenario, make_agent("heuristic", seed=0), 100).patch
        if patch is not None:
            patched = scenario.trace.edited(scenario.workload, partial(merged, patch=patch))
            assert goal(EmbeddedCluster().observe(replace(scenario, trace=patched), None), scenario.target)
            solved += 1
    assert solved > 10


def test_a_patch_holds_only_what_has_changed() -> None:
    scenario = scenario_of(deployment({"requests": {"cpu": "500m", "memory": "1Gi"}}, 1))
    found = suggest(scenario, make_agent("heuristic", seed=0), 10)
    assert found.patch == {"spec": {"replicas": 3}}


def test_no_action_leads_past_a_limit_that_suffices() -> None:
    limits = {"cpu": "600m", "memory": "8Gi"}
    manifest = deployment({"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": limits}, 1)
    actions = (Action.BUMP_MEM_SMALL, Action.SCALE_UP_REPLICAS, Action.BUMP_CPU_SMALL)
    found = suggest(scenario_of(manifest), Script(*actions), 10)
    assert (found.outcomes[-1].blocked, found.outcomes[-1].reason) == (
        True,
        "cpu 1000m would exceed the limit 600m of container web",
    )


def test_a_limit_under_what_the_container_uses_is_raised_with_the_request_and_that_is_said() -> None:
    limits = {"cpu": "600m", "memory": "1Gi"}
    manifest = deployment({"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": limits}, 1)
    demand = {"web": {"memory": "1200Mi"}}
    manifest["spec"]["template"]["metadata"]["annotations"] = {"sim-arena.io/demand": json.dumps(demand)}
    actions = (Action.BUMP_MEM_SMALL, Action.SCALE_UP_REPLICAS, Action.SCALE_UP_REPLICAS)
    found = suggest(scenario_of(manifest), Script(*actions), 10)
    assert found.patch is not None
    (container,) = found.patch["spec"]["template"]["spec"]["containers"]
    assert container["resources"] == {"requests": {"memory": "1280Mi"}, "limits": {"memory": "1280Mi"}}
    said = "raises the memory limit of container web from 1Gi to 1280Mi, as it gets less than it uses"
    assert found.side_effects == (said,)


def test_actions_that_cancel_out_or_are_not_needed_are_in_neither_the_patch_nor_the_list() -> None:
    scenario = scenario_of(deployment({"requests": {"cpu": "500m", "memory": "1Gi"}}, 1))
    up, down, more = Action.BUMP_CPU_SMALL, Action.REDUCE_CPU_SMALL, Action.SCALE_UP_REPLICAS
    found = suggest(scenario, Script(up, more, Action.BUMP_MEM_SMALL, down, more), 10)
    assert net_actions(found.outcomes) == [(more, 2)]
    assert found.steps == 5
    assert found.patch == {"spec": {"replicas": 3}}


def test_a_workload_that_is_healthy_already_gets_no_step() -> None:
    found = suggest(scenario_of(deployment()), Script(), 10)
    assert (found.ending, found.outcomes, found.patch) == (SuggestionEnd.HEALTHY, (), None)


def test_a_goal_reached_without_a_change_is_no_fix() -> None:
    class Late(EmbeddedCluster):
        """A cluster that is ready at the second look."""

        def observe(self, scenario: Scenario, resources: Resources | None) -> Observation:
            seen = super().observe(scenario, resources)
            return seen._replace(ready=0) if resources is None else seen

    found = suggest(scenario_of(deployment()), make_agent("noop", seed=0), 10, Late())
    assert (found.ending, len(found.outcomes), found.patch) == (SuggestionEnd.HEALTHY, 1, None)


def test_an_agent_that_goes_in_circles_is_stopped_at_the_first_repetition() -> None:
    scenario = scenario_of(deployment({"requests": {"cpu": "1", "memory": "1Gi"}}, 1))
    up, down = Action.BUMP_CPU_SMALL, Action.REDUCE_CPU_SMALL
    found = suggest(scenario, Script(Action.BUMP_MEM_SMALL, up, up, down, down), 100)
    assert (found.ending, len(found.outcomes), found.patch) == (SuggestionEnd.LOOPED, 4, None)


def test_an_agent_that_has_no_step_left_has_no_fix() -> None:
    found = suggest(scenario_of(deployment(replicas=1)), make_agent("bump_cpu", seed=0), 2)
    assert (found.ending, len(found.outcomes), found.patch) == (SuggestionEnd.UNSOLVED, 2, None)


@pytest.mark.parametrize(
    "names",
    [
        {"name": "web;reboot"},
        {"name": "-o=yaml"},
        {"name": "a" * 254},
        {"namespace": "a.b"},
        {"namespace": "$(reboot)"},
        {"container": "web\n"},
        {"container": ""},
        {"container": "Web"},
        {"other": "[red]"},
        {"other": "web"},
    ],
)
def test_names_that_kubernetes_would_refuse_are_refused(names: dict[str, str]) -> None:
    scenario = scenario_of(deployment(replicas=1, **names))
    with pytest.raises(ScenarioError, match="Kubernetes would refuse it"):
        suggest(scenario, make_agent("heuristic", seed=0), 10)


@KUBECTL
def test_kubectl_makes_of_the_command_what_the_replay_has_used(tmp_path: Path) -> None:
    manifest = deployment({"requests": {"cpu": "17"}, "limits": {"cpu": "17", "memory": "33Gi"}}, 5)
    scenario = scenario_of(manifest)
    found = suggest(scenario, make_agent("heuristic", seed=0), 20)
    assert found.patch is not None
    used = last_manifest(edited_trace(scenario, found.after.resources), scenario)
    assert by_kubectl(manifest, scenario, found.patch, tmp_path) == without_nulls(used)


def test_the_command_line_prints_what_is_wrong_what_to_do_and_the_command(cli: Any, tmp_path: Path) -> None:
    requests = {"requests": {"cpu": "17", "memory": "1Gi"}}
    trace = write(tmp_path / "web.msgpack", scenario_of(deployment(requests)))
    result = cli("--trace", trace, *HEURISTIC, "--to", "patch.json")
    assert result.code == 0
    *facts, blank, command = result.out.splitlines()
    assert [line.split(maxsplit=1) for line in facts] == [
        ["workload", "default/web"],
        ["nodes", "3 x 16 CPU, 32Gi, 110 pods"],
        ["now", "0 of 3 ready, 3 pending (Insufficient cpu on 3 of 3 nodes)"],
        ["why", f"0/3 nodes are available: 3 Insufficient cpu. {FUTILE}"],
        ["edits", "container web: it is the first, and no other requests more"],
        ["agent", "heuristic, 3 steps"],
        ["actions", "3 x reduce_cpu_small"],
        ["cpu", "17 -> 15500m"],
        ["memory", "1Gi"],
        ["replicas", "3"],
        ["then", "3 of 3 ready"],
    ]
    container = {"name": "web", "resources": {"requests": {"cpu": "15500m"}}}
    patch = {"spec": {"template": {"spec": {"containers": [container]}}}}
    *words, text = shlex.split(command)
    assert blank == ""
    assert words == ["kubectl", "patch", "deployment", "web", "-n", "default", "--type", "strategic", "-p"]
    assert json.loads(text) == patch
    assert json.loads((tmp_path / "patch.json").read_text()) == patch


def test_json_holds_the_same(cli: Any, tmp_path: Path) -> None:
    trace = write(tmp_path / "web.msgpack", scenario_of(deployment({}, 2)))
    document = json.loads(cli("--trace", trace, "--target", "3", *HEURISTIC, "--json").out)
    assert document["ending"] == "solved"
    assert document["actions"] == [{"action": "scale_up_replicas", "count": 1}]
    assert (document["before"]["ready"], document["after"]["ready"]) == (2, 3)
    assert document["patch"] == {"spec": {"replicas": 3}}
    assert document["command"].endswith("""-p '{"spec":{"replicas":3}}'""")


def test_a_healthy_workload_is_exit_code_3(cli: Any, tmp_path: Path) -> None:
    trace = write(tmp_path / "web.msgpack", scenario_of(deployment()))
    result = cli("--trace", trace, *HEURISTIC)
    assert result.code == 3
    assert "nothing is wrong" in result.err
    assert "kubectl" not in result.out
    result = cli("--trace", trace, *HEURISTIC, "--json")
    assert (result.code, json.loads(result.out)["patch"]) == (3, None)


def autoscaler(name: str = "web") -> Manifest:
    spec = {"scaleTargetRef": {"kind": "Deployment", "name": name}, "minReplicas": 1, "maxReplicas": 5}
    metadata = {"name": "web", "namespace": "default"}
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": metadata, "spec": spec}


def test_nothing_is_wrong_is_not_said_without_what_was_not_simulated(cli: Any, tmp_path: Path) -> None:
    trace = write(tmp_path / "web.msgpack", scenario_of(deployment(), autoscaler()))
    result = cli("--trace", trace, *HEURISTIC)
    said = "HorizontalPodAutoscaler default/web: sets the replicas from 1 to 5 by load; the replay keeps those"
    assert result.code == 3
    assert "nothing is wrong; what was not simulated may be; nothing to do" in result.err
    assert f"not simulated  {said}" in result.out
    (only,) = json.loads(cli("--trace", trace, *HEURISTIC, "--json").out)["left_out"]
    assert (only["kind"], only["name"]) == ("HorizontalPodAutoscaler", "default/web")


def test_replicas_that_an_autoscaler_sets_are_not_proposed(cli: Any, tmp_path: Path) -> None:
    options = ("--deploy", "web", "--target", "3", *HEURISTIC)
    trace = write(tmp_path / "web.msgpack", scenario_of(deployment({}, 2), autoscaler()))
    result = cli("--trace", trace, *options)
    assert result.code == 1
    reason = "HorizontalPodAutoscaler default/web sets the replicas, which are 2 and not 3"
    assert f"no action helps: {reason}" in result.err
    assert "kubectl" not in result.out
    other = write(tmp_path / "other.msgpack", scenario_of(deployment({}, 2), autoscaler("api")))
    assert cli("--trace", other, *options).code == 0


def test_a_workload_that_is_scaled_to_zero_is_no_fault(cli: Any, tmp_path: Path) -> None:
    trace = write(tmp_path / "web.msgpack", scenario_of(deployment(replicas=0)))
    result = cli("--trace", trace, *HEURISTIC)
    assert (result.code, "0 of 0 ready" in result.out) == (3, True)


def test_what_is_not_solved_is_exit_code_1_and_no_patch(cli: Any, tmp_path: Path) -> None:
    trace = write(tmp_path / "[red]web.msgpack", scenario_of(deployment({"requests": {"cpu": "17"}})))
    options = ("--trace", trace, "--node-cpu", "8", "--nodes", "2")
    result = cli(*options, *HEURISTIC, "--steps", "2", "--to", "patch.json")
    assert result.code == 1
    assert "kubectl" not in result.out
    assert not (tmp_path / "patch.json").exists()
    assert "agent heuristic: 0 of 3 ready after 2 steps, the most that --steps allows" in result.err
    solve = shlex.split(result.err.rpartition(": ")[2])
    assert solve == ["sim-arena", "trace", "solve", trace, "--nodes", "2", "--node-cpu", "8"]
    failed = cli(*options, "--agent", "noop", "--duration", "5").err
    assert "after 1 step, and knows nothing more to do" in failed
    assert shlex.split(failed)[-2:] == ["--duration", "5.0"]


def test_an_agent_at_a_safeguard_is_told_with_the_reason(cli: Any, tmp_path: Path) -> None:
    trace = write(tmp_path / "web.msgpack", scenario_of(deployment({"requests": {"cpu": "15500m"}}, 4)))
    result = cli("--trace", trace, "--agent", "bump_cpu")
    assert result.code == 1
    assert "0 of 4 ready after 2 steps, and stuck at bump_cpu_small: cpu 16500m would exceed" in result.err


def test_a_checkpoint_can_take_the_place_of_the_model(cli: Any, tmp_path: Path) -> None:
    make_agent("heuristic", seed=0).save(tmp_path / "agent.json")
    trace = write(tmp_path / "web.msgpack", scenario_of(deployment({}, 2)))
    trace_option = ("--trace", trace)
    assert cli(*trace_option, "--target", "3", "--agent", "agent.json").code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--trace", "nowhere.msgpack", *HEURISTIC], "nowhere.msgpack"),
        (["--trace", "web.msgpack", "--agent", "dnq"], "did you mean 'dqn'"),
        (["--trace", "web.msgpack", "--agent", "nowhere.pt"], "nowhere.pt"),
        (["--trace", "web.msgpack", "--deploy", "api", *HEURISTIC], "api"),
        (
            ["--trace", "web.msgpack", "--target", "3", *HEURISTIC, "--to", "nowhere/patch.json"],
            "nowhere/patch.json",
        ),
    ],
)
def test_a_mistake_is_one_line(cli: Any, tmp_path: Path, options: list[str], message: str) -> None:
    write(tmp_path / "web.msgpack", scenario_of(deployment({}, 2)))
    result = cli(*options)
    assert result.code == 2
    assert len(result.err.strip().splitlines()) == 1
    assert message in result.err


@KUBECTL
@pytest.mark.parametrize(
    ("file", "options"),
    [
        ("sim-arena/trace-cpu-heavy.msgpack", {}),
        ("sim-arena/trace-cpu-mem.msgpack", {}),
        ("sim-arena/trace-mem-heavy.msgpack", {}),
        ("sim-arena/trace-replicas-over.msgpack", {"target": 3}),
        ("sim-arena/trace-cpu-low-mem-high-replicas-over.msgpack", {"target": 3}),
        ("hist_first.sktrace", {"deploy": "medium-service", "nodes": equal_nodes(1, 16_000, 32 * GIB), "target": 16}),
        ("dsb-scaling.sktrace", {"deploy": "nginx-thrift", "nodes": equal_nodes(3), "target": 12}),
    ],
)
def test_a_recorded_workload_is_fixed_by_the_command(
    data: Path, tmp_path: Path, file: str, options: dict[str, Any]
) -> None:
    scenario = scenario_from_trace(load_trace(data / "traces" / file), name=file, **options)
    found = suggest(scenario, make_agent("heuristic", seed=0), 100)
    assert found.ending is SuggestionEnd.SOLVED
    assert found.patch is not None
    recorded = last_manifest(scenario.trace, scenario)
    used = last_manifest(edited_trace(scenario, found.after.resources), scenario)
    assert by_kubectl(recorded, scenario, found.patch, tmp_path) == without_nulls(used)
