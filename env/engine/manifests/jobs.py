"""What manifests of Jobs and CronJobs ask for.

Defaults are the API server's (kubernetes 1.36 `pkg/apis/batch/v1/defaults.go`). Schedules are checked by cronsim.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from env.engine.manifests.fields import Manifest, as_count, as_flag, as_map, as_maps, as_text
from env.engine.manifests.labels import Predicate, label_selector
from env.engine.manifests.pod_template import PodTemplate, read_template
from env.engine.manifests.priorities import PriorityClass
from env.workload import ObjectRef

Priorities = Mapping[str, PriorityClass]

_JOB_NOT_MODELLED = ("backoffLimitPerIndex", "managedBy", "maxFailedIndexes", "successPolicy")
_OOM_KILLED = 137  # the exit code

_SCHEDULES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


@dataclass(frozen=True)
class FailureRule:
    """A rule of a podFailurePolicy about exit codes. Those about conditions apply to no pod here.

    Attributes:
        action: FailJob, Ignore, Count or FailIndex.
        container: The container whose exit code counts; "" for any.
        killed: Whether the exit code of an OOM kill is among those that it is about.
    """

    action: str
    container: str
    killed: bool


@dataclass(frozen=True, eq=False)
class JobSpec:
    """What a Job asks for.

    Attributes:
        ref: Its namespace and name.
        template: What its pods are made from.
        completions: Pods that must succeed; None: one success ends it (a work queue).
        parallelism: Pods at one time.
        suspended: No pods for now.
        backoff_limit: Failures after which it gives up.
        selector: Labels of pods that it acquires; None: it has none but its own (without manualSelector).
        deadline_s: Seconds after which it gives up (activeDeadlineSeconds); None: never.
        ttl_s: Seconds after which it is deleted once it is finished; None: never.
        rules: Its podFailurePolicy.
        replaces_failed_only: A pod that is being deleted is replaced when it is gone, and does not count as failed.
    """

    ref: ObjectRef
    template: PodTemplate
    completions: int | None = 1
    parallelism: int = 1
    suspended: bool = False
    backoff_limit: int = 6
    selector: Predicate | None = None
    deadline_s: int | None = None
    ttl_s: int | None = None
    rules: tuple[FailureRule, ...] = ()
    replaces_failed_only: bool = False

    def action_on(self, killed_container: str) -> str:
        """What the podFailurePolicy says about a pod of which that container was OOM-killed."""
        found = (rule.action for rule in self.rules if rule.killed and rule.container in ("", killed_container))
        return next(found, "Count")


@dataclass(frozen=True, eq=False)
class CronJobSpec:
    """What a CronJob asks for.

    Attributes:
        ref: Its namespace and name.
        schedule: Five fields, as in crontab; "" for never.
        zone: Time zone of the schedule.
        concurrency: Allow, Forbid or Replace.
        suspended: No new Jobs for now.
        job: The Job that each tick makes.
        kept: Complete Jobs that are kept (successfulJobsHistoryLimit).
        kept_failed: Failed Jobs that are kept (failedJobsHistoryLimit).
    """

    ref: ObjectRef
    schedule: str
    zone: ZoneInfo
    concurrency: str
    suspended: bool
    job: JobSpec
    kept: int = 3
    kept_failed: int = 1


def job_spec(ref: ObjectRef, spec: Manifest, priorities: Priorities) -> tuple[JobSpec, list[str]]:
    """A Job's `spec`, and the fields that are not modelled."""
    source = read_template(as_map(spec, "template"), ref.namespace, priorities)
    completions = spec.get("completions")
    parallelism = as_count(spec, "parallelism", 1)
    if completions is not None:
        completions = as_count(spec, "completions", 1)
    elif spec.get("parallelism") is None:
        completions = 1
    asked = JobSpec(
        ref,
        source.as_written(),
        completions,
        parallelism,
        as_flag(spec, "suspend"),
        as_count(spec, "backoffLimit", 6),
        label_selector(as_map(spec, "selector") or None) if as_flag(spec, "manualSelector") else None,
        _seconds(spec, "activeDeadlineSeconds"),
        _seconds(spec, "ttlSecondsAfterFinished"),
        tuple(map(_rule, as_maps(as_map(spec, "podFailurePolicy"), "rules"))),
        as_text(spec, "podReplacementPolicy") == "Failed" or bool(spec.get("podFailurePolicy")),
    )
    missing = [name for name in _JOB_NOT_MODELLED if spec.get(name) is not None]
    return asked, [*source.not_modelled, *missing]


def _seconds(spec: Manifest, key: str) -> int | None:
    return None if spec.get(key) is None else as_count(spec, key, 0)


def _rule(rule: Manifest) -> FailureRule:
    codes = as_map(rule, "onExitCodes")
    values = codes.get("values")
    if values is not None and not isinstance(values, list):
        raise ValueError("podFailurePolicy: values must be a list")
    among = _OOM_KILLED in (values or ())
    killed = bool(codes) and among == (as_text(codes, "operator") == "In")
    return FailureRule(as_text(rule, "action"), as_text(codes, "containerName"), killed)


def cron_job_spec(ref: ObjectRef, spec: Manifest, priorities: Priorities) -> tuple[CronJobSpec, list[str]]:
    """A CronJob's `spec`, and the fields that are not modelled."""
    job, not_modelled = job_spec(ref, as_map(as_map(spec, "jobTemplate"), "spec"), priorities)
    asked = CronJobSpec(
        ref,
        _schedule(as_text(spec, "schedule")),
        _zone(as_text(spec, "timeZone", "UTC")),
        as_text(spec, "concurrencyPolicy", "Allow"),
        as_flag(spec, "suspend"),
        job,
        as_count(spec, "successfulJobsHistoryLimit", 3),
        as_count(spec, "failedJobsHistoryLimit", 1),
    )
    missing = ["startingDeadlineSeconds"] if spec.get("startingDeadlineSeconds") else []
    return asked, [*not_modelled, *missing]


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"timeZone {name!r:.80}: unknown") from error


def _schedule(text: str) -> str:
    """Five fields, also for a name such as @daily; "" for a day that never comes, such as 31 February."""
    fields = _SCHEDULES.get(text, text).replace("?", "*").split()
    if len(fields) != 5:
        raise ValueError(f"schedule {text!r:.80}: must have five fields")
    try:
        CronSim(" ".join([*fields[:3], "*", fields[4]]), datetime(2025, 1, 1, tzinfo=UTC))
        CronSim(" ".join(["0", "0", "1", *fields[3:]]), datetime(2025, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise ValueError(f"schedule {text!r:.80}: {error}") from error
    try:
        CronSim(" ".join(fields), datetime(2025, 1, 1, tzinfo=UTC))
    except CronSimError:
        return ""
    return " ".join(fields)
