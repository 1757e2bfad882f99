"""What `checkpoint.dumps` writes round numbers; the same for all states with the same tensors.

Of an archive of float32 tensors only the numbers, the checksums of them and an id made of the checksums depend on the
numbers. Bytes that equal the frame everywhere else hold these tensors and nothing else, and their numbers can be read
where they lie: nothing is unpickled, parsed or copied. And what is put into the frame is what torch would have written.

Checksums are not compared in reading, as torch does not either: it would take longer than all the rest, S3 and TLS
have their own, and whoever writes other numbers can write their checksum.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterator, Mapping
from itertools import chain
from operator import itemgetter
from zlib import crc32

import numpy as np
import numpy.typing as npt
import torch

from agents.saved import checkpoint

Floats = npt.NDArray[np.float32]

_ID = "archive/.data/serialization_id"
_DESCRIPTOR = b"PK\x07\x08"  # what stands between an entry's content and its checksum


class Frame:
    """The frame of one model. To make one takes as long as to write the model twice.

    Args:
        shapes: names and shapes of its tensors, in the order of the archive.

    Attributes:
        spans: (tensors, 2), where each one's numbers start and end in what `numbers` returns.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self._shapes = dict(shapes)
        self._ends = np.cumsum([math.prod(shape) for shape in shapes.values()]).tolist()
        self._tensors = [f"archive/data/{number}" for number in range(len(shapes))]
        zeros = checkpoint.dumps({name: torch.zeros(shape) for name, shape in shapes.items()})
        contents, checksums, self._crcs = _entries(zeros)
        self._id = slice(*contents[_ID])
        self._id_of_names = zeros[self._id][:20]
        self.spans = np.array([contents[name] for name in self._tensors], np.int64) // 4  # torch aligns them to 64
        self._size = len(zeros)
        free = [(contents[name], name, True) for name in (*self._tensors, _ID)]
        free += [(span, name, False) for name in (*self._tensors, _ID) for span in checksums[name]]
        free.sort()
        self._free = [(name, is_content) for _, name, is_content in free]
        self._fixed = itemgetter(*_gaps([span for span, _, _ in free], len(zeros)))
        self._expected = self._fixed(zeros)
        self._torch_writes_so = self._filled(np.zeros(self._ends[-1], np.float32)) == zeros

    def numbers(self, body: bytes | memoryview) -> Floats | None:
        """The bytes as float32, with the tensors at `spans` and nonsense elsewhere; None if they have another frame.

        The numbers may be anything, infinite for one.
        """
        if len(body) != self._size or self._fixed(body) != self._expected or not bytes(body[self._id]).isascii():
            return None  # torch refuses an id that is no text
        return np.frombuffer(body, np.float32, count=len(body) // 4)

    def dumps(self, vector: Floats) -> bytes:
        """What `checkpoint.dumps` makes of the tensors whose numbers lie end to end in a vector."""
        if self._torch_writes_so:
            return self._filled(vector)
        parts = zip(self._shapes.items(), self._parts(vector), strict=True)
        return checkpoint.dumps({name: torch.from_numpy(part.reshape(shape)) for (name, shape), part in parts})

    def _parts(self, vector: Floats) -> list[Floats]:
        return [vector[start:end] for start, end in zip([0, *self._ends], self._ends, strict=False)]

    def _filled(self, vector: Floats) -> bytes:
        contents: dict[str, memoryview] = {
            name: part.data.cast("B") for name, part in zip(self._tensors, self._parts(vector), strict=True)
        }
        crcs = self._crcs | {name: crc32(content) for name, content in contents.items()}
        contents[_ID] = memoryview(self._id_of_names + _id_of_contents(contents, crcs))
        crcs[_ID] = crc32(contents[_ID])
        free = [contents[name] if is_content else crcs[name].to_bytes(4, "little") for name, is_content in self._free]
        return b"".join(chain(*zip(self._expected, [*free, b""], strict=True)))


Span = tuple[int, int]  # start and end, in bytes


def _entries(archive: bytes) -> tuple[dict[str, Span], dict[str, list[Span]], dict[str, int]]:
    """Of each entry, in order: its content, the two places of the content's checksum, and the checksum.

    APPNOTE.TXT (PKWARE), 4.3.7, 4.3.9 and 4.3.12: torch writes it behind the content and into the directory.
    """
    with zipfile.ZipFile(io.BytesIO(archive)) as reader:
        entries, header = reader.infolist(), reader.start_dir
    contents, checksums = {}, {}
    for entry in entries:
        start = entry.header_offset + 30 + sum(_shorts(archive, entry.header_offset + 26, 2))
        end = start + entry.file_size
        contents[entry.filename] = (start, end)
        checksums[entry.filename] = [(end + 4, end + 8), (header + 16, header + 20)]
        header += 46 + sum(_shorts(archive, header + 28, 3))
    return contents, checksums, {entry.filename: entry.CRC for entry in entries}


def _shorts(archive: bytes, place: int, count: int) -> list[int]:
    return [int.from_bytes(archive[place + 2 * n : place + 2 * n + 2], "little") for n in range(count)]


def _gaps(spans: list[Span], size: int) -> Iterator[slice]:
    """What lies between these spans of `size` bytes."""
    starts, ends = [0, *(end for _, end in spans)], [*(start for start, _ in spans), size]
    return (slice(start, end) for start, end in zip(starts, ends, strict=True))


def _id_of_contents(contents: Mapping[str, memoryview], crcs: Mapping[str, int]) -> bytes:
    """The second half of torch's id: the checksums before it in one hash (caffe2/serialize/inline_container.cc).

    torch finds them in what it writes, by the mark in front; so numbers that begin with that mark are taken for one.
    """
    found = 0
    for name, crc in crcs.items():
        content = contents.get(name, b"")
        if content[:4] == _DESCRIPTOR and len(content) >= 8:
            found = _combined(found, int.from_bytes(content[4:8], "little"))
        if name != _ID:
            found = _combined(found, crc)
    return b"%020d" % found


def _combined(seed: int, value: int) -> int:
    """`c10::hash_combine`."""
    return (seed ^ (value + 0x9E3779B9 + (seed << 6) + (seed >> 2))) % 2**64
