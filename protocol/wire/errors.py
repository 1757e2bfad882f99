"""What can go wrong between a process and the bucket.

SimArenaError (env.errors)
├── UsageError           what the user gave is wrong: exit code 2
│   ├── BadId            an id that may not become part of a key
│   └── UnknownName      the bucket has no job, group or file of this name
├── ProtocolError
│   ├── BadDocument      an object that is not what its key promises
│   │   └── Unreadable   an object that the endpoint refuses: nothing is known of its content
│   ├── OtherRelease     a document of a newer or an older release: it stays where it is
│   ├── NotInstalled     a job that needs a package which this machine lacks: it stays where it is
│   └── FederationFailed the federation ended without a result
└── StoreError
    ├── Exists           412: the create-only key is taken (perhaps by this very request, sent twice)
    ├── Conflict         409: nothing landed, try again
    ├── Transient        5xx, time-out, reset: the request may or may not have landed
    ├── Refused          4xx for one key: archived, under a key of its writer's, no right to it; others may be fine
    │   └── TooLarge     the object is larger than its reader allows
    └── Unfit            501, no bucket, no credentials, no right to list: trying again cannot help
"""

from __future__ import annotations

from env.errors import SimArenaError, UsageError


class BadId(UsageError, ValueError):
    """An id that may not become part of a key. Of what a bucket holds it becomes a BadDocument, by pydantic."""


class UnknownName(UsageError):
    """The bucket has no job, group or file of the name that the user gave."""


class ProtocolError(SimArenaError):
    """The protocol was not kept, or asked for something it does not offer."""


class BadDocument(ProtocolError):
    """An object whose content is not what its key promises."""


class Unreadable(BadDocument):
    """The endpoint refuses to read the object. It may be sound: only this process, or only now, cannot read it."""


class OtherRelease(ProtocolError):
    """A document that another release of sim-arena must work on: it is passed over and left where it is.

    No BadDocument: those are moved out of the way, which would destroy what is sound.

    Attributes:
        newer: whether that release is newer than this one.
    """

    def __init__(self, message: str, *, newer: bool) -> None:
        super().__init__(message)
        self.newer = newer

    @property
    def release(self) -> str:
        return "newer release" if self.newer else "older release"


class NotInstalled(ProtocolError):
    """A job needs a package that is not installed here, or not in that version; another worker may have it."""


class FederationFailed(ProtocolError):
    """The federation ended without a result; the message says why."""


class StoreError(SimArenaError):
    """A request to the object store did not succeed."""


class Exists(StoreError):
    """412: the key exists. After a retry this may be one's own earlier request."""


class Conflict(StoreError):
    """409: another request on the key was under way; nothing landed."""


class Transient(StoreError):
    """5xx, SlowDown, time-out or reset: it may have landed."""


class Refused(StoreError):
    """The endpoint refuses one object: archived, under a key of its writer's, or no right to it.

    Whoever wrote an object may have caused this, so it never ends a process.
    """


class TooLarge(Refused):
    """The object is larger than the reader allows."""


class Unfit(StoreError):
    """The endpoint, the bucket or the permissions do not allow this; trying again cannot help."""
