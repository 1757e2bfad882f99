"""The policies as documents: sizes, reach, and the command that prints them."""

from __future__ import annotations

import json
import re

import pytest
from cloud import ARN, BUCKET, CLOSER, OWN, POLICIES, Request
from hypothesis import given, settings
from hypothesis import strategies as st
from judge import allowed, like

from env.errors import UsageError
from infra.access import policies
from infra.access.accounts import shared_bucket_policy
from infra.access.policies import Role, bucket_policy, role_policy
from infra.commands import app as sim_arena
from protocol.wire import keys
from protocol.wire.keys import Mark


def test_policies_fit_into_what_aws_takes() -> None:
    """Characters without white space: 6,144 in a managed policy, 10,240 in all inline policies of a role
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html); 20 KB in a bucket's."""
    longest = policies.bucket_arn("b" * 63, policies.Partition.US_GOV)
    for role in Role:
        assert size(role_policy(role, longest)) <= 6_144
    assert size(role_policy(Role.WORKER, longest, job_id="g" * 57 + "-m0000")) <= 6_144
    assert size(role_policy(Role.WORKER, longest, closes_rounds=True)) <= 6_144
    assert size(bucket_policy(longest)) <= 20_480
    owners = {f"shop-m{number:04d}": "arn:aws:iam::222222222222:root" for number in range(7)}
    assert size(shared_bucket_policy(policies.bucket_arn("a-company-s-sim-arena"), owners)) <= 20_480


def size(document: policies.Document) -> int:
    return len(json.dumps(document, separators=(",", ":")))


def test_no_policy_reaches_beyond_its_bucket() -> None:
    for document in [*POLICIES.values(), OWN]:
        for statement in document["Statement"]:
            assert all(resource == ARN or resource.startswith(f"{ARN}/") for resource in statement["Resource"])
            assert statement["Action"] != "*"
    for document in POLICIES.values():
        actions = {statement["Action"] for statement in document["Statement"]}
        assert actions <= {"s3:GetObject", "s3:ListBucket", "s3:PutObject", "s3:DeleteObject"}


def test_a_partition_and_a_placeholder_for_an_arn_are_kept() -> None:
    assert policies.bucket_arn("b-1", policies.Partition.CHINA) == "arn:aws-cn:s3:::b-1"
    document = role_policy(Role.READER, "arn:${AWS::Partition}:s3:::${Bucket}")
    assert "arn:${AWS::Partition}:s3:::${Bucket}/results/*" in document["Statement"][0]["Resource"]


def printed(*arguments: str) -> None:
    sim_arena(["policy", *arguments], standalone_mode=False)


def test_the_command_prints_what_the_functions_return(capfd: pytest.CaptureFixture[str]) -> None:
    for role in Role:
        printed(role, "--bucket", BUCKET)
        assert json.loads(capfd.readouterr().out) == POLICIES[role]
    printed("worker", "--bucket", BUCKET, "--job", "own-m0000")
    assert json.loads(capfd.readouterr().out) == POLICIES["own-m0000"]
    printed("worker", "--bucket", BUCKET, "--closes-rounds")
    assert json.loads(capfd.readouterr().out) == POLICIES[CLOSER]
    printed("bucket", "--bucket", BUCKET, "--member", "own-m0000=222222222222")
    shown = capfd.readouterr()
    assert json.loads(shown.out) == shared_bucket_policy(ARN, {"own-m0000": "arn:aws:iam::222222222222:root"})
    assert f"aws s3api put-bucket-ownership-controls --bucket {BUCKET}" in shown.err
    printed("bucket", "--bucket", BUCKET)
    shown = capfd.readouterr()
    assert json.loads(shown.out) == OWN
    assert f"aws s3api put-public-access-block --bucket {BUCKET}" in shown.err


# Ids that hold numbers and names of other keys, and any other.
_TRICKY = [
    *(
        "shop-m4321",
        "shop-m0003",
        "exp-123456",
        "job-20260101-104321-abcdef",
        "shop-7890-m0003",
        "any-job",
        "any-group",
    ),
    *("any-group", "4321", "7890", "123456", "any-group-m0001", "0" * 63, "m0003", "claim-0001", "shop-m0000"),
]
JOBS = st.one_of(st.sampled_from(_TRICKY), st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True))
EVERYTHING = ("GetObject", "PutObject", "DeleteObject")


