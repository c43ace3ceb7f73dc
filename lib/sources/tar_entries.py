"""Entries of a tar from front to back; a damaged header costs what lies up to the next good one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, Protocol

from lib.sources.entry import DIRECTORY, FILE, LINK, SPECIAL, BadEntry, Entry, lost
from lib.sources.window import BLOCK_BYTES, Damaged, GzipMember, Window

BLOCK = 512
LONGEST_NAME = 1 << 16  # a long name or pax header above this is not looked at
_KINDS = {b"0": FILE, b"\0": FILE, b"7": FILE, b"1": LINK, b"2": LINK, b"5": DIRECTORY} | dict.fromkeys(
    (b"3", b"4", b"6"), SPECIAL
)


class Bytes(Protocol):
    """A tar's bytes, forward only; raises Damaged where they end too soon or cannot be inflated."""

    at: int

    def read(self, length: int) -> bytes:
        """So many bytes, fewer only at the end."""
        ...

    def skip(self, length: int) -> None:
        """Go on behind so many bytes."""
        ...

    def unread(self, block: bytes) -> None:
        """Give back what was read last."""
        ...


class PlainBytes:
    """Bytes of a file: what is skipped is not read."""

    def __init__(self, file: BinaryIO, size: int, begin: int) -> None:
        self.window, self.at = Window(file, size), begin

    def read(self, length: int) -> bytes:
        """See Bytes."""
        found = bytes(self.window.at(self.at, length))
        self.at += len(found)
        return found

    def skip(self, length: int) -> None:
        """See Bytes."""
        if self.at + length > self.window.size:
            raise Damaged("the file ends inside the entry", truncated=True)
        self.at += length

    def unread(self, block: bytes) -> None:
        """See Bytes."""
        self.at -= len(block)


class GzipBytes:
    """What a gzip file inflates to, always in the same steps: damage shows at the same place whoever reads."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.at = 0
        self._window = Window(file, size)
        self._member = GzipMember(self._window, 0)
        self._held = b""
        self._from = 0

    def read(self, length: int) -> bytes:
        """See Bytes."""
        parts = []
        while length > 0 and (part := self._next(length)):
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def skip(self, length: int) -> None:
        """See Bytes."""
        while length > 0:
            if not (part := self._next(length)):
                raise Damaged("the file ends inside the entry", truncated=True)
            length -= len(part)

    def _next(self, most: int) -> bytes:
        if self._from == len(self._held):
            self._held, self._from = self._inflate(), 0
        part = self._held[self._from : self._from + most]
        self._from += len(part)
        self.at += len(part)
        return part

    def _inflate(self) -> bytes:
        while not (part := self._member.read(BLOCK_BYTES)):
            end = self._member.end or self._window.size
            if bytes(self._window.at(end, len(GzipMember.MAGIC))) != GzipMember.MAGIC:
                return b""  # padding, if anything
            self._member = GzipMember(self._window, end)
        return part

    def unread(self, block: bytes) -> None:
        """See Bytes."""
        self._held, self._from = block + self._held[self._from :], 0
        self.at -= len(block)


def tar_entries(file: BinaryIO, size: int, gzipped: bool, begin: int = 0) -> Iterator[Entry]:
    """In the archive's order, from the entry at byte `begin`; archives that follow each other in one file are one."""
    stream: Bytes = GzipBytes(file, size) if gzipped else PlainBytes(file, size, begin)
    said = _Said(begin)
    try:
        while block := stream.read(BLOCK):
            if block[156:157] in (b"L", b"K", b"x", b"g") and (length := _size(block)) is not None:
                said.hear(block[156:157], stream, length)
                continue
            if any(block):  # else it is the end, unless another archive follows
                yield from _entry(stream, block, said)
            said = _Said(stream.at)
    except _CutEntry:
        pass  # its own row says so
    except Damaged as damage:
        code = "truncated" if damage.truncated else "corrupt_record"
        yield lost(code, f"{damage}: the entries behind it are lost", said.at)


class _CutEntry(Exception):
    """The archive ends inside an entry's content."""


