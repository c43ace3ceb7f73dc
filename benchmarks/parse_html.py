"""How fast parse_html is beside what one would write instead, on the same real pages.

    python -m benchmarks.parse_html crawl/*.warc.gz [--megabytes 12] [--rounds 3] [--corpus small|large] [--only NAME]

Pages: as the archives have them (every n-th by size), and large ones of 165 KB in the mean. Each side makes the same
named columns of the same pages and writes them to Parquet (zstd). Sides of one kind take turns in random order:
 - in Spark: whole runs on local[2] in one session, from WARC to Parquet; fast sides get the same archives many times.
 - one process: the job's reader, kernel and writer without Spark and child processes.
 - loops: pages in memory, batch by batch.
A run in Spark has fixed costs (plan, proof, report): the more copies, the smaller their share, as in a crawl.
CPU seconds of the process tree (JVM included), and wall time for the runs in Spark; medians of the rounds.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import turbohtml
from pyspark.sql.pandas.types import from_arrow_schema

from benchmarks import html_baselines as baselines
from benchmarks.isolation import MEAN_BYTES, write
from benchmarks.measure import cpu_seconds
from jobs.parse_html import JOB
from lib.child import Child, Lessons, Page, Work
from lib.html.kernel import make_kernel
from lib.html.options import ParseHtml
from lib.memory import keep_freed_memory
from lib.options import RunOptions
from lib.records import OUTCOME, PROVENANCE
from lib.request import Request
from lib.rows import Rows
from lib.sources.warc import WarcSource
from lib.spark.run import execute
from lib.spark.session import local_session
from lib.split import Split
from lib.storage import stat

COMMON = baselines.COMMON
# What the other sides do not make either.
LESS = {"detect_language": False, "tables": False, "simhash": False}
FIELDS, FAST, QUALITY = ({"main_text": mode, **LESS} for mode in ("none", "fast", "quality"))
FILES = 4  # archives of a corpus
RUN = RunOptions(split_bytes=8 << 20)
MEMORY_BATCH = 64

Pages = list[tuple[str, bytes]]


@dataclass(frozen=True)
class Corpus:
    """The same pages in memory and in archives."""

    pages: Pages
    archives: list[Path]


@dataclass(frozen=True)
class Side:
    """One way of doing the work; `copies` is how often it gets the archives, `work` returns wall seconds."""

    name: str
    kind: str  # spark, process, loop
    copies: int
    work: Callable[[Corpus, int, Path], float]


def in_spark(config: dict[str, Any], columns: tuple[str, ...]) -> Callable[[Corpus, int, Path], float]:
    """A run of the job through the door, as a user starts it."""

    def work(corpus: Corpus, copies: int, folder: Path) -> float:
        uris = tuple(f"file://{path}" for path in linked(corpus.archives, copies, folder))
        run = RunOptions(split_bytes=RUN.split_bytes, columns=columns)
        output = f"file://{folder / 'out'}"
        request = Request("jobs.parse_html", config, {"warc": {}}, run, uris, output, master="local[2]", quiet=True)
        began = time.monotonic()
        end = execute(request)
        took = time.monotonic() - began
        assert end.exit_code == 0, end
        assert end.summary["records"] == len(corpus.pages) * copies, end
        return took

    return work


def beautifulsoup_in_spark(corpus: Corpus, copies: int, folder: Path) -> float:
    """A UDF over the same archives, written by Spark."""
    spark = local_session("parse_html", "local[2]", {})
    paths = [(str(path),) for path in linked(corpus.archives, copies, folder)]
    # One archive a task, as the job has splits; an RDD, because a small local table becomes one partition.
    frame = spark.createDataFrame(spark.sparkContext.parallelize(paths, len(paths)), "path string")
    rows = frame.mapInArrow(baselines.rows_of_archives, from_arrow_schema(baselines.schema(COMMON)))
    began = time.monotonic()
    level = {"compression": "zstd", "parquet.compression.codec.zstd.level": "1"}
    rows.write.options(**level).parquet(f"file://{folder / 'out'}")
    took = time.monotonic() - began
    assert pq.read_table(folder / "out", columns=["url"]).num_rows == len(corpus.pages) * copies
    return took


def one_process(config: dict[str, Any], columns: tuple[str, ...]) -> Callable[[Corpus, int, Path], float]:
    """The same reader, kernel and writer, split by split; forked, so that it starts afresh."""

    def work(corpus: Corpus, copies: int, folder: Path) -> float:
        uris = [f"file://{path}" for path in linked(corpus.archives, copies, folder)]
        began = time.monotonic()
        if (pid := os.fork()) == 0:
            options, run = ParseHtml(**config), RunOptions(columns=columns)
            rows = Rows(JOB, make_kernel(options), columns)
            for number, pieces in enumerate(WarcSource().plan(list(map(stat, uris)), RUN.split_bytes)):
                place = folder / str(number)
                place.mkdir()
                job = Work(JOB, options, WarcSource(), Split(str(number), "warc", pieces), run)
                Child(job, Lessons(), place, Page.create(place / "page"), rows).run()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        return time.monotonic() - began

    return work


def kernel_loop(config: dict[str, Any], columns: tuple[str, ...] = COMMON) -> Callable[[Corpus, int, Path], float]:
    """The job's kernel over pages in memory."""
    keep_freed_memory()  # as the child does
    kernel = make_kernel(ParseHtml(**config))

    def make(pages: Pages) -> pa.Table:
        return pa.Table.from_batches([kernel(as_records(pages))]).select(columns)

    return lambda corpus, copies, folder: loop(make, corpus.pages, copies)


