"""What tests of launching share: an account, and what was asked of it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from double import ON_DEMAND, Double, Request

from infra.ec2.aws import Aws
from infra.ec2.commands.main import app
from infra.ec2.fleet import Instance, find
from infra.ec2.launch.plan import AL2023
from runner.commands.console import run

BUCKET, GROUP, REGION = "a-bucket", "shop", "us-east-1"
ZONES = ("us-east-1a", "us-east-1b")


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run_to_its_end(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *arguments: str) -> Done:
    """Runs `ec2-workers` to its end; no traceback is ever seen."""
    monkeypatch.setattr(sys, "argv", ["ec2-workers", *arguments])
    capfd.readouterr()
    with pytest.raises(SystemExit) as left:
        run(app)
    said = capfd.readouterr()
    assert "Traceback" not in said.err
    assert isinstance(left.value.code, int)
    return Done(left.value.code, said.out, said.err)


@cache
def aws(region: str = REGION) -> Aws:
    return Aws(region)


def image() -> str:
    """Amazon Linux."""
    return str(aws().ask("ssm", "get_parameter", Name=AL2023)["Parameter"]["Value"])


def profile() -> str:
    """A new instance profile."""
    return str(aws().ask("iam", "create_instance_profile", InstanceProfileName="workers")["InstanceProfile"]["Arn"])


def living(region: str = REGION) -> list[Instance]:
    return find(aws(region))


def requests(double: Double) -> list[Request]:
    """What was really asked for, without rehearsals."""
    return [each for each in double.asked("RunInstances") if not rehearsal(each)]


def asked_for(double: Double) -> list[tuple[str, str, int]]:
    """Type, market and how many, of each request."""
    return [
        (
            str(each.parameters["InstanceType"]),
            str(each.parameters.get("InstanceMarketOptions.MarketType", ON_DEMAND)),
            int(each.parameters["MaxCount"]),
        )
        for each in requests(double)
    ]


def rehearsal(request: Request) -> bool:
    return request.parameters.get("DryRun") == "true"
