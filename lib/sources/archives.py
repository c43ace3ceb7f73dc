"""Zip and tar archives (webdataset shards among them): one row an entry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any, BinaryIO, ClassVar

import pyarrow as pa

from lib import storage
from lib.records import OUTCOME, POSITION, PROVENANCE, Status
from lib.sources import Announce, Unit, expect_planned
from lib.sources.entry import FILE, LOST, BadEntry, Entry
from lib.sources.tar_entries import tar_entries
from lib.sources.window import GzipMember
from lib.sources.zip_entries import zip_entries
from lib.split import Piece, ReadLimits, Split, group
from lib.storage import Stat

PIECE_SHIFT = 40  # a position is the piece's number and the entry's: 2^40 entries an archive
ENTRIES_PER_SPLIT = 20_000  # an entry is work beside its bytes

Row = tuple[Any, ...]


@dataclass(frozen=True)
class ArchivesSource:
    """The content of each entry; source_offset is its number in the archive, links and directories counted.

    A zip is split by its directory, a plain tar by its headers; a compressed tar is one piece, and is inflated once
    more to count its entries when it is planned. `exclude` holds patterns of entries that are no records.
    """

    exclude: tuple[str, ...] = ("*.json", "*.txt", "*.cls", "*.DS_Store", "__MACOSX/*")

    kind: ClassVar[str] = "archives"
    unit: ClassVar[Unit] = "entries"
    schema: ClassVar[pa.Schema] = pa.schema([("content", pa.binary())])

    def claims(self, uri: str) -> bool:
        """*.zip, *.tar, *.tar.gz, *.tgz."""
        return uri.lower().endswith((".zip", ".tar", ".tar.gz", ".tgz"))

    def plan(self, files: Sequence[Stat], split_bytes: int) -> Iterator[tuple[Piece, ...]]:
        """Neighbouring entries of `split_bytes`, as they are packed; small archives share a group."""
        pieces = (
            (Piece(file.uri, start, end, size, file.stamp, begin), packed, end - start)
            for file in files
            for start, end, size, packed, begin in _cuts(file, split_bytes)
        )
        return group(pieces, split_bytes, ENTRIES_PER_SPLIT)

    def read(
        self, split: Split, limits: ReadLimits, announce: Announce, start: int | None = None, stop: int | None = None
    ) -> Iterator[tuple[pa.RecordBatch, int]]:
        """Whole entries in the archive's order; one over `max_record_bytes` is a failed row, and is not read.

        Raises OSError, and InputChanged where a file is not the one that was planned.
        """
        rows: list[Row] = []
        held = behind = 0
        for row in self._rows(split, limits, announce, start, stop):
            rows.append(row)
            behind = row[0] + 1
            held += len(row[-1] or b"")
            if len(rows) == limits.batch_rows or held >= limits.batch_bytes:
                yield _batch(rows), behind
                rows, held = [], 0
        if rows:
            yield _batch(rows), behind

    def pass_over(self, split: Split, limits: ReadLimits, position: int) -> tuple[pa.RecordBatch, int | None]:
        """The entry's row without its name and content."""
        number, entry = _place(position)
        piece = split.pieces[number]
        row = _batch([_row(position, piece.uri, None, (Status.FAILED.value, None, None))])
        if entry + 1 < piece.end:
            return row, position + 1
        if number + 1 < len(split.pieces):
            return row, _position(number + 1, split.pieces[number + 1].start)
        return row, None

    def _rows(
        self, split: Split, limits: ReadLimits, announce: Announce, start: int | None, stop: int | None
    ) -> Iterator[Row]:
        for number in range((start or 0) >> PIECE_SHIFT, len(split.pieces)):
            piece, base = split.pieces[number], _position(number, 0)
            first = max(piece.start, (start or 0) - base)
            last = piece.end if stop is None else min(piece.end, stop - base)
            if first >= last:
                continue
            announce(base + first)
            expect_planned(piece)
            with storage.open_input(piece.uri) as file:
                entries = islice(_entries(file, piece.uri, piece.begin), first - piece.start, last - piece.start)
                for at, entry in enumerate(entries, first):
                    yield self._row(base + at, piece.uri, entry, limits)
                    if at + 1 < last:
                        announce(base + at + 1)

    def _row(self, position: int, uri: str, entry: Entry, limits: ReadLimits) -> Row:
        what = self._unselected(entry)
        if what is not None:
            return _row(position, uri, entry.name, (Status.UNSELECTED.value, what, None))
        try:
            if max(entry.size, entry.packed) > limits.max_record_bytes:
                raise BadEntry("oversize", f"{entry.size} bytes")
            return _row(position, uri, entry.name, (Status.OK.value, None, None), entry.content())
        except BadEntry as problem:
            return _row(position, uri, entry.name, (Status.FAILED.value, problem.code, problem.detail))

    def _unselected(self, entry: Entry) -> str | None:
        if entry.kind not in (FILE, LOST):
            return entry.kind
        name = entry.name or ""
        return "excluded" if any(fnmatchcase(name, pattern) for pattern in self.exclude) else None


def _entries(file: BinaryIO, uri: str, begin: int = 0) -> Iterator[Entry]:
    size = file.seek(0, 2)
    return zip_entries(file, size, begin) if _is_zip(uri) else tar_entries(file, size, _is_gzip(file), begin)


def _is_zip(uri: str) -> bool:
    return uri.lower().endswith(".zip")


def _is_gzip(file: BinaryIO) -> bool:
    file.seek(0)
    return file.read(len(GzipMember.MAGIC)) == GzipMember.MAGIC


def _cuts(file: Stat, split_bytes: int) -> Iterator[tuple[int, int, int, int, int]]:
    """Start, end, number of all entries, packed bytes, first byte of each part; one, if empty, of an empty archive."""
    parts: list[tuple[int, int, int, int]] = []
    start = at = held = begin = 0
    with storage.open_input(file.uri) as archive:
        whole = not _is_zip(file.uri) and _is_gzip(archive)
        for entry in _entries(archive, file.uri):
            full = held + entry.packed > split_bytes or at - start == ENTRIES_PER_SPLIT
            if at > start and full and not whole:
                parts.append((start, at, held, begin))
                start, held, begin = at, 0, entry.at
            at, held = at + 1, held + entry.packed
    parts.append((start, at, file.size if whole else held, begin))
    return ((start, end, at, packed, begin) for start, end, packed, begin in parts)


def _row(
    position: int, uri: str, name: str | None, outcome: tuple[str, str | None, str | None], content: bytes | None = None
) -> Row:
    return (position, uri, name, _place(position)[1], 1, *outcome, [], content)


_SCHEMA = pa.schema([POSITION, *PROVENANCE, *OUTCOME, *ArchivesSource.schema])


def _batch(rows: Sequence[Row]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    return pa.record_batch([pa.array(c, f.type) for c, f in zip(columns, _SCHEMA, strict=True)], schema=_SCHEMA)


def _position(number: int, entry: int) -> int:
    return number << PIECE_SHIFT | entry


def _place(position: int) -> tuple[int, int]:
    """Number of the piece, number of the entry."""
    return position >> PIECE_SHIFT, position & ((1 << PIECE_SHIFT) - 1)
