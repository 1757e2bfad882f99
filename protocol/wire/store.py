"""One request to an object store each: the seam between the protocol and S3.

Two implementations: `S3Store` here, over boto3, and `protocol.wire.memory.MemoryStore`, an in-memory S3 with virtual
time and faults. Neither retries: what an unclear answer means is the protocol's business (`protocol.wire.bucket`).
"""

from __future__ import annotations

import email.utils
import hashlib
import re
import threading
from base64 import b64encode
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from env.errors import SimArenaError, UsageError
from protocol.wire.answers import is_absent, is_page, not_s3
from protocol.wire.credentials import Credentials
from protocol.wire.errors import Conflict, Exists, TooLarge, Transient, Unfit
from protocol.wire.faults import address
from protocol.wire.keys import content_type
from protocol.wire.s3_client import open_client, open_session, presigned
from protocol.wire.sdk_errors import classify

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

T = TypeVar("T")

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def valid_bucket(name: str) -> str:
    """`name` itself, if a bucket can have it; raises UsageError otherwise."""
    if not _BUCKET.fullmatch(name):
        raise UsageError(f"--bucket {name[:80]!r}: use 3 to 63 of a-z, 0-9, '.' and '-', without s3:// or a path")
    return name


@dataclass(frozen=True)
class ObjectSummary:
    """A row of a listing. `modified` is S3's Last-Modified in seconds since the epoch (resolution 1 s)."""

    key: str
    size: int
    modified: float


@dataclass(frozen=True)
class Page:
    """Up to 1,000 entries in key order; `server_time` is S3's own clock (the Date header), epoch seconds."""

    entries: tuple[ObjectSummary, ...]
    more: bool
    server_time: float


@dataclass(frozen=True)
class Blob:
    """An object's content and user metadata; `modified` is S3's Last-Modified, epoch seconds."""

    body: bytes
    metadata: Mapping[str, str] = field(default_factory=dict)
    modified: float = field(default=0.0, compare=False)


class Store(Protocol):
    """Each method is one request. Raises StoreError's kinds; absence is an answer (None), not an error.

    What is refused for one key is Refused; a listing, the bucket or the credentials are Unfit.
    """

    @property
    def name(self) -> str:
        """How messages call it, e.g. `s3://bucket`."""

    def put(self, key: str, body: bytes, metadata: Mapping[str, str], *, create_only: bool) -> None:
        """Write an object; with `create_only` raise Exists if the key is taken, atomically."""

    def get(self, key: str, max_bytes: int) -> Blob | None:
        """Read an object of at most `max_bytes`."""

    def metadata(self, key: str) -> Mapping[str, str] | None:
        """The user metadata of an object (a HEAD)."""

    def page(self, prefix: str, after: str) -> Page:
        """The first entries below `prefix` whose key is greater than `after`."""

    def delete(self, key: str) -> None:
        """Remove an object; an absent one is no error."""


