"""`sim-arena suggest`: what would fix a workload in a trace, as a kubectl patch."""

from __future__ import annotations

import shlex
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from env.errors import ConfigError
from runner.clusters import TRACE_DIR, ClusterChoice
from runner.commands import options as o
from runner.commands import tables
from runner.commands.console import Exit, check_place, err, fail, out, parse_set, print_json
from runner.commands.interrupt import interruptible
from runner.commands.options import Inputs

if TYPE_CHECKING:
    from agents.agent import Agent
    from env.observation import Observation
    from env.problems.scenario import Scenario
    from env.workload import Resources
    from runner.suggest.suggestion import Suggestion


def suggest(
    ctx: typer.Context,
    trace: Annotated[Path, typer.Option(help="A trace file.")],
    deploy: o.DeployOption = None,
    namespace: o.NamespaceOption = None,
    target: o.TargetOption = None,
    nodes: o.NodesOption = None,
    node_cpu: o.NodeCpuOption = "16",
    node_memory: o.NodeMemoryOption = "32Gi",
    node_pods: o.NodePodsOption = 110,
    duration: o.DurationOption = None,
    weights: Annotated[
        Path | None, typer.Option(help="A trained agent's checkpoint. Default: the model that comes with this program.")
    ] = None,
    policy: Annotated[str | None, typer.Option(help="A hand-written policy instead, e.g. heuristic.")] = None,
    steps: Annotated[int, typer.Option(min=1, help="At most so many steps.")] = 100,
    patch: Annotated[Path | None, typer.Option(help="Write the patch to this file, for kubectl --patch-file.")] = None,
    cluster: o.ClusterOption = "embedded",
    kube_context: o.KubeContextOption = None,
    trace_dir: o.TraceDirOption = TRACE_DIR,
    trace_bucket: o.TraceBucketOption = None,
    simkube: o.SimKubeOption = None,
    as_json: o.JsonOption = False,
) -> None:
    """What would fix a workload in a trace, as a kubectl patch. Exit code 1: nothing found, 3: nothing is wrong."""
    from runner.suggest.patch import patch_command
    from runner.suggest.suggestion import SuggestionEnd
    from runner.suggest.suggestion import suggest as play

    if weights is not None and policy is not None:
        fail("--weights and --policy: give one of them", Exit.USAGE)
    check_place(patch, "--patch")
    choice = ClusterChoice(cluster, kube_context, trace_dir, trace_bucket, parse_set(simkube or (), "--simkube"))
    inputs = Inputs((str(trace),), deploy, namespace, target, nodes, node_cpu, node_memory, node_pods, duration)
    scenario = o.one_scenario(inputs, None, 0)
    agent = _agent(weights, policy)
    with (
        interruptible("nothing was found by then") as should_stop,
        choice.opened(ctx.obj) as place,
        err.status("replaying") as status,
    ):

        def tell(step: int, seen: Observation) -> None:
            status.update(f"step {step}: {seen.ready} of {scenario.target} ready")

        found = play(scenario, agent, steps, place, should_stop=should_stop, on_step=tell)
    command = None if found.patch is None else patch_command(scenario.workload, found.patch)
    if as_json:
        print_json({**_document(scenario, agent, found), "command": command})
    else:
        tables.show_facts(_facts(scenario, agent, found))
        if command is not None:
            out.print(f"\n{command}", markup=False, highlight=False, emoji=False)
    if patch is not None and found.patch is not None:
        _write(patch, found.patch)
    match found.ending:
        case SuggestionEnd.HEALTHY:
            fail(f"Deployment {scenario.workload}: nothing is wrong; nothing to do", Exit.NOTHING_TO_DO)
        case SuggestionEnd.LOOPED | SuggestionEnd.UNSOLVED:
            fail(f"{_failure(scenario, agent, found)}; the exact search may know more: {_solve_command(inputs)}")


def _agent(weights: Path | None, policy: str | None) -> Agent:
    from agents.default_model import default_model_path
    from agents.kinds import POLICY_NAMES, make_agent
    from agents.load import load_agent

    if policy is None:
        return load_agent(default_model_path() if weights is None else weights)
    if policy not in POLICY_NAMES:
        raise ConfigError(f"--policy {policy}: unknown; choose from {', '.join(POLICY_NAMES)}")
    return make_agent(policy, seed=0)


