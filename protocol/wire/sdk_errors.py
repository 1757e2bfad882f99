"""What an error of boto3 or of the operating system means: who is to blame, what helps, and whether it may pass.

    who is to blame                                            it may pass
    ---------------------------------------------------------  ------------------------------------------------------
    S3, with its own code: 5xx, 408, 429, a throttling code    yes
    S3, with its own code: another 4xx for one key             no, but other keys may be fine: `Refused`
    S3, with its own code: any other                           no
    an answer that is not S3's: a redirect, a page of a proxy  if S3 answered before; a wrong address never answers
    no answer from S3, a proxy, STS, …                         yes
    a certificate that is not trusted                          if S3 answered before
    a source of credentials (`protocol.wire.credentials`)      if it gave some before, or is only busy
    a file, a setting, a name                                  no

What a server says is repeated beside our advice, as one printable line.
"""

from __future__ import annotations

import http.client
import os
import re
import ssl
from collections.abc import Callable
from typing import Any

from protocol.wire.answers import not_s3, refusal, status_of
from protocol.wire.errors import Conflict, Exists, Refused, Transient, Unfit
from protocol.wire.faults import Fault, Lasting, address, host_of, said

Meaning = Callable[[Any, str], Fault]


def classify(
    error: Exception,
    what: str,
    endpoint: str,
    *,
    one_object: bool = False,
    worked: bool = False,
    renewable: bool = False,
) -> Exception:
    """Which of our errors an error of a request is; a defect of ours is returned as it is.

    Args:
        what: the request, at the beginning of the line.
        endpoint: the URL of the S3 server.
        one_object: the request was about one key, so that what is refused may be that object's fault.
        worked: whether this server has answered before.
        renewable: whether the credentials can be fetched anew, so that expired ones may pass.
    """
    from botocore.exceptions import ClientError

    fault = explain(error, endpoint, renewable=renewable)
    if fault is None:
        return error
    line = f"{what}: {fault.text}"
    if isinstance(error, ClientError) and status_of(error) == 412:
        return Exists(line)
    if isinstance(error, ClientError) and status_of(error) == 409:
        return Conflict(line)
    if one_object and fault.lasting is Lasting.FINAL_FOR_KEY:
        return Refused(line)
    return Transient(line) if fault.may_pass(worked) else Unfit(line)


def explain(error: Exception, endpoint: str, *, renewable: bool = False) -> Fault | None:
    """The fault of an error; None if it is neither boto3's nor the operating system's."""
    from botocore.exceptions import ClientError, HTTPClientError

    if isinstance(error, ClientError):
        return refusal(error, endpoint, renewable)
    if isinstance(error, HTTPClientError) and isinstance(error.kwargs.get("error"), ValueError):
        # The text of such an error may hold the session token.
        return Fault("not sent: a header with a line break or another control character; check the credentials")
    if isinstance(error, HTTPClientError) and isinstance(error.kwargs.get("error"), TypeError):
        return not_s3("an answer that the HTTP client cannot follow, such as a redirect (303)", endpoint)
    for kinds, meaning in _meanings():
        if isinstance(error, kinds):
            return meaning(error, endpoint)
    return None


def _meanings() -> tuple[tuple[type[Exception] | tuple[type[Exception], ...], Meaning], ...]:
    """What errors mean by their kinds; the first kind that an error is of counts."""
    from botocore import exceptions as boto
    from botocore.parsers import ResponseParserError

    return (
        (ResponseParserError, lambda error, endpoint: not_s3("an answer that cannot be read", endpoint)),
        (boto.ProxyConnectionError, lambda error, endpoint: _proxy(error)),
        (boto.SSLError, lambda error, endpoint: _tls(str(error.kwargs.get("error", "")), _who(error, endpoint))),
        (
            (
                *(boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError),
                *(boto.MetadataRetrievalError, boto.TokenRetrievalError, boto.NoAuthTokenError),
                *(boto.SSOError, boto.LoginError, boto.RefreshWithMFAUnsupportedError),
            ),
            lambda error, endpoint: Fault(f"{said(str(error))} ({GET_CREDENTIALS})", Lasting.PASSING_IF_WORKED),
        ),
        (
            (boto.HTTPClientError, boto.ConnectionError),
            lambda error, endpoint: Fault(f"no answer from {_who(error, endpoint)}: {_reason(error)}", Lasting.PASSING),
        ),
        (
            (boto.IncompleteReadError, boto.ChecksumError, boto.FlexibleChecksumError),
            lambda error, endpoint: Fault(
                f"half an answer of {address(endpoint)}: {said(str(error))}", Lasting.PASSING
            ),
        ),
        (boto.CapacityNotAvailableError, lambda error, endpoint: Fault(said(str(error)), Lasting.PASSING)),
        # Keys are valid; boto3 would show a regular expression.
        (
            boto.ParamValidationError,
            lambda error, endpoint: Fault("not sent: a name that a bucket or an object may not have"),
        ),
        (
            boto.BotoCoreError,
            lambda error, endpoint: Fault(
                f"{said(str(error)) or type(error).__name__} (boto3's settings: AWS_… variables, ~/.aws/config)"
            ),
        ),
        (OSError, lambda error, endpoint: system_fault(error, address(endpoint))),
        (
            UnicodeError,
            lambda error, endpoint: Fault(f"{address(endpoint)}: no host name; check AWS_ENDPOINT_URL and --bucket"),
        ),
        # A header that was cut in two.
        (
            (ValueError, http.client.HTTPException),
            lambda error, endpoint: Fault(f"half an answer ({said(str(error))})", Lasting.PASSING),
        ),
    )


