"""Calls a function on the executors with many values: how a task reads a table that is larger than its machine."""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from lib import storage
from lib.errors import UsageError
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
        folder = f"{request.output}/_tmp/{uuid.uuid4().hex}"
        try:
            numbers = spark.range(len(values), numPartitions=len(values))
            numbers.mapInArrow(_Call(function, values, folder), "number bigint").collect()
            for number in range(len(values)):
                answer = pickle.loads(storage.read_bytes(f"{folder}/{number}"))
                if isinstance(answer, UsageError):
                    raise answer
                yield answer
        finally:
            storage.remove(folder)

    return everywhere


def _name(request: Request) -> str:
    return f"fireball {request.job.rpartition('.')[2]}"


@dataclass(frozen=True)
class _Call:
    """Called by Spark with numbers of values; answers are left as files, for they may be larger than the JVM's heap."""

    function: Callable[[Any], Any]
    values: Sequence[Any]
    folder: str

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch["id"].to_pylist():
                storage.write_bytes(f"{self.folder}/{number}", pickle.dumps(self._answer(self.values[number])))
            yield pa.record_batch([batch["id"]], names=["number"])

    def _answer(self, value: Any) -> Any:
        try:
            return self.function(value)
        except UsageError as error:  # not worth another attempt
            return error
