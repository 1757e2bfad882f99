"""Queries to a server that answers as Prometheus does: GET requests to its `api/v1/query`, of which nothing is trusted.

Answers are bounded in bytes, samples and time. Redirects are followed on the same host alone, so that credentials go to
no other. https://prometheus.io/docs/prometheus/latest/querying/api/
"""

from __future__ import annotations

import contextlib
import math
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import urllib3

from env.errors import ClusterError, ConfigError
from env.kube.bounded import MAX_ANSWER_BYTES, read_bounded
from env.kube.client import Timer
from env.printable import one_line
from env.usage.prometheus_answer import Answer, NoAnswer, read_answer, read_refusal

TOKEN_VARIABLE = "SIM_ARENA_PROMETHEUS_TOKEN"  # noqa: S105 (a variable's name)
USER_VARIABLE = "SIM_ARENA_PROMETHEUS_USERNAME"
PASSWORD_VARIABLE = "SIM_ARENA_PROMETHEUS_PASSWORD"  # noqa: S105 (a variable's name)
TENANT_VARIABLE = "SIM_ARENA_PROMETHEUS_TENANT"
"""Variables of the environment; the tenant is Mimir's and Cortex's X-Scope-OrgID."""

CONNECT_S = 10.0
"""Seconds that a connection may take."""
QUERY_S = 60.0
"""Seconds that one query may take."""
ALL_QUERIES_S = 300.0
"""Seconds that all of them together may take."""

_MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_TRIES = 4
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 10.0
_PASSING = (429, 502, 503, 504)
_PORTS = {"http": 80, "https": 443}


class PrometheusError(ClusterError):
    """The server gave no answer.

    Attributes:
        too_big: The query asked for more than the server computes at once; a smaller one may do.
        timed_out: There was no answer in time: it may be too much at once, or the server hangs.
    """

    def __init__(self, message: str, *, too_big: bool = False, timed_out: bool = False) -> None:
        super().__init__(message)
        self.too_big = too_big
        self.timed_out = timed_out


@dataclass(frozen=True)
class Credentials:
    """What a server wants to know of us; never printed.

    Raises:
        ConfigError: A value that no header can hold.
    """

    token: str = field(default="", repr=False)
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    tenant: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        named = {
            TOKEN_VARIABLE: self.token,
            USER_VARIABLE: self.username,
            PASSWORD_VARIABLE: self.password,
            TENANT_VARIABLE: self.tenant,
        }
        for variable, value in named.items():
            if not value.isprintable():
                raise ConfigError(f"{variable}: holds a character that no HTTP header can, such as a newline")
        if self.token and (self.username or self.password):
            raise ConfigError(f"{TOKEN_VARIABLE} and {USER_VARIABLE} or {PASSWORD_VARIABLE}: set the one or the other")
        if ":" in self.username:
            raise ConfigError(f"{USER_VARIABLE}: holds a colon, which a user name must not")

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] = os.environ) -> Credentials:
        """Those that the environment names; a file's last newline in them does not count."""
        names = (TOKEN_VARIABLE, USER_VARIABLE, PASSWORD_VARIABLE, TENANT_VARIABLE)
        return cls(*(environment.get(each, "").strip("\r\n") for each in names))

    def headers(self) -> dict[str, str]:
        """The headers of a request."""
        found = {"X-Scope-OrgID": self.tenant} if self.tenant else {}
        if self.token:
            found["Authorization"] = f"Bearer {self.token}"
        elif self.username or self.password:
            found |= urllib3.make_headers(basic_auth=f"{self.username}:{self.password}")
        return found

    def hidden(self, text: str) -> str:
        """A text of the server as one line, without what it may have repeated of them."""
        for secret in (self.token, self.password):
            text = text.replace(secret, "***") if secret else text
        return one_line(text, 300)


