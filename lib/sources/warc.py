"""Web archives: .warc, .warc.gz and .warc.zst, by byte ranges, record by record, damage and all."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

import pyarrow as pa

from lib import storage
from lib.errors import InputChanged
from lib.records import OUTCOME, POSITION, PROVENANCE, Status
from lib.sources import Announce, Unit, expect_planned
from lib.sources.warc_record import FalseLength, Record, Stream, in_hand, no_length_believed, parse_http, take_record
from lib.sources.window import Damaged, GzipMember, Member, Members, Window, ZstdFrame
from lib.split import Piece, ReadLimits, Split, group
from lib.storage import Stat

INDEX_BITS = 24  # records in one member
PIECE_BITS = 51  # files of one split are smaller than 2^27 bytes, unless there is only one
SHARED_BYTES = 1 << (PIECE_BITS - INDEX_BITS)
PIECES = 1 << (63 - PIECE_BITS)
NEVER = -1  # no record's number
KEPT_HEADERS = ("content-encoding", "content-language", "last-modified", "link", "location", "x-robots-tag")

Row = tuple[Any, ...]


@dataclass(frozen=True)
class WarcSource:
    """Records of web archives.

    Where every record is a gzip member (or zstd frame) of its own, as in most crawls, a file is split anywhere.
    Of records that share a member (or a whole file) source_member is the number, from 0.
    """

    records: tuple[str, ...] = ("response", "resource")

    kind: ClassVar[str] = "warc"
    unit: ClassVar[Unit] = "bytes"
    schema: ClassVar[pa.Schema] = pa.schema(
        [
            ("content", pa.binary()),
            ("url", pa.string()),
            ("http_status", pa.int32()),
            ("http_content_type", pa.string()),
            ("http_headers", pa.map_(pa.string(), pa.string())),
            ("fetch_time", pa.timestamp("us", "UTC")),
            ("warc_record_id", pa.string()),
            ("record_type", pa.string()),
        ]
    )

    def claims(self, uri: str) -> bool:
        """*.warc, *.wat, *.wet, and these with .gz or .zst."""
        return uri.lower().removesuffix(".gz").removesuffix(".zst").endswith((".warc", ".wat", ".wet"))

    def plan(self, files: Sequence[Stat], split_bytes: int) -> Iterator[tuple[Piece, ...]]:
        """Cut large compressed files at multiples of `split_bytes`; small files share a group."""
        return group(_pieces(files, split_bytes), split_bytes, PIECES)

    def read(
        self,
        split: Split,
        limits: ReadLimits,
        announce: Announce,
        start: int | None = None,
        stop: int | None = None,
    ) -> Iterator[tuple[pa.RecordBatch, int]]:
        """Batches of records, failures and `unselected` records, each with the position to read on from."""
        rows: list[Row] = []
        held = behind = 0
        for row, behind in self._rows(split, limits, announce, start, stop):
            rows.append(row)
            held += len(row[_CONTENT] or b"")
            if len(rows) >= limits.batch_rows or held >= limits.batch_bytes:
                yield _batch(rows), behind
                rows, held = [], 0
        if rows:
            yield _batch(rows), behind

    def pass_over(self, split: Split, limits: ReadLimits, position: int) -> tuple[pa.RecordBatch, int | None]:
        """A failed row for the record at `position`, up to where the next one seems to begin.

        Records that share its member are given up with it: to find them it would have to be inflated, which may be
        what failed. Where storage fails it reaches to the end of the piece.
        """
        number, offset, index = _place(split, position)
        piece = split.pieces[number]
        try:
            end = self._end_unseen(piece, limits, offset, index)
        except (OSError, InputChanged):
            end = piece.end
        row = _Rows(piece, number, self.records).failed(offset, end - offset, _number(index), None, None)
        if end < piece.end:
            return _batch([row]), _position(number, end, 0)
        return _batch([row]), _position(number + 1, 0, 0) if number + 1 < len(split.pieces) else None

    def _end_unseen(self, piece: Piece, limits: ReadLimits, offset: int, index: int) -> int:
        expect_planned(piece)
        with storage.open_input(piece.uri) as file:
            window = Window(file, piece.size)
            if _is_plain(piece.uri):
                stream = _plain(window, offset)
                take_record(stream, limits.max_record_bytes)
                return stream.offset
            return _members(window, piece.uri).next_record(offset + 1, piece.size)

    def _rows(
        self, split: Split, limits: ReadLimits, announce: Announce, start: int | None, stop: int | None
    ) -> Iterator[tuple[Row, int]]:
        first, offset, index = (0, None, 0) if start is None else _place(split, start)
        for number, piece in enumerate(split.pieces[first:], first):
            at = offset if number == first else None
            announce(_position(number, piece.start if at is None else at, index if number == first else 0))
            expect_planned(piece)
            with storage.open_input(piece.uri) as file:
                reader = _Reader(Window(file, piece.size), _Rows(piece, number, self.records), limits, announce, stop)
                yield from reader.plain(at or 0) if _is_plain(piece.uri) else reader.members(at, index)
            index = 0
            if reader.stopped:
                return


class _Reader:
    """Goes through one piece."""

    def __init__(self, window: Window, rows: _Rows, limits: ReadLimits, announce: Announce, stop: int | None) -> None:
        self.window, self.rows, self.limits, self.announce = window, rows, limits, announce
        self.stop = 1 << 63 if stop is None else stop
        self.stopped = False
        # Of records in their member: the next to give, the one that is being taken, the first with a false length.
        self._index, self._taken, self._doubted = 0, 0, NEVER

    def plain(self, offset: int) -> Iterator[tuple[Row, int]]:
        """Records that lie there as they are."""
        stream = _plain(self.window, offset)
        while (begin := stream.offset) < self.window.size and self._go(begin, 0):
            record = take_record(stream, self.limits.max_record_bytes)
            row = self.rows.row(record, begin, stream.offset - begin, None, self.limits)
            yield row, self.rows.position(stream.offset, 0)

    def members(self, offset: int | None, index: int) -> Iterator[tuple[Row, int]]:
        """Members one by one, from the piece's first record, or from record `index` of the member at `offset`."""
        piece, members = self.rows.piece, _members(self.window, self.rows.piece.uri)
        at = members.first_record(piece.start, piece.end) if offset is None else offset
        # What lies behind the piece's end belongs to it, up to a record that the next piece's reader finds.
        while at is not None and at < self.window.size and (at < piece.end or index or not members.is_record(at)):
            member = members.member(self.window, at)
            stream = Stream(member.read)
            if not index and (record := self._only_record(member, stream)) is not None:
                row = self.rows.row(record, at, (member.end or at) - at, None, self.limits)
                at = member.end or at
                yield row, self.rows.position(at, 0)
                continue
            at = yield from self._member(members, member, stream, index)
            index = 0
            if self.stopped:
                return

    def _only_record(self, member: Member, stream: Stream) -> Record | None:
        """The record of a member that holds no more than one, all of it read at once: the usual case, quickly."""
        position = _position(self.rows.number, member.offset, 0)
        if position >= self.stop:
            return None
        self.announce(position)
        try:
            stream.hold(1)
        except Damaged:
            return None
        record = in_hand(stream, self.limits.max_record_bytes) if member.end is not None else None
        if record is None or stream.at == len(stream.data):
            return record
        stream.at = 0
        return None

    def _member(
        self, members: Members, member: Member, stream: Stream, index: int
    ) -> Generator[tuple[Row, int], None, int]:
        """Rows of a member from its record `index` on; gives where to read on."""
        at, self._index, self._doubted = member.offset, index, NEVER
        careful = False
        while True:
            try:
                return (yield from self._records(member, stream, self._index))
            except FalseLength:
                self._doubted = self._taken
            except Damaged as found:
                damage = found
                if careful:
                    break
                careful = True  # again, so that no record before the damage is lost with it
            member = members.member(self.window, at, careful)
            stream = Stream(member.read)
        end = members.next_record(at + 1, self.window.size)
        code = "truncated" if damage.truncated and end == self.window.size else "corrupt_record"
        yield self.rows.failed(at, end - at, _number(self._index), code, str(damage)), self.rows.position(end, 0)
        return end

    def _records(self, member: Member, stream: Stream, index: int) -> Generator[tuple[Row, int], None, int]:
        at = member.offset
        if not self._go(at, index):
            return at
        for earlier in range(index):
            self._take(stream, earlier)
        record: Record | None = None
        while stream.hold(1):
            if record is not None:
                yield self.rows.row(record, at, 0, str(index), self.limits), self.rows.position(at, index + 1)
                self._index = index = index + 1
                if not self._go(at, index):
                    return at
            record = self._take(stream, index)
        end = member.end or at
        number = _number(index)
        row = (
            self.rows.row(record, at, end - at, number, self.limits)
            if record is not None
            else self.rows.unselected(at, end - at, number, "empty")
        )
        yield row, self.rows.position(end, 0)
        return end

    def _take(self, stream: Stream, number: int) -> Record:
        """A member's record; from the first one on whose length was false, no length beyond the limit is believed."""
        self._taken = number
        if number == self._doubted:
            stream.probe = no_length_believed
        return take_record(stream, self.limits.max_record_bytes)

    def _go(self, offset: int, index: int) -> bool:
        """Announce the record, unless it is where to stop."""
        position = self.rows.position(offset, index)
        if position >= self.stop:
            self.stopped = True
            return False
        self.announce(position)
        return True


