"""A folder for the secrets of a submit, which is gone when the submit is, however it ended."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

PREFIX = "fireball-submit-"


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """A new folder, mode 0700; what processes killed by SIGKILL have left in theirs goes at the next one's start."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError), _in_use(left, fcntl.LOCK_NB):  # OSError: it is in use, or somebody else's
            if any(left.iterdir()):  # one that is being made is empty, and not locked yet
                shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name, _in_use(Path(name)), _gone_at_a_signal(name):
        yield Path(name)


@contextlib.contextmanager
def _in_use(folder: Path, flags: int = 0) -> Iterator[None]:
    """Hold the folder's lock, which the kernel takes from the dead.

    With LOCK_NB raises OSError where somebody else holds it.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | flags)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def _gone_at_a_signal(folder: str) -> Iterator[None]:
    """Signals that end a process at once end this one too, but not its folder's secrets later than itself."""

    def end(number: int, _: object) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    in_main = threading.current_thread() is threading.main_thread()
    # A signal that is ignored stays so: nohup.
    numbers = [one for one in (signal.SIGHUP, signal.SIGTERM) if in_main and signal.getsignal(one) == signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)
