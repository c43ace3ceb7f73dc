"""The supervisor: it has a child process do a split, watches it, and finds the record that kills or hangs it.

A healthy split is done by one child. When a child dies, the next one writes in segments that survive and tries the
records that were in flight one at a time; a record that kills alone gets its row without being tried again.
"""

from __future__ import annotations

import math
import os
import pickle
import shutil
import signal
import sys
import time
from contextlib import suppress
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType

from lib import child
from lib.child import KERNEL, READ, SETUP, STEP_NAMES, Lessons, Page, Verdict, Work
from lib.receipt import Death
from lib.split import Split

POLL_SECONDS = 0.2
SET_UP_SECONDS = 600.0  # to make a kernel; a model that deadlocks while it loads must not hang the run
DUMP_SECONDS = 0.3  # to print where a hanging child is, before it is killed
STDERR_LINES = 20
# pa.array() imports pandas at its first call: 0.3 s in every child unless the forkserver has done it.
PRELOAD = ("lib.child", "pandas", "pyarrow.compute", "pyarrow.parquet")


class SplitFailed(Exception):
    """A split that has no file: `kind` is storage, unreadable, changed, setup or bug; only storage is worth a retry."""

    def __init__(self, kind: str, message: str, traceback: str = "") -> None:
        super().__init__(message)
        self.kind, self.message, self.traceback = kind, message, traceback

    def __reduce__(self) -> tuple[type[SplitFailed], tuple[str, str, str]]:
        return SplitFailed, (self.kind, self.message, self.traceback)


def do_split(work: Work, folder: Path) -> Path:
    """Do the whole split; the finished file, in `folder`, which must be empty and local.

    Raises SplitFailed.
    """
    lessons = Lessons()
    while death := _live(work, lessons, folder):
        lessons = _learn(lessons, *death)
    return folder / "part.parquet"


def try_set_up(work: Work, folder: Path) -> str:
    """What keeps every split from being done (a missing module, a broken kernel); an empty text where nothing does."""
    page = Page.create(folder / "page")
    process = _start(replace(work, split=Split("set-up", work.source.kind, ())), Lessons(), folder)
    try:
        _watch(process, page, work.run.record_timeout_seconds)
    finally:
        _end(process)
    if told := page.told():
        return told["message"]
    return "" if process.exitcode == 0 else f"{_exit_words(process.exitcode)}: {_gist(_excerpt(folder / 'stderr'))}"


def _learn(lessons: Lessons, death: Death, first: int, last: int) -> Lessons:
    """What the next child must know; a record that died alone is convicted."""
    deaths = [*lessons.deaths, death]
    step = STEP_NAMES.index(death.step)
    if step not in (READ, KERNEL) or first < 0:
        raise SplitFailed("bug", f"the child process died in {death.step} ({death.exit}): {_gist(death.stderr)}")
    if first in lessons.verdicts:
        raise SplitFailed("bug", f"the record at position {first} cannot even be passed over ({death.exit})")
    if first == last and lessons.alone(first):
        detail = "; ".join(filter(None, [death.exit, death.stderr]))
        return replace(lessons, deaths=deaths, verdicts=lessons.verdicts | {first: Verdict(step, death.code, detail)})
    return replace(lessons, deaths=deaths, suspects=[*lessons.suspects, (first, last)])


def _live(work: Work, lessons: Lessons, folder: Path) -> tuple[Death, int, int] | None:
    """One child's life: None once the split's file is there, else its death and the positions in flight."""
    page = Page.create(folder / "page")
    process = _start(work, lessons, folder)
    try:
        hung = _watch(process, page, work.run.record_timeout_seconds)
        written = set(folder.glob("*.parquet"))
        if hung:
            _dump(process)
    finally:
        _end(process)
    if hung:  # what it wrote after it was interrupted is not to be trusted
        for late in set(folder.glob("*.parquet")) - written:
            late.unlink()
    elif (folder / "part.parquet").exists():
        return None
    if told := page.told():
        raise SplitFailed(**told)
    step, first, last = hung or page.read()[:3]
    stderr = _excerpt(folder / "stderr")
    code = "hang" if hung else _code(process.exitcode, stderr)
    seconds = SET_UP_SECONDS if step == SETUP else work.run.record_timeout_seconds
    exit_ = f"no end in {seconds:g} s" if hung else _exit_words(process.exitcode)
    return Death(first if first >= 0 else None, STEP_NAMES[step], code, exit_, stderr), first, last


