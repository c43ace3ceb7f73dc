"""What is the user's to mend, told apart from what is a bug of ours."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UsageError(Exception):
    """A wrong option, config, input or environment: its text is the one line that the user reads, the exit code 2."""


class StorageFailed(Exception):
    """Storage let the driver down (full, in safe mode, denying): its text is the line that the user reads.

    What is committed stays, the same command goes on from there: exit code 4.
    """


class NotLoggedIn(UsageError, OSError):
    """A secured cluster does not know who asks: for a person at a command line to mend, a failed read for a task."""


# What the same command would not mend.
GONE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


def storage_failure(error: OSError) -> StorageFailed | None:
    """What an error of the system is to the user; None where it is a bug's (a library's own OSError, a wrong name)."""
    if isinstance(error, GONE) or (error.errno is None and not isinstance(error, NotLoggedIn)):
        return None
    what = "Spark's JVM is gone:" if isinstance(error, ConnectionError) else error.filename or ""
    said = f"{what} {error.strerror or error}".strip()
    return StorageFailed(f"{said}; once that is mended, the same command goes on from what is committed")


class InputChanged(Exception):
    """A file is not the one that was planned (size or modification time): its rows would mix old and new."""


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean KNOWN?` where one of them looks like this name, else nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""