GET_CREDENTIALS = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_HOSTS = {
    "169.254.169.254": "the instance metadata service at ",
    "fd00:ec2::254": "the instance metadata service at ",
    "169.254.170.2": "the container's credentials service at ",
    "169.254.170.23": "the pod identity agent at ",
    "fd00:ec2::23": "the pod identity agent at ",
}


def _who(error: Any, endpoint: str) -> str:
    """Whom a request that got no answer went to; it need not have been S3."""
    url = str(error.kwargs.get("endpoint_url") or endpoint)
    host, server = host_of(url), host_of(endpoint)
    if not host or host == server or host.endswith(f".{server}"):
        return address(endpoint)
    if re.match(r"sts[.-]", host):
        return f"AWS STS at {host}, which gives the credentials"
    if re.match(r"(portal\.sso|oidc|signin)\.", host):
        return f"AWS's sign-in at {host}, which gives the credentials"
    return f"{_HOSTS.get(host, '')}{address(url)}"


def _reason(error: Any) -> str:
    """Why there is no answer, for a person."""
    from botocore import exceptions as boto

    text = f"{error.kwargs.get('error', '')}"
    if isinstance(error, boto.ReadTimeoutError):
        return "connected, but silent"
    if isinstance(error, boto.ConnectTimeoutError):
        return "it does not accept a connection in time"
    if isinstance(error, boto.ConnectionClosedError):
        return "it closed the connection before it answered"
    if "Failed to resolve" in text or "getaddrinfo" in text:
        return "no such host name (DNS); check AWS_ENDPOINT_URL and the region"
    found = re.search(r"\[Errno -?\d+\] ([^')]+)", text)
    return said(found[1].lower() if found else text) or type(error).__name__


def _proxy(error: Any) -> Fault:
    """The proxy on the way does not let a request through."""
    name, text = address(str(error.kwargs.get("proxy_url", ""))), str(error.kwargs.get("error", ""))
    refused = re.search(r"Tunnel connection failed: (\d+ ?[^'\")]*)", text)
    where = "; check HTTP_PROXY, HTTPS_PROXY and NO_PROXY"
    if refused:
        login = ": put USER:PASSWORD@ before its host" if refused[1].startswith("407") else ""
        return Fault(f"the proxy {name} answers {said(refused[1])}{login}{where}", Lasting.PASSING_IF_WORKED)
    reason = re.search(r"\[Errno -?\d+\] ([^')]+)", text)
    return Fault(
        f"no answer from the proxy {name}: {said(reason[1].lower() if reason else text)}{where}", Lasting.PASSING
    )


def _tls(text: str, who: str) -> Fault:
    """TLS with a server did not come about."""
    if "CERTIFICATE_VERIFY_FAILED" in text:
        why = said(re.sub(r"^.*certificate verify failed:? ?|\s*\(_ssl\.c:\d+\)", "", text).rstrip(".,'\"() "))
        if "mismatch" in why or "doesn't match" in why:
            mend = "use the name that is in it in AWS_ENDPOINT_URL"
        elif "expired" in why or "not yet valid" in why:
            mend = "renew it, or correct this machine's clock"
        else:
            mend = "set AWS_CA_BUNDLE to a file with the certificate that signed it"
        return Fault(f"the certificate of {who} is not trusted: {why} ({mend})", Lasting.PASSING_IF_WORKED)
    if re.search(r"WRONG_VERSION_NUMBER|UNKNOWN_PROTOCOL|HTTP_REQUEST|RECORD_LAYER_FAILURE", text):
        return Fault(
            f"{who} does not speak TLS; use http:// in AWS_ENDPOINT_URL, or its TLS port", Lasting.PASSING_IF_WORKED
        )
    if re.search(r"NO_CERTIFICATE_OR_CRL_FOUND|\[Errno|PEM", text):
        bundle = os.environ.get("AWS_CA_BUNDLE") or os.environ.get("REQUESTS_CA_BUNDLE") or "of ~/.aws/config"
        return Fault(f"the CA bundle {said(bundle)} cannot be read: {said(text)}; check AWS_CA_BUNDLE")
    return Fault(f"no TLS with {who}: {said(text)}", Lasting.PASSING)


def system_fault(error: OSError, who: str) -> Fault:
    """An error of the operating system: the network's, a file's, or this machine's."""
    if isinstance(error, ssl.SSLError):
        return _tls(str(error), who)
    if isinstance(error, (ConnectionError, TimeoutError)) or type(error).__module__ == "socket":
        return Fault(f"no answer from {who}: {said(error.strerror or str(error)).lower()}", Lasting.PASSING)
    reason = said(error.strerror or str(error) or type(error).__name__)
    if isinstance(error.filename, str) and error.filename:
        return Fault(f"{said(error.filename)}: {reason}")
    return Fault(f"this machine: {reason}", Lasting.PASSING)
