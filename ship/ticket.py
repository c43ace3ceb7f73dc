"""A ticket for Java from a keytab that Spark does not see.

Given the keytab, Spark would hand executors tokens of its own, which nobody renews for those who read them from the
container's file, as Python does. The tokens of a submit by ticket are renewed by the ResourceManager. And so the keytab
stays on this machine.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lib import hdfs, kerberos
from lib.errors import NotLoggedIn, UsageError

PROJECT = Path(__file__).resolve().parent.parent
FRESH_SECONDS = 60.0  # libkrb5 gets another one once half of a ticket's life is over
CACHE = "KRB5CCNAME"


@contextmanager
def for_java(folder: Path, uri: str) -> Iterator[None]:
    """Where we are logged in by keytab: keep a ticket in `folder` for the processes that this one starts.

    Raises UsageError where HDFS, asked for `uri`, does not let us have one.
    """
    if not kerberos.has_keytab():
        yield
        return
    before = os.environ.get(CACHE)
    os.environ[CACHE] = cache = f"FILE:{folder}/ticket"
    try:
        _get(uri, cache)
        with _kept_fresh(uri, cache):
            yield
    finally:
        del os.environ[CACHE]
        if before is not None:
            os.environ[CACHE] = before


def _get(uri: str, cache: str) -> None:
    try:
        hdfs.get_ticket(uri, cache)
    except NotLoggedIn:
        raise
    except OSError as error:
        raise UsageError(f"{uri}: no ticket from the keytab: {error.strerror or error}") from None


@contextmanager
def _kept_fresh(uri: str, cache: str) -> Iterator[None]:
    # A process, as nothing else can be ended while it waits for a NameNode that does not answer.
    command = [sys.executable, "-m", "ship.ticket", uri, cache, str(FRESH_SECONDS)]
    env = {**os.environ, "PYTHONPATH": str(PROJECT)}
    keeper = subprocess.Popen(
        command, env=env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield
    finally:
        keeper.kill()
        keeper.communicate()


def keep_fresh(uri: str, cache: str, seconds: str) -> None:
    """Renew the ticket every so often until stdin is closed, which the death of who started this does too."""
    while not select.select([sys.stdin], [], [], float(seconds))[0]:
        with suppress(OSError, UsageError):  # the next time, perhaps
            hdfs.get_ticket(uri, cache)


if __name__ == "__main__":
    keep_fresh(*sys.argv[1:])
