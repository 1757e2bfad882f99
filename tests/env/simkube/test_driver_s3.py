"""Whether the driver reads from S3 where Sim-Arena puts traces."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from env.simkube.doctor_results import Level
from env.simkube.driver_s3 import driver_secrets

Manifest = dict[str, Any]

KEYS = {"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": "s3cr3t"}
LOCAL = {"AWS_ENDPOINT_URL": "http://minio:9000"}


def secret(**values: str) -> Manifest:
    return {"data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}}


@pytest.mark.parametrize(
    ("given", "own"),
    [
        (KEYS, {}),
        ({**KEYS, "AWS_REGION": "eu-west-1"}, {"AWS_DEFAULT_REGION": "eu-west-1"}),
        ({**KEYS, "AWS_ENDPOINT": "http://minio:9000/", "AWS_ALLOW_HTTP": "TRUE"}, LOCAL),
        ({"AWS_ACCESS_KEY_ID": "ASIA1", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}, {}),
        ({"AWS_WEB_IDENTITY_TOKEN_FILE": "/token"}, {}),
    ],
)
def test_what_fits_is_right(given: dict[str, str], own: dict[str, str]) -> None:
    assert driver_secrets({"keys": secret(**given)}, "s3://traces", own).level is Level.OK


@pytest.mark.parametrize(
    ("given", "own", "said"),
    [
        ({}, {}, "no AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        ({"AWS_ACCESS_KEY_ID": "AKIA1"}, {}, "no AWS_SECRET_ACCESS_KEY"),
        ({**KEYS, "AWS_ACCESS_KEY_ID": "ASIA1"}, {}, "the access key is that of a session, without AWS_SESSION_TOKEN"),
        (KEYS, LOCAL, "the driver would read from AWS, and traces are put to http://minio:9000"),
        (KEYS | LOCAL, LOCAL, "the endpoint is http://, which the driver refuses without AWS_ALLOW_HTTP=true"),
        (KEYS | {"AWS_ENDPOINT_URL": "https://u:p@a"}, {}, "would read from https://a, and traces are put to AWS"),
        (
            KEYS | {"AWS_ENDPOINT_URL_S3": "https://a"},
            {},
            "does not read AWS_ENDPOINT_URL_S3; name it AWS_ENDPOINT_URL",
        ),
        (KEYS, {"AWS_REGION": "eu-west-1"}, "the driver's region is us-east-1, this machine's eu-west-1"),
    ],
)
def test_what_does_not_fit_is_named(given: dict[str, str], own: dict[str, str], said: str) -> None:
    finding = driver_secrets({"keys": secret(**given)}, "s3://traces", own)
    assert finding.level is Level.FAIL
    assert said in finding.said
    assert not any(value in finding.said + finding.mend for value in ("AKIA1", "ASIA1", "s3cr3t"))


def test_the_command_to_mend_it_says_what_this_machine_uses() -> None:
    own = {"AWS_ENDPOINT_URL": "http://minio:9000", "AWS_DEFAULT_REGION": "eu-west-1", "AWS_SESSION_TOKEN": "t0k3n"}
    finding = driver_secrets({"keys": None}, "s3://traces", own)
    assert finding.said == "no Secret keys in namespace simkube: driver pods would not start"
    assert finding.mend == (
        "kubectl -n simkube create secret generic keys --from-literal=AWS_ACCESS_KEY_ID=… "
        "--from-literal=AWS_SECRET_ACCESS_KEY=… --from-literal=AWS_SESSION_TOKEN=… --from-literal=AWS_REGION=eu-west-1 "
        "--from-literal=AWS_ENDPOINT_URL=http://minio:9000 --from-literal=AWS_ALLOW_HTTP=true"
    )


def test_later_secrets_win_as_in_a_pod_and_odd_ones_are_read_as_nothing() -> None:
    found = {"a": secret(**KEYS, AWS_REGION="a"), "b": secret(AWS_REGION="b"), "c": {"data": {"AWS_X": "not base64"}}}
    assert driver_secrets(found, "s3://traces", {"AWS_REGION": "b"}).level is Level.OK
    assert driver_secrets({}, "s3://traces", {}).level is Level.WARN
