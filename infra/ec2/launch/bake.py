"""An image made ahead: a machine installs everything, cleans up, and EC2 copies its disk.

The machine reboots while its disk is copied (EC2 does that, for whole file systems), and is not needed afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from env.errors import SimArenaError, UsageError
from infra.ec2.aws import Aws, AwsError
from infra.ec2.fleet import PROJECT, Instance, Tag, find, tag_list
from infra.ec2.watch.reports import InstanceReport, ReportedState, read_reports, short
from infra.ec2.watch.states import progress
from protocol.wire.bucket import Bucket
from protocol.wire.clock import Clock
from protocol.wire.errors import StoreError

T = TypeVar("T")

POLL_S = 10.0
BOOT_S = 60 * 60.0
COPY_S = 90 * 60.0
_MOST_BLIND = 30  # looks in a row that fail: a laptop may be without a network for a while
_NAME = re.compile(r"[A-Za-z0-9()\[\] ./'@_-]{3,128}")
_BAKED = "baked"  # what boot.sh says in the end


class BakeFailed(SimArenaError):
    """There is no image; the message says why."""


@dataclass(frozen=True)
class BakedImage:
    """An image of ours, which costs for as long as its snapshots are there.

    Attributes:
        state: EC2's: pending, available, failed …
        created: as EC2 writes it, such as 2026-11-21T22:17:00.000Z.
    """

    id: str
    name: str
    region: str
    bucket: str
    state: str
    created: str
    snapshots: tuple[str, ...]

    @property
    def removal(self) -> str:
        """What a person types to remove it."""
        return f"aws ec2 deregister-image --delete-associated-snapshots --region {self.region} --image-id {self.id}"


def baked_images(aws: Aws, bucket: str | None = None) -> list[BakedImage]:
    """The images of this project, or of one bucket, in a region; oldest first.

    Raises:
        AwsError: they cannot be listed.
    """
    images = _images(aws, {f"tag:{Tag.PROJECT}": [PROJECT]})
    return sorted((one for one in images if bucket in (None, one.bucket)), key=lambda one: (one.created, one.id))


def lone_snapshots(aws: Aws, bucket: str) -> list[str]:
    """Ids of a bucket's snapshots in a region whose image failed, or was removed without them; they cost.

    Raises:
        AwsError: they cannot be listed.
    """
    wanted = {f"tag:{Tag.PROJECT}": [PROJECT], f"tag:{Tag.BUCKET}": [bucket]}
    rows = aws.pages("ec2", "describe_snapshots", "Snapshots", OwnerIds=["self"], filters=wanted)
    images = baked_images(aws)
    if any(image.state == "pending" for image in images):
        return []  # they may be of an image that does not tell yet
    used = {snapshot for image in images for snapshot in image.snapshots}
    return sorted({row["SnapshotId"] for row in rows} - used)


def _images(aws: Aws, wanted: dict[str, list[str]]) -> list[BakedImage]:
    rows = aws.pages("ec2", "describe_images", "Images", Owners=["self"], filters=wanted)
    return [_read(row, aws.region) for row in rows]


def _read(row: Any, region: str) -> BakedImage:
    tags = {tag["Key"]: tag["Value"] for tag in row.get("Tags", ())}
    disks = [mapping.get("Ebs", {}) for mapping in row.get("BlockDeviceMappings", ())]
    return BakedImage(
        id=row["ImageId"],
        name=row.get("Name", ""),
        region=region,
        bucket=tags.get(Tag.BUCKET, ""),
        state=row["State"],
        created=row.get("CreationDate", ""),
        snapshots=tuple(disk["SnapshotId"] for disk in disks if "SnapshotId" in disk),
    )


def check_name(aws: Aws, name: str) -> None:
    """Raises UsageError if no image may have this name, or another one of this account has it."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"--name {name[:128]!r}: use 3 to 128 of a-z, A-Z, 0-9, space and ()[]./-'@_")
    if taken := _images(aws, {"name": [name]}):
        raise UsageError(f"--name {name}: {taken[0].id} in {aws.region} has it; choose another one")


