"""What one task reads: a split, its pieces, and the limits it reads them within."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Piece:
    """A range of one file, in the unit of its source (bytes, rows, entries, files).

    `size` is the whole file's, in the same unit; `stamp` changes when the file does (mtime, etag).
    """

    uri: str
    start: int
    end: int
    size: int
    stamp: str


@dataclass(frozen=True)
class Split:
    """The pieces of one task, one output file and one commit; `id` names that file.

    Where there is a `limit`, only so many records are read (--limit).
    """

    id: str
    kind: str
    pieces: tuple[Piece, ...]
    limit: int | None = None


@dataclass(frozen=True)
class ReadLimits:
    """How much a source may hold at once: a batch of so many rows or bytes, a record of so many bytes."""

    batch_rows: int
    batch_bytes: int
    max_record_bytes: int
