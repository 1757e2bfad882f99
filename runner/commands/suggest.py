"""`sim-arena suggest`: what would fix a workload in a trace, as a kubectl patch."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.kinds import KINDS
from env.words import count
from runner.clusters.choice import ClusterChoice
from runner.commands import decisions, tables
from runner.commands.console import Exit, check_place, err, fail, out, print_json
from runner.commands.interrupt import interruptible
from runner.options import completion
from runner.options.agents import AGENT_NAMES, EpisodeChoice, open_agent
from runner.options.flatten import changed, flattened
from runner.options.language_model import ModelChoice
from runner.options.output import OutputChoice
from runner.options.workload import ReplayChoice

if TYPE_CHECKING:
    from agents.agent import Agent
    from env.observation import Observation
    from env.problems.scenario import Scenario
    from runner.suggest.suggestion import Suggestion


@flattened
def suggest(
    ctx: typer.Context,
    trace: Annotated[
        str,
        typer.Option(
            metavar="FILE", help="A trace file.", autocompletion=completion.files, rich_help_panel=ReplayChoice.panel
        ),
    ],
    replay: ReplayChoice,
    cluster: ClusterChoice,
    output: OutputChoice,
    model: ModelChoice,
    agent: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help=f"Who plays: {AGENT_NAMES}; or a checkpoint file. Default: the trained model.",
            autocompletion=completion.or_file(KINDS),
            rich_help_panel=EpisodeChoice.panel,
        ),
    ] = None,
    steps: Annotated[
        int,
        typer.Option(metavar="N", min=1, help="At most so many steps.", rich_help_panel=EpisodeChoice.panel),
    ] = 100,
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the patch to this file, for kubectl --patch-file.",
            rich_help_panel=OutputChoice.panel,
        ),
    ] = None,
) -> None:
    """Print what would fix a workload in a trace, as a kubectl patch.

    Exit code 1: nothing found, or nothing that breaks no neighbour, or no action helps; 3: nothing is wrong.
    """
    from agents.default_model import default_model_path
    from agents.load import load_agent
    from runner.suggest.patch import patch_command
    from runner.suggest.suggestion import SuggestionEnd
    from runner.suggest.suggestion import suggest as play

    check_place(to, "--to")
    model.check_needed([agent])
    scenario = replay.scenario(trace)
    player = load_agent(default_model_path()) if agent is None else open_agent(agent, 0, model)
    with (
        interruptible("nothing was found by then") as should_stop,
        cluster.opened(ctx.obj) as place,
        err.status("replaying") as status,
    ):

        def tell(step: int, seen: Observation) -> None:
            status.update(f"step {step}: {seen.ready} of {scenario.target} ready")

        found = play(scenario, player, steps, place, should_stop=should_stop, on_step=tell)
    command = None if found.patch is None else patch_command(scenario.workload, found.patch)
    is_harmful = found.ending is SuggestionEnd.HARMFUL
    if output.as_json:
        print_json({**_document(scenario, player, found), **decisions.document(player), "command": command})
    else:
        tables.show_facts(_facts(scenario, player, found) | decisions.facts(player))
        tables.show_left_out(found.left_out)
        if command is not None:
            out.print("\n# this breaks neighbours, see above" if is_harmful else "")
            out.print(command, markup=False, highlight=False, soft_wrap=True)
    if to is not None and found.patch is not None and not is_harmful:
        _write(to, found.patch)
    _leave(scenario, player, found, _solve_command(trace, replay))


def _leave(scenario: Scenario, player: Agent, found: Suggestion, solve: str) -> None:
    """Leave with the exit code of an ending without a patch, and say why there is none."""
    from runner.suggest.suggestion import SuggestionEnd

    match found.ending:
        case SuggestionEnd.HEALTHY:
            but = "; what was not simulated may be" if found.left_out else ""
            fail(f"Deployment {scenario.workload}: nothing is wrong{but}; nothing to do", Exit.NOTHING_TO_DO)
        case SuggestionEnd.SCALED_TO_ZERO:
            fail(f"Deployment {scenario.workload}: is scaled to zero; nothing to do", Exit.NOTHING_TO_DO)
        case SuggestionEnd.UNMENDABLE:
            fail(f"Deployment {scenario.workload}: no action helps: {'; '.join(found.unmendable)}")
        case SuggestionEnd.AUTOSCALED:
            owner = next(f"{each.kind} {each.name}" for each in found.left_out if each.owns_replicas)
            fail(f"{_failure(scenario, player, found)}; {owner} sets the replicas of this workload")
        case SuggestionEnd.CROWDED:
            fail(f"agent {player.name}: no room for DaemonSets after {_steps(found)}: {found.why[-1]}")
        case SuggestionEnd.HARMFUL:
            broken = count(found.after.broken, "pod")
            spared = f"no way of up to {count(found.searched, 'action')} spares them; " if found.searched else ""
            fail(
                f"agent {player.name}: only what breaks neighbours leads to {scenario.target} ready, and they would "
                f"lack {broken}; {spared}the exact search may know more: {solve}"
            )
        case SuggestionEnd.LOOPED | SuggestionEnd.UNSOLVED:
            fail(f"{_failure(scenario, player, found)}; the exact search may know more: {solve}")


def _write(path: Path, patch: dict[str, Any]) -> None:
    import json

    from agents.saved.files import write_atomic

    write_atomic(path, json.dumps(patch, indent=2).encode() + b"\n")


def _facts(scenario: Scenario, agent: Agent, found: Suggestion) -> dict[str, Any]:
    from env.quantity import format_cpu, format_memory
    from runner.suggest.suggestion import net_actions

    old, new = found.before.resources, found.after.resources
    actions = ", ".join(f"{times} x {action.name.lower()}" for action, times in net_actions(found.outcomes))
    facts = {
        "workload": str(scenario.workload),
        "nodes": str(scenario.nodes),
        "now": state(found.before, scenario.target),
    }
    if found.why:
        facts["why"] = "; ".join(found.why)
    if found.containers and found.before.ready != scenario.target:
        facts["edits"] = "; ".join(found.containers)
    if not found.outcomes:
        return facts
    return facts | {
        "agent": f"{_who(agent, found)}, {_steps(found)}",
        "actions": actions or None,
        "cpu": _arrow(format_cpu(old.cpu_m), format_cpu(new.cpu_m)),
        "memory": _arrow(format_memory(old.memory_bytes), format_memory(new.memory_bytes)),
        "replicas": _arrow(str(old.replicas), str(new.replicas)),
        "then": state(found.after, scenario.target),
        **({"also": "; ".join(found.side_effects)} if found.side_effects else {}),
        **({"breaks": "; ".join(found.breaks)} if found.breaks else {}),
    }


def _who(agent: Agent, found: Suggestion) -> str:
    """Whose steps they are: the agent's, or a search's that found what spares neighbours."""
    by_search = found.searched and not found.after.broken
    return f"{agent.name} breaks neighbours; exact search" if by_search else agent.name


def _arrow(old: str, new: str) -> str:
    return old if old == new else f"{old} -> {new}"


def state(seen: Observation, target: int) -> str:
    """How many pods are ready, and what is wrong with the others."""
    reasons = {
        "Insufficient cpu": seen.insufficient_cpu,
        "Insufficient memory": seen.insufficient_memory,
        "Too many pods": seen.too_many_pods,
    }
    refusals = ", ".join(
        f"{reason} on {nodes} of {count(seen.nodes, 'node')}" for reason, nodes in reasons.items() if nodes
    )
    wrong = {
        f"pending ({refusals})" if refusals else "pending": seen.pending,
        "OOM-killed": seen.oom_killed,
        "CPU-starved": seen.cpu_starved,
        "too many": seen.total - target,
        "missing": target - seen.total,
    }
    failing = [f"{pods} {what}" for what, pods in wrong.items() if pods > 0]
    failing += [f"neighbours lack {count(seen.broken, 'pod')}"] if seen.broken else []
    return ", ".join([f"{seen.ready} of {target} ready", *failing])


def _failure(scenario: Scenario, agent: Agent, found: Suggestion) -> str:
    """Why there is no patch, for an ending without the goal."""
    from runner.suggest.suggestion import SuggestionEnd

    came = f"agent {agent.name}: {found.after.ready} of {scenario.target} ready after {_steps(found)}"
    if found.ending is SuggestionEnd.AUTOSCALED:
        return f"{came}, and would change the replicas"
    last = found.outcomes[-1]
    if found.ending is SuggestionEnd.UNSOLVED:
        return f"{came}, the most that --steps allows"
    if last.blocked:
        return f"{came}, and stuck at {last.action.name.lower()}: {last.reason}"
    return f"{came}, and going in circles: {last.action.name.lower()} leads to what was tried before"


def _steps(found: Suggestion) -> str:
    return count(len(found.outcomes), "step")


def _solve_command(trace: str, replay: ReplayChoice) -> str:
    """The search for a least solution of the same scenario, quoted for a POSIX shell."""
    given = [(option, value if isinstance(value, tuple) else (value,)) for option, value in changed(replay).items()]
    options = [word for option, values in given for value in values for word in (option, str(value))]
    return shlex.join(["sim-arena", "trace", "solve", trace, *options])


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
        "why": list(found.why),
        "unmendable": list(found.unmendable),
        "containers": list(found.containers),
        "side_effects": list(found.side_effects),
        "breaks": list(found.breaks),
        "searched": found.searched,
        "before": _seen(found.before),
        "after": _seen(found.after),
        "patch": found.patch,
        "left_out": [tables.left_out_document(each) for each in found.left_out],
    }


def _seen(observation: Observation) -> dict[str, Any]:
    return {**observation._asdict(), "resources": tables.asked(observation.resources)}