@dataclass
class _Said:
    """What the headers before an entry's own say of it; the first of all its headers begins at `at`."""

    at: int
    name: str | None = None
    size: int | None = None
    sparse: bool = False

    def hear(self, kind: bytes, stream: Bytes, size: int) -> None:
        """Take a GNU long name (L) or a pax header (x); what says nothing of the next entry is passed over."""
        if kind not in b"Lx" or size > LONGEST_NAME:
            stream.skip(_padded(size))
            return
        payload = stream.read(_padded(size))[:size]
        if len(payload) < size:
            raise Damaged("the file ends inside a header", truncated=True)
        if kind == b"L":
            self.name = _text(payload)
        else:
            self._hear_pax(payload)

    def _hear_pax(self, payload: bytes) -> None:
        while payload:
            digits, _, rest = payload.partition(b" ")
            length = int(digits) if digits.isdigit() else 0
            if length <= len(digits):
                return  # damaged: the entry's own header must do
            key, _, value = rest[: length - len(digits) - 1].removesuffix(b"\n").partition(b"=")
            payload = payload[length:]
            if key == b"path":
                self.name = _text(value)
            elif key == b"size" and value.isdigit():
                self.size = int(value)
            self.sparse |= key.startswith(b"GNU.sparse")


def _entry(stream: Bytes, block: bytes, said: _Said) -> Iterator[Entry]:
    size = _size(block)
    if size is None:
        yield _pass_damage(stream, block, said.at)
        return
    size = size if said.size is None else said.size
    kind = _KINDS.get(block[156:157], FILE)
    name = said.name if said.name is not None else _name(block)
    if kind == FILE and name.endswith("/"):
        kind = DIRECTORY
    size = size if kind == FILE else 0
    sparse = said.sparse
    if block[156:157] == b"S":
        sparse = True
        more = block[482]
        while more:
            more = (stream.read(BLOCK) + bytes(BLOCK))[504]
    end = stream.at + _padded(size)
    yield Entry(name, kind, size, size, said.at, partial(_content, stream, size, sparse))
    try:
        stream.skip(end - stream.at)
    except Damaged as damage:
        if damage.truncated:
            raise _CutEntry from None
        raise


def _content(stream: Bytes, size: int, sparse: bool) -> bytes:
    if sparse:
        raise BadEntry("corrupt_record", "the entry is sparse, which is not read")
    try:
        content = stream.read(size)
    except Damaged as damage:
        raise BadEntry("truncated" if damage.truncated else "corrupt_record", str(damage)) from None
    if len(content) < size:
        raise BadEntry("truncated", f"the archive ends {size - len(content)} bytes before the entry does")
    return content


def _pass_damage(stream: Bytes, block: bytes, at: int) -> Entry:
    """Go on to the next good header; the stretch before it."""
    begin = stream.at - len(block)
    if len(block) < BLOCK:
        return lost("truncated", f"the archive ends inside a header, at byte {stream.at}", at)
    while len(block) == BLOCK and (block[257:262] != b"ustar" or _size(block) is None):
        block = stream.read(BLOCK)
    if len(block) == BLOCK:
        stream.unread(block)
    return lost("corrupt_record", f"no tar header at byte {begin}: lost up to byte {stream.at}", at)


def _size(header: bytes) -> int | None:
    """What an entry's header says of its size; None for what is no header."""
    if len(header) < BLOCK or _octal(header[148:156]) != sum(header[:148]) + 8 * 32 + sum(header[156:]):
        return None
    if header[124] == 0x80:  # GNU: binary, where octal digits do not suffice
        return int.from_bytes(header[125:136])
    return _octal(header[124:136])


def _octal(digits: bytes) -> int | None:
    try:
        return max(0, int(digits.strip(b"\0 ") or b"0", 8))
    except ValueError:
        return None


def _name(header: bytes) -> str:
    name = _text(header[:100])
    prefix = _text(header[345:500]) if header[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode(errors="backslashreplace")


def _padded(size: int) -> int:
    return size + -size % BLOCK
