"""What the child processes cost: CPU seconds of the process tree with them, and with the same work in the worker.

    python -m benchmarks.isolation crawl/*.warc.gz --pairs 9

Both sides read, parse and write the same records of real pages with the same code on local[2], in turn, each pair in
random order. Records are whole pages of 165 KB in the mean, and the first 2 KB of pages.
"""

from __future__ import annotations

import argparse
import io
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyarrow as pa
import scipy.stats
from fastwarc import ArchiveIterator, WarcRecordType
from pyspark.sql import SparkSession
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from benchmarks.measure import cpu_seconds
from jobs.parse_html import JOB
from lib import guard
from lib.child import Child, Lessons, Page, Work
from lib.options import RunOptions
from lib.rows import Rows
from lib.sources.warc import WarcSource
from lib.spark.session import local_session
from lib.split import Split
from lib.storage import stat

MEAN_BYTES = 165_000
SMALL_BYTES = 2_000


@dataclass(frozen=True)
class Side:
    """One way of doing splits; called by Spark."""

    splits: list[bytes]
    folder: str
    in_child: bool

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The size of each split's file."""
        for batch in batches:
            sizes = [self._size(msgspec.json.decode(self.splits[n], type=Split)) for n in batch["id"].to_pylist()]
            yield pa.record_batch([pa.array(sizes, pa.int64())], names=["size"])

    def _size(self, split: Split) -> int:
        place = guard.scratch(Path(self.folder), split.id)
        work = Work(JOB, JOB.config_type(), WarcSource(), split, RunOptions())
        if self.in_child:
            guard.do_split(work, place)
        else:
            rows = Rows(JOB, JOB.make_kernel(work.config))
            Child(work, Lessons(), place, Page.create(place / "page"), rows).run()
        return (place / "part.parquet").stat().st_size


def pages(archives: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    """URL and body of each response."""
    for path in archives:
        with path.open("rb") as file:
            for record in ArchiveIterator(file, record_types=WarcRecordType.response, parse_http=True):
                yield record.headers["WARC-Target-URI"], record.reader.read()


def write(path: Path, records: Iterator[tuple[str, bytes]]) -> None:
    """A member per record, as crawls have it."""
    with path.open("wb") as file:
        writer = WARCWriter(file, gzip=True)
        for url, body in records:
            head = StatusAndHeaders("200 OK", [("Content-Type", "text/html")], protocol="HTTP/1.1")
            writer.write_record(writer.create_warc_record(url, "response", payload=io.BytesIO(body), http_headers=head))


def large(found: list[tuple[str, bytes]], total_bytes: int) -> Iterator[tuple[str, bytes]]:
    """The largest pages that leave the mean at MEAN_BYTES, over and over up to `total_bytes`."""
    chosen: list[tuple[str, bytes]] = []
    held = 0
    for page in sorted(found, key=lambda page: -len(page[1])):
        chosen.append(page)
        held += len(page[1])
        if held / len(chosen) <= MEAN_BYTES:
            break
    print(f"{len(chosen)} pages of {held // len(chosen)} bytes in the mean", file=sys.stderr)
    yield from repeated(chosen, total_bytes)


def repeated(chosen: list[tuple[str, bytes]], total_bytes: int) -> Iterator[tuple[str, bytes]]:
    """The same pages again until there are so many bytes."""
    written = 0
    while written < total_bytes:
        for url, body in chosen:
            yield url, body
            written += len(body)


def compare(spark: SparkSession, archive: Path, splits: int, pairs: int, chance: random.Random) -> list[float]:
    """CPU seconds with child processes by those without, for each pair; the first is a warm-up and left out."""
    source = WarcSource()
    groups = list(source.plan([stat(f"file://{archive}")], archive.stat().st_size // splits + 1))
    encoded = [msgspec.json.encode(Split(f"{i:06d}", "warc", pieces)) for i, pieces in enumerate(groups)]
    ratios = []
    for pair in range(pairs + 1):
        spent = {}
        for in_child in chance.sample([True, False], 2):
            with tempfile.TemporaryDirectory() as folder:
                before = cpu_seconds()
                side = Side(encoded, folder, in_child)
                sizes = spark.range(len(encoded), numPartitions=len(encoded)).mapInArrow(side, "size long").collect()
                time.sleep(0.5)  # for exits to be counted
                spent[in_child] = cpu_seconds() - before
                assert len(sizes) == len(encoded)
        print(f"pair {pair}: child {spent[True]:.2f} s, in-process {spent[False]:.2f} s", file=sys.stderr, flush=True)
        ratios.append(spent[True] / spent[False])
    return ratios[1:]


def main() -> None:
    """Print the ratios with the interval of their mean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archives", type=Path, nargs="+")
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    found = list(pages(options.archives))
    chance = random.Random(options.seed)
    spark = local_session("isolation", "local[2]", {})
    with tempfile.TemporaryDirectory() as folder:
        cases = {
            "165 KB pages": large(found, 120_000_000),
            "2 KB records": repeated([(url, body[:SMALL_BYTES]) for url, body in found], 30_000_000),
        }
        for name, records in cases.items():
            archive = Path(folder, "records.warc.gz")
            write(archive, records)
            ratios = compare(spark, archive, 4, options.pairs, chance)
            mean, error = statistics.fmean(ratios), statistics.stdev(ratios) / len(ratios) ** 0.5
            reach = float(scipy.stats.t.ppf(0.975, len(ratios) - 1)) * error
            print(f"{name}: CPU child / in-process {mean:.3f} (95%: {mean - reach:.3f} to {mean + reach:.3f})")


if __name__ == "__main__":
    main()