class _Rows:
    """Makes rows of what was found in one piece."""

    def __init__(self, piece: Piece, number: int, selected: tuple[str, ...]) -> None:
        self.piece, self.number, self.selected = piece, number, frozenset(selected)

    def position(self, offset: int, index: int) -> int:
        """The mark of a record of this piece."""
        return _position(self.number, offset, index)

    def row(self, record: Record, offset: int, length: int, number: str | None, limits: ReadLimits) -> Row:
        """What became of a record."""
        if record.problem is not None:
            return self.failed(offset, length, number, record.problem, record.detail)
        head = record.head
        kind = head.get("warc-type", "unknown").lower()
        if kind not in self.selected:
            return self.unselected(offset, length, number, kind)
        flags, body, status, kept = record.flags, record.block, None, None
        content_type = head.get("content-type")
        if (content_type or "").startswith("application/http"):
            message = parse_http(record.block, limits.max_record_bytes)
            if message.body is None:
                detail = f"the decoded body is longer than run.max_record_bytes, {limits.max_record_bytes}"
                return self.failed(offset, length, number, "oversize", detail)
            flags, body, status = flags + message.flags, message.body, message.status
            content_type = message.head.get("content-type")
            kept = [(name, message.head[name]) for name in KEPT_HEADERS if name in message.head]
        if "warc-truncated" in head:
            flags = [*flags, "cut_by_crawler"]
        url = head.get("warc-target-uri", "").strip("<>") or None
        mark = self.position(offset, int(number or 0))
        return (
            mark, self.piece.uri, number, offset, length, Status.OK.value, None, None, flags,
            body, url, status, content_type, kept, _time(head.get("warc-date")), head.get("warc-record-id"), kind,
        )  # fmt: skip

    def failed(self, offset: int, length: int, number: str | None, code: str | None, detail: str | None) -> Row:
        """A row for a range that is no record."""
        return self._bare(offset, length, number, Status.FAILED.value, code, detail)

    def unselected(self, offset: int, length: int, number: str | None, what: str) -> Row:
        """A row for a record that was not asked for."""
        return self._bare(offset, length, number, Status.UNSELECTED.value, what, None)

    def _bare(self, offset: int, length: int, number: str | None, *outcome: str | None) -> Row:
        mark = self.position(offset, int(number or 0))
        return (mark, self.piece.uri, number, offset, length, *outcome, [], *_NOTHING)


