"""CPU seconds of our WARC reader against a plain FastWARC loop, interleaved: python -m benchmarks.read_warc [MB]."""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

from fastwarc.stream_io import GzipReader
from fastwarc.warc import ArchiveIterator

from lib.sources.warc import WarcSource
from lib.split import ReadLimits, Split
from lib.storage import stat

REPEATS = 7
PAGE_BYTES = {"pages of 60 KB": 60_000, "pages of 2 KB": 2_000}


def make_archive(path: Path, page_bytes: int, megabytes: int) -> None:
    """A .warc.gz with a member per record, of words in a web page's distribution of lengths."""
    source = random.Random(page_bytes)
    words = ["".join(source.choices('etaoinshrdlu <>/="', k=source.randint(2, 12))) for _ in range(5000)]
    weights = [1 / (rank + 3) for rank in range(len(words))]
    with path.open("wb") as file:
        number = 0
        while file.tell() < megabytes << 20:
            body = " ".join(source.choices(words, weights, k=max(1, int(source.expovariate(6 / page_bytes))))).encode()
            block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nServer: x\r\nDate: today\r\n\r\n" + body
            head = (
                f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:{number}>\r\n"
                f"WARC-Date: 2024-05-06T07:08:09Z\r\nWARC-Target-URI: http://example.org/{number}\r\n"
                f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(block)}\r\n\r\n"
            )
            member = zlib.compressobj(6, zlib.DEFLATED, 31)
            file.write(member.compress(head.encode() + block + b"\r\n\r\n") + member.flush())
            number += 1


def ours(path: Path) -> int:
    """Bytes of content, in Arrow batches with everything that stands beside it."""
    source = WarcSource()
    (pieces,) = source.plan([stat(f"file://{path}")], 1 << 40)
    limits = ReadLimits(256, 16 << 20, 64 << 20)
    batches = source.read(Split("0", "warc", pieces), limits, lambda position: None)
    return sum(len(content) for batch, _ in batches for content in map(memoryview, batch["content"].to_numpy(False)))


def fastwarc(path: Path) -> int:
    """Bytes of content, without batches."""
    with path.open("rb") as file:
        records = ArchiveIterator(GzipReader(file), parse_http=True)
        return sum(len(record.reader.read()) for record in records)


def cpu_seconds(read: Callable[[Path], int], path: Path) -> float:
    """One run."""
    began = time.process_time()
    read(path)
    return time.process_time() - began


def main(megabytes: int) -> None:
    """Print the medians and the ratio."""
    for name, page_bytes in PAGE_BYTES.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.warc.gz"
            make_archive(path, page_bytes, megabytes)
            assert ours(path) == fastwarc(path)
            pairs = [(cpu_seconds(ours, path), cpu_seconds(fastwarc, path)) for _ in range(REPEATS)]
        mine, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        print(f"{name}: ours {mine:.2f} s, FastWARC {theirs:.2f} s, ratio {ratio:.2f} ({megabytes} MB of .warc.gz)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
