"""The child process: it reads one split, runs the kernel and writes the file; it may die at any moment.

What it does next it writes into a small shared page first, so that whoever finds it dead knows where.
"""

from __future__ import annotations

import ctypes
import faulthandler
import json
import mmap
import os
import pickle
import platform
import resource
import signal
import struct
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.compute as pc

from lib.errors import InputChanged
from lib.job import Job
from lib.memory import keep_freed_memory
from lib.options import RunOptions
from lib.part import PartWriter, PreviousRows
from lib.receipt import Death, Tally
from lib.records import OUTCOME, POSITION, PROVENANCE, Status
from lib.rows import Rows, blame, conform, mark
from lib.sources import Source
from lib.split import Split

SETUP, READ, KERNEL, WRITE = range(4)
STEP_NAMES = ("set-up", "read", "kernel", "write")
EXIT_TOLD = 70  # the reason stands in the page
EXIT_MEMORY = 77
PAGE_BYTES = 1 << 16
BATCH_SHARE = 0.25  # of a record's time that a whole batch may be expected to take
DUMP_SIGNAL = signal.SIGUSR1  # prints where the child is, even while native code holds the interpreter lock


@dataclass(frozen=True)
class Work:
    """One split of one job; `previous` is a local copy of its file whose failed rows are to be done again."""

    job: Job[Any]
    config: Any
    source: Source
    split: Split
    run: RunOptions
    previous: str | None = None


@dataclass(frozen=True)
class Verdict:
    """A record that has killed twice: its row is made without that step."""

    step: int
    code: str
    detail: str


@dataclass
class Lessons:
    """What earlier deaths of this split have taught."""

    suspects: list[tuple[int, int]] = field(default_factory=list)  # positions, first to last: one at a time
    verdicts: dict[int, Verdict] = field(default_factory=dict)
    deaths: list[Death] = field(default_factory=list)

    def alone(self, position: int) -> bool:
        """Whether the record at `position` must be tried alone, or not at all."""
        return position in self.verdicts or any(first <= position <= last for first, last in self.suspects)


class Page:
    """Step, first and last position in flight (-1: none yet), and since when: shared between child and supervisor.

    Behind that the reason for which a child gave up: there is room for it even where the disk is full.
    """

    _FORMAT = struct.Struct("<qqqd")
    _LENGTH = struct.Struct("<q")

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), PAGE_BYTES)

    @classmethod
    def create(cls, path: Path) -> Page:
        """A fresh page."""
        path.write_bytes(bytes(PAGE_BYTES))
        page = cls(path)
        page.write(SETUP, -1, -1)
        return page

    def write(self, step: int, first: int, last: int) -> None:
        """Say what comes next."""
        self._FORMAT.pack_into(self._map, 0, step, first, last, time.monotonic())

    def read(self) -> tuple[int, int, int, float]:
        """Step, first, last, and the moment it began."""
        return self._FORMAT.unpack_from(self._map, 0)

    def tell(self, kind: str, message: str, traceback: str) -> None:
        """Leave the reason; of a long one the message's beginning and the traceback's end."""
        data = json.dumps({"kind": kind, "message": message[:1500], "traceback": traceback[-3000:]}).encode()
        at = self._FORMAT.size + self._LENGTH.size
        self._map[at : at + len(data)] = data
        self._LENGTH.pack_into(self._map, self._FORMAT.size, len(data))

    def told(self) -> dict[str, str] | None:
        """Kind, message and traceback, where a reason was left."""
        (length,) = self._LENGTH.unpack_from(self._map, self._FORMAT.size)
        at = self._FORMAT.size + self._LENGTH.size
        return json.loads(self._map[at : at + length]) if length else None


class _ReaderFailed(Exception):
    """The source raised at the record at `position`."""

    def __init__(self, position: int, verdict: Verdict) -> None:
        super().__init__(verdict.detail)
        self.position, self.verdict = position, verdict


