"""A job as a step of somebody's own Spark program: a DataFrame in, a DataFrame out, no files and no ledger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import from_arrow_schema  # not public, and the only way from one schema to the other

from lib.job import Job
from lib.memory import keep_freed_memory
from lib.records import OUTCOME, POSITION, PROVENANCE, Status
from lib.rows import Rows, conform, written_schema


def transform(dataframe: DataFrame, job: Job[Any], config: Any = None) -> DataFrame:
    """One row for each row of `dataframe`, by the job's kernel; works on classic sessions and on Spark Connect.

    The columns of the job's record_schema are taken by name, those of PROVENANCE too, to know the rows by; what is
    missing is null. An exception becomes the failed row of its record; a crash or a hang is Spark's to handle, as
    there is no child process here. Raises ValueError where no column of the record_schema is there.
    """
    known = [name for name in job.record_schema.names if name in dataframe.columns]
    if not known:
        raise ValueError(f"{job.name} reads {', '.join(job.record_schema.names)}; got {', '.join(dataframe.columns)}")
    used = [name for name in (*PROVENANCE.names, *known) if name in dataframe.columns]
    schema = from_arrow_schema(written_schema(job))
    step = _Step(job, job.config_type() if config is None else config)
    return dataframe.select(*used).mapInArrow(step, schema)


@dataclass(frozen=True)
class _Step:
    """Called by Spark with the batches of one task."""

    job: Job[Any]
    config: Any

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        keep_freed_memory()
        rows = Rows(self.job, self.job.make_kernel(self.config))
        for batch in batches:
            if batch.num_rows:
                records = conform(_with_outcome(batch), self.job.record_schema)
                yield rows.pinned(records, rows.handle)


def _with_outcome(batch: pa.RecordBatch) -> pa.RecordBatch:
    n = batch.num_rows
    columns = [
        pa.array(range(n), POSITION.type),
        pa.array([Status.OK.value] * n),
        pa.array([[]] * n, OUTCOME.field(3).type),
    ]
    names = [POSITION.name, "status", "flags"]
    return pa.record_batch([*columns, *batch.columns], names=[*names, *batch.schema.names])
