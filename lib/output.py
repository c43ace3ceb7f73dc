"""What a run leaves behind: where it lies, how it is read back, where `finish` may write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa


@dataclass(frozen=True)
class Output:
    """The folder of a run."""

    uri: str

    def scan(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The committed rows, part by part in name order, a bounded batch at a time."""
        raise NotImplementedError

    def extra(self, name: str) -> AbstractContextManager[Path]:
        """An empty local folder whose files become OUT/_extra/<name>/ when the block ends without an error."""
        raise NotImplementedError
