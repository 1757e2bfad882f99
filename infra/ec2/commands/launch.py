"""`ec2-workers launch`: N machines that find the bucket and work, and what they cost.

Longer than most files: its options are a third of it.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, NoReturn

import typer

from env.errors import UsageError
from infra.ec2.aws import RegionOption
from protocol.commands.options import BucketChoice, LeaseChoice
from protocol.wire import ids
from runner.clusters.choice import CLUSTERS
from runner.commands.console import Exit, err, fail, note, out, print_json
from runner.options import completion
from runner.options.flatten import flattened
from runner.options.output import OutputChoice

if TYPE_CHECKING:
    from infra.ec2.aws import Aws
    from infra.ec2.fleet import Instance
    from infra.ec2.launch.launcher import Launch
    from infra.ec2.launch.plan import LaunchPlan
    from infra.ec2.launch.user_data import Orders

RECORDS = Path("runs/ec2")
_MOST_HOURS = 24 * 7.0


@dataclass(frozen=True, kw_only=True)
class FleetChoice:
    """How many machines, and when they end."""

    panel: ClassVar[str] = "Fleet"

    count: Annotated[int, typer.Option(metavar="N", min=1, max=1000, help="So many machines of the group are to live.")]
    group: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name of the fleet; one that exists is filled up. Default: a new one."),
    ] = None
    max_hours: Annotated[
        float,
        typer.Option(
            metavar="HOURS", min=0.1, max=_MOST_HOURS, help="After so many hours each machine ends itself, busy or not."
        ),
    ] = 12
    idle_minutes: Annotated[
        float,
        typer.Option(metavar="MINUTES", min=1, help="After so many minutes without work each machine ends itself."),
    ] = 30
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would start and what it costs; start and upload nothing.")
    ] = False


@dataclass(frozen=True, kw_only=True)
class MachineChoice:
    """What is launched, and where."""

    panel: ClassVar[str] = "Machines"

    instance_type: Annotated[
        tuple[str, ...],
        typer.Option(metavar="TYPE", help="May be given again, in order of preference. Default: several that suit."),
    ] = ()
    spot: Annotated[
        bool, typer.Option("--spot", help="Spot machines, cheapest first; what is missing then, on demand.")
    ] = False
    ami: Annotated[
        str | None,
        typer.Option(metavar="ID", help="ami-…, or the name of an SSM parameter. Default: Amazon Linux 2023."),
    ] = None
    subnet: Annotated[
        tuple[str, ...],
        typer.Option(metavar="ID", help="May be given again. Default: the default subnets of the stack's VPC."),
    ] = ()
    disk_gb: Annotated[
        int | None,
        typer.Option(metavar="GB", min=8, max=16_384, help="Size of the disk. Default: 20; with simkube 40."),
    ] = None
    source: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Code to run: a checkout, or a wheel beside its requirements.lock. Default: this one."
        ),
    ] = None
    own_wheels: Annotated[
        tuple[Path, ...],
        typer.Option(
            "--with",
            metavar="WHEEL",
            help="Install this package too, such as a learner of yours. May be given again; what it needs beside "
            "requirements.lock must be given as well.",
        ),
    ] = ()
    region: RegionOption = None


@dataclass(frozen=True, kw_only=True)
class ReplayingChoice:
    """What workers replay traces on."""

    panel: ClassVar[str] = "Cluster"

    cluster: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="What workers replay traces on: embedded; or simkube, with kind and KWOK on each machine.",
            autocompletion=completion.of(CLUSTERS),
        ),
    ] = CLUSTERS[0]
    nodes: Annotated[
        int, typer.Option(metavar="N", min=1, max=1000, help="Virtual nodes of each machine's cluster (simkube).")
    ] = 3
    node_cpu: Annotated[str, typer.Option(metavar="CPU", help="Each node's CPU (simkube).")] = "16"
    node_memory: Annotated[str, typer.Option(metavar="MEMORY", help="Each node's memory (simkube).")] = "32Gi"
    simkube: Annotated[
        tuple[str, ...],
        typer.Option(metavar="NAME=VALUE", help="A setting of docs/simkube.md, e.g. settle_s=5. May be given again."),
    ] = ()


@flattened
def launch(
    where: BucketChoice,
    fleet: FleetChoice,
    machine: MachineChoice,
    replaying: ReplayingChoice,
    lease: LeaseChoice,
    output: OutputChoice,
) -> None:
    """Launch machines until COUNT of the group live, and say which. They end themselves when there is no more work.

    Exit codes: 0 all live, 1 fewer (those stay and work), 3 enough were there already. Ctrl-C ends what it launched.
    """
    from infra.ec2.aws import Aws
    from infra.ec2.commands.launch_view import document, offers_table
    from infra.ec2.launch import code
    from infra.ec2.launch.interrupt import heed, interruptible
    from infra.ec2.launch.launcher import rehearse
    from infra.ec2.launch.plan import AL2023, LaunchSpec, resolve
    from infra.ec2.launch.user_data import Orders
    from protocol.wire.clock import system_clock

    aws = Aws(machine.region)
    _check_endpoint(aws, where.bucket)
    orders = Orders(
        bucket=where.bucket,
        bucket_region=aws.region,  # until it is known
        group=ids.valid_group(fleet.group) if fleet.group is not None else _new_name(),
        wheel=code.UNBUILT,
        lock=code.UNBUILT,
        max_hours=fleet.max_hours,
        idle_minutes=fleet.idle_minutes,
        lease_ttl=lease.lease_ttl,
        **vars(replaying),
    )
    _check_nodes(orders)
    source = machine.source or code.HERE
    code.check(source)
    code.check_wheels(machine.own_wheels)
    ami = AL2023 if machine.ami is None else machine.ami
    wish = LaunchSpec(orders, fleet.count, machine.instance_type, machine.spot, ami, machine.subnet, machine.disk_gb)
    # From here on: a KeyboardInterrupt may come where Python drops it, in a finalizer, and machines would start.
    with interruptible("ending what was launched; once more to leave at once") as stop:
        plan = resolve(aws, wish)
        if not plan.missing:
            _nothing_to_do(plan, output.as_json)
        _tell(plan)
        if not output.as_json:
            (out if fleet.dry_run else err).print(offers_table(plan))
        rehearse(aws, plan, time.time(), system_clock(stop), note)
        heed(stop)
        if not fleet.dry_run:
            _launch(aws, plan, source, output.as_json, stop, machine.own_wheels)
            return
        note("EC2 would allow this; nothing was started or uploaded")
        if output.as_json:
            print_json(document(plan, [], dry_run=True))


def _new_name() -> str:
    return f"fleet-{datetime.now(UTC):%Y%m%d}-{secrets.token_hex(2)}"


def _check_endpoint(aws: Aws, bucket: str) -> None:
    """Machines ask AWS's own S3: a bucket elsewhere is one that they will not find."""
    from protocol.wire.faults import address
    from protocol.wire.s3_client import is_aws

    where = aws.endpoint("s3")
    if where and not is_aws(where) and where != aws.endpoint("ec2"):  # one server may be all of AWS, for tests
        raise UsageError(
            f"s3://{bucket} at {address(where)}: machines on EC2 use AWS's own S3; unset AWS_ENDPOINT_URL_S3, "
            "and name a bucket there"
        )


