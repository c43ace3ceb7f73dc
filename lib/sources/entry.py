"""What archives hold, however they are packed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

FILE, DIRECTORY, LINK, SPECIAL, LOST = "file", "directory", "link", "special", "lost"


class BadEntry(Exception):
    """An entry cannot be given; `code` is of lib.records.ERROR_CODES."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, or (kind LOST) a stretch of the archive in which nobody can tell how many there were.

    `size` is of its content, `packed` of the archive's bytes that hold it, `at` is the byte from which on it is found.
    `content` is to be called, if at all, before the next entry is asked for; raises BadEntry.
    """

    name: str | None
    kind: str
    size: int
    packed: int
    at: int
    content: Callable[[], bytes]


def lost(code: str, detail: str, at: int) -> Entry:
    """A stretch that cannot be read as entries."""

    def content() -> bytes:
        raise BadEntry(code, detail)

    return Entry(None, LOST, 0, 0, at, content)
