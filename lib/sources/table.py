"""Rows of Parquet, ORC, Arrow, CSV and JSON lines files, each once: known by its file and its number there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, TypeVar

import pyarrow as pa

from lib import storage
from lib.errors import UsageError
from lib.records import OUTCOME, POSITION, PROVENANCE, ROW, Status
from lib.sources import Announce, Unit, expect_planned
from lib.split import Piece, ReadLimits, Split
from lib.storage import Stat

T = TypeVar("T")
Format = Literal["parquet", "orc", "arrow", "csv", "jsonl"]
SUFFIXES: dict[str, Format] = {
    ".parquet": "parquet", ".pq": "parquet", ".orc": "orc", ".arrow": "arrow", ".feather": "arrow",
    ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl",
}  # fmt: skip
PIECE_SHIFT = 40  # a position is the piece's number and the row's: 2^40 rows a file


@dataclass(frozen=True)
class Table:
    """An open file: rows and bytes of each chunk that can be read alone, and how."""

    chunks: list[tuple[int, int]]
    read: Callable[[int, Sequence[str] | None, int], Iterator[pa.RecordBatch]]  # chunk, columns, rows a batch


@dataclass(frozen=True)
class TableSource:
    """Rows as one struct column each; `columns` reads some columns only, `format` overrules the file's suffix."""

    kind: ClassVar[str] = "table"
    unit: ClassVar[Unit] = "rows"
    schema: ClassVar[pa.Schema] = pa.schema([ROW])

    format: Format | None = None
    columns: tuple[str, ...] = ()

    def claims(self, uri: str) -> bool:
        """Files with a known suffix."""
        return _suffix(uri) in SUFFIXES

    def plan(self, files: Sequence[Stat], split_bytes: int) -> Iterator[tuple[Piece, ...]]:
        """Neighbouring chunks (Parquet row groups, ORC stripes, Arrow batches; a CSV file is one) of `split_bytes`.

        Raises UsageError where a file is not of its format. CSV and JSON files are read once, to count their rows.
        """
        group: list[Piece] = []
        held = 0
        for file in files:
            with self._open(file.uri, _tables()) as table:
                # A file without rows is planned too, or it would count as new for ever.
                chunks = table.chunks or [(0, 0)]
            total, at = sum(rows for rows, _ in chunks), 0
            for rows, size in chunks:
                if group and held + size > split_bytes:
                    yield tuple(group)
                    group, held = [], 0
                if group and group[-1].uri == file.uri:
                    group[-1] = replace(group[-1], end=at + rows)
                else:
                    group.append(Piece(file.uri, at, at + rows, total, file.stamp))
                at, held = at + rows, held + size
        if group:
            yield tuple(group)

    def read(
        self, split: Split, limits: ReadLimits, announce: Announce, start: int | None = None, stop: int | None = None
    ) -> Iterator[tuple[pa.RecordBatch, int]]:
        """Rows in file order; a chunk that cannot be decoded becomes failed rows, one for each row it had.

        Raises OSError, and InputChanged where a file is not the one that was planned.
        """
        for number in range((start or 0) >> PIECE_SHIFT, len(split.pieces)):
            piece, base = split.pieces[number], number << PIECE_SHIFT
            first = max(piece.start, (start or 0) - base)
            last = piece.end if stop is None else min(piece.end, stop - base)
            if first >= last:
                continue
            announce(base + first)
            expect_planned(piece)
            for rows, at, error in self._rows(piece, first, last, limits.batch_rows):
                for part in _bounded(rows, limits.batch_bytes) if rows is not None else [None]:
                    length = len(part) if part is not None else 1
                    yield _batch(piece.uri, base, at, part, limits.max_record_bytes, error), base + at + length
                    at += length
                    announce(base + at)

    def pass_over(self, split: Split, limits: ReadLimits, position: int) -> tuple[pa.RecordBatch, int | None]:
        """The row without its values."""
        number, row = position >> PIECE_SHIFT, position & ((1 << PIECE_SHIFT) - 1)
        piece, base = split.pieces[number], number << PIECE_SHIFT
        failed = _batch(piece.uri, base, row, None, 0, ("", ""))
        if row + 1 < piece.end:
            return failed, position + 1
        if number + 1 < len(split.pieces):
            return failed, (number + 1 << PIECE_SHIFT) + split.pieces[number + 1].start
        return failed, None

    def fields(self, uri: str) -> list[pa.Field]:
        """The columns of one file, from its footer, header or first block. Raises UsageError where it is no table."""
        with self._open(uri, _SCHEMA) as schema:
            return list(schema)

    def _rows(
        self, piece: Piece, first: int, last: int, batch_rows: int
    ) -> Iterator[tuple[pa.StructArray | None, int, tuple[str, str] | None]]:
        """Rows first..last with the number of their first; None and why, one by one, where they cannot be decoded."""
        with self._open(piece.uri, _tables(piece.size)) as table:
            at = 0
            for number, (rows, _) in enumerate(table.chunks):
                begin, end = at, at + rows
                at = end
                if end <= first or begin >= last:
                    continue
                done = begin
                try:
                    for batch in table.read(number, self.columns or None, batch_rows):
                        low, high = max(first - done, 0), min(last - done, batch.num_rows)
                        if low < high:
                            yield batch.slice(low, high - low).to_struct_array(), done + low, None
                        done += batch.num_rows
                        if done >= last:
                            break
                except (pa.ArrowException, OSError) as error:
                    if getattr(error, "errno", None):  # storage failed; pyarrow's own errors of format have no number
                        raise
                    for row in range(max(done, first), min(end, last)):
                        yield None, row, ("corrupt_record", _line(error))

    @contextmanager
    def _open(self, uri: str, ways: Mapping[Format, Callable[[Any], T]]) -> Iterator[T]:
        """What the way of the file's format makes of it, as long as it is open."""
        kind = self.format or SUFFIXES.get(_suffix(uri))
        if kind is None:
            raise UsageError(f"{uri}: unknown kind of table; set table.format to one of {', '.join(ways)}")
        with storage.open_input(uri) as file:
            try:
                made = ways[kind](file)
            except (pa.ArrowException, OSError) as error:
                if getattr(error, "errno", None):
                    raise
                raise UsageError(f"{uri}: not a {kind} file: {_line(error)}") from None
            yield made


