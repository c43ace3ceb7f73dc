"""Entries of a zip by its central directory, which is walked and never held whole."""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, BinaryIO

from isal import isal_zlib

from lib.sources.entry import DIRECTORY, FILE, LINK, BadEntry, Entry, lost
from lib.sources.window import Window

# APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12, 4.3.14 to 4.3.16
_LOCAL = struct.Struct("<4s22x2H")  # signature, lengths of name and extra
_CENTRAL = struct.Struct("<4sxBxxHHxxxxLLLHHHxxxxLL")
_END = struct.Struct("<4s8xLLH")
_END64 = struct.Struct("<4s36xQQ")
_LOCATOR = struct.Struct("<4s4xQ4x")
_LONGEST_COMMENT = 65535
_STORED = 0
_ENCRYPTED, _UTF8 = 1, 0x800
_ZIP64 = 0xFFFFFFFF
_ISAL_ERROR: Any = isal_zlib.error
_UNIX = 3  # the system whose file mode stands in the upper half of the attributes
_LINK_MODE = 0xA


def zip_entries(file: BinaryIO, size: int, begin: int = 0) -> Iterator[Entry]:
    """In the order of the directory, from the entry that stands there at byte `begin` of the file.

    Where the directory is damaged, what follows is one lost stretch.
    """
    directory, data = Window(file, size), Window(file, size)
    try:
        start, end, shift = _find_directory(directory)
    except BadEntry as problem:
        yield lost(problem.code, problem.detail, begin)
        return
    at = begin or start
    while at < end:
        head = bytes(directory.at(at, _CENTRAL.size))
        if len(head) < _CENTRAL.size or head[:4] != b"PK\1\2":
            yield lost("corrupt_record", f"damaged zip directory at byte {at}: the entries behind it are lost", at)
            return
        fields = _CENTRAL.unpack(head)
        lengths = fields[7:10]
        text = bytes(directory.at(at + _CENTRAL.size, lengths[0] + lengths[1]))
        yield _entry(data, shift, fields, text[: lengths[0]], text[lengths[0] :], at)
        at += _CENTRAL.size + sum(lengths)


def _find_directory(window: Window) -> tuple[int, int, int]:
    """Where the directory begins and ends, and how far offsets are off (something stands before the archive)."""
    start = max(0, window.size - _LONGEST_COMMENT - _END.size)
    tail = bytes(window.at(start, window.size - start))
    found = tail.rfind(b"PK\5\6")
    if found < 0 or found + _END.size > len(tail):
        raise BadEntry("corrupt_record", "no zip, or its end is missing: it has no directory of entries")
    _, length, offset, _ = _END.unpack_from(tail, found)
    end = start + found
    locator = bytes(window.at(end - _LOCATOR.size, _LOCATOR.size)) if end >= _LOCATOR.size else b""
    if locator[:4] == b"PK\6\7":
        end64 = _LOCATOR.unpack(locator)[1]
        record = bytes(window.at(end64, _END64.size))
        if len(record) < _END64.size or record[:4] != b"PK\6\6":
            raise BadEntry("corrupt_record", "damaged zip: its 64-bit end of directory is not where it should be")
        _, length, offset = _END64.unpack(record)
        end = end64
    if end - length < 0 or end - length < offset:
        raise BadEntry("corrupt_record", "damaged zip: its directory is longer than the file")
    return end - length, end, end - length - offset


def _entry(data: Window, shift: int, fields: tuple[int, ...], name: bytes, extra: bytes, at: int) -> Entry:
    _, system, flags, method, crc, packed, size, *_, attributes, offset = fields
    if _ZIP64 in (packed, size, offset):
        size, packed, offset = _wide(extra, size, packed, offset)
    text = name.decode("utf-8" if flags & _UTF8 else "cp437", errors="backslashreplace")
    linked = system == _UNIX and attributes >> 28 == _LINK_MODE
    kind = DIRECTORY if name.endswith(b"/") else LINK if linked else FILE
    content = partial(_content, data, offset + shift, flags, method, crc, packed, size)
    return Entry(text, kind, size, packed, at, content)


def _wide(extra: bytes, *values: int) -> tuple[int, ...]:
    """Size, packed size and offset, those that do not fit 32 bits from the extra field (section 4.5.3)."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            numbers = iter(struct.unpack_from(f"<{min(length, len(extra) - at - 4) // 8}Q", extra, at + 4))
            return tuple(next(numbers, value) if value == _ZIP64 else value for value in values)
        at += 4 + length
    return values


def _content(data: Window, offset: int, flags: int, method: int, crc: int, packed: int, size: int) -> bytes:
    if flags & _ENCRYPTED:
        raise BadEntry("encrypted", "the entry is encrypted")
    if method != _STORED and method not in _DECOMPRESSORS:
        raise BadEntry("corrupt_record", f"compressed by method {method}; stored, deflate, bzip2 and LZMA are read")
    head = bytes(data.at(offset, _LOCAL.size))
    if len(head) < _LOCAL.size or head[:4] != b"PK\3\4":
        raise BadEntry("corrupt_record", f"no entry at byte {offset}, where the zip's directory says")
    begin = offset + _LOCAL.size + sum(_LOCAL.unpack(head)[1:])
    held = data.at(begin, packed)
    if len(held) < packed:
        raise BadEntry("truncated", f"the file ends {packed - len(held)} bytes before the entry does")
    content = bytes(held) if method == _STORED else _decompress(held, method, size)
    if len(content) != size or zlib.crc32(content) != crc:
        raise BadEntry("corrupt_record", "size or CRC is not what the zip's directory says")
    return content


def _decompress(held: memoryview, method: int, size: int) -> bytes:
    try:
        return _DECOMPRESSORS[method](held, size)
    except (_ISAL_ERROR, lzma.LZMAError, OSError, EOFError, ValueError, struct.error) as error:
        raise BadEntry("corrupt_record", f"damaged entry: {error}") from None


def _inflate(held: memoryview, size: int) -> bytes:
    inflated: bytes = isal_zlib.decompressobj(-15).decompress(held, size + 1)  # never much more than it said
    return inflated


def _bunzip(held: memoryview, size: int) -> bytes:
    return bz2.BZ2Decompressor().decompress(held, size + 1)


def _unlzma(held: memoryview, size: int) -> bytes:
    """Section 5.8.8: version, length of the properties, the properties; then LZMA without a frame."""
    properties, dictionary = struct.unpack_from("<4xBL", held)
    rest, lc = divmod(properties, 9)
    pb, lp = divmod(rest, 5)
    # No more than the entry can refer to, whatever it asks for.
    dict_size = min(dictionary, max(size, 1 << 12))
    known = {"id": lzma.FILTER_LZMA1, "lc": lc, "lp": lp, "pb": pb, "dict_size": dict_size}
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[known]).decompress(held[9:], size + 1)


_DECOMPRESSORS: dict[int, Callable[[memoryview, int], bytes]] = {8: _inflate, 12: _bunzip, 14: _unlzma}
