"""Traces on their way to SimKube's driver through S3; implements `env.simkube.traces.TraceStore`."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from env.errors import ClusterError, ConfigError
from protocol.wire.bucket import Bucket
from protocol.wire.clock import system_clock
from protocol.wire.errors import StoreError
from protocol.wire.store import S3Store

PATIENCE_S = 30.0


@dataclass(frozen=True)
class TraceBucket:
    """Keeps traces below a prefix.

    Attributes:
        bucket: Where they are kept; its name is `s3://…`.
        prefix: Empty, or ends with a slash.
    """

    bucket: Bucket
    prefix: str = ""

    def put(self, name: str, body: bytes) -> str:
        """Keep `body`; its s3:// URL.

        Raises:
            ClusterError: It could not be written.
        """
        key = self.prefix + name
        try:
            self.bucket.ensure_created(key, body)
        except StoreError as error:
            raise ClusterError(f"trace {name}: {error}") from error
        return f"{self.bucket.name}/{key}"

    def remove(self, name: str) -> None:
        """Delete it; ClusterError if that is not possible."""
        try:
            self.bucket.delete(self.prefix + name)
        except StoreError as error:
            raise ClusterError(f"trace {name}: {error}") from error


def open_trace_bucket(url: str) -> TraceBucket:
    """The store behind `s3://bucket/prefix`; endpoint and credentials come from boto3's own settings.

    Raises:
        ConfigError: No such URL.
        Unfit: No credentials, no region, a name that S3 refuses.
    """
    try:
        parts = urlsplit(url)
    except ValueError:  # a bracket without its other half
        parts = urlsplit("")
    if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment:
        raise ConfigError(f"--trace-bucket {url}: must be s3://BUCKET or s3://BUCKET/PREFIX")
    prefix = parts.path.strip("/")
    bucket = Bucket(S3Store(parts.netloc, role="traces"), system_clock(), patience_s=PATIENCE_S)
    return TraceBucket(bucket, prefix + "/" if prefix else "")