def row_loop(read: baselines.Read, columns: tuple[str, ...] = COMMON) -> Callable[[Corpus, int, Path], float]:
    """The loop one writes: a dict a page, from_pylist."""
    schema = baselines.schema(columns)

    def make(pages: Pages) -> pa.Table:
        return pa.Table.from_pylist([read(body, url) for url, body in pages], schema=schema)

    return lambda corpus, copies, folder: loop(make, corpus.pages, copies)


def loop(make: Callable[[Pages], pa.Table], pages: Pages, copies: int) -> float:
    """Make a table of each batch and write it."""
    began = time.monotonic()
    for start in list(range(0, len(pages), MEMORY_BATCH)) * copies:
        table = make(pages[start : start + MEMORY_BATCH])
        pq.write_table(table, io.BytesIO(), compression="zstd", compression_level=1)
    return time.monotonic() - began


def parse_alone(corpus: Corpus, copies: int, folder: Path) -> float:
    """The floor: bytes to characters to a tree, and nothing read off it."""
    began = time.monotonic()
    for _, body in corpus.pages * copies:
        turbohtml.parse(body.decode("utf-8", "replace"), positions=False)
    return time.monotonic() - began


SIDES = (
    Side("job in Spark, fields", "spark", 80, in_spark(FIELDS, COMMON)),
    Side("job in Spark, fast", "spark", 40, in_spark(FAST, (*COMMON, "main_text"))),
    Side("job in Spark, quality", "spark", 2, in_spark(QUALITY, (*COMMON, "main_text"))),
    Side("BeautifulSoup UDF in Spark", "spark", 2, beautifulsoup_in_spark),
    Side("one process, fields", "process", 15, one_process(FIELDS, COMMON)),
    Side("one process, fast", "process", 8, one_process(FAST, (*COMMON, "main_text"))),
    Side("kernel, fields", "loop", 3, kernel_loop(FIELDS)),
    Side("kernel, fields, all columns", "loop", 3, kernel_loop({"main_text": "none"}, tuple(JOB.output_schema.names))),
    Side("kernel, fast", "loop", 2, kernel_loop(FAST, (*COMMON, "main_text"))),
    Side("kernel, quality", "loop", 1, kernel_loop(QUALITY, (*COMMON, "main_text"))),
    Side("parse alone", "loop", 6, parse_alone),
    Side("selectolax", "loop", 3, row_loop(baselines.read_selectolax)),
    Side("BeautifulSoup", "loop", 1, row_loop(baselines.read_beautifulsoup)),
    Side("trafilatura alone", "loop", 1, row_loop(baselines.read_trafilatura, ("main_text",))),
)
# What is asked of them: how many times the first is as fast as the second, by CPU a page; and the target.
RATIOS = (
    ("job in Spark, fields", "BeautifulSoup UDF in Spark", 20),
    ("job in Spark, fast", "BeautifulSoup UDF in Spark", 10),
    ("job in Spark, quality", "BeautifulSoup UDF in Spark", None),
    ("job in Spark, fields", "one process, fields", 0.85),
    ("job in Spark, fast", "one process, fast", 0.85),
    ("kernel, fields", "selectolax", 1.2),
    ("kernel, fields", "parse alone", None),
    ("kernel, fields", "BeautifulSoup", None),
    ("kernel, quality", "trafilatura alone", None),
)


def main() -> None:
    """Measure each corpus; print its table and ratios."""
    options = build_parser().parse_args()
    sides = [side for side in SIDES if not options.only or side.name in options.only]
    if any(side.kind == "spark" for side in sides):
        local_session("parse_html", "local[2]", {})
    found = sorted((page for path in options.archives for page in read_pages(path)), key=lambda page: len(page[1]))
    corpora = {"small": found, "large": largest(found)}
    for name in options.corpus or corpora:
        with tempfile.TemporaryDirectory() as folder:
            corpus = make_corpus(corpora[name], options.megabytes * 1_000_000, Path(folder))
            report(name, corpus, measure(sides, corpus, options.rounds))


