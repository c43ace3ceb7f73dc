"""Files as records: one row a file, many small files a split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from lib.records import OUTCOME, POSITION, PROVENANCE, Status
from lib.sources import Announce, Unit, read_planned
from lib.split import Piece, ReadLimits, Split, group
from lib.storage import Stat

FILES_PER_SPLIT = 5000  # opening a file costs too: 100,000 tiny ones are work for more than one task


@dataclass(frozen=True)
class FilesSource:
    """The content of each file, whatever it is; a position is the file's number in its split."""

    kind: ClassVar[str] = "files"
    unit: ClassVar[Unit] = "files"
    schema: ClassVar[pa.Schema] = pa.schema([("content", pa.binary())])

    def claims(self, uri: str) -> bool:
        """Any file."""
        return True

    def plan(self, files: Sequence[Stat], split_bytes: int) -> Iterator[tuple[Piece, ...]]:
        """Files in the order given, so many bytes or FILES_PER_SPLIT files together."""
        pieces = ((Piece(file.uri, 0, file.size, file.size, file.stamp), file.size, 1) for file in files)
        return group(pieces, split_bytes, FILES_PER_SPLIT)

    def read(
        self,
        split: Split,
        limits: ReadLimits,
        announce: Announce,
        start: int | None = None,
        stop: int | None = None,
    ) -> Iterator[tuple[pa.RecordBatch, int]]:
        """Whole files, in the plan's order; one over `max_record_bytes` is a failed row, and is not opened.

        Raises OSError, and InputChanged where a file is not the one that was planned.
        """
        rows: list[tuple[int, Piece, bytes | None]] = []
        held = 0
        end = len(split.pieces) if stop is None else stop
        for number in range(start or 0, end):
            announce(number)
            piece = split.pieces[number]
            content = None if piece.size > limits.max_record_bytes else read_planned(piece)
            rows.append((number, piece, content))
            held += len(content or b"")
            if len(rows) == limits.batch_rows or held >= limits.batch_bytes:
                yield _batch(rows), number + 1
                rows, held = [], 0
        if rows:
            yield _batch(rows), end

    def pass_over(self, split: Split, limits: ReadLimits, position: int) -> tuple[pa.RecordBatch, int | None]:
        """The file's row without its content."""
        behind = position + 1
        row = _batch([(position, split.pieces[position], None)])
        return row, behind if behind < len(split.pieces) else None


def _batch(rows: Sequence[tuple[int, Piece, bytes | None]]) -> pa.RecordBatch:
    n = len(rows)
    pieces = [piece for _, piece, _ in rows]
    over = [content is None for _, _, content in rows]
    columns = {
        "position": pa.array([number for number, _, _ in rows], POSITION.type),
        "source_path": pa.array([piece.uri for piece in pieces], pa.string()),
        "source_member": pa.nulls(n, pa.string()),
        "source_offset": pa.array([0] * n, pa.int64()),
        "source_length": pa.array([piece.size for piece in pieces], pa.int64()),
        "status": pa.array([Status.FAILED.value if o else Status.OK.value for o in over]),
        "error_code": pa.array(["oversize" if o else None for o in over], pa.string()),
        "error_detail": pa.array(
            [f"{p.size} bytes" if o else None for p, o in zip(pieces, over, strict=True)], pa.string()
        ),
        "flags": pa.array([[]] * n, OUTCOME.field("flags").type),
        "content": pa.array([content for _, _, content in rows], pa.binary()),
    }
    names = [POSITION.name, *PROVENANCE.names, *OUTCOME.names, "content"]
    return pa.record_batch([columns[name] for name in names], names=names)
