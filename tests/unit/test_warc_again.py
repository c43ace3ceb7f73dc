"""A record is found again by where its row says it came from, with another reader than ours."""

from __future__ import annotations

import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import zstandard
from fastwarc.warc import ArchiveIterator
from warc_files import member, noise, read, record, whole, write

PAGES = [record(i, noise(100 + 700 * i, i), kind="request" if i % 4 == 3 else "response") for i in range(9)]
BODIES = {f"<urn:uuid:{i}>": noise(100 + 700 * i, i) for i in range(9) if i % 4 != 3}
FRAMES = [zstandard.ZstdCompressor().compress(page) for page in PAGES]


def as_it_is(data: bytes) -> bytes:
    return data


def gunzip(data: bytes) -> bytes:
    return zlib.decompressobj(31).decompress(data)


def unzstd(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


def fetch(data: bytes, row: dict[str, Any], decompress: Any) -> tuple[str, bytes]:
    """Id and body of the record that a row names; a length of 0 means a member that more records share."""
    begin, length = row["source_offset"], row["source_length"]
    records = ArchiveIterator(BytesIO(decompress(data[begin : begin + length] if length else data[begin:])))
    found = next(record for i, record in enumerate(records) if i == int(row["source_member"] or 0))
    return found.record_id, found.reader.read()


@pytest.mark.parametrize(
    ("name", "data", "decompress"),
    [
        ("a.warc", b"".join(PAGES), as_it_is),
        ("a.warc.gz", b"".join(map(member, PAGES)), gunzip),
        ("a.warc.gz", whole(b"".join(PAGES)), gunzip),
        ("a.warc.gz", whole(b"".join(PAGES[:4])) + member(PAGES[4]) + whole(b"".join(PAGES[5:])), gunzip),
        ("a.warc.zst", b"".join(FRAMES), unzstd),
        ("a.warc.zst", zstandard.ZstdCompressor().compress(b"".join(PAGES)), unzstd),
    ],
    ids=["plain", "members", "whole file", "mixed", "frames", "one frame"],
)
@pytest.mark.parametrize("split_bytes", [3000, 1 << 40])
def test_every_record_is_found_again(tmp_path: Path, name: str, data: bytes, decompress: Any, split_bytes: int) -> None:
    rows = read([write(tmp_path, data, name)], split_bytes)
    kept = [row for row in rows if row["status"] == "ok"]
    assert {row["warc_record_id"]: row["content"] for row in kept} == BODIES
    assert len(rows) == len(PAGES)
    for row in kept:
        assert fetch(data, row, decompress) == (row["warc_record_id"], row["content"])
