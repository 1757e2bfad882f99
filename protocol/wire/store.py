"""One request to an object store each: the seam between the protocol and S3.

Two implementations: `S3Store` here, over boto3, and `protocol.wire.memory.MemoryStore`, an in-memory S3 with virtual
time and faults. Neither retries: what an unclear answer means is the protocol's business (`protocol.wire.bucket`).
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, Protocol
from urllib.parse import urlsplit

from env.errors import UsageError
from protocol.wire.errors import Conflict, Exists, Refused, StoreError, TooLarge, Transient, Unfit

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


CONNECTIONS = 20  # kept open: a closer reads 16 updates at once (rounds.AT_ONCE), renewals go on beside it

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
    """An object's content and user metadata."""

    body: bytes
    metadata: Mapping[str, str] = field(default_factory=dict)


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

    SDK retries are off: a retried create-only PUT answers 412 to its own earlier success.

    Args:
        bucket: the bucket's name.
        role: what this process is; stands in the User-Agent, so that access logs tell workers from others.
    """

    def __init__(self, bucket: str, *, role: str = "tool") -> None:
        self.bucket = bucket
        self.client = _client(bucket, role)

    @property
    def name(self) -> str:
        return f"s3://{self.bucket}"

    @property
    def endpoint(self) -> str:
        """How messages call the server."""
        return _address(self.client.meta.endpoint_url)

    def put(self, key: str, body: bytes, metadata: Mapping[str, str], *, create_only: bool) -> None:
        condition: dict[str, Any] = {"IfNoneMatch": "*"} if create_only else {}
        try:
            self.client.put_object(Bucket=self.bucket, Key=key, Body=body, Metadata=dict(metadata), **condition)
        except Exception as error:
            self._raise(error, f"PUT {key}")

    def get(self, key: str, max_bytes: int) -> Blob | None:
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=key)
            size = self._whole(answer, f"GET {key}")["ContentLength"]
            if size > max_bytes:
                answer["Body"].close()
                raise TooLarge(f"{self.name}/{key}: {size} bytes, at most {max_bytes} are read")
            return Blob(answer["Body"].read(), _facts(answer["Metadata"]))
        except StoreError:
            raise
        except Exception as error:
            if _is_absent(error):
                return None
            self._raise(error, f"GET {key}")

    def metadata(self, key: str) -> Mapping[str, str] | None:
        try:
            answer = self.client.head_object(Bucket=self.bucket, Key=key)
            return _facts(self._whole(answer, f"HEAD {key}")["Metadata"])
        except StoreError:
            raise
        except Exception as error:
            if _is_absent(error):
                return None
            self._raise(error, f"HEAD {key}")

    def page(self, prefix: str, after: str) -> Page:
        start: dict[str, Any] = {"StartAfter": after} if after else {}
        try:
            answer = self.client.list_objects_v2(Bucket=self.bucket, Prefix=prefix, **start)
        except Exception as error:
            self._raise(error, f"LIST {prefix}")
        if "IsTruncated" not in answer:
            # As when the connection ends after the status line, which Python takes for an answer without a body.
            raise Transient(f"{self.name}: LIST {prefix}: half an answer, or none of S3; check AWS_ENDPOINT_URL")
        entries = tuple(
            ObjectSummary(row["Key"], row["Size"], row["LastModified"].timestamp())
            for row in answer.get("Contents", ())
        )
        date = _headers(answer).get("date")
        if not date:
            raise Unfit(f"{self.name}: its answers carry no Date header; leases cannot be judged by its clock")
        return Page(entries, answer["IsTruncated"], email.utils.parsedate_to_datetime(date).timestamp())

    def delete(self, key: str) -> None:
        try:
            self.client.delete_object(Bucket=self.bucket, Key=key)
        except Exception as error:
            self._raise(error, f"DELETE {key}")

    def _whole(self, answer: Any, what: str) -> Any:
        """The answer to a GET or HEAD. Of one whose connection ended among the headers Python believes that those were
        all; without the metadata a process would not know its own object."""
        if {"ContentLength", "ETag", "LastModified"} <= answer.keys() and "date" in _headers(answer):
            return answer
        raise Transient(f"{self.name}: {what}: half an answer")

    def _raise(self, error: Exception, what: str) -> NoReturn:
        one_object = not what.startswith("LIST ")
        raise classify(error, f"{self.name}: {what}", self.client.meta.endpoint_url, one_object=one_object) from error


def _headers(answer: Any) -> Any:
    return answer["ResponseMetadata"]["HTTPHeaders"]


def classify(error: Exception, what: str, endpoint: str, *, one_object: bool = False) -> Exception:
    """Which of our errors a boto3 error is; an error that is not boto3's is returned as it is.

    Args:
        one_object: the request was about one key, so that what is refused may be that object's fault.
    """
    from botocore import exceptions as boto

    if isinstance(error, boto.ClientError):
        return _classify_answer(error, what, one_object)
    if isinstance(error, (boto.HTTPClientError, boto.ConnectionError, boto.IncompleteReadError)):
        return Transient(f"{what}: no answer from {_address(endpoint)} ({type(error).__name__})")
    if isinstance(error, (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError)):
        return Unfit(f"{what}: {error} (set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)")
    if isinstance(error, boto.ParamValidationError):
        return Unfit(f"{what}: no name that a bucket may have")  # keys are valid; boto3 would show a regular expression
    if isinstance(error, boto.BotoCoreError):
        return Unfit(f"{what}: {error}")
    if isinstance(error, ValueError):
        return Transient(f"{what}: half an answer ({error})")  # a header that was cut in two
    return error


def _facts(metadata: Mapping[str, str]) -> Mapping[str, str]:
    """User metadata by the names it was sent with: they travel as HTTP headers, whose case servers may change."""
    return {name.lower(): value for name, value in metadata.items()}


def _address(url: str) -> str:
    return urlsplit(url)._replace(path="").geturl().rpartition("@")[2]  # never a password


def _classify_answer(error: Any, what: str, one_object: bool) -> StoreError:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = str(error.response.get("Error", {}).get("Code", status))
    line = f"{what}: {status} {code}"
    if status == 412:
        return Exists(line)
    if status == 409:
        return Conflict(line)
    if status in (408, 429) or (status >= 500 and status != 501) or code in _PASSING:
        return Transient(line)
    line = f"{line} ({_ADVICE.get(code, error.response.get('Error', {}).get('Message', 'refused'))})"
    if one_object and 400 <= status < 500 and code not in _OWN_FAULT:
        return Refused(line)
    return Unfit(line)


_PASSING = frozenset({"RequestTimeout", "SlowDown", "IncompleteBody"})  # with any status
_OWN_FAULT = frozenset(  # the bucket's or the credentials', so the next request would end in the same way
    {
        *("NoSuchBucket", "AllAccessDisabled", "AccountProblem", "NotSignedUp"),
        *("InvalidAccessKeyId", "SignatureDoesNotMatch", "AuthorizationHeaderMalformed", "InvalidSecurity"),
        *("ExpiredToken", "InvalidToken", "TokenRefreshRequired", "RequestTimeTooSkewed", "RequestExpired"),
    }
)
_ADVICE = {
    "InvalidObjectState": "the object is archived in another storage class; restore it",
    "NoSuchBucket": "create the bucket, or check --bucket and AWS_ENDPOINT_URL",
    "AccessDenied": "these credentials may not do this",
    "403": "these credentials may not do this",  # a HEAD has no body that says more
    "InvalidAccessKeyId": "the endpoint does not know these credentials",
    "SignatureDoesNotMatch": "wrong secret key",
    "ExpiredToken": "the session has ended; get new credentials",
    "RequestTimeTooSkewed": "this machine's clock is off by more than 15 minutes",
    "NotImplemented": "the endpoint lacks conditional writes, which the protocol needs",
}


def _is_absent(error: Exception) -> bool:
    from botocore.exceptions import ClientError

    # HEAD has no body, hence the bare "404"; a missing bucket is not an absent object.
    return isinstance(error, ClientError) and error.response.get("Error", {}).get("Code") in ("NoSuchKey", "404")


def _client(bucket: str, role: str) -> S3Client:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    config = Config(
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=5,
        read_timeout=30,
        max_pool_connections=CONNECTIONS,
        user_agent_extra=f"sim-arena/{role}",
        # Newer botocore adds CRC32 headers that several S3 servers refuse.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    try:
        session = boto3.session.Session()
        client = session.client("s3", config=config)
    except BotoCoreError as error:
        raise Unfit(f"s3://{bucket}: {error}") from error
    except ValueError as error:
        raise UsageError(f"s3://{bucket}: {error}; check AWS_ENDPOINT_URL, AWS_DEFAULT_REGION") from error
    if not urlsplit(client.meta.endpoint_url).netloc.endswith("amazonaws.com"):
        # Other servers rarely answer to bucket names as host names.
        client = session.client("s3", config=config.merge(Config(s3={"addressing_style": "path"})))
    return client
