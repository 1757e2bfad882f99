"""One look at a fleet: EC2's instances by tag, and what their buckets say of them.

Per bucket two listings of jobs and one of machines, one request for each job at work, two for each machine shown;
finished jobs cost none. A bucket or a region that cannot be asked takes nothing else out of the picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from infra.ec2.aws import Aws, AwsError
from infra.ec2.fleet import Instance, find
from infra.ec2.watch.reports import InstanceReport, read_reports, short
from infra.ec2.watch.states import InstanceState, MachineView, RunningJob, state_of
from protocol.commands.status import job_summary
from protocol.jobs import queue
from protocol.wire.bucket import Bucket
from protocol.wire.errors import StoreError

_MOST_USD_PER_HOUR = 1000.0  # a tag that says more is nonsense
_AT_ONCE = 16


@dataclass(frozen=True)
class BucketView:
    """What a bucket tells of a fleet.

    Attributes:
        reports: by instance id.
        work: by worker id, which on EC2 is the instance id.
        pending: unfinished jobs without a live worker.
        running: jobs that a worker works on, here or elsewhere.
    """

    server_time: float
    reports: Mapping[str, InstanceReport]
    work: Mapping[str, RunningJob]
    pending: int
    running: int


@dataclass(frozen=True)
class InstanceRow:
    """A machine as it is shown; what is not known is None or empty.

    Attributes:
        living: whether it costs, or may again.
        ends_within_s: until it ends itself at the latest; negative: it should have.
        usd_so_far: about; the price at launch times the time since.
        doing: what its job is at.
    """

    id: str
    region: str
    zone: str
    group: str
    bucket: str
    owner: str
    type: str
    market: str
    living: bool
    state: InstanceState
    detail: str
    age_s: float
    ends_within_s: float | None
    usd_per_hour: float | None
    usd_so_far: float | None
    job: str | None
    doing: str
    episode: int | None
    heartbeat_age_s: float | None
    log_line: str


@dataclass(frozen=True)
class Totals:
    """Living machines, and what all shown cost as far as prices are known; jobs of the buckets that could be read, None
    if none could."""

    machines: int
    usd_per_hour: float
    usd_so_far: float
    jobs_pending: int | None
    jobs_running: int | None


@dataclass(frozen=True)
class FleetStatus:
    """One look. `unasked` are regions that could not be asked: they may hold more machines."""

    machines: tuple[InstanceRow, ...]
    totals: Totals
    warnings: tuple[str, ...] = ()
    unasked: tuple[str, ...] = ()

    @property
    def living(self) -> bool:
        return any(row.living for row in self.machines)


@dataclass(frozen=True)
class InstanceFilter:
    """Which machines to look at. Of those that have ended within the last hour only what went wrong, or all."""

    bucket: str | None = None
    group: str | None = None
    ended: bool = False


def fleet_status(
    regions: Sequence[Aws],
    wanted: InstanceFilter,
    open_bucket: Callable[[str], Bucket],
    clock: Callable[[], float],
    ttl_s: float,
    keep: Container[str] = (),
) -> FleetStatus:
    """All machines of these regions with all that is known of them.

    Args:
        keep: ids of machines that are shown although they have ended as planned.
        clock: seconds since the epoch, for machines whose bucket cannot be read.
        ttl_s: the lease of the fleet's workers.

    Raises:
        AwsError: not one region could be asked.
    """
    instances: list[Instance] = []
    refused: list[tuple[str, AwsError]] = []
    for aws in regions:
        try:
            instances += find(aws, bucket=wanted.bucket, group=wanted.group, gone=True)
        except AwsError as error:
            refused.append((aws.region, error))
    if refused and len(refused) == len(regions):
        raise refused[0][1]
    views: dict[str, BucketView] = {}
    warnings = [str(error) for _, error in refused]
    for name in sorted({instance.bucket for instance in instances if instance.bucket}):
        try:
            views[name] = view(open_bucket(name), [each.id for each in instances if each.bucket == name], ttl_s)
        except StoreError as error:
            warnings.append(short(f"{error}; so nothing is known of what its machines do"))
    now = clock()
    rows = (instance_row(instance, views.get(instance.bucket), now) for instance in instances)
    shown = tuple(
        row for row in rows if wanted.ended or row.living or row.state is not InstanceState.TERMINATED or row.id in keep
    )
    return FleetStatus(shown, _totals(shown, views.values()), tuple(warnings), tuple(region for region, _ in refused))


def follow(fleet: FleetStatus, see: Callable[[], FleetStatus], wait: Callable[[str], None]) -> Iterator[FleetStatus]:
    """This look and all that follow, until nothing lives any more. One that fails is passed over: a laptop may be
    without a network for a while.

    Args:
        wait: until the next one; is told why the last one failed, if it did.
    """
    yield fleet
    problem = ""
    while fleet.living or fleet.unasked:
        wait(problem)
        try:
            fleet = see()
        except AwsError as error:
            problem = str(error)
            continue
        problem = ""
        yield fleet


def view(bucket: Bucket, machines: Sequence[str], ttl_s: float) -> BucketView:
    """What a bucket tells of these machines, and of its jobs.

    Raises:
        StoreError: it cannot be read.
    """
    reports = read_reports(bucket, machines)
    listed = queue.list_queue(bucket)
    at_work = [(job, mark) for job, mark in listed.jobs.items() if mark.alive(listed.server_time, ttl_s)]
    asked = [partial(job_summary, bucket, job, mark, listed.server_time, ttl_s) for job, mark in at_work]
    found = [
        status
        for start in range(0, len(asked), _AT_ONCE)
        for status in bucket.clock.together(asked[start : start + _AT_ONCE])
    ]
    work: dict[str, RunningJob] = {}
    for status, (job, mark) in sorted(zip(found, at_work, strict=True), key=lambda pair: pair[1][1].touched):
        if status.worker:
            work[status.worker] = RunningJob(job, short(status.doing), status.episode, mark.touched)
    return BucketView(listed.server_time, reports, work, len(listed.jobs) - len(at_work), len(at_work))


def instance_row(instance: Instance, bucket: BucketView | None, clock: float) -> InstanceRow:
    """A machine as it is shown."""
    now = bucket.server_time if bucket else clock
    report = bucket.reports.get(instance.id, InstanceReport()) if bucket else None
    work = bucket.work.get(instance.id) if bucket and instance.living else None
    state, detail = state_of(MachineView(instance, report, work, now))
    price = instance.usd_per_hour
    if price is not None and not (math.isfinite(price) and 0 <= price <= _MOST_USD_PER_HOUR):
        price = None
    lived_s = max(0.0, (now if instance.living else _ended(instance, report)) - instance.launched)
    return InstanceRow(
        id=instance.id,
        region=instance.region,
        zone=instance.zone,
        group=short(instance.group),
        bucket=short(instance.bucket),
        owner=short(instance.owner),
        type=instance.type,
        market="spot" if instance.spot else "on-demand",
        living=instance.living,
        state=state,
        detail=detail,
        age_s=lived_s,
        ends_within_s=instance.expires - now if instance.living and instance.expires is not None else None,
        usd_per_hour=price,
        usd_so_far=None if price is None else price * lived_s / 3600,
        job=work.job_id if work else None,
        doing=work.phase if work else "",
        episode=work.episode if work else None,
        heartbeat_age_s=max(0.0, now - work.touched) if work else None,
        log_line=report.log_line if report else "",
    )


def _ended(instance: Instance, report: InstanceReport | None) -> float:
    """When a machine that is gone ended: as EC2 says, else when it last wrote, else its launch."""
    heard = report.heard if report else None
    return instance.ended or heard or instance.launched


def _totals(rows: Sequence[InstanceRow], views: Iterable[BucketView]) -> Totals:
    seen = list(views)
    return Totals(
        machines=sum(row.living for row in rows),
        usd_per_hour=sum(row.usd_per_hour or 0.0 for row in rows if row.living),
        usd_so_far=sum(row.usd_so_far or 0.0 for row in rows),
        jobs_pending=sum(each.pending for each in seen) if seen else None,
        jobs_running=sum(each.running for each in seen) if seen else None,
    )