_SCHEMA = pa.schema([POSITION, *PROVENANCE, *OUTCOME, *WarcSource.schema])
_CONTENT = _SCHEMA.get_field_index("content")
_NOTHING = (None,) * len(WarcSource.schema)


def _batch(rows: list[Row]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    return pa.record_batch([pa.array(c, f.type) for c, f in zip(columns, _SCHEMA, strict=True)], schema=_SCHEMA)


def _position(number: int, offset: int, index: int) -> int:
    return number << PIECE_BITS | offset << INDEX_BITS | index


def _place(split: Split, position: int) -> tuple[int, int, int]:
    """Number of the piece, offset in its file, index in the member."""
    number = position >> PIECE_BITS if len(split.pieces) > 1 else 0
    return number, (position - (number << PIECE_BITS)) >> INDEX_BITS, position & ((1 << INDEX_BITS) - 1)


def _number(index: int) -> str | None:
    return str(index) if index else None


def _time(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _pieces(files: Sequence[Stat], split_bytes: int) -> Iterator[tuple[Piece, int, int]]:
    """With their bytes; those of a large file have more than a group takes, so that each stays alone."""
    for uri, size, stamp in ((file.uri, file.size, file.stamp) for file in files):
        if size <= split_bytes and size < SHARED_BYTES:
            yield Piece(uri, 0, size, size, stamp), size, 1
            continue
        step = size if _is_plain(uri) else split_bytes
        for start in range(0, size, step):
            yield Piece(uri, start, min(start + step, size), size, stamp), split_bytes + 1, 1


def _is_plain(uri: str) -> bool:
    return not uri.lower().endswith((".gz", ".zst"))


def _members(window: Window, uri: str) -> Members:
    return Members(window, ZstdFrame if uri.lower().endswith(".zst") else GzipMember)


def _plain(window: Window, offset: int) -> Stream:
    at = offset

    def read(most: int) -> bytes:
        nonlocal at
        found = bytes(window.at(at, most))
        at += len(found)
        return found

    def probe(offset: int, length: int) -> bytes | None:
        return bytes(window.at(offset, length)) if offset <= window.size else None

    return Stream(read, offset, probe)
