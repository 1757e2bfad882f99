"""The credentials of a request, fetched before it is sent: what fails there is no fault of the S3 server."""

from __future__ import annotations

import os
import warnings
from getpass import GetPassWarning
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from protocol.wire.errors import StoreError, Transient, Unfit
from protocol.wire.faults import Fault, Lasting, said
from protocol.wire.s3_client import core_of
from protocol.wire.sdk_errors import GET_CREDENTIALS, explain, system_fault

if TYPE_CHECKING:
    import boto3

_FILES = {
    "AWS_WEB_IDENTITY_TOKEN_FILE": "web_identity_token_file",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "",
    "AWS_SHARED_CREDENTIALS_FILE": "",
}
"""Settings that name a file, and what they are called in a profile."""


class Credentials:
    """The credentials of a session, from wherever boto3 is set to take them.

    Attributes:
        renewable: whether they end and can be fetched anew.
    """

    def __init__(self, session: boto3.session.Session) -> None:
        self.session = session
        self.renewable = False
        self._given = False

    def fetch(self, what: str) -> None:
        """See to it that a request has credentials; costs nothing while those that are there are valid.

        Args:
            what: the request, at the beginning of an error's line.

        Raises:
            Transient: their source has given some before, or is only busy.
            Unfit: there are none, or none that can be sent.
        """
        fault = self._fault()
        if fault is not None:
            kind: type[StoreError] = Transient if fault.may_pass(self._given) else Unfit
            raise kind(f"{what}: credentials: {fault.text}")
        self._given = True

    def _fault(self) -> Fault | None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", GetPassWarning)  # of a profile with mfa_serial, without a terminal
                found = self.session.get_credentials()
                values = found.get_frozen_credentials() if found else None
        except Exception as error:  # of many sources, programs among them
            return source_fault(error, self.session)
        if found is None or values is None:
            return Fault(f"there are none ({GET_CREDENTIALS})", Lasting.PASSING_IF_WORKED)
        self.renewable = hasattr(found, "refresh_needed")
        return _unsendable(values)


def source_fault(error: Exception, session: boto3.session.Session) -> Fault:
    """Why a source gave no credentials."""
    from botocore import exceptions as boto

    profile = core_of(session).get_scoped_config() if core_of(session).profile in _profiles(session) else {}
    program = str(profile.get("credential_process", "")).split(" ")[0]
    if isinstance(error, EOFError):
        return Fault("mfa_serial of the profile wants an MFA code, and there is no terminal to ask at")
    if isinstance(error, OSError) and not isinstance(error, boto.BotoCoreError):
        fault = system_fault(error, "their source")
        name = _setting_of(error.filename, profile, program)
        return Fault(f"{name}{fault.text}", fault.lasting if name == "" else Lasting.PASSING_IF_WORKED)
    if isinstance(error, boto.ClientError):
        fault = explain(error, "") or Fault(str(error))
        return Fault(fault.text, Lasting.PASSING if fault.may_pass(False) else Lasting.PASSING_IF_WORKED)
    if isinstance(error, boto.SSOError):
        return Fault(f"{said(str(error))} (run: aws sso login)", Lasting.PASSING_IF_WORKED)
    if isinstance(error, boto.ParamValidationError):
        return Fault(f"what the settings hold is refused: {said(str(error))}", Lasting.PASSING_IF_WORKED)
    if isinstance(error, (boto.ConnectionError, boto.HTTPClientError)):
        return explain(error, "") or Fault(str(error))
    if isinstance(error, boto.BotoCoreError):
        empty = "; the program failed" if str(error).rstrip().endswith("custom-process:") else ""
        return Fault(f"{said(str(error))}{empty}{_of(program)}", Lasting.PASSING_IF_WORKED)
    if isinstance(error, ValueError) and "Unsupported host" in str(error):
        return Fault(f"AWS_CONTAINER_CREDENTIALS_FULL_URI: {said(str(error))}")
    if program:
        # What it printed is not repeated: it may be half a key.
        return Fault(f"credential_process {said(program)} prints no credentials as JSON", Lasting.PASSING_IF_WORKED)
    return Fault(f"their source gives none: {type(error).__name__}: {said(str(error))}", Lasting.PASSING_IF_WORKED)


def _profiles(session: boto3.session.Session) -> set[str | None]:
    return {None, *session.available_profiles}


def _of(program: str) -> str:
    return f" (credential_process {said(PurePath(program).name)})" if program else ""


def _setting_of(path: Any, profile: dict[str, Any], program: str) -> str:
    """The setting that names a file."""
    if program and path == program:
        return "credential_process "
    for variable, key in _FILES.items():
        if path and path == os.environ.get(variable):
            return f"{variable}="
        if path and key and path == profile.get(key):
            return f"{key} = "
    return ""


def _unsendable(values: Any) -> Fault | None:
    """Which of the credentials no header can hold, as with the line break at the end of a file."""
    for value, setting, name in (
        (values.access_key, "AWS_ACCESS_KEY_ID", "the access key id"),
        (values.secret_key, "AWS_SECRET_ACCESS_KEY", "the secret key"),
        (values.token, "AWS_SESSION_TOKEN", "the session token"),
    ):
        if value and not (value.isprintable() and value.isascii() and value.strip() == value):
            where = f" ({setting})" if os.environ.get(setting) == value else ""
            odd = "a line break" if value.endswith(("\n", "\r")) else "a blank or another character that it cannot have"
            return Fault(f"{name}{where} holds {odd}; set it without")
    return None