@dataclass(frozen=True)
class PrometheusApi:
    """One server.

    Attributes:
        url: Without a slash at its end.
        credentials: What is sent to it.
        pool: Connections.
        timer: Clock and sleep.
        deadline: On the timer's clock; no query goes on beyond it.
    """

    url: str
    credentials: Credentials
    pool: urllib3.PoolManager
    timer: Timer
    deadline: float = math.inf

    def until_late(self) -> PrometheusApi:
        """The same, for one reading."""
        return replace(self, deadline=self.timer.now() + ALL_QUERIES_S)

    def query(self, text: str, at: float) -> Answer:
        """What a query gives.

        Args:
            text: In PromQL; its value is an instant vector.
            at: The time of its evaluation, seconds since 1970.

        Raises:
            PrometheusError: No answer, or none that can be read.
        """
        url = f"{self.url}/api/v1/query?" + urlencode({"query": text, "time": f"{at:.3f}"})
        pause_s = _FIRST_PAUSE_S
        for tries_left in reversed(range(_TRIES)):
            status, data, kind = self._get(url)
            if status == 200:
                return self._read(data, kind)
            error, passing = self._refused(status, data)
            if error.too_big or not passing or not tries_left or self._left_s() <= pause_s:
                raise error
            self.timer.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        raise AssertionError("the last try returns or raises")

    def _read(self, data: bytes, kind: str) -> Answer:
        try:
            return read_answer(data)
        except NoAnswer as error:
            what = f" (it is {one_line(kind, 60)})" if kind and "json" not in kind else ""
            said = self.credentials.hidden(str(error))
            raise PrometheusError(f"{self.url}: {said}{what}", too_big=error.too_big) from error

    def _refused(self, status: int, data: bytes) -> tuple[PrometheusError, bool]:
        """The error, and whether it may pass."""
        refusal = read_refusal(status, data)
        said = self.credentials.hidden(refusal.message)
        text = f"{self.url}: {status}" + (f": {said}" if said else "")
        if status in (401, 403):
            text += f"; set {TOKEN_VARIABLE}, or {USER_VARIABLE} and {PASSWORD_VARIABLE}"
        if status == 404:
            text += "; there is no Prometheus below this URL; is a path missing, such as /prometheus?"
        return PrometheusError(text, too_big=refusal.too_big), status in _PASSING

    def _get(self, url: str) -> tuple[int, bytes, str]:
        """Status, body and content type, after redirects on the same host."""
        for _ in range(_MOST_REDIRECTS):
            status, data, headers = self._get_once(url)
            if status not in _REDIRECTS:
                return status, data, headers.get("Content-Type", "")
            target = urljoin(url, headers.get("Location", ""))
            if _origin(target) != _origin(url):
                where = one_line(target.partition("?")[0], 200)
                raise PrometheusError(
                    f"{self.url}: redirects to {where}; redirects to another server are not followed, as credentials "
                    "would go along; if that is a login page, give the URL of the server behind it"
                )
            url = target
        raise PrometheusError(f"{self.url}: more than {_MOST_REDIRECTS} redirects")

    def _get_once(self, url: str) -> tuple[int, bytes, Mapping[str, str]]:
        limit_s = min(QUERY_S, self._left_s())
        if limit_s <= 0:
            late = f"no time left after {ALL_QUERIES_S:.0f} s of queries; a shorter --range asks for less"
            raise PrometheusError(f"{self.url}: {late}")
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip", **self.credentials.headers()}
        with self._errors_told(limit_s):
            answer = self.pool.request(
                "GET",
                url,
                headers=headers,
                timeout=urllib3.Timeout(connect=min(CONNECT_S, limit_s), read=limit_s),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            try:
                data = read_bounded(answer, self.timer, limit_s)
            finally:
                answer.close()
                answer.release_conn()
        if len(data) > MAX_ANSWER_BYTES:
            too_big = f"{self.url}: an answer of more than {MAX_ANSWER_BYTES // 1024**2} MiB"
            raise PrometheusError(too_big, too_big=True)
        return answer.status, data, answer.headers

    def _left_s(self) -> float:
        return self.deadline - self.timer.now()

    @contextlib.contextmanager
    def _errors_told(self, limit_s: float) -> Any:
        try:
            yield
        except urllib3.exceptions.SSLError as error:
            is_plain = "WRONG_VERSION_NUMBER" in str(error)
            hint = "; is it http://?" if is_plain else "; if its authority is your own, give --prometheus-ca FILE"
            raise PrometheusError(f"{self.url}: {self.credentials.hidden(str(error))}{hint}") from error
        except urllib3.exceptions.NewConnectionError as error:
            why = str(error).rpartition(": ")[2]
            raise PrometheusError(f"{self.url}: no connection ({self.credentials.hidden(why)})") from error
        except urllib3.exceptions.TimeoutError as error:
            is_connected = not isinstance(error, urllib3.exceptions.ConnectTimeoutError)
            raise PrometheusError(f"{self.url}: no answer within {limit_s:.0f} s", timed_out=is_connected) from error
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise PrometheusError(f"{self.url}: no answer ({self.credentials.hidden(str(error))})") from error


def connect_prometheus(
    url: str, credentials: Credentials, *, ca_file: Path | None = None, timer: Timer | None = None
) -> PrometheusApi:
    """A server by its URL, with or without `/api/v1` or `/graph` at its end.

    Raises:
        ConfigError: Not such a URL, one with a user or password in it, or a file without certificates.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in _PORTS and bool(parts.hostname) and url.isprintable() and " " not in url
        _ = parts.port
    except ValueError:
        parts, usable = urlsplit(""), False
    if "@" in url:
        variables = f"{USER_VARIABLE} and {PASSWORD_VARIABLE}"
        raise ConfigError(f"--prometheus: a user in the URL would be seen by others; set {variables} instead")
    if not usable or parts.query or parts.fragment:
        raise ConfigError(f"--prometheus {url!r:.200}: must be a URL such as http://127.0.0.1:9090")
    path = parts.path.rstrip("/")
    for end in ("/api/v1/query", "/api/v1", "/graph", "/query"):
        path = path.removesuffix(end)
    pool = urllib3.PoolManager(ssl_context=_tls(ca_file), maxsize=1)
    return PrometheusApi(f"{parts.scheme}://{parts.netloc}{path}", credentials, pool, timer or Timer())


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"--prometheus-ca {ca_file}: no certificates can be read ({error})") from error


def _origin(url: str) -> tuple[str, str | None, int | None]:
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return "", None, None
