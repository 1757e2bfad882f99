"""Whatever boto3 or the operating system raises is one line that says who is to blame, and a decision."""

from __future__ import annotations

import errno
import inspect
import re
import socket
import ssl
import string
from collections.abc import Iterator
from typing import Any

import pytest
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from protocol.wire.errors import Conflict, Exists, Refused, StoreError, Transient, Unfit
from protocol.wire.sdk_errors import classify

ENDPOINT = "http://user:hunter2@s3.example.test:9000/x"

PASSING = {
    *("HTTPClientError", "ConnectionClosedError", "ReadTimeoutError", "ResponseStreamingError"),
    *("ConnectionError", "EndpointConnectionError", "SSLError", "ConnectTimeoutError", "ProxyConnectionError"),
    *("ChecksumError", "IncompleteReadError", "FlexibleChecksumError", "CapacityNotAvailableError"),
}
"""boto3's errors that may pass; any other, also one that a later boto3 adds, is a mistake in the settings."""


def tree(kind: type[Exception]) -> Iterator[type[Exception]]:
    for below in kind.__subclasses__():
        yield below
        yield from tree(below)


def made(kind: type[Exception]) -> Exception:
    """An error of this kind, with a value for all that its text names."""
    taken = inspect.signature(kind).parameters
    fields = [name for _, name, _, _ in string.Formatter().parse(getattr(kind, "fmt", "")) if name]
    if not any(each.kind is inspect.Parameter.VAR_KEYWORD for each in taken.values()):
        fields = list(taken)
    values: dict[str, Any] = dict.fromkeys(fields, "odd\x1b[31m\nvalue")
    return kind(**values | ({"last_response": {}} if kind is boto.WaiterError else {}))


def meant(error: Exception, **known: Any) -> Exception:
    kind = classify(error, "s3://b: GET key", ENDPOINT, **known)
    assert str(kind).isprintable(), str(kind)
    assert "()" not in str(kind)
    assert "hunter2" not in str(kind)
    assert str(kind).startswith("s3://b: GET key: ")
    assert len(str(kind)) > len("s3://b: GET key: ")
    return kind


@pytest.mark.parametrize("kind", list(tree(boto.BotoCoreError)), ids=lambda kind: kind.__name__)
def test_every_error_of_boto3_is_one_line_and_a_decision(kind: type[Exception]) -> None:
    assert type(meant(made(kind))) is (Transient if kind.__name__ in PASSING else Unfit)


def test_no_error_that_passes_has_gone_from_boto3() -> None:
    assert {kind.__name__ for kind in tree(boto.BotoCoreError)} >= PASSING


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), Transient, "no answer from http://s3."),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), Transient, "no answer from"),
        (TimeoutError("timed out"), Transient, "no answer from"),
        (socket.gaierror(-2, "Name or service not known"), Transient, "no answer from"),
        (ssl.SSLEOFError(8, "EOF occurred in violation of protocol"), Transient, "no TLS with"),
        (OSError(errno.EMFILE, "Too many open files"), Transient, "this machine: Too many open files"),
        (OSError(errno.ENOSPC, "No space left on device"), Transient, "this machine: No space left"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/no/file"), Unfit, "/no/file: No such file"),
        (PermissionError(errno.EACCES, "Permission denied", "/some/file"), Unfit, "/some/file: Permission denied"),
        (UnicodeError("label too long"), Unfit, "no host name; check AWS_ENDPOINT_URL"),
        (ValueError("half a header"), Transient, "half an answer"),
        (boto.HTTPClientError(error=TypeError("expected str instance")), Unfit, "such as a redirect (303)"),
        (ResponseParserError("no XML"), Unfit, "not of the service asked"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_every_error_of_the_system_blames_who_is_to_blame(error: Exception, kind: type, said: str) -> None:
    found = meant(error)
    assert type(found) is kind
    assert said in str(found)


def test_a_defect_of_ours_stays_what_it_is() -> None:
    defect = KeyError("x")
    assert classify(defect, "GET", ENDPOINT) is defect


@pytest.mark.parametrize(
    ("url", "who"),
    [
        ("http://s3.example.test:9000/b/k", "http://s3.example.test:9000:"),
        ("http://b.s3.example.test:9000/k", "http://s3.example.test:9000:"),
        ("https://sts.eu-west-1.amazonaws.com/", "AWS STS at sts.eu-west-1.amazonaws.com"),
        ("http://169.254.169.254/latest", "the instance metadata service at http://169.254.169.254"),
        ("https://portal.sso.eu-west-1.amazonaws.com/", "AWS's sign-in at portal.sso"),
    ],
)
def test_no_answer_is_blamed_on_the_host_that_was_asked(url: str, who: str) -> None:
    error = boto.EndpointConnectionError(endpoint_url=url, error=OSError("[Errno 111] Connection refused"))
    assert f"no answer from {who}" in str(meant(error))
    assert "connection refused" in str(meant(error))


def test_a_dead_proxy_is_named_without_its_password() -> None:
    error = boto.ProxyConnectionError(
        proxy_url="http://user:hunter2@proxy.test:3128", error="OSError('[Errno 111] Connection refused')"
    )
    line = str(meant(error))
    assert "no answer from the proxy http://proxy.test:3128: connection refused" in line
    assert "HTTPS_PROXY" in line


def test_a_proxy_that_wants_a_login_says_so() -> None:
    text = "('Unable to connect to proxy', OSError('Tunnel connection failed: 407 Proxy Authentication Required'))"
    found = meant(boto.ProxyConnectionError(proxy_url="http://proxy.test:3128", error=text))
    assert type(found) is Unfit
    assert "407 Proxy Authentication Required: put USER:PASSWORD@" in str(found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1006)",
            "is not trusted: self-signed certificate (set AWS_CA_BUNDLE to a file",
        ),
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired (_ssl.c:1006)",
            "has expired (renew it, or correct this machine's clock)",
        ),
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: Hostname mismatch, not valid for x",
            "(use the name that is in it in AWS_ENDPOINT_URL)",
        ),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)", "does not speak TLS; use http://"),
        ("[X509: NO_CERTIFICATE_OR_CRL_FOUND] no certificate or crl found", "the CA bundle"),
    ],
)
def test_what_is_wrong_with_tls_is_said_with_its_mend(text: str, said: str) -> None:
    found = meant(boto.SSLError(endpoint_url=ENDPOINT, error=ssl.SSLError(text)))
    assert type(found) is Unfit
    assert said in str(found)