class S3Store:
    """A bucket over boto3. Endpoint, region and credentials come from boto3's own environment and files.

    Args:
        bucket: the bucket's name.
        role: what this process is; stands in the User-Agent, so that access logs tell workers from others.
        owner: the AWS account that the bucket must belong to, sent with every request; None or empty: any.

    Raises:
        Unfit: settings that cannot be read.
    """

    def __init__(self, bucket: str, *, role: str = "tool", owner: str | None = None) -> None:
        self.bucket = bucket
        self.owner = owner
        self.role = role
        self.session = open_session(bucket)
        self.credentials = Credentials(self.session)
        self._answered = False  # has S3 ever answered?
        self._client: S3Client | None = None
        self._opening = threading.Lock()

    @property
    def name(self) -> str:
        return f"s3://{self.bucket}"

    @property
    def client(self) -> S3Client:
        """boto3's client, made when it is first used: that takes credentials.

        Raises:
            StoreError: there are none.
        """
        with self._opening:
            if self._client is None:
                self.credentials.fetch(self.name)
                self._client = open_client(self.session, self.bucket, self.role, self.owner)
            return self._client

    @property
    def endpoint(self) -> str:
        """How messages call the server."""
        return address(self.client.meta.endpoint_url)

    def put(self, key: str, body: bytes, metadata: Mapping[str, str], *, create_only: bool) -> None:
        more: dict[str, Any] = {"IfNoneMatch": "*"} if create_only else {}
        config: Any = self.client.meta.config
        if config.request_checksum_calculation != "when_supported":
            # A bucket with Object Lock takes no body without a checksum; this one is known to all servers.
            more["ContentMD5"] = b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        if page := content_type(key):
            more |= {"ContentType": page, "CacheControl": "no-cache"}  # a reload shows the newest version
        answer = self._ask(
            f"PUT {key}",
            lambda: self.client.put_object(Bucket=self.bucket, Key=key, Body=body, Metadata=dict(metadata), **more),
        )
        self._whole(answer, f"PUT {key}", {"ETag"})

    def get(self, key: str, max_bytes: int) -> Blob | None:
        what = f"GET {key}"

        def read() -> Blob:
            answer = self.client.get_object(Bucket=self.bucket, Key=key)
            size = self._whole(answer, what, _OBJECT)["ContentLength"]
            if size > max_bytes:
                answer["Body"].close()
                raise TooLarge(f"{self.name}/{key}: {size} bytes, at most {max_bytes} are read")
            return Blob(answer["Body"].read(), _facts(answer["Metadata"]), answer["LastModified"].timestamp())

        return self._ask_for(what, read)

    def metadata(self, key: str) -> Mapping[str, str] | None:
        what = f"HEAD {key}"

        def read() -> Mapping[str, str]:
            answer = self.client.head_object(Bucket=self.bucket, Key=key)
            return _facts(self._whole(answer, what, _OBJECT)["Metadata"])

        return self._ask_for(what, read)

    def page(self, prefix: str, after: str) -> Page:
        start: dict[str, Any] = {"StartAfter": after} if after else {}
        what = f"LIST {prefix}"
        answer = self._ask(what, lambda: self.client.list_objects_v2(Bucket=self.bucket, Prefix=prefix, **start))
        self._whole(answer, what, {"IsTruncated"})
        if "date" not in _headers(answer):
            raise Unfit(f"{self.name}: its answers carry no Date header; leases cannot be judged by its clock")
        try:
            return _page(answer)
        except (KeyError, ValueError, TypeError, OverflowError) as error:
            raise Unfit(f"{self.name}: {what}: a row or a Date that is not S3's") from error

    def delete(self, key: str) -> None:
        self._ask(f"DELETE {key}", lambda: self.client.delete_object(Bucket=self.bucket, Key=key))

    def link(self, key: str, lasts_s: int) -> str:
        """A presigned URL: whoever has it can read the object until it ends. Asks no server.

        Args:
            lasts_s: seconds; with temporary credentials it ends with them at the latest.

        Raises:
            StoreError: there are no credentials.
        """
        return presigned(self.session, self.client, self.bucket, key, lasts_s)

    def error(self, error: Exception, what: str) -> Exception:
        """Which of our errors an error of a request is; one that is neither boto3's nor the system's stays itself."""
        if isinstance(error, SimArenaError):
            return error
        return classify(
            error,
            f"{self.name}: {what}",
            self.client.meta.endpoint_url,
            one_object=not what.startswith("LIST"),
            worked=self._answered,
            renewable=self.credentials.renewable,
        )

    def _ask(self, what: str, send: Callable[[], T]) -> T:
        """One request. Its credentials are fetched first, so that it is known whose fault a failure is."""
        self.credentials.fetch(f"{self.name}: {what}")
        try:
            answer = send()
        except Exception as error:
            kind = self.error(error, what)
            self._answered = self._answered or isinstance(kind, (Exists, Conflict)) or is_absent(error)
            try:
                raise kind from error
            finally:
                del (
                    kind
                )  # an error that holds its own frame would keep the connection until the garbage collector comes
        self._answered = True
        return answer

    def _ask_for(self, what: str, send: Callable[[], T]) -> T | None:
        """One request for an object; None if there is none."""
        try:
            return self._ask(what, send)
        except Exception as error:
            if error.__cause__ is not None and is_absent(error.__cause__):
                return None
            raise

    def _whole(self, answer: Any, what: str, fields: AbstractSet[str]) -> Any:
        """An answer that has these fields. Of one whose connection ended among the headers Python believes
        that those were all; without the metadata a process would not know its own object."""
        if fields <= answer.keys() and (fields != _OBJECT or "date" in _headers(answer)):
            return answer
        if "Body" in answer:
            answer["Body"].close()
        if is_page(_headers(answer)):
            fault = not_s3("an HTML page", self.client.meta.endpoint_url)
            raise (Transient if fault.may_pass(self._answered) else Unfit)(f"{self.name}: {what}: {fault.text}")
        raise Transient(f"{self.name}: {what}: half an answer, or none of S3; check AWS_ENDPOINT_URL")


def _page(answer: Any) -> Page:
    rows = answer.get("Contents", ())
    entries = tuple(ObjectSummary(row["Key"], row["Size"], row["LastModified"].timestamp()) for row in rows)
    server_time = email.utils.parsedate_to_datetime(_headers(answer)["date"]).timestamp()
    return Page(entries, answer["IsTruncated"], server_time)


_OBJECT = frozenset({"ContentLength", "ETag", "LastModified"})


def _headers(answer: Any) -> Any:
    return answer["ResponseMetadata"]["HTTPHeaders"]


def _facts(metadata: Mapping[str, str]) -> Mapping[str, str]:
    """User metadata by the names it was sent with: they travel as HTTP headers, whose case servers may change."""
    return {name.lower(): value for name, value in metadata.items()}