def _check_nodes(orders: Orders) -> None:
    for option in ("nodes", "node_cpu", "node_memory"):
        if orders.cluster != "simkube" and getattr(orders, option) != getattr(type(orders), option):
            raise UsageError(f"--{option.replace('_', '-')}: needs --cluster simkube")


def _nothing_to_do(plan: LaunchPlan, as_json: bool) -> NoReturn:
    from infra.ec2.commands.launch_view import document

    note(f"{len(plan.living)} of group {plan.orders.group} live in {plan.region}; nothing to do")
    if as_json:
        print_json(document(plan, []))
    raise typer.Exit(int(Exit.NOTHING_TO_DO))


def _tell(plan: LaunchPlan) -> None:
    orders = plan.orders
    there = f"; {len(plan.living)} of {plan.count} live already" if plan.living else ""
    note(f"group {orders.group} in {plan.region}: launching {plan.missing}{there}")
    if orders.bucket_region != plan.region:
        note(f"s3://{orders.bucket} is in {orders.bucket_region}: traffic between regions costs extra")


# -- launching -------------------------------------------------------------------------------------------


def _launch(
    aws: Aws, plan: LaunchPlan, source: Path, as_json: bool, stop: threading.Event, own_wheels: Sequence[Path]
) -> None:
    from infra.ec2.launch.interrupt import heed
    from infra.ec2.launch.launcher import Launch, with_code
    from protocol.commands.buckets import open_bucket
    from protocol.wire.clock import system_clock

    recorded = _write_record(plan)
    plan = with_code(
        plan, open_bucket(plan.orders.bucket, "launch", plan.orders.bucket_owner), source, stop, own_wheels
    )
    under_way = Launch(aws, plan, system_clock(stop), time.time(), note)
    try:
        under_way.run()
        if stop.is_set():
            _undo(under_way)
    except BaseException:
        ways = (under_way.end_command, under_way.look_command)
        note(f"something may have been launched; run: {' ; '.join(filter(None, ways))}")
        raise
    finally:
        if recorded:
            _write_record(plan, under_way.launched)
    heed(stop)
    _report(under_way, as_json)


