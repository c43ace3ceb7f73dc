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
from lib.receipt import Receipt, Tally, Untiled
from lib.records import PROVENANCE
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


def verify_part(ledger: Ledger, split: Split, receipt: Receipt) -> str | None:
    """What the rows of a split's file say against its receipt; None where they agree in every range and count."""
    tally = Tally(split)
    unselected = sorted((uri, *rng) for uri, ranges in receipt.unselected.items() for rng in ranges)
    try:
        rows = [
            (r["source_path"], r["source_offset"], r["source_length"], r["source_member"], r["status"], r["error_code"])
            for batch in scan_part(ledger.part(split.id), [*PROVENANCE.names, "status", "error_code"])
            for r in batch.to_pylist()
        ]
        ranges = [(uri, at, n, None, "unselected", code) for uri, at, n, code in unselected]
        order = {piece.uri: i for i, piece in enumerate(split.pieces)}
        for uri, at, length, member, status, code in sorted([*rows, *ranges], key=lambda r: (order[r[0]], r[1])):
            tally.follow_one(uri, member, at, length)
            if status != "unselected":
                tally.count_one(uri, at, length, status, code)
    except Untiled as error:
        return f"{split.id}: {error}"
    found = tally.receipt
    if (found.counts, found.covered) != (receipt.counts, receipt.covered):
        return f"{split.id}: its rows say {found.counts}, its receipt {receipt.counts}"
    return None
