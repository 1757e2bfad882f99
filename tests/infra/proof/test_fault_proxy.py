"""Each fault of the proxy does what it says, seen by a boto3 client in front of an S3 server."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from env.errors import ConfigError
from infra.proof.chaos.faults import CALM, Exchange, Moment, NetworkFault, NetworkPhase, Trigger
from infra.proof.chaos.network import Network
from infra.proof.chaos.proxy import Proxy
from protocol.wire.errors import Transient
from protocol.wire.store import S3Store


class Place:
    """A bucket, the client's way to it, and one past the proxy."""

    def __init__(self, bucket: str, network: Network, seen: list[Exchange]) -> None:
        self.bucket = bucket
        self.network = network
        self.seen = seen
        self.proxy: Proxy = network.proxy("client", Random(0))
        self.behind = _client(None, patience_s=30)
        self.behind.put_object(Bucket=bucket, Key="warm-up", Body=b"")  # Ceph's first write takes seconds
        self.client = _client(self.proxy.url)

    def put(self, key: str, body: bytes = b"body", *, create_only: bool = True) -> str:
        """What a client makes of a PUT: done, an answer's status, or the error that took its place."""
        condition: dict[str, Any] = {"IfNoneMatch": "*"} if create_only else {}
        return _told(lambda: self.client.put_object(Bucket=self.bucket, Key=key, Body=body, **condition))

    def get(self, key: str) -> str:
        return _told(lambda: self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def stored(self, key: str) -> bytes | None:
        """What the server has, asked past the proxy."""
        try:
            return self.behind.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except ClientError:
            return None

    def meets(self, fault: NetworkFault, **more: float) -> None:
        self.proxy.follow([NetworkPhase(rates={fault: 1.0}, **more)])


def _client(endpoint: str | None, patience_s: float = 1) -> Any:
    config = Config(
        retries={"total_max_attempts": 1},
        read_timeout=patience_s,
        connect_timeout=1,
        request_checksum_calculation="when_required",
        s3={"addressing_style": "path"},
    )
    return boto3.session.Session().client("s3", endpoint_url=endpoint, config=config)


def _told(request: Any) -> str:
    try:
        request()
    except ClientError as error:
        return str(error.response["ResponseMetadata"]["HTTPStatusCode"])
    except BotoCoreError as error:
        return type(error).__name__
    return "done"


@pytest.fixture
def place(s3: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A fresh bucket on each server, behind a proxy."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    seen: list[Exchange] = []
    with Network(os.environ["AWS_ENDPOINT_URL"], seen.append) as network:
        yield Place(s3, network, seen)


def test_a_calm_proxy_changes_nothing(place: Place) -> None:
    body = bytes(range(256)) * 10_000
    assert place.put("key", body) == "done"
    assert place.put("key", b"other") == "412"
    assert place.client.get_object(Bucket=place.bucket, Key="key")["Body"].read() == body
    assert place.client.head_object(Bucket=place.bucket, Key="key")["ContentLength"] == len(body)
    rows = place.client.list_objects_v2(Bucket=place.bucket)["Contents"]
    assert [row["Key"] for row in rows] == ["key", "warm-up"]
    place.client.delete_object(Bucket=place.bucket, Key="key")
    assert place.get("key") == "404"
    requests = [(exchange.method, exchange.status, exchange.create_only) for exchange in place.seen]
    assert requests[:3] == [("PUT", 200, True), ("PUT", 412, True), ("GET", 200, False)]
    assert {exchange.client for exchange in place.seen} == {"client"}


@pytest.mark.parametrize(
    ("fault", "told", "applied"),
    [
        (NetworkFault.CUT_BEFORE, "ConnectionClosedError", False),
        (NetworkFault.CUT_AFTER, "ConnectionClosedError", True),
        (NetworkFault.ERROR_BEFORE, "500", False),
        (NetworkFault.ERROR_AFTER, "500", True),
        (NetworkFault.BUSY_BEFORE, "503", False),
        (NetworkFault.BUSY_AFTER, "503", True),
        (NetworkFault.HANG, "ReadTimeoutError", True),
        (NetworkFault.DELAY, "done", True),
        (NetworkFault.TWICE, "412", True),
    ],
)
def test_a_fault_falls_on_its_side_of_a_write(place: Place, fault: NetworkFault, told: str, applied: bool) -> None:
    place.meets(fault)
    assert place.put("key") == told
    assert (place.stored("key") == b"body") is applied
    assert place.seen[-1].fault is fault
    place.proxy.calm()
    assert place.put("key") == ("412" if applied else "done")


def test_half_an_answer_leaves_the_write_applied_and_the_reader_without_the_whole(place: Place) -> None:
    place.meets(NetworkFault.HALF_ANSWER)
    assert place.put("key", b"x" * 100_000) in ("ConnectionClosedError", "done")  # an answer to PUT is all headers
    assert place.stored("key") == b"x" * 100_000
    assert place.get("key") not in ("done", "404")


def test_a_late_request_is_lost_to_the_client_and_applied_afterwards(place: Place) -> None:
    place.meets(NetworkFault.LATE, late_s=0.2)
    assert place.put("key", create_only=False) == "ConnectionClosedError"
    place.proxy.calm()
    assert place.put("key", b"newer", create_only=False) == "done"
    assert place.network.drain(10)
    assert place.stored("key") == b"body"  # the zombie's write came last


def test_a_cut_network_refuses_connections_until_it_is_mended(place: Place) -> None:
    assert place.put("one") == "done"
    place.proxy.follow([NetworkPhase(cut=True)])
    assert place.put("two") in ("EndpointConnectionError", "ConnectionClosedError")  # the second: it was open
    assert place.put("two") == "EndpointConnectionError"
    assert place.stored("two") is None
    place.proxy.calm()
    assert place.put("two") == "done"


def test_one_client_is_cut_off_while_another_goes_on(place: Place) -> None:
    other = place.network.proxy("other", Random(0))
    place.proxy.follow([NetworkPhase(cut=True)])
    assert place.put("key") == "EndpointConnectionError"
    assert _told(lambda: _client(other.url).put_object(Bucket=place.bucket, Key="key", Body=b"")) == "done"


@pytest.mark.parametrize(("moment", "applied"), [(Moment.BEFORE, False), (Moment.AFTER, True)])
def test_an_ambush_waits_for_its_request(place: Place, moment: Moment, applied: bool) -> None:
    struck: list[str] = []
    place.proxy.arm(Trigger(moment, 1, struck.append))  # append answers None: the request vanishes
    assert place.put("one") == "done"
    assert struck == []
    assert place.put("two") == "ConnectionClosedError"
    assert struck == [f"PUT /{place.bucket}/two"]
    assert (place.stored("two") is not None) is applied
    assert place.put("three") == "done"


def test_a_request_is_held_as_long_as_its_ambush_says(place: Place) -> None:
    place.proxy.arm(Trigger(Moment.BEFORE, 0, lambda _: 1.5))
    assert place.put("key") == "ReadTimeoutError"  # the client waits for 1 s
    assert place.network.drain(0)


class At(Random):
    """Cuts an answer in two after so many bytes."""

    place = 1

    def randrange(self, start: int, stop: int | None = None, step: int = 1) -> int:
        assert stop is not None
        return min(self.place, stop - 1)


@pytest.mark.parametrize("verb", ["GET", "HEAD", "LIST"])
def test_an_answer_that_ends_anywhere_is_read_again_or_read_right(
    place: Place, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    place.behind.put_object(Bucket=place.bucket, Key="key", Body=b"body" * 20, Metadata={"nonce": "0123456789"})
    at = At(0)
    proxy = place.network.proxy("reader", at)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    store = S3Store(place.bucket)
    requests: dict[str, Callable[[], object]] = {
        "GET": lambda: store.get("key", 1000),
        "HEAD": lambda: store.metadata("key"),
        "LIST": lambda: store.page("key", "").entries,
    }
    whole = requests[verb]()
    proxy.follow([NetworkPhase(rates={NetworkFault.HALF_ANSWER: 1.0})])
    for at.place in range(1, 800, 9):
        with suppress(Transient):
            assert requests[verb]() == whole


def test_the_same_seed_draws_the_same_faults() -> None:
    phase = NetworkPhase(rates={fault: 0.05 for fault in NetworkFault})
    one, two = ([phase.draw(random) for _ in range(200)] for random in (Random("7 worker-1"), Random("7 worker-1")))
    assert one == two
    assert len(set(one)) > 5
    assert CALM.draw(Random(0)) is None


def test_an_encrypted_endpoint_is_refused() -> None:
    with pytest.raises(ConfigError, match="plain http://"):
        Network("https://s3.amazonaws.com", print)