class Child:
    """Turns one split into one file."""

    def __init__(self, work: Work, lessons: Lessons, folder: Path, page: Page, rows: Rows) -> None:
        self.work, self.lessons, self.page, self.rows = work, lessons, page, rows
        self.limits = work.run.read_limits
        self.writer = PartWriter(folder, rows.schema, work.run.parquet, segmented=bool(lessons.deaths))
        self.behind, footer = self.writer.recover()
        self.tally = Tally(work.split, footer)
        self.previous = PreviousRows(work.previous, rows.schema) if work.previous else None
        self.touched = False  # whether a record was announced since the last batch
        self.pace = 1  # records for the next call of the kernel
        self.seconds = {"read": 0.0, "kernel": 0.0, "write": 0.0}

    def run(self) -> None:
        """Read, handle and write what is left of the split."""
        keep_freed_memory()
        began = time.perf_counter()
        self._all_records()
        self._flush()
        receipt = self.tally.receipt
        for name, seconds in (self.seconds | {"total": time.perf_counter() - began}).items():
            receipt.seconds[name] = round(receipt.seconds.get(name, 0.0) + seconds, 6)
        receipt.memory_peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
        receipt.deaths = self.lessons.deaths
        receipt.versions, receipt.host = VERSIONS, platform.node()
        self.writer.finish(self.tally.footer)

    def _all_records(self) -> None:
        at: int | None = self.behind
        while True:
            stop = self._next_unreadable(at)
            try:
                self._up_to(at, stop)
            except _ReaderFailed as failure:
                self.lessons.verdicts[failure.position] = failure.verdict
                at = self.behind
                continue
            if stop is None or self._enough or (at := self._pass_over(stop)) is None:
                return

    def _next_unreadable(self, at: int | None) -> int | None:
        marked = (p for p, v in self.lessons.verdicts.items() if v.step == READ and (at is None or p >= at))
        return min(marked, default=None)

    def _up_to(self, start: int | None, stop: int | None) -> None:
        """Handle the records from `start` to before `stop`."""
        reader = self.work.source.read(self.work.split, self.limits, self._announce, start, stop)
        while not self._enough and (found := self._next_batch(reader)) is not None:
            records = conform(found[0], self.work.job.record_schema)
            self._handle(records if self.work.split.limit is None else self._first_few(records), found[1])

    @property
    def _enough(self) -> bool:
        limit = self.work.split.limit
        return limit is not None and self.tally.receipt.rows >= limit

    def _first_few(self, records: pa.RecordBatch) -> pa.RecordBatch:
        """No more records than the split's limit leaves."""
        left = (self.work.split.limit or 0) - self.tally.receipt.rows
        selected = pc.cumulative_sum(pc.not_equal(records["status"], Status.UNSELECTED.value).cast(pa.int64()))
        return records.filter(pc.less_equal(selected, left))

    def _next_batch(self, reader: Iterator[tuple[pa.RecordBatch, int]]) -> tuple[pa.RecordBatch, int] | None:
        self.touched = False
        began = time.perf_counter()
        try:
            return next(reader, None)
        except (FileNotFoundError, PermissionError) as error:
            if self.work.run.unreadable == "fail":
                raise
            self._unreadable(error)
            return None
        except (OSError, InputChanged):
            raise  # storage fails: never a record's fault
        except BaseException as error:
            if not self.touched:
                raise  # nothing was being read yet: not a record's fault
            raise _ReaderFailed(self.page.read()[1], Verdict(READ, *blame(error))) from error
        finally:
            self.seconds["read"] += time.perf_counter() - began

    def _announce(self, position: int) -> None:
        self.touched = True
        self.page.write(READ, position, position)

    def _unreadable(self, error: OSError) -> None:
        verdict = Verdict(READ, "unreadable", blame(error)[1])
        if len(self.work.split.pieces) > 1:
            raise _ReaderFailed(self.page.read()[1], verdict)
        self._fail(self._rest_of_piece(), verdict)

    def _fail(self, record: pa.RecordBatch, verdict: Verdict) -> None:
        """Write the row of a record, or of a range, that is not read; never in place of rows that were made before."""
        if verdict.code == "unreadable" and self.previous and self.previous.holds(record):
            raise FileNotFoundError(f"the rows made before are kept: {verdict.detail}")
        self.tally.follow(record)
        self._emit(self.rows.handle(mark(record, verdict.code, verdict.detail)))

    def _rest_of_piece(self) -> pa.RecordBatch:
        """One record that covers what has not been read of the split's only piece."""
        (piece,) = self.work.split.pieces
        at = self.tally.receipt.covered.get(piece.uri, [piece.start, piece.start])[1]
        values = {"position": at, "source_path": piece.uri, "source_offset": at, "source_length": piece.end - at}
        bare = pa.RecordBatch.from_pylist([values], schema=pa.schema([POSITION, *PROVENANCE, *OUTCOME]))
        return conform(bare, self.work.job.record_schema)

    def _pass_over(self, position: int) -> int | None:
        self.page.write(READ, position, position)
        found, behind = self.work.source.pass_over(self.work.split, self.limits, position)
        self._fail(conform(found, self.work.job.record_schema), self.lessons.verdicts.pop(position))
        self.behind = behind
        return behind

    def _handle(self, records: pa.RecordBatch, behind: int) -> None:
        """Write rows for a batch; `behind` is the position after it."""
        if self.lessons.deaths and any(map(self.lessons.alone, records["position"].to_pylist())):
            self._flush()  # so that one more death costs no more than this batch
        self.tally.follow(records)
        selected = records.filter(pc.not_equal(records["status"], Status.UNSELECTED.value))
        for part in self._apart(selected):
            at = 0
            while at < part.num_rows:
                size = self.pace  # each call may set another
                self._emit(self._answered(part.slice(at, size)))
                at += size
        self.behind = behind
        if self.writer.full:
            self._flush()

    def _apart(self, records: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """The records in one batch where nothing is known against any of them; suspects one by one."""
        start = 0
        if self.lessons.deaths:
            for i, position in enumerate(records["position"].to_pylist()):
                if self.lessons.alone(position):
                    yield records.slice(start, i - start)
                    yield records.slice(i, 1)
                    start = i + 1
        yield records.slice(start)

    def _answered(self, records: pa.RecordBatch) -> pa.RecordBatch:
        if verdict := self.lessons.verdicts.get(records["position"][0].as_py()):
            return self.rows.handle(mark(records, verdict.code, verdict.detail))
        began = time.perf_counter()
        handle = partial(self.previous.fill, handle=self.rows.handle) if self.previous else self.rows.handle
        made = self.rows.pinned(records, handle, self._announce_kernel)
        self._keep_pace(records.num_rows, time.perf_counter() - began)
        return made

    def _announce_kernel(self, records: pa.RecordBatch) -> None:
        positions = records["position"]
        self.page.write(KERNEL, positions[0].as_py(), positions[-1].as_py())

    def _keep_pace(self, rows: int, seconds: float) -> None:
        """So many records at a time that a healthy batch stays far below the time of one record."""
        self.seconds["kernel"] += seconds
        self.pace = max(1, int(rows * self.work.run.record_timeout_seconds * BATCH_SHARE / max(seconds, 1e-6)))

    def _emit(self, rows: pa.RecordBatch) -> None:
        self.tally.count(rows)
        self.writer.add(rows)

    def _flush(self) -> None:
        self.page.write(WRITE, -1, -1)
        began = time.perf_counter()
        self.writer.flush(self.tally.footer, self.behind)
        self.seconds["write"] += time.perf_counter() - began


VERSIONS = {"python": platform.python_version(), "pyarrow": pa.__version__}


def main(payload: bytes, folder: str, parent: int) -> None:
    """Entry of the process; `parent` is the one it must not outlive. Without pieces it only tries the set-up."""
    place = Path(folder)
    _settle(place, parent)
    page = Page(place / "page")
    try:
        work, lessons, rows = _set_up(payload)
    except BaseException as error:
        _tell(page, "setup", error)
    if not work.split.pieces:
        return
    try:
        _fence(work.run)
        Child(work, lessons, place, page, rows).run()
    except MemoryError:
        os._exit(EXIT_MEMORY)
    except BaseException as error:
        _tell(page, _kind(error), error)


def _set_up(payload: bytes) -> tuple[Work, Lessons, Rows]:
    work, lessons = pickle.loads(payload)
    pa.set_memory_pool(pa.system_memory_pool())  # the default pool reserves address space in large steps
    pa.set_cpu_count(1)
    rows = Rows(work.job, work.job.make_kernel(work.config), work.run.columns)
    # No records: finds what is wrong with all of them alike.
    rows.handle(conform(pa.RecordBatch.from_pylist([], schema=_EMPTY), work.job.record_schema))
    return work, lessons, rows


def _tell(page: Page, kind: str, error: BaseException) -> NoReturn:
    page.tell(kind, blame(error)[1], "".join(traceback.format_exception(error)))
    os._exit(EXIT_TOLD)


_EMPTY = pa.schema([POSITION, *PROVENANCE, *OUTCOME])


def _kind(error: BaseException) -> str:
    if isinstance(error, InputChanged):
        return "changed"
    if isinstance(error, FileNotFoundError | PermissionError):
        return "unreadable"
    return "storage" if isinstance(error, OSError) else "bug"


def _settle(folder: Path, parent: int) -> None:
    """Die with the supervisor, before it if memory runs out; errors go to the folder."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: the forkserver goes with its worker
    if os.getppid() == 1 or not Path(f"/proc/{parent}").exists():
        os._exit(1)
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to handle
    Path("/proc/self/oom_score_adj").write_text("1000")
    stderr = os.open(folder / "stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(stderr, 1)
    os.dup2(stderr, 2)
    faulthandler.enable(sys.__stderr__ or 2, all_threads=False)
    faulthandler.register(DUMP_SIGNAL, sys.__stderr__ or 2, all_threads=False)


def _fence(run: RunOptions) -> None:
    """Bound the growth of the address space, so that a bomb is a MemoryError and not a dead node."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    # What a batch, its rows and a row group may take beside the record that is being handled.
    working = 4 * run.batch_bytes + 4 * run.parquet.row_group_bytes + 2 * run.max_record_bytes
    limit = pages * mmap.PAGESIZE + working + (run.record_memory_mb << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