def _suffix(uri: str) -> str:
    return uri[uri.rfind(".") :].lower() if "." in uri else ""


def _line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _parquet(file: Any) -> Table:
    import pyarrow.parquet as pq

    parquet = pq.ParquetFile(file)
    groups = [parquet.metadata.row_group(i) for i in range(parquet.metadata.num_row_groups)]

    def read(chunk: int, columns: Sequence[str] | None, rows: int) -> Iterator[pa.RecordBatch]:
        known = columns and [name for name in columns if name in parquet.schema_arrow.names]
        return iter(parquet.iter_batches(rows, row_groups=[chunk], columns=known, use_threads=False))

    return Table([(group.num_rows, group.total_byte_size) for group in groups], read)


def _orc(file: Any) -> Table:
    from pyarrow import orc

    stripes = orc.ORCFile(file)

    def stripe(number: int, columns: Sequence[str] | None) -> pa.Table:
        return pa.Table.from_batches([stripes.read_stripe(number, columns=columns and list(columns))])

    def read(chunk: int, columns: Sequence[str] | None, rows: int) -> Iterator[pa.RecordBatch]:
        return iter(stripe(chunk, columns).to_batches(max_chunksize=rows))

    one = stripes.schema.names[:1]
    counts = [stripe(i, one).num_rows for i in range(stripes.nstripes)]
    size = stripes.file_length
    return Table([(count, size * count // max(1, stripes.nrows)) for count in counts], read)


def _arrow(file: Any) -> Table:
    from pyarrow import ipc

    batches = ipc.open_file(file)

    def read(chunk: int, columns: Sequence[str] | None, rows: int) -> Iterator[pa.RecordBatch]:
        batch = batches.get_batch(chunk)
        if columns:
            batch = batch.select([name for name in columns if name in batch.schema.names])
        return iter(pa.Table.from_batches([batch]).to_batches(max_chunksize=rows))

    sizes = [batches.get_batch(i) for i in range(batches.num_record_batches)]
    return Table([(batch.num_rows, batch.nbytes) for batch in sizes], read)


def _streamed(file: Any, open_stream: Callable[[Any], Any], count: int | None) -> Table:
    """A file that has to be read from its start: one chunk; where nobody knows its rows, they are counted."""

    def read(chunk: int, columns: Sequence[str] | None, rows: int) -> Iterator[pa.RecordBatch]:
        file.seek(0)
        for batch in open_stream(file):
            chosen = batch.select([name for name in columns if name in batch.schema.names]) if columns else batch
            yield from pa.Table.from_batches([chosen]).to_batches(max_chunksize=rows)

    if count is None:
        count = sum(batch.num_rows for batch in read(0, None, 1 << 16))
    return Table([(count, file.tell())], read)


def _csv(file: Any) -> Any:
    from pyarrow import csv

    return csv.open_csv(_Borrowed(file), csv.ReadOptions(use_threads=False))


def _jsonl(file: Any) -> Any:
    from pyarrow import json

    return json.open_json(_Borrowed(file), json.ReadOptions(use_threads=False))


class _Borrowed:
    """A file that pyarrow's stream readers cannot close: it is read a second time."""

    def __init__(self, file: Any) -> None:
        self.file, self.closed = file, False

    def read(self, size: int = -1) -> bytes:
        return bytes(self.file.read(size))

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True


def _parquet_schema(file: Any) -> pa.Schema:
    import pyarrow.parquet as pq

    return pq.read_schema(file)


def _orc_schema(file: Any) -> pa.Schema:
    from pyarrow import orc

    return orc.ORCFile(file).schema


def _arrow_schema(file: Any) -> pa.Schema:
    from pyarrow import ipc

    return ipc.open_file(file).schema


def _tables(rows: int | None = None) -> dict[Format, Callable[[Any], Table]]:
    """How a file of each format is opened; `rows`: how many it has, where that is known."""
    return {
        "parquet": _parquet, "orc": _orc, "arrow": _arrow,
        "csv": lambda file: _streamed(file, _csv, rows), "jsonl": lambda file: _streamed(file, _jsonl, rows),
    }  # fmt: skip


_SCHEMA: dict[Format, Callable[[Any], pa.Schema]] = {
    "parquet": _parquet_schema, "orc": _orc_schema, "arrow": _arrow_schema,
    "csv": lambda file: _csv(file).schema, "jsonl": lambda file: _jsonl(file).schema,
}  # fmt: skip


def _bounded(rows: pa.StructArray, batch_bytes: int) -> Iterator[pa.StructArray]:
    """The same rows, halved until each part fits or is one row."""
    if rows.nbytes <= batch_bytes or len(rows) <= 1:
        yield rows
        return
    half = len(rows) // 2
    yield from _bounded(rows.slice(0, half), batch_bytes)
    yield from _bounded(rows.slice(half), batch_bytes)


def _batch(
    uri: str, base: int, first: int, rows: pa.StructArray | None, max_record_bytes: int, error: tuple[str, str] | None
) -> pa.RecordBatch:
    """Records for neighbouring rows of one file; without rows one failed record."""
    n = 1 if rows is None else len(rows)
    size = 0 if rows is None else rows.nbytes
    if n == 1 and size > max_record_bytes:
        rows, error = None, ("oversize", f"{size} bytes")
    code, detail = error or ("", "")
    columns = {
        "position": pa.array(range(base + first, base + first + n), POSITION.type),
        "source_path": pa.array([uri] * n, pa.string()),
        "source_member": pa.nulls(n, pa.string()),
        "source_offset": pa.array(range(first, first + n), pa.int64()),
        "source_length": pa.array([1] * n, pa.int64()),
        "status": pa.array([(Status.OK if rows is not None else Status.FAILED).value] * n),
        "error_code": pa.array([code or None] * n, pa.string()),
        "error_detail": pa.array([detail or None] * n, pa.string()),
        "flags": pa.array([[]] * n, OUTCOME.field("flags").type),
        "row": pa.nulls(n, ROW.type) if rows is None else rows,
    }
    names = [POSITION.name, *PROVENANCE.names, *OUTCOME.names, "row"]
    return pa.record_batch([columns[name] for name in names], names=names)
