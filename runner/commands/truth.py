"""`sim-arena truth`: record what a cluster decides, for `sim-arena fidelity`."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from env import words
from runner.clusters.simkube import KubeContext
from runner.commands.console import Exit, fail, note, print_json, progress_bars
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
    repeat: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, max=100, help="Record each scenario so often; a cluster decides by chance, too."
        ),
    ] = 1,
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
    again, also on failure, Ctrl-C and SIGTERM. A scenario takes about 5 to 20 seconds a step; the file grows with each.
    One that cannot be recorded is noted in the file with the reason, and the next one follows; exit code 1 at the end.
    """
    wanted = _wanted(scenarios, count, seed, kind or [])
    if to.exists():
        fail(f"{to}: exists already; give --to another name", Exit.USAGE)
    from env.kube.connect import connect

    # A kubelet has a pod Ready within a moment; a rollout of many waves would else take long.
    api = replace(connect(kube_context, kubeconfig=str(kubeconfig) if kubeconfig else None), poll_s=0.25)
    written = _Written()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # it clears up, too
    try:
        _record(api, wanted, repeat, to, written)
    finally:
        api.close()
        if written.recordings or written.unrecorded:
            note(f"wrote {to}: {written.summary}")
    if output.as_json:
        print_json(
            {
                "file": str(to),
                "scenarios": len(wanted),
                "recordings": written.recordings,
                "outcomes": written.outcomes,
                "unrecorded": written.unrecorded,
            }
        )
    if written.unrecorded:
        fail(f"not recorded: {', '.join(written.unrecorded)}")


@dataclass
class _Written:
    """What a file of recordings holds so far; of scenarios that could not be recorded the reason, by id."""

    recordings: int = 0
    outcomes: int = 0
    unrecorded: dict[str, str] = field(default_factory=dict)

    def add(self, recorded: RecordedScenario) -> None:
        """Count a line, and say at once what could not be recorded."""
        if recorded.unrecorded:
            self.unrecorded[recorded.id] = recorded.unrecorded
            note(f"{recorded.id}: not recorded: {recorded.unrecorded}")
        else:
            self.recordings += 1
            self.outcomes += len(recorded.outcome)

    @property
    def summary(self) -> str:
        parts = [words.count(self.recordings, "recording"), words.count(self.outcomes, "outcome")]
        if self.unrecorded:
            parts.append(f"{words.count(len(self.unrecorded), 'scenario')} not recorded")
        return ", ".join(parts)


def _wanted(path: Path | None, count: int, seed: int, kinds: list[str]) -> list[RecordedScenario]:
    if path is None:
        from env.fidelity.scenarios import generate_scenarios

        return generate_scenarios(count, seed, kinds)
    from env.fidelity.truth import read_truth, recorded_sets

    return [recordings[0].to_play() for recordings in recorded_sets(read_truth(path, recorded=False))]


def _record(api: KubeApi, wanted: list[RecordedScenario], repeat: int, to: Path, written: _Written) -> None:
    """Write a line for each recording as soon as it is there.

    Raises:
        ClusterError: The cluster is not fit for recordings, or a recording left something behind.
    """
    import secrets

    from env.fidelity.recorded_nodes import other_nodes
    from env.fidelity.recordings import record_all
    from env.fidelity.truth import truth_line

    others = other_nodes(api)
    try:
        file = to.open("x", encoding="utf-8")
    except OSError as error:
        fail(f"{to}: cannot be written ({error.strerror})")
    with file, progress_bars() as tell:
        tell("recording", 0, repeat * len(wanted))
        for done, recorded in enumerate(record_all(api, wanted, repeat, secrets.token_hex(4), others), 1):
            file.write(truth_line(recorded))
            file.flush()
            written.add(recorded)
            tell("recording", done, repeat * len(wanted))
