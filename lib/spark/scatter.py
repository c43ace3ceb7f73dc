"""Calls a function on the executors with many values: how a task reads a table that is larger than its machine."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyspark import TaskContext
from pyspark.sql import SparkSession

from lib import storage
from lib.errors import UsageError
from lib.ledger import Lease, Ledger
from lib.request import Request
from lib.scatter import A, B, Scatter
from lib.spark import session


def scatter(request: Request) -> Scatter:
    """A Scatter in the request's session, which is started once there are two values."""
    if request.master == "yarn":  # there, a driver that starts none is taken for a failed one
        session.get_session(_name(request), request)

    def everywhere(function: Callable[[A], B], values: Sequence[A]) -> Iterator[B]:
        if len(values) < 2:
            yield from map(function, values)
            return
        spark = session.get_session(_name(request), request)
        lease = Lease(Ledger(request.output), told=False)
        lease.take()  # the folder is a living one's: a later run of the task sweeps those of dead ones
        folder = f"{request.output}/_tmp/{lease.run}"
        try:
            _collect(spark, _Call(function, values, folder, session.attempts(spark)))
            for number in range(len(values)):
                answer = pickle.loads(storage.read_bytes(f"{folder}/{number}"))
                if isinstance(answer, UsageError):
                    raise answer
                yield answer
        finally:
            lease.release("done", 0)

    return everywhere


def _name(request: Request) -> str:
    return f"fireball {request.job.rpartition('.')[2]}"


def _collect(spark: SparkSession, call: _Call) -> None:
    """Raises the OSError that a task could not get over, and what Spark raises."""
    numbers = spark.range(len(call.values), numPartitions=len(call.values))
    for row in numbers.mapInArrow(call, "error binary").collect():
        if row.error:
            raise pickle.loads(row.error)


@dataclass(frozen=True)
class _Call:
    """Called by Spark with numbers of values; answers are left as files, for they may be larger than the JVM's heap."""

    function: Callable[[Any], Any]
    values: Sequence[Any]
    folder: str
    attempts: int

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            errors = [self._leave(number) for number in batch["id"].to_pylist()]
            yield pa.record_batch([pa.array(errors, pa.binary())], names=["error"])

    def _leave(self, number: int) -> bytes | None:
        """Write the answer; the OSError that the last attempt met with, as Spark's own exception would not say it."""
        try:
            storage.write_bytes(f"{self.folder}/{number}", pickle.dumps(self._answer(number)))
        except OSError as error:
            context = TaskContext.get()
            if context is not None and context.attemptNumber() < self.attempts - 1:
                raise
            return pickle.dumps(error)
        return None

    def _answer(self, number: int) -> Any:
        try:
            return self.function(self.values[number])
        except UsageError as error:  # not worth another attempt
            return error
