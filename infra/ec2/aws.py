"""AWS as the commands here ask it: clients of one region, and errors that a person can act on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from functools import lru_cache
from typing import Annotated, Any

import typer

from env.errors import SimArenaError, UsageError, one_line
from protocol.wire.credentials import Credentials
from protocol.wire.errors import StoreError
from protocol.wire.sdk_errors import explain

RegionOption = Annotated[
    str | None, typer.Option("--region", metavar="NAME", help="AWS region. Default: boto3's own setting.")
]

_TRIES = 6  # throttled, unanswered or refused by a tired server; boto3 waits longer each time


class AwsError(SimArenaError):
    """AWS refused, or could not be asked.

    Attributes:
        code: AWS's own, such as InsufficientInstanceCapacity; of what never got an answer, the name of boto3's error.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Aws:
    """An account in one region. Credentials, profile and endpoint are boto3's own settings.

    Args:
        region: None takes the one that boto3 is set to.

    Raises:
        UsageError: there is no such setting, or no such profile.
    """

    def __init__(self, region: str | None = None) -> None:
        import boto3
        from botocore.exceptions import BotoCoreError

        try:
            self._session = boto3.session.Session(region_name=region)
        except BotoCoreError as error:
            raise UsageError(str(error)) from error
        if not self._session.region_name:
            raise UsageError("no AWS region: pass --region, or set AWS_DEFAULT_REGION")
        self.region: str = self._session.region_name
        self._tries = _TRIES
        self.client = lru_cache(maxsize=None)(self._client)

    def elsewhere(self, region: str) -> Aws:
        """The same account in another region."""
        other = copy(self)
        other.region = region
        other.client = lru_cache(maxsize=None)(other._client)
        return other

    def trying_once(self) -> Aws:
        """The same without boto3's retries, for callers with their own; boto3 would also retry a lack of capacity."""
        other = copy(self)
        other._tries = 1
        other.client = lru_cache(maxsize=None)(other._client)
        return other

    def ask(self, service: str, operation: str, **parameters: Any) -> Any:
        """One request, such as `ask("ec2", "run_instances", ImageId=…)`; the answer as boto3 gives it.

        It is tried again after throttling, 5xx and lost answers, so what creates something needs a client token.

        Raises:
            AwsError: it did not succeed.
        """
        try:
            return getattr(self.client(service), operation)(**parameters)
        except Exception as error:
            raise self._said(error, f"{service} {operation}") from error

    def pages(
        self,
        service: str,
        operation: str,
        rows: str,
        *,
        filters: Mapping[str, Sequence[str]] | None = None,
        **parameters: Any,
    ) -> Iterator[Any]:
        """The rows under the name `rows` of all pages of an answer; raises AwsError."""
        if filters:
            parameters["Filters"] = [{"Name": name, "Values": list(values)} for name, values in filters.items()]
        try:
            for page in self.client(service).get_paginator(operation).paginate(**parameters):
                yield from page.get(rows, ())
        except Exception as error:
            raise self._said(error, f"{service} {operation}") from error

    def endpoint(self, service: str) -> str:
        """The URL that a service is asked at; empty where settings allow no client of it."""
        from botocore.exceptions import BotoCoreError

        try:
            return str(self.client(service).meta.endpoint_url)
        except (BotoCoreError, ValueError):  # what `client` itself raises; the request that follows says which
            return ""

    def _client(self, service: str) -> Any:
        from botocore.config import Config

        config = Config(
            retries={"total_max_attempts": self._tries, "mode": "standard"},
            connect_timeout=5,
            read_timeout=60,
            user_agent_extra="sim-arena/ec2-workers",
        )
        return self._session.client(service, region_name=self.region, config=config)  # type: ignore[call-overload]

    def _said(self, error: Exception, what: str) -> Exception:
        from botocore.exceptions import ClientError

        line = f"{what} in {self.region}"
        if isinstance(error, ClientError) and "Code" in error.response.get("Error", {}):
            told = error.response["Error"]
            code = str(told.get("Code", "unknown"))
            # What follows can only be decoded by administrators, and is longer than a screen.
            message = str(told.get("Message", "")).partition(" Encoded authorization failure message")[0]
            advice = _ADVICE.get(code)
            return AwsError(code, one_line(f"{line}: {code}: {message}" + (f" ({advice})" if advice else "")))
        try:
            Credentials(self._session).fetch(line)
        except StoreError as refused:
            return AwsError(type(error).__name__, str(refused))
        fault = explain(error, self.endpoint(what.split()[0]))
        return error if fault is None else AwsError(type(error).__name__, f"{line}: {fault.text}")


_NOT_ALLOWED = (
    "these credentials may not do this; launching needs what `sim-arena policy launcher --bucket BUCKET` prints, "
    "setup and teardown an administrator"
)
_EXPIRED = "the session has ended; get new credentials"
_ADVICE = {
    "UnauthorizedOperation": _NOT_ALLOWED,
    "AccessDenied": _NOT_ALLOWED,
    "AccessDeniedException": _NOT_ALLOWED,
    "AuthFailure": "AWS does not know these credentials in this region",
    "InvalidClientTokenId": "AWS does not know these credentials",
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "RequestExpired": "the session has ended, or this machine's clock is off",
}