def _write(path: Path, patch: dict[str, Any]) -> None:
    import json

    from agents.saved.files import write_atomic

    write_atomic(path, json.dumps(patch, indent=2).encode() + b"\n")


def _facts(scenario: Scenario, agent: Agent, found: Suggestion) -> dict[str, Any]:
    from env.quantity import format_cpu, format_memory
    from runner.suggest.suggestion import net_actions

    old, new, pool = found.before.resources, found.after.resources, scenario.nodes
    actions = ", ".join(f"{count} x {action.name.lower()}" for action, count in net_actions(found.outcomes))
    facts = {
        "workload": str(scenario.workload),
        "nodes": f"{pool.count} x {format_cpu(pool.cpu_m)} CPU, {format_memory(pool.memory_bytes)}, {pool.pods} pods",
        "now": state(found.before, scenario.target),
    }
    if not found.outcomes:
        return facts
    return facts | {
        "agent": f"{agent.name}, {_steps(found)}",
        "actions": actions or None,
        "cpu": _arrow(format_cpu(old.cpu_m), format_cpu(new.cpu_m)),
        "memory": _arrow(format_memory(old.memory_bytes), format_memory(new.memory_bytes)),
        "replicas": _arrow(str(old.replicas), str(new.replicas)),
        "then": state(found.after, scenario.target),
    }


def _arrow(old: str, new: str) -> str:
    return old if old == new else f"{old} -> {new}"


def state(seen: Observation, target: int) -> str:
    """How many pods are ready, and what is wrong with the others."""
    reasons = {
        "Insufficient cpu": seen.insufficient_cpu,
        "Insufficient memory": seen.insufficient_memory,
        "Too many pods": seen.too_many_pods,
    }
    refusals = ", ".join(f"{reason} on {count} of {seen.nodes} nodes" for reason, count in reasons.items() if count)
    wrong = {
        f"pending ({refusals})" if refusals else "pending": seen.pending,
        "OOM-killed": seen.oom_killed,
        "CPU-starved": seen.cpu_starved,
        "too many": seen.total - target,
        "missing": target - seen.total,
    }
    failing = (f"{pods} {what}" for what, pods in wrong.items() if pods > 0)
    return ", ".join([f"{seen.ready} of {target} ready", *failing])


def _failure(scenario: Scenario, agent: Agent, found: Suggestion) -> str:
    """Why there is no patch, for an ending without the goal."""
    from runner.suggest.suggestion import SuggestionEnd

    last = found.outcomes[-1]
    came = f"agent {agent.name}: {found.after.ready} of {scenario.target} ready after {_steps(found)}"
    if found.ending is SuggestionEnd.UNSOLVED:
        return f"{came}, the most that --steps allows"
    if last.blocked:
        return f"{came}, and stuck at {last.action.name.lower()}: {last.reason}"
    return f"{came}, and going in circles: {last.action.name.lower()} leads to what was tried before"


def _steps(found: Suggestion) -> str:
    return "1 step" if len(found.outcomes) == 1 else f"{len(found.outcomes)} steps"


def _solve_command(inputs: Inputs) -> str:
    """The search for a least solution of the same scenario, quoted for a POSIX shell."""
    words = ["sim-arena", "trace", "solve", *inputs.traces]
    for option in fields(Inputs)[1:]:
        value = getattr(inputs, option.name)
        if value != option.default:
            words += [f"--{option.name.removesuffix('_s').replace('_', '-')}", str(value)]
    return shlex.join(words)


def _document(scenario: Scenario, agent: Agent, found: Suggestion) -> dict[str, Any]:
    from runner.suggest.suggestion import net_actions

    return {
        "scenario": scenario.name,
        "namespace": scenario.workload.namespace,
        "deployment": scenario.workload.name,
        "target": scenario.target,
        "agent": agent.name,
        "ending": found.ending.value,
        "steps": len(found.outcomes),
        "actions": [{"action": action.name.lower(), "count": count} for action, count in net_actions(found.outcomes)],
        "before": _seen(found.before),
        "after": _seen(found.after),
        "patch": found.patch,
    }


def _seen(observation: Observation) -> dict[str, Any]:
    return {**observation._asdict(), "resources": _asked(observation.resources)}


def _asked(resources: Resources) -> dict[str, Any]:
    from env.quantity import format_cpu, format_memory

    cpu, memory = format_cpu(resources.cpu_m), format_memory(resources.memory_bytes)
    return {"replicas": resources.replicas, "cpu": cpu, "memory": memory}
