"""The options that commands of a bucket share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import typer

from protocol.commands import completion
from protocol.wire.ids import valid_account
from protocol.wire.schedule import LEASE_TTL_S

Name = Annotated[
    str,
    typer.Argument(metavar="JOB|GROUP", help="A job id or a federation's group.", autocompletion=completion.names),
]
Job = Annotated[str, typer.Argument(metavar="JOB", help="A job id.", autocompletion=completion.jobs)]
Group = Annotated[str, typer.Argument(metavar="GROUP", help="A federation's group.", autocompletion=completion.groups)]


@dataclass(frozen=True, kw_only=True)
class BucketChoice:
    """The bucket that holds jobs and federations."""

    panel: ClassVar[str] = "Bucket"

    bucket: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            envvar="SIM_ARENA_BUCKET",
            help="The S3 bucket. Endpoint, region and credentials come from boto3's own settings.",
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class OwnerChoice:
    """Whose bucket it must be."""

    panel: ClassVar[str] = "Bucket"

    bucket_owner: Annotated[
        str | None,
        typer.Option(
            metavar="ACCOUNT",
            envvar="SIM_ARENA_BUCKET_OWNER",
            help="The bucket's AWS account; S3 then refuses a bucket of that name that another account has.",
        ),
    ] = None

    def __post_init__(self) -> None:
        if self.bucket_owner:
            valid_account(self.bucket_owner)


@dataclass(frozen=True, kw_only=True)
class LeaseChoice:
    """When an attempt counts as dead.

    Attributes:
        lease_ttl: Seconds.
    """

    panel: ClassVar[str] = "Bucket"

    lease_ttl: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            envvar="SIM_ARENA_LEASE_TTL",
            min=1.0,
            help="Seconds of silence after which an attempt counts as dead. The same for a whole fleet.",
        ),
    ] = LEASE_TTL_S
