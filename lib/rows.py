"""A kernel's answer made whole: one row out for each record in, whatever became of it."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lib.job import Job, Kernel
from lib.records import ERROR_CODES, OUTCOME, POSITION, PROVENANCE, ROW, Status

DETAIL_CHARACTERS = 2000  # of an error_detail: enough for a traceback's end, never a page
_COMMON = frozenset([POSITION.name, *PROVENANCE.names, *OUTCOME.names])
_STATUSES = pa.array([Status.OK, Status.PARTIAL, Status.SKIPPED, Status.FAILED])
_HANDLED = pa.array([Status.OK, Status.PARTIAL])
_CODES = pa.array(sorted(ERROR_CODES))


class BadAnswer(ValueError):
    """The kernel broke its contract."""


def written_schema(job: Job[Any], columns: tuple[str, ...] = ()) -> pa.Schema:
    """The columns of an output file: PROVENANCE, OUTCOME, then the job's own, or those of them in `columns`."""
    own = [f for f in job.output_schema if not columns or f.name in columns]
    return pa.schema([*PROVENANCE, *OUTCOME, *own])


def conform(batch: pa.RecordBatch, record_schema: pa.Schema) -> pa.RecordBatch:
    """The common columns and `record_schema`, in that order; what the source does not know is null."""
    names = set(batch.schema.names)
    known = [batch.schema.field(f.name) if f.equals(ROW) and f.name in names else f for f in record_schema]
    schema = pa.schema([POSITION, *PROVENANCE, *OUTCOME, *known])
    columns = [batch[f.name].cast(f.type) if f.name in names else pa.nulls(batch.num_rows, f.type) for f in schema]
    return pa.record_batch(columns, schema=schema)


def mark(records: pa.RecordBatch, code: str, detail: str | None) -> pa.RecordBatch:
    """The same records, failed."""
    n = records.num_rows
    values = {
        "status": pa.array([Status.FAILED.value] * n),
        "error_code": pa.array([code] * n),
        "error_detail": pa.array([detail and detail[-DETAIL_CHARACTERS:]] * n, pa.string()),
    }
    for name, value in values.items():
        records = records.set_column(records.schema.get_field_index(name), OUTCOME.field(name), value)
    return records


def blame(error: BaseException) -> tuple[str, str]:
    """The error code of an exception; what it says and where it was raised, in one line."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    code = "memory" if isinstance(error, MemoryError) else "exception"
    said = " ".join(str(error).split())
    # Half a surrogate pair, as names that are no UTF-8 have, could not be written.
    return code, f"{type(error).__name__}: {said}{where}".encode(errors="replace").decode()


class Rows:
    """Runs one kernel and shapes what it says into rows of `schema`."""

    def __init__(self, job: Job[Any], kernel: Kernel, columns: tuple[str, ...] = ()) -> None:
        self.kernel = kernel
        self.schema = written_schema(job, columns)
        self.own = job.output_schema
        self.record = job.record_schema
        self.carried = {
            f.name for f in job.output_schema if f.name in job.record_schema.names and f.name not in _COMMON
            and job.record_schema.field(f.name).type == f.type
        }  # fmt: skip

    def handle(self, records: pa.RecordBatch) -> pa.RecordBatch:
        """Rows for conformed records; those the source has failed do not reach the kernel.

        Raises BadAnswer where the kernel breaks its contract, and whatever the kernel raises.
        """
        good = pc.is_in(records["status"], _HANDLED)
        if pc.any(good).as_py() is False:
            return self._answer(records, self._nothing(records.num_rows), lambda column: column)
        if pc.all(good).as_py() is not False:
            return self._answer(records, self._ask(records), lambda column: column)
        rank = pc.subtract(pc.cumulative_sum(good.cast(pa.int32())), 1)
        places = pc.if_else(good, rank, None)
        return self._answer(records, self._ask(records.filter(good)), lambda column: column.take(places))

    def pinned(
        self,
        records: pa.RecordBatch,
        handle: Callable[[pa.RecordBatch], pa.RecordBatch],
        announce: Callable[[pa.RecordBatch], None] = lambda records: None,
    ) -> pa.RecordBatch:
        """What `handle` makes of the records; what it raises becomes the row of the record that it raises for."""
        announce(records)
        try:
            return handle(records)
        except BaseException as error:  # a kernel may even call sys.exit
            if records.num_rows == 1:
                return self.handle(mark(records, *blame(error)))
        return pa.concat_batches([self.pinned(records.slice(i, 1), handle, announce) for i in range(records.num_rows)])

    def _nothing(self, n: int) -> pa.RecordBatch:
        return pa.record_batch([pa.nulls(n, f.type) for f in self.own], schema=self.own)

    def _ask(self, records: pa.RecordBatch) -> pa.RecordBatch:
        given = records.select([*PROVENANCE.names, "flags", *self.record.names])
        made = self.kernel(given)
        if made.num_rows != records.num_rows:
            raise BadAnswer(f"the kernel returned {made.num_rows} rows for {records.num_rows} records")
        return made

    def _answer(
        self, records: pa.RecordBatch, made: pa.RecordBatch, spread: Callable[[pa.Array], pa.Array]
    ) -> pa.RecordBatch:
        names = set(made.schema.names)
        columns = []
        for field in self.schema:
            if field.name in PROVENANCE.names:
                columns.append(records[field.name])
            elif field.name in OUTCOME.names:
                said = spread(made[field.name]).cast(field.type) if field.name in names else None
                columns.append(_outcome(field.name, records, said))
            elif field.name not in names:
                raise BadAnswer(f"the kernel returned no column {field.name}")
            else:
                column = spread(_typed(made[field.name], field))
                columns.append(pc.coalesce(column, records[field.name]) if field.name in self.carried else column)
        return _checked(pa.record_batch(columns, schema=self.schema))


def _typed(column: pa.Array, field: pa.Field) -> pa.Array:
    if column.type != field.type:
        raise BadAnswer(f"the kernel returned {column.type} for column {field.name}, which is {field.type}")
    return column


def _outcome(name: str, records: pa.RecordBatch, said: pa.Array | None) -> pa.Array:
    """What the kernel said, or else the source; a partial record stays partial, and flags add up."""
    known = records[name]
    if said is None:
        return known
    if name == "flags":
        return _joined(known, said)
    if name == "status":
        unspoken = pc.or_kleene(pc.is_null(said), pc.equal(said, Status.OK.value))
        return pc.if_else(unspoken, known, said)
    return pc.coalesce(said, known)


def _joined(first: pa.Array, second: pa.Array) -> pa.Array:
    if len(first.flatten()) == 0:
        return pc.coalesce(second, first)
    pairs = zip(first.to_pylist(), second.to_pylist(), strict=True)
    return pa.array([list(dict.fromkeys([*(a or ()), *(b or ())])) for a, b in pairs], first.type)


def _checked(rows: pa.RecordBatch) -> pa.RecordBatch:
    status, code = rows["status"], rows["error_code"]
    if pc.all(pc.is_in(status, _STATUSES)).as_py() is False:
        raise BadAnswer(f"the kernel returned a status outside the list: {pc.unique(status).to_pylist()}")
    if pc.all(pc.or_(pc.is_null(code), pc.is_in(code, _CODES))).as_py() is False:
        raise BadAnswer(f"the kernel returned an error_code outside the list: {pc.unique(code).to_pylist()}")
    if pc.any(pc.xor(pc.equal(status, Status.OK.value), pc.is_null(code))).as_py():
        raise BadAnswer("the kernel returned a row whose error_code is null and status not ok, or the other way round")
    return rows
