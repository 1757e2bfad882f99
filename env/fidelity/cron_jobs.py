"""CronJobs tick by wall clock: what they do while a scenario is recorded depends on when that is, so it is no decision.

Follows no Kubernetes source; schedules are read by `env.engine.controllers.cron_job`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import inf

from env.engine.controllers.cron_job import next_tick
from env.engine.manifests.jobs import CronJobSpec
from env.engine.manifests.objects import read_object
from env.errors import TraceError
from env.fidelity.truth import Manifest, RecordedOutcome

_POD: Manifest = {"jobTemplate": {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}}}}


def first_tick(steps: Iterable[Sequence[Manifest]], after_s: float) -> tuple[float, str] | None:
    """When the first CronJob is due after a time (unix seconds), and its name; None: there is none, or never."""
    ticks = ((_next_tick(manifest, after_s), str(manifest["metadata"]["name"])) for manifest in _running(steps))
    return min(ticks, default=None)


def ticked(steps: Iterable[Sequence[Manifest]], outcomes: Iterable[RecordedOutcome]) -> list[str]:
    """The CronJobs of these steps, not suspended, that have pods in one of the outcomes."""
    names = {str(manifest["metadata"]["name"]) for manifest in _running(steps)}
    having = {name for outcome in outcomes for name, workload in outcome.workloads.items() if workload.total}
    return sorted(names & having)


def _running(steps: Iterable[Sequence[Manifest]]) -> Iterator[Manifest]:
    for manifest in (manifest for step in steps for manifest in step):
        spec = manifest.get("spec")
        if manifest["kind"] == "CronJob" and isinstance(spec, dict) and spec.get("suspend") is not True:
            yield manifest


def _next_tick(manifest: Manifest, after_s: float) -> float:
    """Infinity where the API server will refuse the schedule."""
    schedule = {key: manifest["spec"][key] for key in ("schedule", "timeZone") if key in manifest["spec"]}
    alone = {**manifest, "metadata": {"namespace": "default", **manifest["metadata"]}, "spec": {**schedule, **_POD}}
    try:
        found = read_object(alone, {})
    except (TraceError, ValueError):
        return inf
    return next_tick(found.spec, after_s) if found and isinstance(found.spec, CronJobSpec) else inf
