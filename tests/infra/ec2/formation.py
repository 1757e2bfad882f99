"""What CloudFormation does with our template and moto's does not, added to moto: nothing here decides anything.

AWS::S3::BucketPolicy                         moto does not know it
PublicAccessBlockConfiguration of a bucket    moto leaves it out
SecurityGroupEgress                           moto leaves it out, and lets everything out
RetainExceptOnCreate                          moto takes it for Delete; its stacks are never rolled back
conditions in a bucket's policy               moto takes them for met; ours forbid what the protocol never does
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any


@cache
def complete_moto() -> None:
    """Once for a process."""
    from moto.cloudformation import parsing

    _keep_what_is_retained()
    _block_public_access()
    _evaluate_without_conditions()
    _apply_egress()
    _add_bucket_policies()
    for known in (parsing.get_model_list, parsing.get_model_map, parsing.get_name_type_map):
        known.cache_clear()  # the list of CloudFormationModel's subclasses, of which there is one more now


def _keep_what_is_retained() -> None:
    from moto.cloudformation.models import Stack

    parse = Stack.parse_template

    def parse_template(text: str) -> Any:
        found = parse(text)
        for row in found["Resources"].values():
            if row.get("DeletionPolicy") == "RetainExceptOnCreate":
                row["DeletionPolicy"] = "Retain"
        return found

    Stack.parse_template = staticmethod(parse_template)


def _block_public_access() -> None:
    from moto.s3.models import FakeBucket, s3_backends

    make = FakeBucket.create_from_cloudformation_json

    def create(cls: Any, name: str, row: Any, account: str, region: str, **more: Any) -> Any:
        made = make(name, row, account, region, **more)
        if block := row["Properties"].get("PublicAccessBlockConfiguration"):
            s3_backends[account]["aws"].put_public_access_block(name, {key: str(value) for key, value in block.items()})
        return made

    FakeBucket.create_from_cloudformation_json = classmethod(create)


def _evaluate_without_conditions() -> None:
    from moto.iam.access_control import IAMPolicy, PermissionResult
    from moto.s3.models import FakeBucket

    def get_permission(self: Any, action: str, resource: str) -> Any:
        policy = json.loads(self.policy) if self.policy else {"Statement": []}
        rows = [row for row in policy["Statement"] if "Condition" not in row]
        if not rows:
            return PermissionResult.NEUTRAL
        return IAMPolicy(json.dumps({**policy, "Statement": rows})).is_action_permitted(action, resource)

    FakeBucket.get_permission = get_permission


def _apply_egress() -> None:
    from moto.ec2.models import ec2_backends
    from moto.ec2.models.security_groups import SecurityGroup

    make = SecurityGroup.create_from_cloudformation_json

    def create(cls: Any, name: str, row: Any, account: str, region: str, **more: Any) -> Any:
        made = make(name, row, account, region, **more)
        rules = row["Properties"].get("SecurityGroupEgress", [])
        made.egress_rules = [] if rules else made.egress_rules
        for rule in rules:
            ports = str(rule["FromPort"]), str(rule["ToPort"])
            ranges = [{"CidrIp": rule["CidrIp"]}]
            ec2_backends[account][region].authorize_security_group_egress(made.id, rule["IpProtocol"], *ports, ranges)
        return made

    SecurityGroup.create_from_cloudformation_json = classmethod(create)


def _add_bucket_policies() -> None:
    from moto.core.common_models import CloudFormationModel
    from moto.s3.models import s3_backends

    class BucketPolicy(CloudFormationModel):  # type: ignore[misc]
        __module__ = "moto.s3"  # where moto looks for the name of the service

        def __init__(self, account: str, bucket: str) -> None:
            self.backend, self.bucket = s3_backends[account]["aws"], bucket

        @property
        def physical_resource_id(self) -> str:
            return self.bucket

        @staticmethod
        def cloudformation_name_type() -> str:
            return ""

        @staticmethod
        def cloudformation_type() -> str:
            return "AWS::S3::BucketPolicy"

        @classmethod
        def create_from_cloudformation_json(cls, name: str, row: Any, account: str, region: str, **_: Any) -> Any:
            made = cls(account, row["Properties"]["Bucket"])
            made.backend.put_bucket_policy(made.bucket, json.dumps(row["Properties"]["PolicyDocument"]).encode())
            return made

        @classmethod
        def update_from_cloudformation_json(cls, original_resource: Any, cloudformation_json: Any, **_: Any) -> Any:
            account = original_resource.backend.account_id
            return cls.create_from_cloudformation_json("", cloudformation_json, account, "")

        def delete(self, account: str, region: str) -> None:
            self.backend.delete_bucket_policy(self.bucket)