def _undo(under_way: Launch) -> None:
    from protocol.wire.clock import system_clock

    note(f"ended {under_way.undo(system_clock().sleep)}")
    if under_way.unclear:
        note(f"an answer was lost; in a minute, look whether there are more: {under_way.look_command}")


def _report(under_way: Launch, as_json: bool) -> None:
    from infra.ec2.commands.launch_view import document, instances_table

    plan, launched = under_way.plan, under_way.launched
    if as_json:
        print_json(document(plan, launched, under_way.refusals))
    elif launched:
        out.print(instances_table(launched))
        group = plan.orders.group
        note(f"watch:  {under_way.look_command} --watch")
        note(f"logs:   ec2-workers logs --region {plan.region} {launched[0].id}")
        note(f"end:    ec2-workers terminate --region {plan.region} --group {group}")
    if under_way.search.missing:
        fail(_shortfall(under_way))


def _shortfall(under_way: Launch) -> str:
    """Why fewer live than were asked for, and what to do."""
    from infra.ec2.launch.offers import quotas

    plan, launched = under_way.plan, under_way.launched
    parts = [f"{len(plan.living) + len(launched)} of {plan.count} live in group {plan.orders.group}"]
    if under_way.trouble is not None:
        parts.append(str(under_way.trouble))
    else:
        codes = ", ".join(dict.fromkeys(code for _, code in under_way.refusals))
        parts.append(f"no offer is left ({codes}); launch again later, or with other --instance-type or --region")
        parts += quotas(under_way.refusals)
    if under_way.unclear:
        parts.append(f"an answer was lost; in a minute, look whether there are more: {under_way.look_command}")
    if launched:
        parts.append(f"what was launched stays; to end it: {under_way.end_command}")
    return "; ".join(parts)


def _write_record(plan: LaunchPlan, launched: Sequence[Instance] = ()) -> bool:
    """Leave a note for people, as far as that is possible; the inventory is the tags."""
    from infra.ec2.commands.launch_view import document

    path = RECORDS / f"{plan.orders.group}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document(plan, launched), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        err.print(f"[yellow]warning[/]: {path} cannot be written ({error.strerror})", highlight=False)
        return False
    return True
