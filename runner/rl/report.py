"""A diagnosis as a document and as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from agents.saved.about import About
from env.doctor.actions import DoctorAction
from env.doctor.features import FEATURES
from env.live.cluster import LiveStep
from env.live.faults_seen import Finding
from env.live.observe import CPU, MEMORY, counted
from env.live.usage import cluster_use
from env.live.write import Outcome, Written
from env.words import count
from runner.rl.advice import command_text, commands
from runner.rl.diagnose import Diagnosis

MOST_SHOWN = 50
"""Findings in a text; a document has all."""


@dataclass(frozen=True)
class Header:
    """What is examined, and what may be done to it.

    Attributes:
        context: The kubeconfig's context.
        server: The API server's URL.
        namespaces: Those that are read; none: all.
        allowed: Actions that may write.
        dry_run: Whether they are only tried.
        doctor: Who acts.
        where: Arguments of kubectl that choose this cluster.
        model: What the model that acts says about itself; None: no model acts.
    """

    context: str
    server: str
    namespaces: tuple[str, ...]
    allowed: tuple[DoctorAction, ...]
    dry_run: bool
    doctor: str
    where: tuple[str, ...] = ()
    model: About | None = None

    @property
    def line(self) -> str:
        """The first line of a run."""
        namespaces = ", ".join(self.namespaces)
        which = (
            f"{'namespace' if len(self.namespaces) == 1 else 'namespaces'} {namespaces}"
            if namespaces
            else "all namespaces"
        )
        return f"context {self.context} ({self.server}), {which}, {self.mode}"

    @property
    def mode(self) -> str:
        """What may be written."""
        if not self.allowed:
            return "read only"
        names = ", ".join(map(action_name, self.allowed))
        return f"dry run of {names}" if self.dry_run else f"may write: {names}"


def action_name(action: DoctorAction) -> str:
    """As options and documents write it, such as `get-nodes`."""
    return action.name.lower().replace("_", "-")


def document(header: Header, diagnosis: Diagnosis) -> dict[str, Any]:
    """The whole diagnosis."""
    return {
        "context": header.context,
        "server": header.server,
        "namespaces": list(header.namespaces) or None,
        "mode": header.mode,
        "doctor": header.doctor,
        "model": None if header.model is None else asdict(header.model),
        "verdict": verdict(diagnosis),
        "features": _features(diagnosis),
        "wrong": [
            {
                "what": each.what,
                "kind": each.kind,
                "namespace": each.namespace or None,
                "name": each.name,
                "evidence": each.said,
                "commands": commands(each, header.where),
            }
            for each in diagnosis.found
        ],
        "not_read": dict(diagnosis.seen.unread),
        "steps": [_step(number, each, header.where) for number, each in enumerate(diagnosis.steps, 1)],
    }


def verdict(diagnosis: Diagnosis) -> str:
    """In one word or three."""
    if diagnosis.found:
        return "wrong"
    return "healthy" if diagnosis.is_well else "not all read"


def step_lines(number: int, step: LiveStep) -> Iterator[str]:
    """A step as text: the action, and below it what it shows, or why it changes nothing or not all.

    Not what came of its changes: `written_lines` says so at once.
    """
    first, *rest = step.lines or ("",)
    if not step.written:
        yield f"{number:2} {action_name(step.action)}{': ' if first else ''}{first}"
    yield from (f"   {line}" for line in rest)
    if step.because:
        yield f"   {'left out' if step.written else 'nothing to do'}: {step.because}"


def written_lines(written: Written, where: Sequence[str]) -> Iterator[str]:
    """What came of a change, and its command where it is for a person to run."""
    yield f"   {written.outcome}: {written.change.said}{': ' if written.why else ''}{written.why}"
    if written.outcome is Outcome.PROPOSED and written.change.command:
        yield f"     {command_text(written.change.command, where)}"


def report_lines(header: Header, diagnosis: Diagnosis) -> Iterator[str]:
    """The end of a run as text: what is wrong, the evidence, the commands."""
    for name, why in diagnosis.seen.unread.items():
        yield f"not read: {name}: {why}"
    if cluster_use(diagnosis.seen) is None:
        yield "not known: what nodes and pods use; there is no metrics API, or it says nothing"
    if not diagnosis.found:
        yield "nothing is wrong" if diagnosis.is_well else "nothing wrong was found, but not all could be read"
        return
    groups = _grouped(diagnosis.found)
    yield f"wrong: {count(len(diagnosis.found), 'finding')}"
    for group in groups[:MOST_SHOWN]:
        first = group[0]
        others = f" (and {len(group) - 1} more of {first.owner})" if len(group) > 1 else ""
        yield f"{first.what}: {first.object}{others}: {first.said}"
        yield from (f"    {each}" for each in commands(first, header.where))
    if len(groups) > MOST_SHOWN:
        yield f"and {count(len(groups) - MOST_SHOWN, 'more finding')}; --json has all"


def _grouped(found: Sequence[Finding]) -> list[list[Finding]]:
    """Pods of one Deployment with the same trouble are one group."""
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for each in found:
        key = (each.what, each.kind, each.namespace, each.owner if each.owner and each.kind == "Pod" else each.name)
        groups.setdefault(key, []).append(each)
    return list(groups.values())


def _features(diagnosis: Diagnosis) -> dict[str, float | None]:
    """What was seen in the end; None for what is not known. What a doctor knows is no feature of the cluster."""
    values = counted(diagnosis.seen)
    named: dict[str, float | None] = {
        name: round(float(value), 6) for name, value in zip(FEATURES[:15], values, strict=False)
    }
    if cluster_use(diagnosis.seen) is None:
        named |= {FEATURES[each]: None for each in (CPU, MEMORY)}
    return named


def _step(number: int, step: LiveStep, where: Sequence[str]) -> dict[str, Any]:
    return {
        "step": number,
        "action": action_name(step.action),
        "lines": list(step.lines),
        "written": [
            {
                "change": each.change.said,
                "command": command_text(each.change.command, where) if each.change.command else None,
                "outcome": str(each.outcome),
                "why": each.why or None,
            }
            for each in step.written
        ],
        "because": step.because or None,
    }
