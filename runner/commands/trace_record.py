"""`sim-arena trace record`: a running cluster as a trace. The cluster is only read."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer
from rich.markup import escape

from env.errors import ClusterError
from env.words import count
from runner.commands import tables
from runner.commands.console import check_place, fail, note, nothing_to_do, out, print_json, progress_bars
from runner.commands.interrupt import stop_requested
from runner.options.flatten import flattened
from runner.options.live import LiveChoice, read_only_line
from runner.options.output import OutputChoice
from runner.options.usage import UsageChoice

if TYPE_CHECKING:
    from env.kube.client import KubeApi
    from env.snapshot.changes import Change
    from env.snapshot.snapshot import Snapshot
    from env.trace.document import Trace
    from env.usage.usage import Usage

LOOK_EVERY_S = 30.0
"""Seconds between two looks of a watch; more where a look takes more than a fifth of that."""
_SLICE_S = 0.2


@dataclass(frozen=True, kw_only=True)
class RecordChoice:
    """What is recorded, and for how long."""

    panel: ClassVar[str] = "Recording"

    to: Annotated[Path, typer.Option(metavar="FILE", help="Where to write the trace.")]
    watch: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            help="Go on for so long, such as 30m: changes become events, and use by the metrics API is the most of all "
            "looks. Ctrl-C ends it early and still writes.",
        ),
    ] = None
    namespace: Annotated[
        tuple[str, ...],
        typer.Option("--namespace", "-n", metavar="NAME", help="This one only; may be given again. Default: all."),
    ] = ()
    anonymous: Annotated[
        bool,
        typer.Option("--anonymous", help="Replace all names, also in labels and images, so that it can be shared."),
    ] = False


@flattened
def record(wanted: RecordChoice, live: LiveChoice, usage: UsageChoice, output: OutputChoice) -> None:
    """Record a running cluster as a trace: that of the current kubeconfig, read only.

    What containers use becomes their demand in it: by the metrics API, by Prometheus or by a file.

    No Secret, no data of a ConfigMap, no value of a variable and no command gets into it. What may not be read is
    named.
    """
    from env.usage.usage_file import parse_window

    check_place(wanted.to, "--to")
    watch_s = parse_window(wanted.watch, "--watch") if wanted.watch else 0.0
    with live.opened() as (api, context):
        line = read_only_line(context, api.host, wanted.namespace)
        note(line) if output.as_json else out.print(line, highlight=False, markup=False)
        recording = _record(api, f"context {context}", wanted.namespace, watch_s, usage)
    if not recording.has_workloads:
        unread = [each for each in recording.first.skipped if each.is_whole_kind]
        if unread:
            fail(f"context {context}: no workloads among what may be read; {unread[0]}")
        nothing_to_do(f"context {context}: no workloads{_in(wanted.namespace)}; nothing was written")
    _write(recording, wanted, context, as_json=output.as_json)


def _in(namespaces: tuple[str, ...]) -> str:
    return f" in {', '.join(namespaces)}" if namespaces else ""


@dataclass
class _Recording:
    """What was seen.

    Attributes:
        first: The cluster at the beginning.
        usage: What containers used at that time; by the metrics API the most at any look.
        start_ts: When that was, unix seconds.
        last: How it was at the last look.
        changes: What happened in between.
        end_ts: When the watch ended; None: there was none.
    """

    first: Snapshot
    usage: Usage
    start_ts: int
    last: Snapshot
    changes: list[Change] = field(default_factory=list)
    end_ts: int | None = None

    @property
    def has_workloads(self) -> bool:
        """Whether anything that makes pods was there at any time."""
        return bool(self.first.now or self.changes)

    def trace(self) -> Trace:
        from env.snapshot.changes import recorded_trace
        from env.usage.demand import with_usage

        first = replace(self.first, objects=tuple(with_usage(self.first.objects, self.usage)))
        changes = [replace(each, applied=tuple(with_usage(each.applied, self.usage))) for each in self.changes]
        return recorded_trace(first, self.start_ts, changes, self.end_ts)


def _record(api: KubeApi, source: str, namespaces: tuple[str, ...], watch_s: float, choice: UsageChoice) -> _Recording:
    from env.snapshot.changes import change
    from env.snapshot.live import read_cluster
    from env.usage.metrics_api import peak

    with progress_bars() as tell:
        first = read_cluster(api, source, namespaces, tell)
        start, start_ts = api.timer.now(), int(time.time())
        usage = choice.read(first.objects, api=api, namespaces=namespaces, now=first.now, say=tell)
    for each in usage.notes:
        note(each)
    recording = _Recording(first, usage, start_ts, first)
    if not watch_s:
        return recording
    note(f"watching for {watch_s:.0f} s; Ctrl-C ends it early, and what was recorded is written")
    with stop_requested() as should_stop:
        for _ in _looks(api, watch_s, should_stop):
            try:
                now = read_cluster(api, source, namespaces)
            except ClusterError as error:
                note(f"this look failed, the next one follows: {error}")
                continue
            elapsed_s = api.timer.now() - start
            if choice.prometheus is None:
                look = choice.read(now.objects, api=api, namespaces=namespaces, now=now.now)
                recording.usage = peak(recording.usage, look, elapsed_s)
            seen = change(recording.last, now, recording.start_ts + round(elapsed_s))
            recording.last = now
            if seen is not None:
                recording.changes.append(seen)
    recording.end_ts = recording.start_ts + round(api.timer.now() - start)
    return recording


def _looks(api: KubeApi, watch_s: float, should_stop: Callable[[], bool]) -> Iterator[None]:
    """One for each look that is due, until the time is up or an end is asked for."""
    timer = api.timer
    start, pause_s = timer.now(), LOOK_EVERY_S
    with _time_left() as show:
        while True:
            due = min(timer.now() + pause_s, start + watch_s)
            while timer.now() < due:
                if should_stop():
                    return
                show(timer.now() - start, watch_s)
                timer.sleep(min(_SLICE_S, due - timer.now()) if timer.now() < due else 0)
            began = timer.now()
            yield
            if timer.now() >= start + watch_s or should_stop():
                return
            pause_s = max(LOOK_EVERY_S, 5 * (timer.now() - began))


@contextmanager
def _time_left() -> Iterator[Callable[[float, float], None]]:
    with progress_bars() as tell:
        yield lambda done_s, all_s: tell("watching", int(done_s), int(all_s), "s")


def _write(recording: _Recording, wanted: RecordChoice, context: str, *, as_json: bool) -> None:
    from agents.saved.files import write_atomic
    from env.snapshot.anonymous import anonymous

    trace = recording.trace()
    if wanted.anonymous:
        trace = anonymous(trace)
    write_atomic(wanted.to, trace.to_bytes())
    found = _document(recording, trace, wanted.to, context)
    if as_json:
        print_json(found)
        return
    skipped = found.pop("skipped")
    found["objects"] = ", ".join(f"{number} {kind}" for kind, number in found["objects"].items()) or "none"
    not_whole = found.pop("not_whole")
    use = found.pop("usage")
    found["use known"] = f"{use['known']} of {count(use['known'] + len(use['missing']), 'container')}"
    tables.show_facts({**found, "not ready": len(not_whole)})
    for each in not_whole:
        _line("not ready", f"{each['kind']} {each['namespace']}/{each['name']}: {each['now']}")
    for each in skipped:
        _line("left out", f"{each['kind']} {each['name']}: {each['why']}")


def _line(what: str, text: str) -> None:
    out.print(f"[bold]{what}[/]  {escape(text)}", highlight=False)


def _document(recording: _Recording, trace: Trace, to: Path, context: str) -> dict[str, Any]:
    """What was recorded, as JSON holds it."""
    last = recording.last
    kinds = Counter(each["kind"] for each in recording.first.objects)
    return {
        "wrote": str(to),
        "context": context,
        "objects": dict(kinds),
        "nodes": None if recording.first.nodes is None else recording.first.nodes.count,
        "events": len(trace.events),
        "usage": {"known": len(recording.usage.uses), "missing": [str(each) for each in recording.usage.missing]},
        "not_whole": [
            {"kind": each.key.kind, "namespace": each.key.namespace, "name": each.key.name, "now": str(each)}
            for each in last.now
            if not each.is_whole
        ],
        "skipped": [{"kind": each.kind, "name": each.name, "why": each.why} for each in recording.first.skipped],
    }