def build_parser() -> argparse.ArgumentParser:
    """The options of this script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archives", type=Path, nargs="+", help="WARC files, as benchmarks/corpus.py makes them")
    parser.add_argument("--megabytes", type=float, default=12, help="HTML in a corpus (default 12)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--corpus", action="append", choices=("small", "large"), help="leave the other out")
    parser.add_argument("--only", action="append", choices=[side.name for side in SIDES], help="leave others out")
    return parser


def read_pages(archive: Path) -> Iterator[tuple[str, bytes]]:
    """URL and body of each response."""
    return ((url, body) for body, url in baselines.read_archive(archive) if body)


def largest(pages: Pages) -> Pages:
    """Of pages sorted by size, the largest that leave the mean at MEAN_BYTES."""
    held = 0
    for count, (_, body) in enumerate(reversed(pages), 1):
        held += len(body)
        if held / count <= MEAN_BYTES:
            return pages[-count:]
    return pages


def make_corpus(pages: Pages, total_bytes: float, folder: Path) -> Corpus:
    """Every n-th page by size, so that some `total_bytes` look like the whole; in random order."""
    step = max(1, round(sum(len(body) for _, body in pages) / total_bytes))
    chosen = pages[step // 2 :: step]
    random.Random(1).shuffle(chosen)
    archives = [folder / f"{number}.warc.gz" for number in range(FILES)]
    for number, path in enumerate(archives):
        write(path, iter(chosen[number::FILES]))
    return Corpus(chosen, archives)


def linked(archives: Sequence[Path], copies: int, folder: Path) -> list[Path]:
    """The archives `copies` times, under names of their own."""
    names = [(archive, folder / f"{copy}-{archive.name}") for copy in range(copies) for archive in archives]
    for archive, name in names:
        name.symlink_to(archive)
    return [name for _, name in names]


def as_records(pages: Pages) -> pa.RecordBatch:
    """Pages as a source hands them over."""
    schema = pa.schema([*PROVENANCE, OUTCOME.field("flags"), *JOB.record_schema])
    columns: dict[str, Any] = {
        "content": [body for _, body in pages],
        "url": [url for url, _ in pages],
        "source_path": ["file:///crawl/a.warc.gz"] * len(pages),
        "source_offset": range(len(pages)),
        "http_content_type": ["text/html"] * len(pages),
    }
    arrays = [pa.array(columns.get(field.name, [None] * len(pages)), field.type) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def measure(sides: Sequence[Side], corpus: Corpus, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """(CPU, wall) milliseconds a page of each side and round; a short one before them warms up."""
    chance = random.Random(1)
    found: dict[str, list[tuple[float, float]]] = {side.name: [] for side in sides}
    warm_up = Corpus(corpus.pages[::FILES], corpus.archives[:1])
    for side in sides:
        with tempfile.TemporaryDirectory() as folder:
            side.work(warm_up, 1, Path(folder))
    for number in range(rounds):
        for side in chance.sample(sides, len(sides)):
            with tempfile.TemporaryDirectory() as folder:
                before = cpu_seconds()
                wall = side.work(corpus, side.copies, Path(folder))
                time.sleep(0.3)  # for exits to be counted
                pages = len(corpus.pages) * side.copies
                found[side.name].append((1000 * (cpu_seconds() - before) / pages, 1000 * wall / pages))
            print(f"round {number}: {side.name}: {found[side.name][-1][0]:.3f} ms", file=sys.stderr, flush=True)
    return found


def report(name: str, corpus: Corpus, found: dict[str, list[tuple[float, float]]]) -> None:
    """Print a Markdown table of the sides, and one of the ratios."""
    size = sum(len(body) for _, body in corpus.pages) / len(corpus.pages)
    print(f"\n{name}: {len(corpus.pages)} pages, mean {size / 1000:.1f} KB, {len(next(iter(found.values())))} rounds\n")
    print("| side | CPU ms a page (of rounds) | pages/s and core | pages/s, wall |\n| --- | --: | --: | --: |")
    for side, rounds in found.items():
        cpu, wall = ([each[i] for each in rounds] for i in (0, 1))
        middle = statistics.median(cpu)
        spread = f"{middle:.3f} ({min(cpu):.3f} to {max(cpu):.3f})"
        print(f"| {side} | {spread} | {1000 / middle:,.0f} | {1000 / statistics.median(wall):,.0f} |")
    print("\n| ratio | by CPU | by round | wall | target |\n| --- | --: | --: | --: | --: |")
    for fast, slow, target in RATIOS:
        if fast in found and slow in found:
            pairs = list(zip(found[slow], found[fast], strict=True))
            by_round = [one[0] / other[0] for one, other in pairs]
            # Two cores against one: a side that uses both well is twice as fast.
            wall = statistics.median(one[1] / other[1] for one, other in pairs) / (2 if "process" in slow else 1)
            spread = f"{min(by_round):.2f} to {max(by_round):.2f}"
            ratio = f"{statistics.median(by_round):.2f}"
            print(f"| {fast} : {slow} | {ratio} | {spread} | {wall:.2f} | {target or ''} |")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
