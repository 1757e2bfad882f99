"""What `sim-arena suggest` says about one workload: everything that its replays showed, and the patch as a command."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from env.words import count
from runner.commands import decisions, tables
from runner.commands.console import Exit, err, fail, out, print_json
from runner.commands.interrupt import interruptible
from runner.options.flatten import changed
from runner.options.workload import ReplayChoice

if TYPE_CHECKING:
    from agents.agent import Agent
    from env.observation import Observation
    from env.problems.scenario import Scenario
    from runner.clusters.choice import ClusterChoice
    from runner.clusters.simkube import OpenBucket
    from runner.suggest.suggestion import Suggestion


def suggest_one(
    scenario: Scenario,
    player: Agent,
    steps: int,
    cluster: ClusterChoice,
    open_bucket: OpenBucket | None,
    *,
    as_json: bool,
    to: Path | None,
    solve: str,
) -> None:
    """Let an agent work on one workload, print what came of it, and leave with its exit code.

    Args:
        scenario: The workload.
        player: Who works on it.
        steps: The most steps.
        cluster: Where it is replayed.
        open_bucket: See `ClusterChoice.opened`.
        as_json: Whether to print one JSON document.
        to: Where the patch is written; None: nowhere.
        solve: The command that searches for a least solution; "" where there is none.
    """
    from runner.suggest.patch import patch_command
    from runner.suggest.suggestion import SuggestionEnd, suggest

    with (
        interruptible("nothing was found by then") as should_stop,
        cluster.opened(open_bucket) as place,
        err.status("replaying") as status,
    ):

        def tell(step: int, seen: Observation) -> None:
            status.update(f"step {step}: {seen.ready} of {scenario.target} ready")

        found = suggest(scenario, player, steps, place, should_stop=should_stop, on_step=tell)
    command = None if found.patch is None else patch_command(scenario.workload, found.patch)
    is_harmful = found.ending is SuggestionEnd.HARMFUL
    if as_json:
        print_json({**_document(scenario, player, found), **decisions.document(player), "command": command})
    else:
        tables.show_facts(_facts(scenario, player, found) | decisions.facts(player))
        tables.show_left_out(found.left_out)
        if command is not None:
            out.print("\n# this breaks neighbours, see above" if is_harmful else "")
            out.print(command, markup=False, highlight=False, soft_wrap=True)
    if to is not None and found.patch is not None and not is_harmful:
        _write(to, found.patch)
    _leave(scenario, player, found, solve)


def _leave(scenario: Scenario, player: Agent, found: Suggestion, solve: str) -> None:
    """Leave with the exit code of an ending without a patch, and say why there is none."""
    from runner.suggest.suggestion import SuggestionEnd

    match found.ending:
        case SuggestionEnd.HEALTHY:
            but = "; what was not simulated may be" if found.left_out else ""
            fail(f"{scenario.workload.title}: nothing is wrong{but}; nothing to do", Exit.NOTHING_TO_DO)
        case SuggestionEnd.SCALED_TO_ZERO:
            fail(f"{scenario.workload.title}: is scaled to zero; nothing to do", Exit.NOTHING_TO_DO)
        case SuggestionEnd.UNMENDABLE:
            fail(f"{scenario.workload.title}: no action helps: {'; '.join(found.unmendable)}")
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
                f"lack {broken}; {spared}{_more(solve)}".removesuffix("; ")
            )
        case SuggestionEnd.LOOPED | SuggestionEnd.UNSOLVED:
            fail(f"{_failure(scenario, player, found)}; {_more(solve)}".removesuffix("; "))


def _more(solve: str) -> str:
    return f"the exact search may know more: {solve}" if solve else ""


def _write(path: Path, patch: dict[str, Any]) -> None:
    import json

    from agents.saved.files import write_atomic

    write_atomic(path, json.dumps(patch, indent=2).encode() + b"\n")


def _facts(scenario: Scenario, agent: Agent, found: Suggestion) -> dict[str, Any]:
    from env.quantity import format_cpu, format_memory
    from runner.suggest.play import net_actions

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
    if not last.changed:
        return f"{came}, and knows nothing more to do"
    return f"{came}, and going in circles: {last.action.name.lower()} leads to what was tried before"


def _steps(found: Suggestion) -> str:
    return count(found.steps, "step")


def solve_command(trace: str, replay: ReplayChoice) -> str:
    """The search for a least solution of the same scenario, quoted for a POSIX shell."""
    given = [(option, value if isinstance(value, tuple) else (value,)) for option, value in changed(replay).items()]
    options = [word for option, values in given for value in values for word in (option, str(value))]
    return shlex.join(["sim-arena", "trace", "solve", trace, *options])


def _document(scenario: Scenario, agent: Agent, found: Suggestion) -> dict[str, Any]:
    from runner.suggest.play import net_actions

    return {
        "scenario": scenario.name,
        "namespace": scenario.workload.namespace,
        "kind": scenario.workload.kind,
        "deployment": scenario.workload.name,
        "target": scenario.target,
        "agent": agent.name,
        "ending": found.ending.value,
        "steps": found.steps,
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
