"""The `run:` section of every config: how a job is run, never what it computes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from lib.split import ReadLimits

Positive = Annotated[int, Meta(ge=1)]


@dataclass(frozen=True)
class ParquetOptions:
    """How output files are written."""

    compression: Literal["zstd", "snappy", "gzip", "none"] = "zstd"
    level: Annotated[int, Meta(ge=1, le=22)] = 1  # of zstd and gzip
    row_group_bytes: Positive = 32 << 20  # before compression


@dataclass(frozen=True)
class RunOptions:
    """None of these changes an output value; they never enter the identity of a run."""

    split_bytes: Positive = 64 << 20
    batch_rows: Positive = 256
    batch_bytes: Positive = 16 << 20
    max_record_bytes: Positive = 64 << 20
    record_timeout_seconds: Annotated[float, Meta(gt=0)] = 60.0
    record_memory_mb: Annotated[int, Meta(ge=64)] = 2048
    max_failed_ratio: Annotated[float, Meta(ge=0, le=1)] = 0.05
    unreadable: Literal["fail", "record"] = "fail"
    paths_prefix: str = ""  # where the relative lines of a *.paths or *.paths.gz input start; "" = in its folder
    columns: tuple[str, ...] = ()  # which output columns to write, beside where from and what became of it; () = all
    parquet: ParquetOptions = field(default_factory=ParquetOptions)

    @property
    def read_limits(self) -> ReadLimits:
        """What a source may hold at once."""
        return ReadLimits(self.batch_rows, self.batch_bytes, self.max_record_bytes)
