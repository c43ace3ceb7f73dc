"""Compressed files by offset: any place can be looked at, little is held."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar, Protocol

import zstandard
from isal import isal_zlib

BLOCK_BYTES = 1 << 20
CAREFUL_BYTES = 256
_ERRORS: Any = (isal_zlib.error, zlib.error)


class Window:
    """A file's bytes by absolute offset; a block or two of them are held."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.size = size
        self.usual_bytes = 1 << 15  # what a member takes: feeding little more saves copies of what lies behind it
        self.engine: Any = None  # what a format shares between its members
        self._file, self._base, self._held = file, 0, b""

    def at(self, offset: int, length: int) -> memoryview:
        """So many bytes from `offset` on, fewer at the end of the file."""
        length = max(0, min(length, self.size - offset))
        if not (self._base <= offset and offset + length <= self._base + len(self._held)):
            self._load(offset, length)
        return memoryview(self._held)[offset - self._base : offset - self._base + length]

    def learn(self, length: int) -> None:
        """Note how long a member was."""
        self.usual_bytes = max(2048, min((3 * self.usual_bytes + length) // 4, BLOCK_BYTES >> 2))

    def _load(self, offset: int, length: int) -> None:
        begin = offset - self._base
        kept = self._held[begin:] if 0 <= begin <= len(self._held) else b""
        self._file.seek(offset + len(kept))
        self._held, self._base = kept + self._file.read(max(BLOCK_BYTES, length - len(kept))), offset
        if len(self._held) < length:
            raise OSError(f"the file ends at {offset + len(self._held)}, its size was {self.size}")

    def find(self, needle: bytes, offset: int, end: int) -> int:
        """Where `needle` first begins in [offset, end), or `end`."""
        while offset < end:
            block = bytes(self.at(offset, min(BLOCK_BYTES, end - offset) + len(needle) - 1))
            if (found := block.find(needle)) >= 0:
                return min(offset + found, end)
            offset += BLOCK_BYTES
        return end


class Damaged(Exception):
    """The bytes are not what they should be; `truncated`: the file ends where more was to come."""

    def __init__(self, detail: str, truncated: bool = False) -> None:
        super().__init__(detail)
        self.truncated = truncated


class Member(Protocol):
    """A part of a file that is compressed by itself, inflated from front to back."""

    MAGIC: ClassVar[bytes]
    STORED_BYTES: ClassVar[int]  # the longest run of bytes that the format stores as they are
    offset: int
    end: int | None  # behind it; known when all is read

    def __init__(self, window: Window, offset: int, careful: bool = False) -> None:
        """`careful`: slowly, so that all bytes before damage are given."""
        ...

    def read(self, most: int) -> bytes:
        """Up to `most` bytes, none at the end. Raises Damaged where it cannot give any."""
        ...


class GzipMember:
    """One gzip member, inflated from front to back."""

    MAGIC: ClassVar[bytes] = b"\x1f\x8b\x08"
    STORED_BYTES: ClassVar[int] = 65535

    def __init__(self, window: Window, offset: int, careful: bool = False) -> None:
        """`careful`: slowly, so that all bytes before damage are given (isal notices it ahead of them)."""
        self.window, self.offset = window, offset
        self.end: int | None = None  # known when all is read
        self._step = CAREFUL_BYTES if careful else 1 << 62
        self._at = offset
        self._tail: bytes = b""
        self._failure: Damaged | None = None
        self._engine: Any = (zlib if careful else isal_zlib).decompressobj(31)

    def read(self, most: int) -> bytes:
        """Up to `most` bytes, none at the end. Raises Damaged where it cannot give any."""
        if self.end is not None:
            return b""
        part = self._inflate(min(most, self._step))
        if self.end is not None:
            return part
        parts, got = [part], len(part)
        while got < most and self.end is None:
            try:
                parts.append(self._inflate(min(most - got, self._step)))
            except Damaged:
                if not got:
                    raise
                break  # it will be raised again
            got += len(parts[-1])
        return b"".join(parts)

    def _inflate(self, most: int) -> bytes:
        if self._failure is not None:
            raise self._failure
        source: bytes | memoryview = self._tail
        if not source:
            first = self._at == self.offset
            source = self.window.at(self._at, self.window.usual_bytes * 2 if first else BLOCK_BYTES >> 2)
            self._at += len(source)
        try:
            part: bytes = self._engine.decompress(source, most)
        except _ERRORS as error:
            self._failure = Damaged(f"damaged gzip member: {error}")
            raise self._failure from None
        self._tail = self._engine.unconsumed_tail
        if not source and not part and not self._engine.eof:  # not before all that it holds is out
            raise Damaged("the file ends inside the record", truncated=True)
        if self._engine.eof:
            self.end = self._at - len(self._engine.unused_data)
            self.window.learn(self.end - self.offset)
        return part


class ZstdFrame:
    """One zstd frame, as .warc.zst has one for each record; its dictionary, if any, lies in the file's first frame."""

    MAGIC: ClassVar[bytes] = b"\x28\xb5\x2f\xfd"
    STORED_BYTES: ClassVar[int] = 131072

    def __init__(self, window: Window, offset: int, careful: bool = False) -> None:
        self.offset = offset
        self.end: int | None = None
        self._window, self._behind = window, 0
        self._reader: Any = None

    def read(self, most: int) -> bytes:
        """Up to `most` bytes, none at the end. Raises Damaged."""
        if self.end is not None:
            return b""
        if self._reader is None:
            self._behind = _frame_end(self._window, self.offset)
            self._reader = _zstd_engine(self._window).stream_reader(_Range(self._window, self.offset, self._behind))
        try:
            data: bytes = self._reader.read(most)
        except zstandard.ZstdError as error:
            raise Damaged(f"damaged zstd frame: {error}") from None
        if not data:
            self.end = self._behind
        return data


class _Range:
    """A range of a window as a file."""

    def __init__(self, window: Window, start: int, end: int) -> None:
        self._window, self._at, self._end = window, start, end

    def read(self, most: int) -> bytes:
        data = bytes(self._window.at(self._at, min(most, self._end - self._at)))
        self._at += len(data)
        return data


def _frame_end(window: Window, offset: int) -> int:
    """Where the frame ends, by the sizes of its blocks (RFC 8878, 3.1)."""
    head = bytes(window.at(offset, 8)).ljust(8, b"\0")
    if head[:4] in _SKIPPABLE:
        at = offset + 8 + int.from_bytes(head[4:8], "little")
    elif head[:4] == ZstdFrame.MAGIC:
        at = _blocks_end(window, offset, head[4])
    else:
        raise Damaged("no zstd frame here")
    if at > window.size:
        raise Damaged("the file ends inside the record", truncated=True)
    return at


def _blocks_end(window: Window, offset: int, descriptor: int) -> int:
    single, checksum = descriptor >> 5 & 1, descriptor >> 2 & 1
    sizes = (single, 2, 4, 8)[descriptor >> 6], (0, 1, 2, 4)[descriptor & 3]
    at, last = offset + 5 + (1 - single) + sum(sizes), 0
    while not last and at < window.size:
        header = int.from_bytes(window.at(at, 3), "little")
        last, kind, size = header & 1, header >> 1 & 3, header >> 3
        if kind == 3:
            raise Damaged("damaged zstd frame: no such kind of block")
        at += 3 + (1 if kind == 1 else size)
    return at + 4 * checksum if last else window.size + 1


_SKIPPABLE = frozenset(bytes([0x50 + low]) + b"\x2a\x4d\x18" for low in range(16))
_DICTIONARY = b"\x5d\x2a\x4d\x18"  # https://iipc.github.io/warc-specifications/specifications/warc-zstd/


def _zstd_engine(window: Window) -> Any:
    if window.engine is None:
        head = bytes(window.at(0, 8))
        given: dict[str, Any] = {}
        if head[:4] == _DICTIONARY:
            data = bytes(window.at(8, int.from_bytes(head[4:8], "little")))
            if data.startswith(ZstdFrame.MAGIC):
                data = zstandard.ZstdDecompressor().decompress(data, max_output_size=1 << 27)
            given = {"dict_data": zstandard.ZstdCompressionDict(data)}
        window.engine = zstandard.ZstdDecompressor(max_window_size=1 << 27, **given)
    return window.engine


@dataclass(frozen=True)
class Members:
    """Where the records of a file of members begin.

    A member that holds a .warc.gz of its own may hold it as it is, in runs of STORED_BYTES at most, so that a search
    from the middle of it finds members that are none of this file's. Such a chain of members must break within one
    run. So: members that follow each other for longer than that are the file's own; where the chain is shorter (also
    at real damage), it is followed from further ahead, until both ways lead to the same place.
    """

    window: Window
    member: type[Member]

    def is_record(self, offset: int) -> bool:
        """Whether a member begins here that begins like a WARC record."""
        if self.window.at(offset, len(self.member.MAGIC)) != self.member.MAGIC:
            return False
        try:
            return self.member(self.window, offset).read(5) == b"WARC/"
        except Damaged:
            return False

    def next_record(self, offset: int, end: int) -> int:
        """Where the first record in [offset, end) begins, or `end`."""
        while (offset := self.window.find(self.member.MAGIC, offset, end)) < end and not self.is_record(offset):
            offset += 1
        return offset

    def first_record(self, start: int, end: int) -> int | None:
        """Where the first of the file's records that begins in [start, end) does."""
        if start == 0:
            return 0
        back = 0
        while self.next_record(start, end) < end:
            origin = max(0, start - back)
            known = origin and self.next_record(origin, start if back else end)
            if origin == 0 or (known < (start if back else end) and self._is_own(known)):
                return self._follow(known, start, end)
            back = max(BLOCK_BYTES, back * 2)
        return None

    def _is_own(self, offset: int) -> bool:
        start = offset
        while offset - start <= self.member.STORED_BYTES:
            if offset == self.window.size:
                return True
            if (end := self.end_of(offset)) is None:
                return False
            offset = end
        return True

    def _follow(self, offset: int, start: int, end: int) -> int | None:
        while offset < end and (offset < start or not self.is_record(offset)):
            behind = self.end_of(offset)
            offset = self.next_record(offset + 1, self.window.size) if behind is None else behind
        return offset if offset < end else None

    def end_of(self, offset: int) -> int | None:
        """Where the member ends; None if it is damaged or none."""
        member = self.member(self.window, offset)
        try:
            while member.end is None:
                member.read(BLOCK_BYTES)
        except Damaged:
            return None
        return member.end
