"""What one Spark task does: one split, from claim to commit, in the PySpark worker."""

from __future__ import annotations

import errno
import json
import os
import platform
import re
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
from pyspark import TaskContext

import lib
from lib import guard, storage
from lib.child import Work
from lib.guard import SplitFailed
from lib.job import Job
from lib.ledger import Ledger
from lib.options import RunOptions
from lib.part import read_receipt
from lib.sources import Source
from lib.split import Split

ANSWER = "answer string"  # the schema of what a task returns: one JSON document
FULL_FOLDER = re.compile(rf"\[Errno ({errno.ENOSPC}|{errno.EDQUOT})\]")
FULL_HDFS = re.compile("QuotaExceededException")
SOCKET_FOLDER = 70  # characters: the address of a Unix socket in it must stay below 108


class OutputLost(Exception):
    """The output cannot be written to (safe mode, a server that is down): every other split would fail alike."""


def origin() -> str:
    """The name of the zip or folder that `lib` was imported from: the same everywhere, or an old copy is in the way."""
    return Path(str(lib.__file__)).parents[1].name


@dataclass(frozen=True)
class SplitTask:
    """Called by Spark with batches of split numbers; answers a receipt or a failure for each."""

    job: Job[Any]
    config: Any
    sources: dict[str, Source]
    run: RunOptions
    output: str
    run_id: str
    stop_flag: str
    splits: list[bytes]  # JSON: far cheaper than objects where there are 100,000 paths
    retry_failed: bool
    attempts: int

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """One answer for each number."""
        _leave_nothing_behind()
        for batch in batches:
            answers = [json.dumps(self._answer(number)) for number in batch["id"].to_pylist()]
            yield pa.record_batch([pa.array(answers, pa.string())], names=["answer"])

    def _answer(self, number: int) -> dict[str, Any]:
        split = msgspec.json.decode(self.splits[number], type=Split)
        try:
            if storage.exists(self.stop_flag):
                return {"stopped": True}
            return {"receipt": json.loads(self._commit(split))}
        except (SplitFailed, OSError) as error:
            failed = error if isinstance(error, SplitFailed) else SplitFailed("storage", str(error))
            context = TaskContext.get()
            last = context is None or context.attemptNumber() >= self.attempts - 1
            if failed.kind == "storage" and self._is_full(failed.message):
                with suppress(OSError):
                    storage.write_bytes(self.stop_flag, b"")
            elif failed.kind == "storage":
                if not last:
                    raise failed from None  # Spark tries again, perhaps elsewhere
                self._require_output()
            return {"split": split.id, "kind": failed.kind, "error": failed.message, "traceback": failed.traceback}

    def _is_full(self, message: str) -> bool:
        """Whether the output is: no split can be written any more, here or elsewhere, as an executor's disk may be."""
        return (FULL_FOLDER if self.output.startswith("file://") else FULL_HDFS).search(message) is not None

    def _require_output(self) -> None:
        """Raise OutputLost where the output takes nothing, whichever split it comes from."""
        uri = f"{self.stop_flag}-{uuid.uuid4().hex}"
        try:
            storage.write_bytes(uri, b"a byte")
            storage.remove(uri)
        except OSError as error:
            raise OutputLost(error.strerror or str(error)) from None

    def _commit(self, split: Split) -> bytes:
        folder = guard.scratch(storage.scratch(self.output, self.run_id), split.id)
        try:
            part = Ledger(self.output).part(split.id)
            previous = str(storage.fetch(part, folder)) if self.retry_failed and storage.exists(part) else None
            work = Work(self.job, self.config, self.sources[split.kind], split, self.run, previous)
            file = guard.do_split(work, folder)
            receipt = read_receipt(file)
            storage.publish(file, part, f"{self.output}/_tmp/{self.run_id}")
            return receipt.dump()
        finally:
            guard.discard(folder)


@dataclass(frozen=True)
class ProbeTask:
    """Finds what would fail every split alike (a missing module, a model that does not load), before the first."""

    work: Work
    output: str
    run_id: str
    code: str  # where the driver's comes from

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """An empty text where all is well, else what is wrong."""
        _leave_nothing_behind()
        for _ in batches:
            if (here := origin()) != self.code:
                yield pa.record_batch([pa.array([f"lib comes from {here}, not from {self.code}"])], names=["answer"])
                return
            said = self._try_set_up()
            where = f" (on {platform.node()}, {' '.join(platform.libc_ver())})" if said else ""
            yield pa.record_batch([pa.array([said + where], pa.string())], names=["answer"])

    def _try_set_up(self) -> str:
        folder = None
        try:
            folder = guard.scratch(storage.scratch(self.output, self.run_id), "probe")
            return guard.try_set_up(self.work, folder)
        except OSError as error:  # of this node, perhaps: Spark tries again
            raise SplitFailed("storage", f"{platform.node()}: {error}") from None
        finally:
            if folder:
                guard.discard(folder)


def _leave_nothing_behind() -> None:
    """Temporary files go where Spark removes them at its end: its workers are killed and tidy nothing away."""
    folder = os.environ.get("SPARK_LOCAL_DIRS", "").partition(",")[0]
    if folder and len(folder) <= SOCKET_FOLDER:  # on YARN it is longer, and the container's own goes with it
        os.environ["TMPDIR"] = tempfile.tempdir = folder
