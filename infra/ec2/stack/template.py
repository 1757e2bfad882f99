"""What fleets need of AWS, as a CloudFormation template: one stack for a bucket and a region.

    the bucket, if it is not there yet, with its policy      kept when the stack goes
    a role for machines and its instance profile             what they may do: infra.ec2.stack.permissions
    a security group                                         nothing comes in; HTTPS goes out
    managed policies for people: launcher, dispatcher, sync-server

CloudFormation makes up the names of roles and policies, so that CAPABILITY_IAM is all it asks for.
"""

from __future__ import annotations

from typing import Any

from infra.access.policies import PUBLIC_ACCESS_BLOCK, Role, bucket_policy, role_policy
from infra.ec2.fleet import PROJECT, Tag
from infra.ec2.stack.permissions import Scope, launcher_policy, machine_policy
from protocol.wire import keys

Template = dict[str, Any]

_BUCKET_ARN = "arn:${AWS::Partition}:s3:::${Bucket}"
_SCOPE = Scope(
    bucket="${Bucket}",
    stack="${AWS::StackName}",
    worker_role="${WorkerRole.Arn}",
    partition="${AWS::Partition}",
    region="${AWS::Region}",
    account="${AWS::AccountId}",
)
_TAGS = [{"Key": Tag.PROJECT.value, "Value": PROJECT}, {"Key": Tag.BUCKET.value, "Value": "${Bucket}"}]

LOG_DAYS = 90  # how long the bucket keeps what machines said of themselves
PROBE_DAYS = UPLOAD_DAYS = 1


def template(*, closes_rounds: bool = True) -> Template:
    """The template.

    Args:
        closes_rounds: whether machines may close rounds, as `dispatch submit --barrier workers` asks of workers.
    """
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Sim-Arena: what fleets of workers on EC2 need.",
        "Parameters": {
            "Bucket": {"Type": "String", "Description": "The bucket that holds jobs and results."},
            "CreateBucket": {
                "Type": "String",
                "AllowedValues": ["true", "false"],
                "Default": "true",
                "Description": "false: the bucket is there already and stays as it is.",
            },
            "Vpc": {"Type": "AWS::EC2::VPC::Id", "Description": "Where the machines will be."},
        },
        "Conditions": {"CreatesBucket": {"Fn::Equals": [{"Ref": "CreateBucket"}, "true"]}},
        "Resources": _filled({**_bucket(), **_machines(closes_rounds), **_people()}),
        "Outputs": {
            "Bucket": {"Value": {"Ref": "Bucket"}},
            "VpcId": {"Value": {"Ref": "Vpc"}},
            "WorkerRoleArn": {"Value": {"Fn::GetAtt": ["WorkerRole", "Arn"]}},
            "InstanceProfileArn": {"Value": {"Fn::GetAtt": ["WorkerProfile", "Arn"]}},
            "SecurityGroupId": {"Value": {"Fn::GetAtt": ["SecurityGroup", "GroupId"]}},
            **{f"{name}Arn": {"Value": {"Ref": name}} for name in _people()},
        },
    }


def _bucket() -> Template:
    # A bucket of a stack that could not be made is empty and in the way of the next try; any other is kept.
    kept = {"Condition": "CreatesBucket", "DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"}
    rules = [
        {
            "Id": "unfinished",
            "Status": "Enabled",
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": UPLOAD_DAYS},
        },
        _expiry("machines", keys.MACHINES, LOG_DAYS),
        _expiry("probes", keys.PROBE, PROBE_DAYS),
    ]
    return {
        "CreatedBucket": {
            "Type": "AWS::S3::Bucket",
            **kept,
            "Properties": {
                "BucketName": "${Bucket}",
                "BucketEncryption": {
                    "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
                },
                "LifecycleConfiguration": {"Rules": rules},
                "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
                "PublicAccessBlockConfiguration": PUBLIC_ACCESS_BLOCK,
                "Tags": _TAGS,
            },
        },
        "CreatedBucketPolicy": {
            "Type": "AWS::S3::BucketPolicy",
            **kept,
            "Properties": {"Bucket": {"Ref": "CreatedBucket"}, "PolicyDocument": bucket_policy(_BUCKET_ARN)},
        },
    }


def _expiry(name: str, prefix: str, days: int) -> dict[str, Any]:
    return {"Id": name, "Status": "Enabled", "Prefix": prefix, "ExpirationInDays": days}


def _machines(closes_rounds: bool) -> Template:
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.${AWS::URLSuffix}"}, "Action": "sts:AssumeRole"}
    policy = {"PolicyName": "machine", "PolicyDocument": machine_policy(_BUCKET_ARN, closes_rounds=closes_rounds)}
    https_out = {
        "IpProtocol": "tcp",
        "FromPort": 443,
        "ToPort": 443,
        "CidrIp": "0.0.0.0/0",
        "Description": "S3, SSM, packages",
    }
    return {
        "WorkerRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "Description": "What machines of a Sim-Arena fleet may do.",
                "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
                "Policies": [policy],
                "ManagedPolicyArns": ["arn:${AWS::Partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"],
                "Tags": _TAGS,
            },
        },
        "WorkerProfile": {"Type": "AWS::IAM::InstanceProfile", "Properties": {"Roles": [{"Ref": "WorkerRole"}]}},
        "SecurityGroup": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {
                "GroupDescription": "Machines of a Sim-Arena fleet: nothing comes in, HTTPS goes out.",
                "VpcId": {"Ref": "Vpc"},
                # Without a rule EC2 adds one that lets everything out.
                "SecurityGroupEgress": [https_out],
                "Tags": _TAGS,
            },
        },
    }


def _people() -> Template:
    policies = {
        "LauncherPolicy": ("Launch, watch and end machines", launcher_policy(_SCOPE)),
        "DispatcherPolicy": ("Submit, cancel and purge jobs", role_policy(Role.DISPATCHER, _BUCKET_ARN)),
        "SyncServerPolicy": ("Close rounds", role_policy(Role.SYNC_SERVER, _BUCKET_ARN)),
    }
    return {
        name: {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {"Description": f"Sim-Arena: {what}.", "PolicyDocument": policy},
        }
        for name, (what, policy) in policies.items()
    }


def _filled(value: Any) -> Any:
    """The same with Fn::Sub around each string that has a placeholder."""
    if isinstance(value, dict):
        return {name: _filled(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each) for each in value]
    return {"Fn::Sub": value} if isinstance(value, str) and "${" in value else value
