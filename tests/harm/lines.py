"""A source and a job for tests: each line of a text file is a record, and some lines do harm when touched."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import psutil
import pyarrow as pa

from harm import killer
from lib.job import Job, Kernel
from lib.records import OUTCOME, POSITION, PROVENANCE, Status, column
from lib.sources import Announce
from lib.split import Piece, ReadLimits, Split
from lib.storage import Stat


def _grow() -> None:
    held = []
    while True:
        held.append(np.ones(1 << 20))


def _complain(text: str) -> None:
    raise ValueError(text)


HARMS: dict[bytes, Callable[[], object]] = {
    b"segv": lambda: ctypes.string_at(0),
    b"abort": os.abort,
    b"exit0": lambda: os._exit(0),
    b"exit1": lambda: os._exit(1),
    b"sysexit": lambda: sys.exit(3),
    b"regex": lambda: re.match(r"(a+)+$", "a" * 64 + "b"),
    b"lock": lambda: (lock := threading.Lock(), lock.acquire(), lock.acquire()),
    b"gil": lambda: _sleep_on(),
    b"wakes": lambda: (signal.signal(signal.SIGUSR1, lambda *_: None), signal.pause()),  # as it is given up
    b"bomb": lambda: np.ones(50 << 27),  # 50 GB
    b"grow": _grow,
    b"raise": lambda: {}["not there"],
    b"worker": lambda: psutil.Process().parent().parent().kill(),  # the supervisor, above the forkserver
    b"name": lambda: _complain("\udcff\nis a name"),
    b"killed": lambda: os.kill(os.getpid(), 9),
}
CODES = {
    b"segv": "crash", b"abort": "crash", b"exit0": "crash", b"exit1": "crash", b"sysexit": "exception",
    b"regex": "hang", b"lock": "hang", b"gil": "hang", b"wakes": "hang", b"bomb": "memory", b"grow": "memory",
    b"raise": "exception", b"name": "exception", b"killed": "memory", b"few": "exception", b"many": "exception",
}  # fmt: skip


def harm(line: bytes, where: bytes) -> None:
    """`kernel segv` harms in the kernel, `read segv` in the reader."""
    side, _, name = line.partition(b" ")
    if side == where and name in HARMS:
        HARMS[name]()


def _sleep_on() -> None:
    """Sleep with the interpreter lock held, whatever signal comes."""
    while True:
        ctypes.PyDLL(None).sleep(600)


@dataclass(frozen=True)
class LinesSource:
    """Lines of local text files; a position is the line's byte offset."""

    healed: bool = False

    kind: ClassVar[str] = "harm.lines"
    unit: ClassVar = "bytes"
    schema: ClassVar[pa.Schema] = pa.schema([("line", pa.binary())])

    def claims(self, uri: str) -> bool:
        """Any text file."""
        return uri.endswith(".txt")

    def plan(self, files: Sequence[Stat], split_bytes: int) -> Iterator[tuple[Piece, ...]]:
        """Cut anywhere."""
        for file in files:
            for start in range(0, max(file.size, 1), split_bytes):
                end = min(start + split_bytes, file.size)
                yield (Piece(file.uri, start, end, file.size, file.stamp),)

    def read(
        self,
        split: Split,
        limits: ReadLimits,
        announce: Announce,
        start: int | None = None,
        stop: int | None = None,
    ) -> Iterator[tuple[pa.RecordBatch, int]]:
        """Lines that begin in the piece."""
        (piece,) = split.pieces
        data = Path(piece.uri.removeprefix("file://")).read_bytes()
        at = self._first(data, piece) if start is None else start
        rows: list[tuple[int, bytes]] = []
        while at < piece.end and at != stop:
            announce(at)
            line = data[at : self._end(data, at)]
            if not self.healed:
                harm(line.rstrip(b"\n"), b"read")
            rows.append((at, line))
            at += len(line)
            if len(rows) == limits.batch_rows:
                yield self._batch(piece.uri, rows), at
                rows = []
        if rows:
            yield self._batch(piece.uri, rows), at

    def pass_over(self, split: Split, limits: ReadLimits, position: int) -> tuple[pa.RecordBatch, int | None]:
        """The line's range alone."""
        (piece,) = split.pieces
        data = Path(piece.uri.removeprefix("file://")).read_bytes()
        end = self._end(data, position)
        return self._batch(piece.uri, [(position, data[position:end])]), end if end < piece.end else None

    @staticmethod
    def _first(data: bytes, piece: Piece) -> int:
        if piece.start == 0 or data[piece.start - 1] == 10:
            return piece.start
        return LinesSource._end(data, piece.start)

    @staticmethod
    def _end(data: bytes, at: int) -> int:
        return data.find(b"\n", at) + 1 or len(data)

    def _batch(self, uri: str, rows: list[tuple[int, bytes]]) -> pa.RecordBatch:
        values = [
            {"position": at, "source_path": uri, "source_offset": at, "source_length": len(line), "flags": [],
             "status": Status.UNSELECTED if line.startswith(b"#") else Status.OK,
             "error_code": "comment" if line.startswith(b"#") else None, "line": line.rstrip(b"\n")}
            for at, line in rows
        ]  # fmt: skip
        return pa.RecordBatch.from_pylist(values, schema=pa.schema([POSITION, *PROVENANCE, *OUTCOME, *self.schema]))


if "pyspark.worker" in sys.modules or "pyspark.daemon" in sys.modules:
    killer.arm("worker")  # where this module is imported, before the first split


@dataclass(frozen=True)
class HarmConfig:
    """A prefix that counts, the seconds that a record takes, and whether harm is over."""

    prefix: str = ""
    healed: bool = False
    seconds: float = 0.0


def make_kernel(config: HarmConfig) -> Kernel:
    """Measure each line, and do the harm that it names."""
    killer.arm("child")

    def kernel(records: pa.RecordBatch) -> pa.RecordBatch:
        lines = records["line"].to_pylist()
        for line in lines:
            if not config.healed:
                harm(line, b"kernel")
            time.sleep(config.seconds)
        sizes = [len(config.prefix) + len(line) for line in lines]
        if b"kernel few" in lines and not config.healed:
            sizes = sizes[1:]
        if b"kernel many" in lines and not config.healed:
            sizes = [*sizes, 0]
        shown = lines[: len(sizes)] + [b""] * (len(sizes) - len(lines))
        return pa.record_batch([pa.array(shown, pa.binary()), pa.array(sizes, pa.int64())], names=["line", "size"])

    return kernel


JOB = Job(
    name="measure_lines",
    summary="The length of each line.",
    config_type=HarmConfig,
    sources=("harm.lines",),
    record_schema=pa.schema([("line", pa.binary())]),
    output_schema=pa.schema([column("line", pa.binary(), "the line"), column("size", pa.int64(), "its length")]),
    make_kernel=make_kernel,
)


def make_broken_kernel(config: HarmConfig) -> Kernel:
    """What a missing package looks like."""
    import a_module_that_is_not_there  # noqa: F401

    return make_kernel(config)


def measure_table_rows(config: HarmConfig) -> Kernel:
    """The same answer for rows of tables whose column is called line."""

    def kernel(records: pa.RecordBatch) -> pa.RecordBatch:
        lines = [row["line"].encode() for row in records["row"].to_pylist()]
        return pa.record_batch([pa.array(lines, pa.binary()), pa.array(map(len, lines), pa.int64())], ["line", "size"])

    return kernel


def measure_contents(config: HarmConfig) -> Kernel:
    """The same answer, and the same harm, for files and entries of archives."""
    measure = make_kernel(config)
    return lambda records: measure(records.rename_columns({"content": "line"}))
