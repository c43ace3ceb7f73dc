"""What it costs to get bytes from HDFS into Python: our reader against Spark's own, in Spark tasks.

    HADOOP_CONF_DIR=... python -m benchmarks.read_hdfs hdfs:///bench --files 8 --mb 32 --rounds 3
    PYTHONPATH=.:tests python -m benchmarks.read_hdfs --files 8 --mb 32       # a HDFS of its own, on loopback

Both sides, in turn, give each byte of the same files to a Python function that sums the lengths: `binaryFile` of Spark,
whose JVM reads and hands over by Arrow; and a task that opens each file by lib/storage.py and reads pieces of 1 MB.
CPU seconds are those of this process and all below it; the servers are not counted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import SparkSession

from benchmarks.measure import cpu_seconds
from lib import storage
from lib.spark.session import local_session

PIECE = 1 << 20
TOTAL = "bytes bigint"


def by_spark(spark: SparkSession, folder: str) -> int:
    """Bytes that arrive in Python through Spark's reader."""

    def count(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield pa.record_batch([pc.binary_length(batch["content"]).cast(pa.int64())], names=["bytes"])

    found = spark.read.format("binaryFile").load(folder).select("content").mapInArrow(count, TOTAL)
    return sum(row.bytes for row in found.collect())


def by_storage(spark: SparkSession, folder: str) -> int:
    """Bytes that arrive in Python through lib/storage.py."""
    uris = [file.uri for file in storage.list_files(folder)]

    def count(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield pa.record_batch([pa.array([_length(uris[i]) for i in batch["id"].to_pylist()])], names=["bytes"])

    return sum(row.bytes for row in spark.range(len(uris), numPartitions=len(uris)).mapInArrow(count, TOTAL).collect())


def _length(uri: str) -> int:
    with storage.open_input(uri) as file:
        return sum(len(piece) for piece in iter(lambda: file.read(PIECE), b""))


def measured(side: Callable[[SparkSession, str], int], spark: SparkSession, folder: str, size: int) -> list[float]:
    """CPU seconds and wall seconds; every byte must have arrived."""
    cpu, began = cpu_seconds(), time.monotonic()
    assert side(spark, folder) == size
    return [cpu_seconds() - cpu, time.monotonic() - began]


def main() -> None:
    """Print both sides and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", help="where to put the files; without it, a HDFS is started")
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--mb", type=int, default=32, help="of each file")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = f"{options.folder or _own_hdfs(stack)}/read_hdfs"
        for number in range(options.files):
            storage.write_bytes(f"{folder}/{number}", os.urandom(PIECE) * options.mb)
        stack.callback(storage.remove, folder)
        spark = local_session("read_hdfs", "local[2]", {"spark.driver.memory": "2g"})
        stack.callback(spark.stop)
        size = options.files * options.mb * PIECE
        sides = {"Spark's binaryFile": by_spark, "lib/storage.py": by_storage}
        rounds = [
            {name: measured(side, spark, folder, size) for name, side in sides.items()}
            for _ in range(options.rounds + 1)  # the first is a warm-up
        ][1:]
    for name in sides:
        cpu, wall = (statistics.median(found[name][i] for found in rounds) for i in (0, 1))
        print(f"{name}: {size / 1e6 / wall:.0f} MB/s by wall, {1000 * cpu / (size / 1e9):.0f} ms of CPU a GB")
    for i, what in enumerate(("CPU", "wall")):
        ratios = [found["Spark's binaryFile"][i] / found["lib/storage.py"][i] for found in rounds]
        print(f"{what}, Spark's by ours: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def _own_hdfs(stack: ExitStack) -> str:
    from cluster.minihadoop import MiniHadoop

    hadoop = MiniHadoop(Path(stack.enter_context(tempfile.TemporaryDirectory()))).start()
    stack.callback(hadoop.stop)
    os.environ.update(HADOOP_CONF_DIR=str(hadoop.conf_dir), HADOOP_USER_NAME="root")
    return hadoop.default_fs


if __name__ == "__main__":
    main()