def _start(work: Work, lessons: Lessons, folder: Path) -> BaseProcess:
    forks = get_context("forkserver")
    forks.set_forkserver_preload([*PRELOAD, work.job.make_kernel.__module__, type(work.source).__module__])
    # Many tasks share a node: one thread each, or they fight.
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
    # The forkserver of 3.11 to 3.13 does not take sys.path over: code from --py-files would be imported per child.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    process = forks.Process(
        target=child.main, args=(pickle.dumps((work, lessons)), str(folder), os.getpid()), daemon=True
    )
    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        process.start()  # with the real __main__ every child would import pyspark.daemon again: 0.4 s
    finally:
        sys.modules["__main__"] = main
    return process


def _watch(process: BaseProcess, page: Page, timeout_seconds: float) -> tuple[int, int, int] | None:
    """Wait for the child's end; step, first and last position where a record outlived its time."""
    began, waited_before = -1.0, 0.0
    while not wait([process.sentinel], POLL_SECONDS):
        step, first, last, since = page.read()
        waited = _runqueue_seconds(process.pid)
        if since != began:
            began, waited_before = since, waited
        # Time that the child wanted to run and was not let is the node's, not the record's.
        spent = time.monotonic() - since - (waited - waited_before)
        limit = {SETUP: SET_UP_SECONDS, READ: timeout_seconds, KERNEL: timeout_seconds}.get(step, math.inf)
        if spent > limit and page.read()[3] == since:
            return step, first, last
    return None


def _dump(process: BaseProcess) -> None:
    """Let the child say where it is; it may go on meanwhile, so that its page is not to be read again."""
    with suppress(ProcessLookupError):
        os.kill(process.pid or 0, child.DUMP_SIGNAL)
    wait([process.sentinel], DUMP_SECONDS)


def _runqueue_seconds(pid: int | None) -> float:
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


def _end(process: BaseProcess) -> None:
    """Kill the child and what it started; its exit code stays to be read."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid or 0, signal.SIGKILL)
    if process.is_alive():
        process.kill()
    process.join()


def _code(exitcode: int | None, stderr: str) -> str:
    killed_for_memory = exitcode in (-signal.SIGKILL, child.EXIT_MEMORY)  # the kernel's out-of-memory killer
    return "memory" if killed_for_memory or "bad_alloc" in stderr else "crash"


def _exit_words(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return f"killed by {signal.Signals(-exitcode).name}"
    return f"exit {exitcode}"


def _excerpt(path: Path) -> str:
    """The first and the last lines of what the child said: the first name the signal, the last the cause."""
    with suppress(OSError):
        lines = [line for line in path.read_text(errors="replace").splitlines() if not line.startswith("Extension mod")]
        if len(lines) > STDERR_LINES:
            lines[STDERR_LINES // 2 : -STDERR_LINES // 2] = ["..."]
        return "\n".join(line[:300] for line in lines)
    return ""


def _gist(stderr: str) -> str:
    """The first line, which names the signal."""
    return next(iter(stderr.splitlines()), "it said nothing")


def scratch(base: Path, split_id: str) -> Path:
    """A new empty folder below `base`, its name unlike any other attempt's."""
    folder = base / f"{split_id}-{os.getpid()}-{time.monotonic_ns():x}"
    folder.mkdir(parents=True)
    return folder


def discard(folder: Path) -> None:
    """Remove a scratch folder, whatever is in it."""
    shutil.rmtree(folder, ignore_errors=True)
