"""What one task reads: a split, its pieces, and the limits it reads them within."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Piece:
    """A range of one file, in the unit of its source (bytes, rows, entries, files).

    `size` is the whole file's, in the same unit; `stamp` changes when the file does (mtime, etag). `begin` is the byte
    at which to look for `start`, where the source cannot know it.
    """

    uri: str
    start: int
    end: int
    size: int
    stamp: str
    begin: int = 0


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


def group(pieces: Iterable[tuple[Piece, int, int]], most_bytes: int, most_records: int) -> Iterator[tuple[Piece, ...]]:
    """Neighbours together, of so many bytes and records at most; one that has more by itself stays alone.

    Each piece comes with its bytes and its records.
    """
    held: list[Piece] = []
    all_bytes = all_records = 0
    for piece, size, records in pieces:
        if held and (all_bytes + size > most_bytes or all_records + records > most_records):
            yield tuple(held)
            held, all_bytes, all_records = [], 0, 0
        held.append(piece)
        all_bytes, all_records = all_bytes + size, all_records + records
    if held:
        yield tuple(held)
