"""What a run leaves behind: how it is read back, where `finish` may write, and whether it holds what it says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq

from lib import storage
from lib.ledger import Ledger
from lib.part import read_footer
from lib.receipt import RECEIPT_KEY, Ranges, Receipt, Tally, Untiled, load_ranges
from lib.rows import blame
from lib.split import Split

SCAN_ROWS = 1024


@dataclass(frozen=True)
class Output:
    """The folder of a run."""

    uri: str

    def scan(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The committed rows, part by part in name order, a bounded batch at a time."""
        ledger = Ledger(self.uri)
        for split_id in sorted(ledger.done()):
            yield from scan_part(ledger.part(split_id), columns)

    @contextmanager
    def extra(self, name: str) -> Iterator[Path]:
        """An empty local folder whose files become OUT/_extra/<name>/ when the block ends without an error."""
        with TemporaryDirectory() as folder:
            yield Path(folder)
            storage.remove(f"{self.uri}/_extra/{name}")
            for file in sorted(Path(folder).rglob("*")):
                if file.is_file():
                    storage.write_file(f"{self.uri}/_extra/{name}/{file.relative_to(folder).as_posix()}", file)


def scan_part(uri: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The rows of one file."""
    with storage.open_input(uri) as file:
        yield from pq.ParquetFile(file).iter_batches(SCAN_ROWS, columns=list(columns), use_threads=False)


def verify_part(ledger: Ledger, split: Split) -> str | None:
    """What the rows of a split's file say against its receipt; None where they agree in every range and count."""
    try:
        return _difference(ledger, split)
    except (pa.ArrowException, OSError, KeyError) as error:
        if getattr(error, "errno", None):  # storage failed; pyarrow's own errors of format have no number
            raise
        return f"{split.id}: damaged, remove {ledger.part(split.id)} to have it done again: {blame(error)[1]}"


def _difference(ledger: Ledger, split: Split) -> str | None:
    with storage.open_input(ledger.part(split.id)) as file:
        footer = read_footer(file)
    told, found = Receipt.load(footer[RECEIPT_KEY]), Tally(split)
    order = {piece.uri: i for i, piece in enumerate(split.pieces)}
    everything = [*_row_ranges(ledger.part(split.id)), *_unselected_ranges(load_ranges(footer))]
    try:
        for uri, at, length, member, status, code in sorted(everything, key=lambda r: (order[r[0]], *r[1:3])):
            found.follow_one(uri, member, at, length)
            if status is not None:
                found.count_one(uri, at, length, status, code)
    except Untiled as error:
        return f"{split.id}: {error}"
    if (found.receipt.counts, found.receipt.covered) != (told.counts, told.covered):
        return f"{split.id}: its rows say {found.receipt.counts}, its receipt {told.counts}"
    return None


Range = tuple[str, int, int, str | None, str | None, str | None]  # URI, offset, length, member, status, code


def _row_ranges(uri: str) -> Iterator[Range]:
    names = ["source_path", "source_offset", "source_length", "source_member", "status", "error_code"]
    for batch in scan_part(uri, names):
        yield from zip(*(batch[name].to_pylist() for name in names), strict=True)


def _unselected_ranges(ranges: Ranges) -> Iterator[Range]:
    for uri, of_file in ranges.items():
        for offset, length, _ in of_file:
            yield uri, offset, length, None, None, None
