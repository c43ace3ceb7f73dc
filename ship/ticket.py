"""A ticket for Java from a keytab that Spark does not see.

Given the keytab, Spark would hand executors tokens of its own, which nobody renews for those who read them from the
container's file, as Python does. The tokens of a submit by ticket are renewed by the ResourceManager. And so the keytab
stays on this machine.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from lib import hdfs, kerberos

FRESH_SECONDS = 1800.0  # libkrb5 gets another one once half of a ticket's life is over


@contextlib.contextmanager
def for_java(folder: Path, uri: str) -> Iterator[None]:
    """Where we are logged in by keytab: keep a ticket in `folder` for the processes that this one starts."""
    if not kerberos.has_keytab():
        yield
        return
    os.environ["KRB5CCNAME"] = cache = f"FILE:{folder}/ticket"
    hdfs.get_ticket(uri, cache)
    ended = threading.Event()

    def keep_fresh() -> None:
        while not ended.wait(FRESH_SECONDS):
            with contextlib.suppress(OSError):  # the next time, perhaps
                hdfs.get_ticket(uri, cache)

    keeper = threading.Thread(target=keep_fresh)
    keeper.start()
    try:
        yield
    finally:
        ended.set()
        keeper.join()
