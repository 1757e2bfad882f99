"""What all documents of the bucket have in common: strict, versioned, bounded, and read in one way.

`job_documents` and `federation_documents` have the kinds. A document of another release is left where it is: see
`OtherRelease` and docs/protocol.md, "Upgrades".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from env.errors import UsageError, one_line, reason
from protocol.wire import ids
from protocol.wire.bucket import Bucket
from protocol.wire.errors import BadDocument, OtherRelease, Refused, TooLarge, Unreadable

Id = Annotated[str, AfterValidator(ids.valid_id)]
GroupId = Annotated[str, AfterValidator(ids.valid_group)]
Sha256 = Annotated[str, AfterValidator(ids.valid_sha256)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Text = Annotated[str, Field(max_length=4000)]
Name = Annotated[str, Field(min_length=1, max_length=253)]
Setting = str | bool | int | Finite | list[int]

MAX_ERRORS = 100  # pydantic describes all or none, and a description takes a hundred times what it describes


class Part(BaseModel):
    """A part of a document: unknown keys and loose types are refused, nothing is changed in place."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Document(Part):
    """Base of everything in the bucket that has fields.

    A kind whose form or meaning changes gets the next `version` in the field's type, which keeps those that it still
    reads. The next one becomes the field's default. Where only some documents need the new form, it is written into
    these alone: then the release before still works on the others.

    Attributes:
        max_bytes: a larger object is not read.
        older: which release wrote each older version.
    """

    max_bytes: ClassVar[int] = 256 * 1024
    older: ClassVar[Mapping[int, str]] = {}

    version: Literal[1] = 1

    @property
    def owner(self) -> str | None:
        """The job or the group that the document names as its own; its key must contain it."""
        return None

    def to_bytes(self) -> bytes:
        return self.model_dump_json(indent=1).encode()

    @classmethod
    def newest(cls) -> int:
        """The newest version that this release writes."""
        known: tuple[int, ...] = get_args(cls.model_fields["version"].annotation)
        return max(known)

    def require_current(self, key: str) -> None:
        """Raises OtherRelease if an older release wrote the document: it may be shown, but not worked on."""
        if self.version in self.older:
            raise _of_older(type(self), self.version, key)


D = TypeVar("D", bound=Document)
M = TypeVar("M", bound=BaseModel)


def read(bucket: Bucket, kind: type[D], key: str) -> D | None:
    """The document at a key, None if there is none.

    Raises:
        BadDocument: too large, not of this kind, or of another job or group than its key says; one line.
        Unreadable: the endpoint refuses it.
        OtherRelease: a newer release wrote it; leave it where it is.
    """
    try:
        body = bucket.get(key, kind.max_bytes)
    except TooLarge as error:
        raise BadDocument(str(error)) from error
    except Refused as error:
        raise Unreadable(str(error)) from error
    if body is None:
        return None
    document = parse(kind, body, key)
    if document.owner is not None and f"/{document.owner}/" not in key:
        raise BadDocument(f"{key}: it names another, {document.owner!r}")
    return document


def read_if_valid(bucket: Bucket, kind: type[D], key: str) -> D | None:
    """The document at a key; None also for one that cannot be read, or that a newer release wrote."""
    try:
        return read(bucket, kind, key)
    except (BadDocument, OtherRelease):
        return None


def parse(kind: type[D], body: bytes, name: str) -> D:
    """A document from its bytes.

    Raises:
        BadDocument: not JSON, or not of this kind; one line that names the field.
        OtherRelease: another release wrote it, in a form that this one does not know.
    """
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        if other := _other_release(kind, body, name):
            raise other from None
        if (count := error.error_count()) > MAX_ERRORS:
            raise BadDocument(f"{name}: document: {count} things are wrong with it") from None
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        raise BadDocument(f"{name}: {one_line(where, 300)}: {one_line(reason(first))}") from error
    except RecursionError as error:
        raise BadDocument(f"{name}: nested too deeply") from error


class _AnyVersion(BaseModel):
    """What a document of any release has."""

    version: int = Field(strict=True, ge=1, le=9999)


def _other_release(kind: type[Document], body: bytes, name: str) -> OtherRelease | None:
    """The error for a document that another release wrote; None if this one did, or its version cannot be read."""
    try:
        version = _AnyVersion.model_validate_json(body).version
    except (ValidationError, RecursionError):
        return None
    if version > kind.newest():
        line = f"{name}: version {version} is of a newer release; this one knows {kind.newest()}: upgrade this one"
        return OtherRelease(line, newer=True)
    return _of_older(kind, version, name) if version in kind.older else None


def _of_older(kind: type[Document], version: int, name: str) -> OtherRelease:
    line = f"{name}: written by {kind.older[version]}; finish it with that release, or submit it again"
    return OtherRelease(line, newer=False)


_OPTIONS = {"count": "nodes", "cpu_m": "node-cpu", "memory_bytes": "node-memory", "pods": "node-pods"}


def build(kind: type[M], **values: object) -> M:
    """A model of a user's own values.

    Raises:
        UsageError: one of them is out of range; one line that names it as an option.
    """
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = str(first["loc"][0]) if first["loc"] else ""
        option = _OPTIONS.get(field, field.removesuffix("_s").replace("_", "-"))
        message = reason(first)
        raise UsageError(f"--{option}: {message}" if option else message) from error


def timestamp() -> str:
    """Now, UTC, for people to read; nothing is decided by it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
