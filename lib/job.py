"""What a job is: a value that names its records, its rows and the function between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pyarrow as pa

if TYPE_CHECKING:
    from lib.output import Output

Kernel = Callable[[pa.RecordBatch], pa.RecordBatch]
Config = TypeVar("Config")


@dataclass(frozen=True)
class Job(Generic[Config]):
    """One row out for each record in.

    The kernel gets batches of PROVENANCE, `flags` and `record_schema`; it returns as many rows, in order, with the
    columns of `output_schema`, and any of OUTCOME it has something to say in (left out, they mean: ok, no flags).
    Columns that stand in both schemas are carried into the rows of records that the kernel cannot handle.
    A table's rows come as one column, `lib.records.ROW`, whose struct<> stands for whatever fields the file has.
    `prepare` runs once, at the door: it reads the files that the config names (models), with the inputs' absolute URIs
    and `run.paths_prefix` at hand, and returns the config that the run goes by, complete and with absolute URIs; raises
    UsageError.
    `make_kernel` does the set-up, once a process. `finish` runs after the last commit, is idempotent and writes only
    through `Output.extra`.
    """

    name: str
    summary: str
    config_type: type[Config]
    sources: tuple[str, ...]
    record_schema: pa.Schema
    output_schema: pa.Schema
    make_kernel: Callable[[Config], Kernel]
    finish: Callable[[Output, Config], None] | None = None
    prepare: Callable[[Config, Sequence[str], str], Config] | None = None


@dataclass(frozen=True)
class Task(Generic[Config]):
    """Work that is not row by row: `run(config, inputs, output, scatter, prefix)` returns what is worth a line.

    It gets the resolved config, the run's input and output URIs, a lib.scatter.Scatter, and `run.paths_prefix`.
    """

    name: str
    summary: str
    config_type: type[Config]
    run: Callable[..., dict[str, Any]]
