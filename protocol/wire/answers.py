"""What an answer means that refuses a request: S3's own, with a code, or that of something that stands before it."""

from __future__ import annotations

import http.client
import re
from typing import Any

from protocol.wire.faults import Fault, Lasting, address, said, through_proxy

_PAGE = "page"  # where a parsed answer keeps what was sent, if it is not S3's
_THROTTLED = frozenset(
    (
        *("SlowDown", "RequestTimeout", "RequestTimeoutException", "IncompleteBody", "Busy", "OperationAborted"),
        *("Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException"),
        *("TooManyRequestsException", "RequestLimitExceeded", "BandwidthLimitExceeded", "EC2ThrottledException"),
        *("PriorRequestNotComplete", "InternalError", "ServiceUnavailable"),
    )
)
"""Codes of S3 and of the services that give credentials which mean: later, with whatever status they come."""
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken"})
_OWN_FAULT = frozenset(  # the bucket's or the credentials', so the next request would end in the same way
    {
        *("NoSuchBucket", "AllAccessDisabled", "AccountProblem", "NotSignedUp", "InvalidBucketName"),
        *("InvalidAccessKeyId", "SignatureDoesNotMatch", "AuthorizationHeaderMalformed", "InvalidSecurity"),
        *(
            "InvalidClientTokenId",
            "SecondLevelDomainForbidden",
            "VirtualHostDomainRequired",
            "PathStyleDomainForbidden",
        ),
        *("RequestTimeTooSkewed", "RequestExpired"),
        *_EXPIRED,
    }
)
_FIXED = frozenset({405, 411, 413, 414, 415, 431, 501})  # whoever answers so will do it again
_OURS = frozenset({"PutObject", "GetObject", "HeadObject", "ListObjectsV2", "DeleteObject"})
_ADVICE = {
    "InvalidObjectState": "the object is archived in another storage class; restore it",
    "NoSuchBucket": "create the bucket, or check --bucket and AWS_ENDPOINT_URL",
    "AccessDenied": "these credentials may not do this",
    "InvalidAccessKeyId": "the endpoint does not know these credentials",
    "SignatureDoesNotMatch": "wrong secret key",
    "ExpiredToken": "the session has ended; get new credentials",
    "RequestTimeTooSkewed": "this machine's clock is off by more than 15 minutes",
    "AuthorizationHeaderMalformed": "set AWS_DEFAULT_REGION to the bucket's region",
    "PermanentRedirect": "set AWS_DEFAULT_REGION to the bucket's region",
    "IllegalLocationConstraintException": "set AWS_DEFAULT_REGION to the bucket's region",
    "SecondLevelDomainForbidden": "set addressing_style = virtual below s3 in ~/.aws/config",
    "VirtualHostDomainRequired": "set addressing_style = virtual below s3 in ~/.aws/config",
    "PathStyleDomainForbidden": "set addressing_style = virtual below s3 in ~/.aws/config",
}
_STATUS_ADVICE = {
    407: "the proxy wants a login: put USER:PASSWORD@ before its host in HTTP_PROXY",
    413: "something before the server refuses bodies of this size; raise its limit (nginx: client_max_body_size)",
}


def not_s3(seen: str, endpoint: str) -> Fault:
    """Somebody answered who is not an S3 server: a console, a proxy, a firewall, a login page."""
    where = f"{address(endpoint)} is another service, or one stands before it{through_proxy(endpoint)}"
    return Fault(f"{seen}, not of the service asked: {where}; check AWS_ENDPOINT_URL", Lasting.PASSING_IF_WORKED)


def is_page(headers: Any) -> bool:
    """Whether an answer's headers are those of a page for a browser."""
    return str(headers.get("content-type", "")).lower().startswith(("text/html", "application/xhtml"))


