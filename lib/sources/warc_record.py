"""WARC records and the HTTP messages in them, out of bytes that come from front to back."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import brotli
import zstandard
from isal import isal_zlib

from lib.sources.window import Damaged, GzipMember

HEAD_BYTES = 1 << 20  # no head of a record or a message is longer
FIRST_READ = 1 << 18
DAMAGE_STEP = 4096
MOST_CODINGS = 4  # one inside the other: each may be a bomb of its own
MARK = b"WARC/1."
_ISAL_ERROR: Any = isal_zlib.error
_BROTLI_ERROR: Any = brotli.error
GAP = b"\r\n\r\n"
_FOLD = re.compile(r"\r?\n[ \t]+")  # a header that goes on in the next line


class FalseLength(Exception):
    """A record's Content-Length was believed, and nothing ends there: read again, and believe it no more."""


class Stream:
    """Bytes from front to back; what is being looked at is held.

    `probe`: looks at some bytes far ahead, where that is cheap; None behind the end.
    """

    __slots__ = ("_base", "_read", "at", "damage", "data", "ended", "probe")

    def __init__(
        self, read: Callable[[int], bytes], offset: int = 0, probe: Callable[[int, int], bytes | None] | None = None
    ) -> None:
        self._read, self.probe = read, probe
        self.data, self.at, self.ended = b"", 0, False
        self._base = offset
        self.damage: Damaged | None = None  # behind what is held

    @property
    def offset(self) -> int:
        """How far it has come."""
        return self._base + self.at

    def hold(self, length: int) -> int:
        """Have `length` bytes ahead, fewer at the end or at damage; how many there are. Raises Damaged for none."""
        ahead = len(self.data) - self.at
        if ahead >= length:
            return ahead
        while (ahead := len(self.data) - self.at) < length and not self.ended:
            wanted = max(length - ahead, FIRST_READ)
            try:
                more = self._read(wanted)
            except Damaged as damage:
                more, self.damage = b"", damage
            self.ended = not more
            self.data, self._base, self.at = (self.data[self.at :] + more if ahead else more), self.offset, 0
        if self.damage and self.at == len(self.data):
            raise self.damage
        return len(self.data) - self.at

    def peek(self, start: int, end: int) -> bytes:
        """Bytes ahead, counted from here, held already."""
        return self.data[self.at + start : self.at + end]

    def find(self, needle: bytes, start: int, most: int) -> int:
        """How far ahead `needle` begins, within `most` bytes; -1 where it does not."""
        looked = start
        while True:
            ahead = self.hold(min(most, max(2 * looked, FIRST_READ)))
            if (found := self.data.find(needle, self.at + looked, self.at + most)) >= 0:
                return found - self.at
            if self.ended or ahead >= most:
                return -1
            looked = max(start, ahead - len(needle))

    def skip(self, length: int) -> bool:
        """Go on by so many bytes without holding them; whether there were as many."""
        while length > (ahead := self.hold(1)):
            if not ahead:
                return False
            self.at += ahead
            length -= ahead
        self.at += length
        return True

    def skip_newlines(self) -> None:
        """Go on to what is no line end."""
        while self.hold(1) and self.data[self.at] in b"\r\n":
            self.at += 1


@dataclass(slots=True)
class Record:
    """A record, or why there is none: then `problem` is an error code, and `detail` its words."""

    head: dict[str, str]
    block: bytes = b""
    flags: list[str] = field(default_factory=list)
    problem: str | None = None
    detail: str | None = None


def take_record(stream: Stream, max_bytes: int) -> Record:
    """The record that begins here; the stream stands behind it, and behind the line ends that follow.

    Where Content-Length is wrong, the record reaches to the next one, or to the end. Raises Damaged where the record
    reaches into damage, and FalseLength where one beyond `max_bytes` was wrong and the stream cannot look ahead.
    """
    record = _take(stream, max_bytes)
    if stream.damage and (record.flags or record.problem):
        raise stream.damage
    if not stream.damage:
        stream.skip_newlines()
    return record


def _take(stream: Stream, max_bytes: int) -> Record:
    if (record := in_hand(stream, max_bytes)) is not None:
        return record
    if stream.hold(len(MARK)) < len(MARK) or stream.peek(0, len(MARK)) != MARK:
        return _lost(stream, "no WARC record here")
    head_end = stream.find(GAP, 0, HEAD_BYTES)
    if head_end < 0:
        return _lost(stream, "the record's head does not end")
    head = headers(stream.peek(0, head_end))
    begin = head_end + len(GAP)
    text = head.get("content-length", "")
    length = int(text) if text.isdecimal() else -1
    possible = 0 <= length <= max_bytes or _may_end(stream, begin + length)
    if possible and length > max_bytes and stream.hold(begin + max_bytes + 1) > begin + max_bytes:
        return _skip_oversize(stream, head, begin + length, max_bytes)
    flags = []
    if length < 0 or not possible or not _ends_well(stream, begin + length):
        length = _real_length(stream, begin, max_bytes)
        flags.append("content_length")
        if length < 0:
            return _skip_oversize(stream, head, None, max_bytes)
    record = Record(head, stream.peek(begin, begin + length), flags)
    stream.at += begin + length
    while stream.at < len(stream.data) and stream.data[stream.at] in b"\r\n":
        stream.at += 1
    return record


