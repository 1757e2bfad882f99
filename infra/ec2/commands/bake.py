"""`ec2-workers bake`: an image with everything installed, so that machines of a fleet start to work sooner."""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.ec2.aws import RegionOption
from protocol.commands.options import BucketChoice
from runner.commands.console import Exit, err, fail, note, out, print_json
from runner.options.flatten import flattened
from runner.options.output import OutputChoice

if TYPE_CHECKING:
    from infra.ec2.aws import Aws
    from infra.ec2.fleet import Instance
    from infra.ec2.launch.bake import BakedImage
    from infra.ec2.launch.launcher import Launch
    from infra.ec2.launch.plan import LaunchPlan
    from protocol.wire.bucket import Bucket

_MAX_HOURS, _IDLE_MINUTES = 3.0, 60.0  # the machine ends itself after these if this command cannot
_LOG_LINES = 20


@flattened
def bake(
    where: BucketChoice,
    output: OutputChoice,
    cluster: Annotated[
        str, typer.Option(metavar="NAME", help="What its machines will replay traces on: embedded or simkube.")
    ] = "embedded",
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The image's name. Default: a new one with the date.")
    ] = None,
    instance_type: Annotated[
        list[str] | None,
        typer.Option(metavar="TYPE", help="What to install on; may be given again. Default: several that suit."),
    ] = None,
    subnet: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="May be given again. Default: the default subnets of the stack's VPC."),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Code to install: a checkout, or a wheel beside its requirements.lock. Default: this one.",
        ),
    ] = None,
    region: RegionOption = None,
) -> None:
    """Make an image for `launch --ami`: launch a machine, let it install everything, copy its disk, end it.

    The image stays until you remove it, and its snapshot costs a little. Other code than the image's is installed when
    a machine starts. Ctrl-C ends the machine.
    """
    from infra.ec2.aws import Aws
    from infra.ec2.launch import code
    from infra.ec2.launch.bake import check_name
    from infra.ec2.launch.interrupt import heed, interruptible
    from infra.ec2.launch.launcher import rehearse, with_code
    from infra.ec2.launch.plan import LaunchSpec, resolve
    from infra.ec2.launch.user_data import Orders
    from protocol.commands.buckets import open_bucket
    from protocol.wire.clock import system_clock

    aws = Aws(region)
    stamp = f"{datetime.now(UTC):%Y%m%d}-{secrets.token_hex(2)}"
    title = name if name is not None else f"sim-arena-{cluster}-{stamp}"
    orders = Orders(
        bucket=where.bucket,
        bucket_region=aws.region,  # until it is known
        group=f"bake-{stamp}",
        wheel=code.UNBUILT,
        lock=code.UNBUILT,
        cluster=cluster,
        max_hours=_MAX_HOURS,
        idle_minutes=_IDLE_MINUTES,
        bake=True,
    )
    code.check(source or code.HERE)
    check_name(aws, title)
    # From here on, as in launch: a KeyboardInterrupt may come where Python drops it.
    with interruptible("ending the machine; once more to leave at once") as stop:
        plan = resolve(aws, LaunchSpec(orders, 1, tuple(instance_type or ()), subnets=tuple(subnet or ())))
        rehearse(aws, plan, time.time(), system_clock(stop), note)
        heed(stop)
        place = open_bucket(where.bucket, "launch", plan.orders.bucket_owner)
        image, ended = _bake(aws, with_code(plan, place, source or code.HERE, stop), place, title, stop)
    if output.as_json:
        print_json(asdict(image))
    else:
        out.print(f"{image.id}  {image.name}", markup=False, highlight=False)
        note(f"use it:     ec2-workers launch --region {image.region} --ami {image.id} --cluster {cluster} …")
        note(f"remove it:  {image.removal}")
    if not ended:
        raise typer.Exit(int(Exit.FAILED))


def _bake(aws: Aws, plan: LaunchPlan, place: Bucket, name: str, stop: threading.Event) -> tuple[BakedImage, bool]:
    """The image, and whether the machine has been ended."""
    from rich.markup import escape

    from infra.ec2.launch.bake import BakeFailed, Baking
    from infra.ec2.launch.launcher import Launch
    from protocol.wire.clock import system_clock

    with err.status("launching") as spinner:

        def show(line: str) -> None:
            spinner.update(escape(line)) if err.is_terminal else note(line)

        under_way = Launch(aws, plan, system_clock(stop), time.time(), note)
        try:
            instance = _launch(under_way, stop)
            image = Baking(aws, place, instance, system_clock(stop), show, note).run(name)
        except BakeFailed:
            _show_log(place, under_way.launched[0].id)
            raise
        finally:
            ended = _end(under_way)
    return image, ended


def _launch(under_way: Launch, stop: threading.Event) -> Instance:
    from infra.ec2.launch.interrupt import heed

    try:
        under_way.run()
    except BaseException:
        note(f"a machine may have been launched; run: {under_way.end_command}")
        raise
    heed(stop)
    if not under_way.launched:
        fail(_shortfall(under_way))
    return under_way.launched[0]


def _end(under_way: Launch) -> bool:
    from infra.ec2.aws import AwsError
    from protocol.wire.clock import system_clock

    ids = [instance.id for instance in under_way.launched]
    try:
        under_way.undo(system_clock().sleep)
    except (AwsError, KeyboardInterrupt) as error:
        note(f"the machine may live on ({error or 'interrupted'}); run: {under_way.end_command}")
        return False
    for one in ids:
        note(f"{one}: ended")
    if under_way.unclear:
        note(f"an answer was lost; in a minute, look whether there is a machine: {under_way.look_command}")
    return True


def _shortfall(under_way: Launch) -> str:
    if under_way.trouble is not None:
        return str(under_way.trouble)
    codes = ", ".join(dict.fromkeys(code for _, code in under_way.refusals))
    return f"no machine can be had ({codes}); try again later, or with other --instance-type or --region"


def _show_log(place: Bucket, worker: str) -> None:
    from infra.ec2.watch.reports import read_log
    from protocol.wire.errors import StoreError

    try:
        log = read_log(place, worker, "boot.log")
    except StoreError as error:
        log = str(error)
    for line in (log or "it has written no boot.log").rstrip().split("\n")[-_LOG_LINES:]:
        note(f"  {line}")