def keys_of(job: str) -> list[str]:
    """What a worker confined to this job may touch, and of another nothing."""
    found = [keys.result(job), keys.state(job, 7), keys.artifact(job, "train.log"), keys.pending_manifest(job)]
    found += [keys.attempt_mark(job, mark, 3) for mark in (Mark.CLAIM, Mark.HEARTBEAT, Mark.RELEASED)]
    if member := keys.parse_member_job(job):
        found.append(keys.update(member[0], 5, member[1]))
    return found


def touched(policy: policies.Document, key: str) -> list[str]:
    context = {"s3__if_none_match": "*"}
    return [action for action in EVERYTHING if allowed(Request.to("w", action, key, **context), policy, OWN)]


@settings(deadline=None)  # a loaded machine is no failure
@given(JOBS, JOBS)
def test_a_worker_for_one_job_reaches_its_own_keys_and_no_other_s(mine: str, other: str) -> None:
    policy = role_policy(Role.WORKER, ARN, job_id=mine)
    for key in keys_of(mine):
        assert touched(policy, key), key
    for key in set(keys_of(other)).difference(keys_of(mine)):
        assert not touched(policy, key), key


@pytest.mark.parametrize(
    "header",
    [
        "s3__x_amz_storage_class",
        "s3__x_amz_server_side_encryption",
        "s3__x_amz_server_side_encryption_customer_algorithm",
        "s3__x_amz_server_side_encryption_aws_kms_key_id",
    ],
)
def test_nobody_may_store_what_others_cannot_read(header: str) -> None:
    everything = {"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": f"{ARN}/*"}]}
    for key in (keys.result("j"), keys.attempt_mark("j", Mark.HEARTBEAT, 1), keys.update("g", 1, 0)):
        plain = Request.to("w", "PutObject", key, s3__if_none_match="*")
        hidden = Request.to("w", "PutObject", key, s3__if_none_match="*", **{header: "x"})
        for policy in (everything, POLICIES[Role.WORKER]):
            assert allowed(plain, policy, OWN)
            assert not allowed(hidden, policy, OWN)
        assert not allowed(hidden, POLICIES[Role.WORKER])  # where the bucket has no policy


def test_a_launcher_passes_on_the_role_of_its_own_bucket_s_machines_only(capfd: pytest.CaptureFixture[str]) -> None:
    printed("launcher", "--bucket", "shop")
    [passes] = [row for row in json.loads(capfd.readouterr().out)["Statement"] if row["Action"] == "iam:PassRole"]
    assert like(passes["Resource"], "arn:aws:iam::123456789012:role/sim-arena-shop-WorkerRole-1A2B3C4D5E6F")
    assert not like(passes["Resource"], "arn:aws:iam::123456789012:role/sim-arena-shop-two-WorkerRole-1A2B3C4D5E6F")
    with pytest.raises(UsageError, match="pass --worker-role"):
        printed("launcher", "--bucket", "b" * 40)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["wroker"], "did you mean 'worker'"),
        (["somebody"], "choose from dispatcher, worker, sync-server, reader, bucket"),
        (["reader", "--job", "j"], "for workers only"),
        (["bucket", "--closes-rounds"], "for workers only"),
        (["worker", "--job", "j", "--closes-rounds"], "choose one"),
        (["worker", "--bucket", "*"], "use 3 to 63 of"),
        (["worker", "--member", "own-m0000=222222222222"], "for the bucket's own policy only"),
        (["bucket", "--member", "own-m0000"], "expected ID=WHO"),
        (["bucket", "--member", "own-m0000=*"], "expected an account's number"),
        (["bucket", "--member", "own-m0000=arn:aws:iam::*:root"], "expected an account's number"),
        (["bucket", "--member", "own-m0000=arn:aws-cn:iam::222222222222:root"], "in partition aws"),
        (["bucket", "--member", "*=222222222222"], "--member '*'"),
        (["bucket", *(f"--member=shop-m{n:04d}=222222222222" for n in range(12))], "S3 takes 20,480"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        printed("--bucket", BUCKET, *arguments)