def in_hand(stream: Stream, max_bytes: int) -> Record | None:
    """The record, where all of it is held and it ends as it says: the usual case, quickly."""
    data, at = stream.data, stream.at
    head_end = data.find(GAP, at, at + HEAD_BYTES) if data.startswith(MARK, at) else -1
    if head_end < 0:
        return None
    head = headers(data[at:head_end])
    text = head.get("content-length", "")
    begin = head_end + len(GAP)
    end = begin + int(text) if text.isdecimal() else -1
    if end - begin > max_bytes or not data.startswith(GAP, end, end + len(GAP)) or end < 0:
        return None
    stream.at = end + len(GAP)
    return Record(head, data[begin:end])


def _ends_well(stream: Stream, end: int) -> bool:
    ahead = stream.hold(end + len(GAP) + len(MARK))
    if ahead < end:
        return False
    behind = stream.peek(end, end + len(GAP) + len(MARK))
    return behind.startswith(GAP) or not behind.strip(b"\r\n") or MARK in behind


def _may_end(stream: Stream, end: int) -> bool:
    """Whether a record may end so far ahead; true where it cannot be seen from here."""
    if stream.probe is None:
        return True
    behind = stream.probe(stream.offset + end, len(GAP) + len(MARK))
    return behind is not None and (not behind.strip(b"\r\n") or behind.lstrip(b"\r\n").startswith(MARK))


def _real_length(stream: Stream, begin: int, max_bytes: int) -> int:
    """How long the block is, by what follows it; -1 if too long to be held."""
    found = stream.find(GAP + MARK, begin - len(GAP), begin + max_bytes + len(GAP) + len(MARK))
    if found >= 0:
        return max(0, found - begin)
    ahead = stream.hold(begin + max_bytes + len(GAP) + 1)
    if ahead > begin + max_bytes + len(GAP):
        return -1
    return len(stream.peek(begin, ahead).rstrip(b"\r\n"))


def _skip_oversize(stream: Stream, head: dict[str, str], length: int | None, max_bytes: int) -> Record:
    detail = f"a record of {head.get('content-length', 'unknown length')} bytes, run.max_record_bytes is {max_bytes}"
    if length is None:
        _skip_to_mark(stream)
    elif not _ends_after(stream, length) and stream.probe is None:
        raise FalseLength
    return Record(head, problem="oversize", detail=detail)


def _ends_after(stream: Stream, length: int) -> bool:
    """Go on by so many bytes; whether another record follows there, or nothing."""
    try:
        if not stream.skip(length):
            return False
        ahead = stream.peek(0, stream.hold(len(GAP) + len(MARK)))
    except Damaged:
        return False
    return not ahead.strip(b"\r\n") or ahead.lstrip(b"\r\n").startswith(MARK)


def no_length_believed(offset: int, length: int) -> None:
    """A probe that finds nothing anywhere ahead."""


def _lost(stream: Stream, detail: str) -> Record:
    if stream.hold(len(GAP) + len(MARK)):
        stream.at += 1
    near = stream.peek(0, len(GAP) + len(MARK)).find(MARK)  # behind damage that took the line end in front of it
    if near >= 0:
        stream.at += near
    else:
        _skip_to_mark(stream)
    return Record({}, problem="corrupt_record", detail=detail)


def _skip_to_mark(stream: Stream) -> None:
    needle = b"\n" + MARK
    while (found := stream.find(needle, 0, HEAD_BYTES)) < 0:
        if (ahead := stream.hold(HEAD_BYTES)) < HEAD_BYTES:
            stream.at += ahead
            return
        stream.at += HEAD_BYTES - len(MARK)
    stream.at += found + 1


def headers(head: bytes) -> dict[str, str]:
    """The fields below the first line, by lower-case name; of a repeated one the last, links joined by commas."""
    fields: dict[str, str] = {}
    text = head.decode("utf-8", "replace")
    if "\n " in text or "\n\t" in text:
        text = _FOLD.sub(" ", text)
    lines = text.split("\n")
    del lines[0]
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            name, value = name.strip().lower(), value.strip()
            fields[name] = f"{fields[name]}, {value}" if name in fields and name == "link" else value
    return fields


@dataclass(slots=True)
class Message:
    """An HTTP response: its body decoded as far as it could be."""

    status: int | None
    head: dict[str, str]
    body: bytes | None  # None: more than the limit
    flags: list[str]


def parse_http(block: bytes, max_bytes: int) -> Message:
    """Take a response apart and undo its codings; a coding that is not there leaves the bytes, and a flag."""
    end, gap = block.find(GAP), len(GAP)
    if end < 0 and (end := block.find(b"\n\n")) >= 0:
        gap = 2
    if not block.startswith(b"HTTP/"):
        return Message(None, {}, block, ["no_http_head"])
    if end < 0 or end > HEAD_BYTES:
        end, gap = min(len(block), HEAD_BYTES), 0
    words = block[:64].split(None, 2)
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() and len(words[1]) < 6 else None
    head = headers(block[:end])
    body: bytes | None = block[end + gap :]
    flags: list[str] = []
    for kind in ("transfer-encoding", "content-encoding"):
        if kind in head and body:
            body = _undo(kind, head[kind], body, max_bytes, flags)
    return Message(status, head, body, flags)


