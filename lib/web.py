"""What lib/storage.py reads over https and http: sizes by HEAD, bytes by ranges, with the standard library alone."""

from __future__ import annotations

import errno
import io
import time
from collections.abc import Iterator
from email.message import Message
from http.client import HTTPException
from typing import BinaryIO, cast
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

from lib.storage import Stat

READ_BYTES = 8 << 20  # a request costs a connection and a round trip
TIMEOUT_SECONDS = 60
WAITS_SECONDS = (1, 4, 16)  # before asking again, as object stores want it when they are busy
BUSY = frozenset({429, 500, 502, 503, 504})


class _Reader(io.RawIOBase):
    """A file of known size, by one request for each read."""

    def __init__(self, uri: str, size: int) -> None:
        self._uri, self._size, self._at = uri, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        end = min(self._at + len(buffer), self._size)
        if end <= self._at:
            return 0
        data = _ask("GET", self._uri, (self._at, end))[1]
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def open_input(uri: str) -> BinaryIO:
    """Open for reading; seekable, buffered."""
    return cast("BinaryIO", io.BufferedReader(_Reader(uri, stat(uri).size), READ_BYTES))


def stat(uri: str) -> Stat:
    """Size and stamp of a file."""
    head = _ask("HEAD", uri)[0]
    size = head.get("Content-Length", "")
    if not size.isdecimal():
        raise OSError(errno.EIO, "the server does not say how long it is", uri)
    return Stat(uri, int(size), f"{size}-{head.get('ETag') or head.get('Last-Modified', '')}")


def expand(uri: str) -> Iterator[Stat]:
    """The file itself: nothing can be listed here."""
    yield stat(uri)


def _ask(method: str, uri: str, span: tuple[int, int] | None = None) -> tuple[Message, bytes]:
    request = Request(quote(uri, safe="%/:?#[]@!$&'()*+,;=~"), method=method)
    if span:
        request.add_header("Range", f"bytes={span[0]}-{span[1] - 1}")
    waits = iter(WAITS_SECONDS)
    while True:
        try:
            return _answer(request, span)
        except (OSError, HTTPException) as error:
            wait = None if _is_final(error) else next(waits, None)
            if wait is None:
                raise _plain(error, uri) from None
        time.sleep(wait)


class NoRanges(OSError):
    """A server that sends whole files only."""


def _answer(request: Request, span: tuple[int, int] | None) -> tuple[Message, bytes]:
    with urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
        if span is None:
            return answer.headers, b""
        if answer.status != 206:
            raise NoRanges("the server sends whole files only, no ranges")
        return answer.headers, answer.read(span[1] - span[0])


def _is_final(error: OSError | HTTPException) -> bool:
    return isinstance(error, NoRanges) or (isinstance(error, HTTPError) and error.code not in BUSY)


def _plain(error: OSError | HTTPException, uri: str) -> OSError:
    code = error.code if isinstance(error, HTTPError) else None
    if code in (404, 410):
        return FileNotFoundError(errno.ENOENT, "no such file", uri)
    if code in (401, 403):
        return PermissionError(errno.EACCES, "permission denied", uri)
    return OSError(errno.EIO, str(error), uri)
