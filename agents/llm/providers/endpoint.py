"""Where a provider is reached and with which key: from environment variables alone, as flags end up in histories."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from agents.llm.model import ProviderRefused
from env.errors import one_line

LONGEST_MESSAGE = 400
_SHORTEST_SECRET = 12


@dataclass(frozen=True)
class Endpoint:
    """What a failure's message names.

    Attributes:
        provider: Its name in `table`.
        url: Base URL of its API.
        model: The model's id, as it is asked for.
        replacement: What to do where there is no such model.
        key_variables: Environment variables that the key is read from.
        key: Removed from all that is shown; empty: none is sent.
    """

    provider: str
    url: str = field(repr=False)
    model: str
    replacement: str
    key_variables: Sequence[str]
    key: str = field(repr=False)

    @property
    def shown(self) -> str:
        """The provider and its host, without a user or password that the URL may hold."""
        parts = urlsplit(self.url)
        host = f"{parts.hostname}:{parts.port}" if parts.port else f"{parts.hostname}"
        return f"{self.provider} ({parts.scheme}://{host}{parts.path.rstrip('/')})"

    def without_key(self, body: bytes) -> bytes:
        """An answer's body as it may be kept: some gateways give back the headers that they were sent.

        Short keys stay. They are no secrets but what local servers are given for one, and may be part of any text.
        """
        return body.replace(self.key.encode(), b"***") if len(self.key) >= _SHORTEST_SECRET else body

    def printable(self, text: str) -> str:
        """Untrusted text as one line: cut, without control characters and without the key."""
        clean = text.replace(self.key, "***") if self.key else text
        return one_line(" ".join(clean.split()), LONGEST_MESSAGE)


def api_key(variables: Sequence[str], *, required: bool = True) -> str:
    """The key of the first variable that is set; empty where none is and none is required.

    Raises:
        ProviderRefused: There is none, or it cannot be sent in a header.
    """
    for variable in variables:
        key = os.environ.get(variable, "").strip()
        if key and not (key.isascii() and key.isprintable() and " " not in key):
            raise ProviderRefused(f"{variable} holds no key: it has blanks, line breaks or other odd characters")
        if key:
            return key
    if required:
        raise ProviderRefused(f"no API key: set {' or '.join(variables)}; the provider 'scripted' needs none")
    return ""


def base_url(variable: str, default: str) -> str:
    """The variable's URL, or the default.

    Raises:
        ProviderRefused: It is no http or https URL.
    """
    url = os.environ.get(variable, "").strip() or default
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        valid = False
    if not valid or not url.isprintable():
        raise ProviderRefused(f"{variable} is no http or https URL; for example: {default}")
    return url


def missing_sdk(package: str) -> ProviderRefused:
    """What to say where a provider's SDK is not installed."""
    return ProviderRefused(f"the package {package} is not installed: pip install 'sim-arena[llm]'")
