"""Says how a run is going: a bar on a terminal, a line now and then elsewhere, and numbers in the lease."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from types import TracebackType

from lib.ledger import Lease, Ledger
from lib.split import Split

POLL_SECONDS = 1.0
LISTING_SHARE = 20  # pauses are so many times as long as a listing takes: watching must cost next to nothing
LINE_SECONDS = 15.0  # between lines where there is no terminal
BAR_CHARACTERS = 30


class Progress:
    """Counts the files of finished splits while the block runs."""

    def __init__(
        self, ledger: Ledger, lease: Lease, splits: Sequence[Split], todo: Sequence[Split], quiet: bool
    ) -> None:
        self.ledger, self.lease, self.planned = ledger, lease, {split.id for split in splits}
        self.before = len(splits) - len(todo)
        self.quiet, self.bar = quiet, sys.stderr.isatty()
        self.began = self.said = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Progress:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        if self.bar and not self.quiet:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def _watch(self) -> None:
        pause = POLL_SECONDS
        while not self._ended.wait(pause):
            began = time.monotonic()
            try:
                done = len(self.ledger.done() & self.planned)
            except OSError:
                continue  # the next look may find storage well again
            pause = max(POLL_SECONDS, LISTING_SHARE * (time.monotonic() - began))
            self.lease.state["splits"] = {"planned": len(self.planned), "done": done}
            if not self.quiet:
                self._show(done)

    def _show(self, done: int) -> None:
        seconds = time.monotonic() - self.began
        text = f"{done} of {len(self.planned)} splits, {seconds:.0f} s{self._left(done, seconds)}"
        if self.bar:
            filled = BAR_CHARACTERS * done // max(len(self.planned), 1)
            print(f"\r\033[K[{'#' * filled:<{BAR_CHARACTERS}}] {text}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - self.said >= LINE_SECONDS:
            self.said = time.monotonic()
            print(text, file=sys.stderr, flush=True)

    def _left(self, done: int, seconds: float) -> str:
        new = done - self.before
        if new <= 0 or done >= len(self.planned):
            return ""
        return f", about {seconds / new * (len(self.planned) - done):.0f} s left"