def remember_page(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """boto3's event before it parses an answer: keep the words of one that is not S3's XML."""
    status, body = response_dict["status_code"], response_dict.get("body")
    foreign = status >= 300 or is_page(response_dict["headers"])
    if foreign and isinstance(body, bytes) and b"<Error" not in body[:4096]:
        customized_response_dict[_PAGE] = page_text(body)


def page_text(body: bytes) -> str:
    """The title of an HTML page, or its first words; of other text the text itself."""
    text = body[:16_384].decode("utf-8", "replace")
    title = re.search(r"<title[^>]*>([^<]*)", text, re.IGNORECASE)
    words = " ".join(re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>", " ", text, flags=re.DOTALL | re.IGNORECASE).split())
    return said(" ".join(title[1].split()) if title and title[1].strip() else words)


def refusal(error: Any, endpoint: str, renewable: bool) -> Fault:
    """A server refused."""
    status, told = status_of(error), error.response.get("Error", {})
    code, message = said(str(told.get("Code") or "")), said(str(told.get("Message") or ""))
    operation = str(getattr(error, "operation_name", ""))
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    own = code not in ("", str(status)) or (operation == "HeadObject" and status >= 400)
    if not own:
        return _foreign(status, error.response.get(_PAGE, ""), headers, endpoint)
    if code in ("", str(status)):  # a HEAD has no body that says more
        line, advice = f"{status} {http.client.responses.get(status, '')}".strip(), _ADVICE["AccessDenied"]
        advice = advice if status == 403 else ""
    else:
        line, advice = f"{status} {code}".removeprefix("0 "), _advice(code, operation)
    line += f": {message}" if message and message not in line else ""
    line += f" ({advice})" if advice else ""
    if operation and operation not in _OURS:
        line = f"{operation}, for the credentials, was refused: {line}"
    if status in (408, 429) or (status >= 500 and status != 501) or code in _THROTTLED:
        return Fault(line, Lasting.PASSING)
    if (code in _EXPIRED and renewable) or code == "RequestTimeTooSkewed":
        return Fault(line, Lasting.PASSING_IF_WORKED)
    one_key = 400 <= status < 500 and code not in _OWN_FAULT and operation in _OURS
    return Fault(line, Lasting.FINAL_FOR_KEY if one_key else Lasting.FINAL)


def _advice(code: str, operation: str) -> str:
    if code == "NotImplemented":
        lacks = "conditional writes" if operation == "PutObject" else "this request"
        return f"the endpoint lacks {lacks}, which the protocol needs"
    return _ADVICE.get(code, "")


def _foreign(status: int, page: str, headers: Any, endpoint: str) -> Fault:
    """An answer without a code of S3's own."""
    phrase = http.client.responses.get(status, "")
    line = f"{status} {phrase}".strip()
    if page and page not in (line, phrase):
        line = page if page.startswith(str(status)) else f"{line}: {page}"
    if 300 <= status < 400:
        to = address(str(headers.get("location", "")))
        where = f"redirected to {to}" if to else "redirected"
        https = to.startswith("https://") and address(endpoint).startswith("http://")
        mend = f"set AWS_ENDPOINT_URL to {'an https:// address' if https else 'the S3 server itself'}"
        return Fault(f"{line}: {where}{through_proxy(endpoint)}; {mend}", Lasting.PASSING_IF_WORKED)
    if status == 500 and is_page(headers):  # boto3 says 500 also of a 200 with a page
        return Fault(not_s3(f"an HTML page ({page})" if page else "an HTML page", endpoint).text, Lasting.PASSING)
    if status in (408, 425, 429) or (status >= 500 and status != 501):
        return Fault(f"{line} from {address(endpoint)} or a proxy before it{through_proxy(endpoint)}", Lasting.PASSING)
    advice = _STATUS_ADVICE.get(status)
    text = f"{line} ({advice})" if advice else not_s3(line, endpoint).text
    if status not in _FIXED:
        return Fault(text, Lasting.PASSING_IF_WORKED)
    return Fault(text, Lasting.FINAL if status == 501 else Lasting.FINAL_FOR_KEY)


def status_of(error: Any) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def is_absent(error: BaseException) -> bool:
    """Whether an error of a GET or HEAD says that there is no such object; a missing bucket is not an absent object."""
    from botocore.exceptions import ClientError

    if not isinstance(error, ClientError):
        return False
    code = error.response.get("Error", {}).get("Code")
    if code == "NoSuchKey":
        return True
    # A HEAD's answer has no body that says more. That of a GET has one: "404" there is another service's page.
    return code == "404" and error.operation_name == "HeadObject"