def _undo(kind: str, codings: str, body: bytes, max_bytes: int, flags: list[str]) -> bytes | None:
    if codings.count(",") >= MOST_CODINGS:
        flags.append("many_codings")
        return body
    result: bytes | None = body
    for coding in reversed([c.strip().lower() for c in codings.split(",")]):
        if coding not in _CODINGS or not result:
            continue
        decoded, whole = _CODINGS[coding](result, max_bytes)
        if decoded is not None and len(decoded) > max_bytes:
            return None
        if not decoded and not whole:
            flags.append(f"not_{coding}")  # the claim was false: the bytes stay as they are
            continue
        if not whole:
            flags.append(f"cut_{coding}")
        elif coding != "chunked":
            flags.append("decompressed")
        result = decoded
    return result


def _dechunk(body: bytes, max_bytes: int) -> tuple[bytes, bool]:
    parts: list[bytes] = []
    at = 0
    while True:
        line_end = body.find(b"\r\n", at, at + 1024)
        size = body[at:line_end].split(b";")[0].strip() if line_end >= 0 else b""
        try:
            length = int(size, 16) if size.isalnum() else -1
        except ValueError:
            length = -1
        if length <= 0:
            return b"".join(parts), length == 0
        parts.append(body[line_end + 2 : line_end + 2 + length])
        at = line_end + 2 + length + 2
        if at - 2 > len(body):
            return b"".join(parts), False


def _inflate(window_bits: int) -> Callable[[bytes, int], tuple[bytes, bool]]:
    def decode(body: bytes, max_bytes: int) -> tuple[bytes, bool]:
        engine = isal_zlib.decompressobj(window_bits)
        try:
            decoded: bytes = engine.decompress(body, max_bytes + 1)
        except _ISAL_ERROR:
            return b"", False
        return decoded, engine.eof

    return decode


def _gunzip(body: bytes, max_bytes: int) -> tuple[bytes, bool]:
    decoded, whole = _inflate(31)(body, max_bytes)
    if not decoded and not whole and body.startswith(GzipMember.MAGIC):
        return _gunzip_damaged(body, max_bytes), False
    return decoded, whole


def _gunzip_damaged(body: bytes, max_bytes: int) -> bytes:
    """All that comes before the damage, or before a checksum that is not the body's."""
    engine = zlib.decompressobj(31)
    decoded = bytearray()
    for at in range(0, len(body), DAMAGE_STEP):
        before, source = engine.copy(), body[at : at + DAMAGE_STEP]
        try:
            decoded += engine.decompress(source, max_bytes + 1 - len(decoded))
        except zlib.error:
            with suppress(zlib.error):  # byte by byte, as the error's call gives nothing
                for i in range(len(source)):
                    decoded += before.decompress(source[i : i + 1])
            break
        if len(decoded) > max_bytes:
            break
    return bytes(decoded)


def _deflate(body: bytes, max_bytes: int) -> tuple[bytes, bool]:
    """What HTTP calls deflate is zlib's format; some servers send it bare."""
    bare = body[0] & 15 != 8 or int.from_bytes(body[:2], "big") % 31 != 0
    return _inflate(-zlib.MAX_WBITS if bare else zlib.MAX_WBITS)(body, max_bytes)


def _unbrotli(body: bytes, max_bytes: int) -> tuple[bytes, bool]:
    engine = brotli.Decompressor()
    parts: list[bytes] = []
    got, source = 0, body
    try:
        while got <= max_bytes and not engine.is_finished():
            part = engine.process(source, output_buffer_limit=max_bytes + 1 - got)
            source = b""
            if not part and engine.can_accept_more_data():
                break
            parts.append(part)
            got += len(part)
    except _BROTLI_ERROR:
        return b"", False  # the format has no mark and no checksum: any bytes give some output before they fail
    return b"".join(parts), engine.is_finished()


def _unzstd(body: bytes, max_bytes: int) -> tuple[bytes, bool]:
    decoded, at = bytearray(), 0
    engine = None
    # In small steps, each of which gives 16 MB at most: this engine takes no limit.
    while at < len(body) and len(decoded) <= max_bytes:
        engine = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj() if engine is None else engine
        source = body[at : at + 512]
        try:
            decoded += engine.decompress(source)
        except zstandard.ZstdError:
            return bytes(decoded), False
        at += len(source) - len(engine.unused_data)
        engine = None if engine.eof else engine
    return bytes(decoded), engine is None


_CODINGS: dict[str, Callable[[bytes, int], tuple[bytes, bool]]] = {
    "chunked": _dechunk,
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _deflate,
    "br": _unbrotli,
    "zstd": _unzstd,
}