def installed(report: InstanceReport, instance: Instance | None) -> bool:
    """Whether a machine is ready to be copied.

    Args:
        instance: None: EC2 does not show it yet.

    Raises:
        BakeFailed: it never will be.
    """
    status = report.status
    if status is not None and status.state is not ReportedState.BOOTING:
        if (status.state, status.doing) == (ReportedState.ENDING, _BAKED):
            return True
        raise BakeFailed(f"the machine is {status.state}: {status.doing or 'it does not say why'}")
    if instance is not None and not instance.living:
        raise BakeFailed(f"the machine has ended: {short(instance.why) or 'EC2 does not say why'}")
    return False


@dataclass
class Baking:
    """One bake under way, from a machine that was launched for it.

    Args:
        show: told what goes on right now, whenever that changes.
        say: told what a person should still see afterwards.
    """

    aws: Aws
    bucket: Bucket
    instance: Instance
    clock: Clock
    show: Callable[[str], None]
    say: Callable[[str], None]
    _shown: str = ""

    def run(self, name: str) -> BakedImage:
        """Wait for the machine, and make the image.

        Raises:
            BakeFailed: the machine or the image failed, or took too long.
            AwsError, StoreError: nothing could be seen for a while.
            KeyboardInterrupt: this process was told to stop.
        """
        self._rehearse(name)
        self._until(self._installed, BOOT_S, "installing")
        image_id = self._create(name)
        try:
            return self._until(lambda: self._copied(image_id), COPY_S, f"copying the disk to {image_id}")
        except BaseException:
            left = BakedImage(image_id, name, self.aws.region, self.instance.bucket, "", "", ())
            self.say(f"{image_id} may still come to be; to remove it: {left.removal}")
            raise

    def _rehearse(self, name: str) -> None:
        """Better refused now than after all the installing."""
        try:
            self.aws.ask("ec2", "create_image", **self._request(name), DryRun=True)
        except AwsError as error:
            if error.code in ("UnauthorizedOperation", "AccessDenied"):
                raise

    def _request(self, name: str) -> dict[str, Any]:
        values: dict[str, str] = {
            Tag.NAME: name,
            Tag.PROJECT: PROJECT,
            Tag.BUCKET: self.instance.bucket,
            Tag.GROUP: self.instance.group,
            Tag.OWNER: self.instance.owner,
        }
        specifications = [{"ResourceType": kind, "Tags": tag_list(values)} for kind in ("image", "snapshot")]
        return {"InstanceId": self.instance.id, "Name": name, "TagSpecifications": specifications}

    def _installed(self) -> bool:
        found = find(self.aws, ids=[self.instance.id], gone=True)
        report = read_reports(self.bucket, [self.instance.id]).get(self.instance.id, InstanceReport())
        ready = installed(report, found[0] if found else None)
        self._show(f"{self.instance.id}: {progress(report.status) if report.status else 'starting'}")
        return ready

    def _create(self, name: str) -> str:
        try:
            return str(self.aws.ask("ec2", "create_image", **self._request(name))["ImageId"])
        except AwsError as error:
            if error.code != "InvalidAMIName.Duplicate":
                raise
            # The answer to our own request may have been lost.
            ours = _images(self.aws, {"name": [name], f"tag:{Tag.GROUP}": [self.instance.group]})
            if not ours:
                raise
            return ours[0].id

    def _copied(self, image_id: str) -> BakedImage | None:
        row = self.aws.ask("ec2", "describe_images", ImageIds=[image_id])["Images"][0]
        image = _read(row, self.aws.region)
        self._show(f"{image_id}: {image.state}")
        if image.state == "available":
            return image
        if image.state != "pending":
            why = short(row.get("StateReason", {}).get("Message", "")) or "EC2 does not say why"
            raise BakeFailed(f"{image_id} is {image.state}: {why}")
        return None

    def _until(self, look: Callable[[], T | None], most_s: float, what: str) -> T:
        """What `look` finds at last; a look that fails counts as nothing found, as long as not too many do."""
        deadline, blind = self.clock.now() + most_s, 0
        while not self.clock.stopping():
            try:
                if found := look():
                    return found
                blind = 0
            except (AwsError, StoreError):
                blind += 1
                if blind == _MOST_BLIND:
                    raise
            if self.clock.now() >= deadline:
                raise BakeFailed(f"{what} took more than {most_s / 60:.0f} min")
            self.clock.sleep(POLL_S)
        raise KeyboardInterrupt

    def _show(self, line: str) -> None:
        if line != self._shown:
            self._shown = line
            self.show(line)
