"""Which names may become part of a key or a path: they come from users and from the bucket."""

from __future__ import annotations

import re

from protocol.wire.errors import BadId


class Wildcard(str):
    """Stands for any id, number or hash in a pattern over keys. No text from outside is ever one."""


ANY = Wildcard("*")

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_ACCOUNT = re.compile(r"[0-9]{12}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def is_id(text: str) -> bool:
    """Whether `text` may name a job, a group or a worker."""
    return _ID.fullmatch(text) is not None


def is_group(text: str) -> bool:
    """Whether `text` may name a federation: its members' job ids need room, and one name is taken."""
    return is_id(text) and len(text) <= 57 and text != "active"


def valid_id(text: str, what: str = "id") -> str:
    """`text` itself, if it may become part of a key; raises BadId otherwise."""
    if not (is_id(text) or isinstance(text, Wildcard)):
        raise BadId(f"{what} {text[:80]!r}: use 1 to 63 of a-z, 0-9 and '-', not starting with '-'")
    return text


def valid_group(text: str) -> str:
    """`text` itself, if it may name a federation; raises BadId otherwise."""
    if not (is_group(text) or isinstance(text, Wildcard)):
        raise BadId(f"group {text[:80]!r}: use 1 to 57 of a-z, 0-9 and '-', not starting with '-', and not 'active'")
    return text


def valid_sha256(text: str) -> str:
    """`text` itself, if it is a SHA-256 in lower-case hex; raises BadId otherwise."""
    if not (_SHA256.fullmatch(text) or isinstance(text, Wildcard)):
        raise BadId(f"content hash {text[:80]!r}: not a SHA-256 in lower-case hex")
    return text


def valid_account(text: str) -> str:
    """`text` itself, if it is the number of an AWS account; raises BadId otherwise."""
    if not _ACCOUNT.fullmatch(text):
        raise BadId(f"account {text[:80]!r}: must be 12 digits")
    return text
