"""The IAM policies of a fleet: what its instances may do, and what those who launch them may do.

Like those of `infra.access.policies`, they take anything that becomes a name or an ARN, e.g. for CloudFormation's
Fn::Sub.
Which resources and condition keys each action of EC2 knows:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from infra.access.policies import CODE, MACHINES, Document, Rights, Role, Statement, document, grants, rights_of
from infra.ec2.fleet import PROJECT, Tag

# What a role may be passed to; China's EC2 has a name of its own.
PASSED_TO = ["ec2.amazonaws.com", "ec2.amazonaws.com.cn"]

DESCRIBES = (
    "ec2:DescribeImages",
    "ec2:DescribeInstances",
    "ec2:DescribeInstanceTypeOfferings",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeSpotPriceHistory",
    "ec2:DescribeSubnets",
    "pricing:GetProducts",
)

_MACHINE = Rights(read=(CODE,), create=(MACHINES,))
_LAUNCHER = Rights(read=(CODE, MACHINES), look_up=(CODE, MACHINES), create=(CODE,))


@dataclass(frozen=True)
class Scope:
    """What a launcher's policy is about.

    Attributes:
        stack: the name of the stack that `ec2-workers setup` made for the bucket.
        worker_role: the ARN of its role, or a pattern of ARNs.
        region: `*`: any; so for the account.
    """

    bucket: str
    stack: str
    worker_role: str
    partition: str = "aws"
    region: str = "*"
    account: str = "*"

    def owned(self, *kinds: str) -> list[str]:
        """Patterns over EC2's resources of these kinds that belong to an account."""
        return [f"arn:{self.partition}:ec2:{self.region}:{self.account}:{kind}/*" for kind in kinds]

    def unowned(self, *kinds: str) -> list[str]:
        """The same for images and snapshots, whose ARNs name no account."""
        return [f"arn:{self.partition}:ec2:{self.region}::{kind}/*" for kind in kinds]

    def tags(self, context: str) -> dict[str, str]:
        """The bucket's fleets, by the tags of a request (`aws:RequestTag`) or of what is there (`aws:ResourceTag`)."""
        return {f"{context}/{Tag.PROJECT}": PROJECT, f"{context}/{Tag.BUCKET}": self.bucket}


def machine_policy(arn: str, *, closes_rounds: bool) -> Document:
    """What a machine's role may do in the bucket: a worker's work, installing code, saying how it is.

    It also takes back what AmazonSSMManagedInstanceCore, which the role has for Session Manager, gives too much of:
    every parameter of the account, where people keep passwords.
    """
    rights = rights_of(Role.WORKER, closes_rounds=closes_rounds) + _MACHINE
    no_parameters = {
        "Sid": "NoParameters",
        "Effect": "Deny",
        "Action": ["ssm:GetParameter", "ssm:GetParameters"],
        "Resource": "*",
    }
    return document(*grants(rights, arn), no_parameters)


def launcher_policy(scope: Scope) -> Document:
    """What a user needs for all of `ec2-workers` but setup and teardown, in one bucket's fleets."""
    arn = f"arn:{scope.partition}:s3:::{scope.bucket}"
    # HEAD of a bucket, which tells its region, is a listing without a prefix.
    whereabouts = _allow("Whereabouts", "s3:ListBucket", arn, {"Null": {"s3:prefix": "true"}})
    rights = rights_of(Role.READER) + _LAUNCHER
    return document(*_launching(scope), *_ending_and_baking(scope), whereabouts, *grants(rights, arn))


def _launching(scope: Scope) -> list[Statement]:
    born = {
        "StringEquals": {**scope.tags("aws:RequestTag"), "ec2:MetadataHttpTokens": "required"},
        "NumericEquals": {"ec2:MetadataHttpPutResponseHopLimit": "1"},
    }
    encrypted = {"StringEquals": scope.tags("aws:RequestTag"), "Bool": {"ec2:Encrypted": "true"}}
    ours = {"StringEquals": scope.tags("aws:ResourceTag")}
    around = [*scope.unowned("image"), *scope.owned("subnet", "network-interface", "spot-instances-request")]
    spot = "spot.amazonaws.com"
    return [
        # No key pair is among the resources, and of security groups only the stack's, which lets nothing in.
        _allow("Machines", "ec2:RunInstances", scope.owned("instance"), born),
        _allow("Disks", "ec2:RunInstances", scope.owned("volume"), encrypted),
        _allow("Ports", "ec2:RunInstances", scope.owned("security-group"), ours),
        _allow("Around", "ec2:RunInstances", around),
        _allow("Role", "iam:PassRole", scope.worker_role, {"StringEquals": {"iam:PassedToService": PASSED_TO}}),
        # AWS makes it with an account's first request for spot machines.
        _allow(
            "SpotsOwnRole",
            "iam:CreateServiceLinkedRole",
            f"arn:{scope.partition}:iam::{scope.account}:role/aws-service-role/{spot}/AWSServiceRoleForEC2Spot",
            {"StringEquals": {"iam:AWSServiceName": spot}},
        ),
        _allow("Describe", list(DESCRIBES), "*"),
        _allow(
            "PublicImages",
            "ssm:GetParameter",
            f"arn:{scope.partition}:ssm:{scope.region}::parameter/aws/service/*",
        ),
        _allow(
            "Stack",
            "cloudformation:DescribeStacks",
            f"arn:{scope.partition}:cloudformation:{scope.region}:{scope.account}:stack/{scope.stack}/*",
        ),
    ]


def _ending_and_baking(scope: Scope) -> list[Statement]:
    machines, copies = scope.owned("instance"), scope.unowned("image", "snapshot")
    ours = {"StringEquals": scope.tags("aws:ResourceTag")}
    of_machines = ["ec2:TerminateInstances", "ec2:GetConsoleOutput", "ec2:CreateImage"]
    of_copies = ["ec2:DeregisterImage", "ec2:DeleteSnapshot"]
    birth = {"StringEquals": {"ec2:CreateAction": ["RunInstances", "CreateImage"]}}
    tagged = [*scope.owned("instance", "volume", "spot-instances-request"), *copies]
    return [
        _allow("Ours", [*of_machines, *of_copies], [*machines, *copies], ours),
        _allow("Copies", "ec2:CreateImage", copies, {"StringEquals": scope.tags("aws:RequestTag")}),
        _allow("TagsFromBirth", "ec2:CreateTags", tagged, birth),
    ]


def _allow(
    sid: str, action: str | list[str], resource: str | list[str], condition: dict[str, Any] | None = None
) -> Statement:
    statement = {"Sid": sid, "Effect": "Allow", "Action": action, "Resource": resource}
    return {**statement, "Condition": condition} if condition else statement
