"""The Parquet file of one split: written whole, or in segments that survive the death of their writer."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lib.options import ParquetOptions
from lib.receipt import RECEIPT_KEY, Receipt
from lib.records import Status

RESUME_KEY = b"fireball.resume"
Footer = Callable[[], dict[bytes, bytes]]
KEY_COLUMNS = ["source_path", "source_member", "source_offset", "status"]


def read_receipt(file: Path | BinaryIO) -> Receipt:
    """The receipt in the footer of a finished file."""
    return Receipt.load(read_footer(file)[RECEIPT_KEY])


def read_footer(file: Path | BinaryIO) -> dict[bytes, bytes]:
    """The key-value pairs in the footer of a file."""
    found: dict[bytes, bytes] = pq.read_metadata(file).metadata
    return found


class PartWriter:
    """Gathers rows into row groups; where `segmented`, each row group is a file of its own until the end."""

    def __init__(self, folder: Path, schema: pa.Schema, options: ParquetOptions, segmented: bool) -> None:
        self.folder, self.schema, self.options, self.segmented = folder, schema, options, segmented
        self.path = folder / "part.parquet"
        self._unfinished = folder / "unfinished.parquet"
        self._writer: pq.ParquetWriter | None = None
        self._pending: list[pa.RecordBatch] = []
        self._pending_bytes = 0

    @property
    def full(self) -> bool:
        """Whether a row group's worth of rows is waiting."""
        return self._pending_bytes >= self.options.row_group_bytes

    @property
    def _segments(self) -> list[Path]:
        return sorted(self.folder.glob("segment-*.parquet"))

    def recover(self) -> tuple[int | None, dict[bytes, bytes] | None]:
        """Where the last whole segment ends, as a position, and its footer; None at the beginning."""
        if not self._segments:
            return None, None
        footer = read_footer(self._segments[-1])
        return json.loads(footer[RESUME_KEY]), footer

    def add(self, rows: pa.RecordBatch) -> None:
        """Take rows of `schema`."""
        self._pending.append(rows)
        self._pending_bytes += rows.nbytes

    def flush(self, footer: Footer, behind: int | None) -> None:
        """Write what waits; the footer counts all rows so far, `behind` is the position after them."""
        if not self._pending:
            return
        writer = self._writer or self._open(self._unfinished)
        writer.write_table(pa.Table.from_batches(self._pending), row_group_size=1 << 30)
        self._pending, self._pending_bytes = [], 0
        self._writer = writer
        if self.segmented:
            self._close(footer() | {RESUME_KEY: json.dumps(behind).encode()})
            self._unfinished.rename(self.folder / f"segment-{len(self._segments):06d}.parquet")

    def finish(self, footer: Footer) -> None:
        """Write what waits, join the segments, and give the file its name."""
        self.flush(footer, None)
        self._writer = self._writer or self._open(self._unfinished)
        for segment in self._segments:
            file = pq.ParquetFile(segment)
            for group in range(file.num_row_groups):
                self._writer.write_table(file.read_row_group(group, use_threads=False), row_group_size=1 << 30)
        self._close(footer())
        self._unfinished.rename(self.path)

    def _open(self, path: Path) -> pq.ParquetWriter:
        level = self.options.level if self.options.compression in ("zstd", "gzip") else None
        return pq.ParquetWriter(
            path, self.schema, compression=self.options.compression, compression_level=level, use_dictionary=False
        )

    def _close(self, footer: dict[bytes, bytes]) -> None:
        assert self._writer is not None
        self._writer.add_key_value_metadata(footer)
        self._writer.close()
        self._writer = None


class PreviousRows:
    """The rows of an earlier file that need not be made again: all that did not fail."""

    def __init__(self, path: str, schema: pa.Schema) -> None:
        self._file = pq.ParquetFile(path)
        self._schema = schema
        keys = self._file.read(columns=KEY_COLUMNS, use_threads=False).to_pydict()
        rows = zip(*(keys[name] for name in KEY_COLUMNS), strict=True)
        self._place = {tuple(key): i for i, (*key, status) in enumerate(rows) if status != Status.FAILED}
        self._group_starts = [0]
        for group in range(self._file.num_row_groups):
            self._group_starts.append(self._group_starts[-1] + self._file.metadata.row_group(group).num_rows)
        self._group, self._rows = -1, pa.table({})

    def fill(self, records: pa.RecordBatch, handle: Callable[[pa.RecordBatch], pa.RecordBatch]) -> pa.RecordBatch:
        """Rows for the records: copied where they had not failed, else what `handle` makes of them."""
        keys = zip(*(records[name].to_pylist() for name in KEY_COLUMNS[:3]), strict=True)
        places = [self._place.get(key) for key in keys]
        anew = pa.array([place is None for place in places])
        copied = self._copy([place for place in places if place is not None])
        made = handle(records.filter(anew)) if pc.any(anew).as_py() else None
        if made is None:
            return copied
        both = pa.concat_batches([made, copied])
        made_at, copied_at, order = iter(range(made.num_rows)), iter(range(made.num_rows, both.num_rows)), []
        for place in places:
            order.append(next(made_at) if place is None else next(copied_at))
        return both.take(pa.array(order))

    def holds(self, record: pa.RecordBatch) -> bool:
        """Whether a row that had not failed begins in the range of the one record."""
        uri, start, length = (record[name][0].as_py() for name in ("source_path", "source_offset", "source_length"))
        return any(path == uri and start <= at < start + max(length, 1) for path, _, at in self._place)

    def _copy(self, places: Sequence[int]) -> pa.RecordBatch:
        found = [self._row(place) for place in places]
        return pa.concat_batches(found) if found else pa.RecordBatch.from_pylist([], schema=self._schema)

    def _row(self, place: int) -> pa.RecordBatch:
        group = next(i for i, start in enumerate(self._group_starts[1:]) if place < start)
        if group != self._group:
            self._group, self._rows = group, self._file.read_row_group(group, use_threads=False).combine_chunks()
        (row,) = self._rows.slice(place - self._group_starts[group], 1).cast(self._schema).to_batches()
        return row
