"""boto3's session and client for a bucket: boto3's own settings, and the few that are set over them."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from env.errors import UsageError, one_line
from protocol.wire.answers import remember_page
from protocol.wire.bounded import bound_answers
from protocol.wire.errors import Unfit
from protocol.wire.faults import host_of

if TYPE_CHECKING:
    import boto3
    from botocore.config import Config
    from botocore.session import Session as CoreSession
    from mypy_boto3_s3.client import S3Client

CONNECTIONS = 20  # kept open: a closer reads 16 updates at once (rounds.AT_ONCE), renewals go on beside it
CONNECT_S, READ_S = 5, 30

_NAMED_HOSTS = ("amazonaws.com", "amazonaws.com.cn", "digitaloceanspaces.com", "aliyuncs.com", "myqcloud.com")


def open_session(bucket: str) -> boto3.session.Session:
    """A session with boto3's own settings; nothing is asked of any server yet.

    Raises:
        Unfit: the settings name a profile or a file that is not there, or cannot be read.
    """
    import boto3
    from botocore.exceptions import BotoCoreError
    from botocore.session import get_session

    try:
        session = boto3.session.Session(botocore_session=get_session())
        bundle = ca_bundle(session)
    except (BotoCoreError, ValueError) as error:
        raise Unfit(f"s3://{bucket}: {one_line(str(error))} (boto3's settings: AWS_PROFILE, ~/.aws/config)") from error
    if bundle and not os.path.exists(bundle):
        raise Unfit(
            f"s3://{bucket}: no CA bundle {one_line(bundle)}; check AWS_CA_BUNDLE, or ca_bundle in ~/.aws/config"
        )
    return session


def open_client(session: boto3.session.Session, bucket: str, role: str, owner: str | None = None) -> S3Client:
    """The client of a bucket. The session's credentials are there already.

    Raises:
        Unfit: settings that boto3 refuses, or an endpoint that names the bucket too.
        UsageError: an endpoint that is no URL.
    """
    from botocore.exceptions import BotoCoreError

    config = _config(core_of(session), role)
    try:
        client = session.client("s3", config=config)
        if not is_aws(client.meta.endpoint_url) and "addressing_style" not in _profile_s3(session):
            # Other servers rarely answer to bucket names as host names.
            client = session.client("s3", config=_path_style(config))
    except BotoCoreError as error:
        raise Unfit(f"s3://{bucket}: {one_line(str(error))}{_setting(error)}") from error
    except ValueError as error:
        reason = f"{one_line(str(error))}; check AWS_ENDPOINT_URL, AWS_DEFAULT_REGION"
        raise UsageError(f"s3://{bucket}: {reason}") from error
    except AttributeError as error:  # a line of ~/.aws/config where a section is expected
        raise Unfit(f"s3://{bucket}: ~/.aws/config: {one_line(str(error))}") from error
    _check_endpoint(client.meta.endpoint_url, bucket)
    bound_answers(client)
    client.meta.events.register("before-call.s3.HeadBucket", _follow_no_redirect)
    client.meta.events.register("before-parse.s3", remember_page)
    if owner:
        client.meta.events.register("provide-client-params.s3", partial(_expect_owner, owner))
    return client


def presigned(session: boto3.session.Session, client: S3Client, bucket: str, key: str, lasts_s: int) -> str:
    """A URL by which anyone can GET an object for so many seconds.

    By Signature Version 4, and of AWS with the region's own host: boto3's default is for some endpoints Version 2,
    which new buckets of AWS refuse, and a host that redirects, which a signature does not survive.
    """
    from botocore.config import Config

    more: dict[str, Any] = {"signature_version": "s3v4"}
    if is_aws(client.meta.endpoint_url):
        more["s3"] = {"addressing_style": "path" if "." in bucket else "virtual"}
    signer = session.client("s3", config=client.meta.config.merge(Config(**more)))
    return signer.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=lasts_s)


def core_of(session: boto3.session.Session) -> CoreSession:
    """botocore's session, which knows where a setting comes from."""
    core: CoreSession = session._session
    return core


def ca_bundle(session: boto3.session.Session) -> str | None:
    """The file of trusted certificates that boto3 is set to, None for its own."""
    return core_of(session).get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")


def is_aws(url: str) -> bool:
    """Whether an endpoint is AWS's own."""
    return host_of(url).endswith((".amazonaws.com", ".amazonaws.com.cn"))


def _config(core: CoreSession, role: str) -> Config:
    from botocore.config import Config

    # A retried create-only PUT answers 412 to its own earlier success: `protocol.wire.bucket` tries again itself.
    given: dict[str, Any] = {"retries": {"total_max_attempts": 1, "mode": "standard"}}
    for setting in ("request_checksum_calculation", "response_checksum_validation"):
        # boto3's default adds CRC32 trailers, which several S3 servers refuse.
        if not (os.environ.get(f"AWS_{setting.upper()}") or core.get_scoped_config().get(setting)):
            given[setting] = "when_required"
    return Config(
        connect_timeout=CONNECT_S,
        read_timeout=READ_S,
        max_pool_connections=CONNECTIONS,
        user_agent_extra=f"sim-arena/{role}",
        **given,
    )


def _path_style(config: Config) -> Config:
    from botocore.config import Config

    return config.merge(Config(s3={"addressing_style": "path"}))


def _profile_s3(session: boto3.session.Session) -> dict[str, Any]:
    """The section `s3` of the profile."""
    section = core_of(session).get_scoped_config().get("s3")
    return section if isinstance(section, dict) else {}


def _setting(error: Exception) -> str:
    from botocore.exceptions import NoRegionError

    if isinstance(error, NoRegionError):
        return " Set AWS_DEFAULT_REGION (us-east-1 on most servers other than AWS)"
    return " (boto3's settings: AWS_… variables, ~/.aws/config)"


def _check_endpoint(url: str, bucket: str) -> None:
    """Refuse an endpoint in which the bucket was pasted too: all keys would be written below a second name of it."""
    host, path = host_of(url), urlsplit(url).path.strip("/")
    pasted_host = host.startswith(f"{bucket}.") and host.endswith(_NAMED_HOSTS)
    if pasted_host or path.rpartition("/")[2] == bucket:
        raise Unfit(
            f"s3://{bucket}: AWS_ENDPOINT_URL {'begins' if pasted_host else 'ends'} with the bucket's name; "
            "give the endpoint without it"
        )


def _expect_owner(owner: str, params: dict[str, Any], **_: Any) -> None:
    params["ExpectedBucketOwner"] = owner


def _follow_no_redirect(context: dict[str, Any], **_: Any) -> None:
    """boto3 asks by HEAD where a bucket is; redirected, that request would be asked about itself, without an end."""
    context["s3_redirect"] = {**context.get("s3_redirect", {}), "redirected": True}