def test_the_session_token_in_a_header_that_cannot_be_sent_is_not_shown() -> None:
    error = boto.HTTPClientError(error=ValueError("Invalid header value b'SECRETTOKEN\\n'"))
    assert "SECRETTOKEN" not in str(meant(error))
    assert "check the credentials" in str(meant(error))


# -- answers -----------------------------------------------------------------------------------------------------------


def answer(
    status: int, code: str = "", message: str = "", operation: str = "GetObject", page: str = "", **headers: str
) -> boto.ClientError:
    metadata: Any = {"HTTPStatusCode": status, "HTTPHeaders": headers}
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata, "page": page}
    return boto.ClientError(response, operation)


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (answer(403, "AccessDenied", "no kms:Decrypt"), Refused, "403 AccessDenied: no kms:Decrypt (these credentials"),
        (answer(403, "AccessDenied", "by an SCP", "ListObjectsV2"), Refused, "by an SCP (these credentials"),
        (answer(400, "ThrottlingException", "Rate exceeded"), Transient, "400 ThrottlingException: Rate exceeded"),
        (
            answer(501, "NotImplemented", "no", "ListObjectsV2"),
            Unfit,
            "501 NotImplemented: no (the endpoint lacks this",
        ),
        (answer(501, "NotImplemented", "no", "PutObject"), Unfit, "lacks conditional writes"),
        (answer(403, "403", "Forbidden", "HeadObject"), Refused, "403 Forbidden (these credentials may not do this)"),
        (answer(400, "400", "Bad Request", "HeadObject"), Refused, "400 Bad Request"),
        (answer(412, "PreconditionFailed"), Exists, "412 PreconditionFailed"),
        (answer(409, "ConditionalRequestConflict"), Conflict, "409 Conditional"),
        (answer(403), Unfit, "403 Forbidden, not of the service asked: http://s3.example.test:9000 is another service"),
        (answer(403, page="Request forbidden by rules"), Unfit, "403 Forbidden: Request forbidden by rules, not of"),
        (answer(413, page="413 Request Entity Too Large"), Refused, "413 Request Entity Too Large (something before"),
        (answer(502, page="Bad gateway"), Transient, "502 Bad Gateway: Bad gateway from http://s3.example.test:9000"),
        (answer(404, "404", "Not Found", page="Console"), Unfit, "404 Not Found: Console, not of the service asked"),
        (answer(302, location="https://s3.example.test:9000/b"), Unfit, "redirected to https://s3.example.test:9000;"),
        (answer(403, "AccessDenied", "not yours", "AssumeRole"), Unfit, "AssumeRole, for the credentials, was refused"),
        (answer(503, "SlowDown", "odd\x1b[31m\nline"), Transient, "503 SlowDown: odd?[31m line"),
    ],
)
def test_the_servers_own_words_are_repeated(error: boto.ClientError, kind: type, said: str) -> None:
    found = meant(error, one_object=True)
    assert type(found) is kind, found
    assert said in str(found)


@pytest.mark.parametrize("error", [answer(302), answer(403, page="login"), ResponseParserError("a page")])
def test_what_worked_before_may_work_again(error: Exception) -> None:
    assert type(meant(error)) is Unfit
    assert type(meant(error, worked=True)) is Transient


def test_an_expired_token_passes_only_if_it_can_be_renewed() -> None:
    expired = answer(400, "ExpiredToken", "expired")
    assert type(meant(expired, worked=True)) is Unfit
    assert type(meant(expired, worked=True, renewable=True)) is Transient


def test_a_whole_page_for_browsers_becomes_its_title() -> None:
    from protocol.wire.answers import page_text

    page = b"<html>\r\n<head><title>413 Request Entity\r\n Too Large</title></head><body>x</body></html>"
    assert page_text(page) == "413 Request Entity Too Large"
    assert page_text(b"<html><style>p{}</style><body><h1>403</h1>\nby rules.</body></html>") == "403 by rules."
    assert re.fullmatch("[ -~]{1,400}", page_text(b"Client sent an HTTP request to an HTTPS server.\n"))


def test_all_kinds_are_store_errors() -> None:
    assert isinstance(meant(answer(403)), StoreError)
