"""Machines for tests to look at, as `ec2-workers launch` makes them, and what they write into the bucket."""

from __future__ import annotations

import json
import os
from functools import cache
from typing import Any

import boto3
from double import ACCOUNT

from infra.ec2.fleet import launch_tags
from protocol.commands.buckets import open_bucket
from protocol.wire import keys
from protocol.wire.bucket import Bucket

BUCKET = "fleet-bucket"
LATER = 4e9  # no machine here is past its time, unless a test says so


def new_bucket(name: str = BUCKET) -> Bucket:
    """A bucket on the double, opened."""
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    _client("s3", "us-east-1", endpoint).create_bucket(Bucket=name)
    return _opened(name, endpoint)


def launch_all(
    count: int,
    group: str = "shop",
    bucket: str = BUCKET,
    *,
    region: str = "us-east-1",
    expires: float = LATER,
    usd: float | None = 0.2,
    spot: bool = False,
) -> list[str]:
    """Instances; their ids."""
    from moto.ec2 import ec2_backends

    tags = launch_tags(group, bucket, "me", expires, usd)
    started = _client("ec2", region, os.environ["AWS_ENDPOINT_URL"]).run_instances(
        ImageId=next(iter(ec2_backends[ACCOUNT][region].amis)),
        InstanceType="m6i.large",
        MinCount=count,
        MaxCount=count,
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
        **({"InstanceMarketOptions": {"MarketType": "spot"}} if spot else {}),
    )
    return [row["InstanceId"] for row in started["Instances"]]


def launch(group: str = "shop", bucket: str = BUCKET, **more: Any) -> str:
    """One instance; its id."""
    return launch_all(1, group, bucket, **more)[0]


def writes(place: Bucket, machine: str, name: str, body: bytes) -> None:
    """The machine puts a file into the bucket."""
    place.put_without_retry(keys.machine_file(machine, name), body)


def says(place: Bucket, machine: str, state: str, **more: Any) -> None:
    """The machine writes its status."""
    writes(place, machine, "status.json", json.dumps({"state": state, **more}).encode())


@cache
def _client(service: str, region: str, endpoint: str) -> Any:
    session: Any = boto3.session.Session()
    return session.client(service, region_name=region, endpoint_url=endpoint)


@cache
def _opened(name: str, endpoint: str) -> Bucket:
    return open_bucket(name)
