"""`sim-arena truth`: record what a cluster decides, for `sim-arena fidelity`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from env import words
from runner.clusters.simkube import KubeContext
from runner.commands.console import Exit, fail, note, print_json, progress
from runner.commands.doctor import KubeconfigOption
from runner.options import completion
from runner.options.flatten import flattened
from runner.options.output import OutputChoice

if TYPE_CHECKING:
    from env.fidelity.truth import RecordedScenario
    from env.kube.client import KubeApi


@flattened
def record(
    to: Annotated[Path, typer.Option(metavar="FILE", help="The new file, JSON Lines: a scenario a line.")],
    output: OutputChoice,
    scenarios: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Record these scenarios (again). Default: generated ones.",
            autocompletion=completion.files,
        ),
    ] = None,
    count: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="Generate so many.")] = 26,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of the generated scenarios.")] = 0,
    kind: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help="Generate this kind only; see docs/fidelity.md. May be given again."),
    ] = None,
    kubeconfig: KubeconfigOption = None,
    kube_context: KubeContext = None,
) -> None:
    """Play scenarios on a cluster and write what it decided. Its own nodes must be cordoned or tainted.

    Makes nodes, a namespace and PriorityClasses for each scenario, plays the nodes' kubelets and deletes everything
    again, also on failure and Ctrl-C. A scenario takes about 5 to 20 seconds a step; the file grows with each.
    """
    wanted = _wanted(scenarios, count, seed, kind or [])
    if to.exists():
        fail(f"{to}: exists already; give --to another name", Exit.USAGE)
    from env.kube.connect import connect

    # A kubelet has a pod Ready within a moment; a rollout of many waves would else take long.
    api = replace(connect(kube_context, kubeconfig=str(kubeconfig) if kubeconfig else None), poll_s=0.25)
    try:
        outcomes = _record(api, wanted, to)
    finally:
        api.close()
    if output.as_json:
        print_json({"file": str(to), "scenarios": len(wanted), "outcomes": outcomes})
    else:
        note(f"wrote {to}: {words.count(len(wanted), 'scenario')}, {words.count(outcomes, 'outcome')}")


def _wanted(path: Path | None, count: int, seed: int, kinds: list[str]) -> list[RecordedScenario]:
    if path is None:
        from env.fidelity.scenarios import generate_scenarios

        return generate_scenarios(count, seed, kinds)
    from env.fidelity.truth import read_truth

    return read_truth(path, recorded=False)


def _record(api: KubeApi, wanted: list[RecordedScenario], to: Path) -> int:
    import secrets

    from env.fidelity.recorded_nodes import other_nodes
    from env.fidelity.recorder import check_recordable, record
    from env.fidelity.truth import truth_line

    for scenario in wanted:
        check_recordable(scenario)
    others = other_nodes(api)
    token = secrets.token_hex(4)
    outcomes = 0
    try:
        file = to.open("x", encoding="utf-8")
    except OSError as error:
        fail(f"{to}: cannot be written ({error.strerror})")
    with file:
        for number, scenario in enumerate(progress(wanted, "recording")):
            recorded = record(api, scenario, f"{token}-{number}", others)
            file.write(truth_line(recorded))
            file.flush()
            outcomes += len(recorded.outcome)
    return outcomes
