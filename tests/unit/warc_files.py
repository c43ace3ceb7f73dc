"""Writes WARC files for tests: clean ones, and what the world makes of them."""

from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lib.sources.warc import WarcSource
from lib.split import ReadLimits, Split
from lib.storage import stat

LIMITS = ReadLimits(batch_rows=64, batch_bytes=1 << 20, max_record_bytes=1 << 20)


def record(number: int, body: bytes = b"", kind: str = "response", length: int | None = None, http: str = "") -> bytes:
    """One record, uncompressed."""
    block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n" + http.encode() + b"\r\n" + body
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:{number}>\r\nWARC-Date: 2024-05-06T07:08:09Z\r\n"
        f"WARC-Target-URI: http://example.org/{number}\r\nContent-Type: application/http; msgtype={kind}\r\n"
        f"Content-Length: {len(block) if length is None else length}\r\n\r\n"
    )
    return head.encode() + block + b"\r\n\r\n"


def noise(size: int, seed: int = 0) -> bytes:
    """Bytes that do not compress."""
    return random.Random(seed).randbytes(size)


def member(data: bytes, level: int = 6, name: bytes = b"", extra: bytes = b"") -> bytes:
    """A gzip member, with a name and an extra field where given."""
    bare = zlib.compressobj(level, zlib.DEFLATED, -15)
    body = bare.compress(data) + bare.flush()
    flags = (4 if extra else 0) | (8 if name else 0)
    head = b"\x1f\x8b\x08" + bytes([flags]) + b"\0\0\0\0\0\x03"
    head += (len(extra).to_bytes(2, "little") + extra if extra else b"") + (name + b"\0" if name else b"")
    return head + body + zlib.crc32(data).to_bytes(4, "little") + (len(data) & 0xFFFFFFFF).to_bytes(4, "little")


def write(folder: Path, data: bytes, name: str = "a.warc.gz") -> str:
    """The URI of a file that holds these bytes."""
    (folder / name).write_bytes(data)
    return f"file://{folder}/{name}"


def read(
    uris: Sequence[str], split_bytes: int = 1 << 40, limits: ReadLimits = LIMITS, source: WarcSource | None = None
) -> list[dict[str, Any]]:
    """All rows of the files, split by split."""
    source = source or WarcSource()
    return [row for split in splits(uris, split_bytes) for row in read_split(split, limits, source)]


def splits(uris: Sequence[str], split_bytes: int) -> list[Split]:
    """The plan."""
    return [
        Split(str(i), "warc", pieces) for i, pieces in enumerate(WarcSource().plan(list(map(stat, uris)), split_bytes))
    ]


def read_split(
    split: Split, limits: ReadLimits = LIMITS, source: WarcSource | None = None, start: int | None = None,
    stop: int | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """The rows of one split."""
    announced: list[int] = []
    rows = []
    for batch, behind in (source or WarcSource()).read(split, limits, announced.append, start, stop):
        found = batch.to_pylist()
        assert set(batch["position"].to_pylist()) <= set(announced)
        assert behind > found[-1]["position"]
        rows += found
    marks = [row["position"] for row in rows]
    assert marks == sorted(set(marks)), "positions must rise"
    return rows


def tiles(rows: Sequence[dict[str, Any]], size: int) -> bool:
    """Whether the ranges follow each other from 0 to the file's size."""
    at = 0
    for row in rows:
        if row["source_offset"] != at:
            return False
        at += row["source_length"]
    return at == size


def brief(rows: Sequence[dict[str, Any]]) -> list[tuple[str, str | None, str | None]]:
    """Status, code and the last part of the URL of each row."""
    return [(r["status"], r["error_code"], r["url"] and r["url"].rpartition("/")[2]) for r in rows]


def whole(data: bytes) -> bytes:
    """Everything as one gzip member, its bytes the same at each call."""
    return gzip.compress(data, mtime=0)
