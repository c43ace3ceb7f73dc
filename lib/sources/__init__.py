"""How records are found and read; one module a kind."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar, Literal, Protocol

import pyarrow as pa

from lib import storage
from lib.errors import InputChanged
from lib.split import Piece, ReadLimits, Split
from lib.storage import Stat

Unit = Literal["bytes", "rows", "entries", "files"]
Announce = Callable[[int], None]
CHANGED = "changed since it was planned"


class Source(Protocol):
    """A frozen dataclass whose fields are the options of this kind of input.

    Batches hold POSITION, PROVENANCE, OUTCOME and then `schema`. Their rows, in order, cover each piece without gap
    or overlap (source_offset + source_length is the next row's source_offset); what cannot be read is a failed row,
    what the options do not select is an `unselected` row, its error_code saying what it was. Of records that share a
    gzip member, the last has the member's length and the others 0; source_member counts them.
    """

    kind: ClassVar[str]
    unit: ClassVar[Unit]
    schema: ClassVar[pa.Schema]

    def claims(self, uri: str) -> bool:
        """Whether a file of this name is this kind's to read, where the user did not say."""
        ...

    def plan(self, files: Sequence[Stat], split_bytes: int) -> Iterator[tuple[Piece, ...]]:
        """Cut files into groups of pieces, each some `split_bytes` of work; small files share a group."""
        ...

    def read(
        self,
        split: Split,
        limits: ReadLimits,
        announce: Announce,
        start: int | None = None,
        stop: int | None = None,
    ) -> Iterator[tuple[pa.RecordBatch, int]]:
        """Batches, each with the position to read on from.

        From the record at `start` (None: the first) up to, not including, the one at `stop` (None: the split's end).
        `announce(position)` is called before the bytes of that record are touched. A record cut by the end of the
        split belongs to it whole; a record cut by its beginning belongs to the split before.
        Raises OSError where storage fails, InputChanged where a file is not the one that was planned.
        """
        ...

    def pass_over(self, split: Split, limits: ReadLimits, position: int) -> tuple[pa.RecordBatch, int | None]:
        """One failed row (error_code null) for the record at `position`, made without decoding it.

        Also where to read on, None at the end of the split. Where a split holds several files, storage is not touched.
        """
        ...


def source_type(kind: str) -> type[Source]:
    """The dataclass in `lib/sources/<kind>.py` whose `kind` is this one; a kind with a dot is a module's own path."""
    module = importlib.import_module(kind if "." in kind else f"lib.sources.{kind}")
    found: type[Source] = next(
        value for value in vars(module).values() if isinstance(value, type) and vars(value).get("kind") == kind
    )
    return found


def expect_planned(piece: Piece) -> None:
    """Raise InputChanged where the piece's file is not the one that was planned, OSError where it cannot be asked."""
    if storage.stat(piece.uri).stamp != piece.stamp:
        raise InputChanged(f"{piece.uri}: {CHANGED}")


def read_planned(piece: Piece) -> bytes:
    """All of the piece's file. Raises as `expect_planned`."""
    content = storage.read_at(piece.uri, piece.stamp)
    if content is None:
        raise InputChanged(f"{piece.uri}: {CHANGED}")
    return content
