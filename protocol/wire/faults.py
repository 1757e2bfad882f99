"""Why a request did not succeed, in words that messages share: a fault, addresses, and what others say."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from urllib.parse import urlsplit

from env.errors import one_line

_SAID = 400  # characters of what a server says that are repeated


class Lasting(Enum):
    """Whether the same request may succeed later."""

    PASSING = "it may"
    PASSING_IF_WORKED = "it may if such a request has succeeded before; else a setting is wrong"
    FINAL_FOR_KEY = "it will not, but others may: one object is refused"
    FINAL = "it will not"


@dataclass(frozen=True)
class Fault:
    """Why a request did not succeed: one line that names who is to blame and what helps."""

    text: str
    lasting: Lasting = Lasting.FINAL

    def may_pass(self, worked: bool) -> bool:
        return self.lasting is Lasting.PASSING or (self.lasting is Lasting.PASSING_IF_WORKED and worked)


def said(text: str) -> str:
    """What somebody else says, as part of a line."""
    return one_line(" ".join(text.split()), _SAID)


def address(url: str) -> str:
    """Scheme, host and port of a URL as messages show it, without user information; empty if it is no URL."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2]
    return one_line(f"{parts.scheme}://{host}" if parts.scheme else host, 200)


def host_of(url: str) -> str:
    """The host of a URL, empty if there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def through_proxy(url: str) -> str:
    """A remark about the proxy that requests to a URL go through; empty if there is none."""
    from botocore.utils import get_environ_proxies

    proxy = get_environ_proxies(url).get(url.partition(":")[0])
    return f" (through the proxy {address(proxy if '//' in proxy else '//' + proxy)})" if proxy else ""
