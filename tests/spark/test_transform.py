"""A job as a step of somebody's own program, on a classic session and on Spark Connect."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from harm.lines import JOB, HarmConfig
from lib.spark.transform import transform

pytestmark = pytest.mark.spark

CONNECT = """
from pyspark.sql import SparkSession
from harm.lines import JOB
from lib.spark.transform import transform
spark = SparkSession.builder.remote("local[2]").getOrCreate()
frame = spark.createDataFrame([(bytearray(b"abc"),), (bytearray(b"kernel raise"),)], "line binary")
print([(r.status, r.error_code, r.size) for r in transform(frame, JOB).collect()])
print(type(spark).__module__)
"""


def test_each_row_is_answered_over_partitions_and_tiny_batches(spark):
    frame = spark.createDataFrame(
        [(bytearray(b"x" * i), f"u{i}") for i in range(20)], "line binary, source_path string"
    )
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "3")
    found = transform(frame.repartition(4), JOB, HarmConfig(prefix="12")).collect()
    assert sorted((row.source_path, row.size) for row in found) == sorted((f"u{i}", i + 2) for i in range(20))


def test_an_exception_is_its_own_row(spark):
    frame = spark.createDataFrame([(bytearray(b),) for b in (b"a", b"kernel raise", b"ccc")], "line binary")
    found = transform(frame.coalesce(1), JOB).collect()
    assert [(row.status, row.error_code, row.size) for row in found] == [
        ("ok", None, 1), ("failed", "exception", None), ("ok", None, 3),
    ]  # fmt: skip
    assert "KeyError: 'not there' (lines.py:" in found[1].error_detail


def test_columns_of_another_kind_are_refused(spark):
    with pytest.raises(ValueError, match="measure_lines reads line; got id"):
        transform(spark.range(1), JOB)


def test_spark_connect(tmp_path):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYSPARK_")}
    done = subprocess.run(
        [sys.executable, "-c", CONNECT], capture_output=True, text=True, timeout=200, cwd=tmp_path,
        env=environment | {"PYSPARK_PYTHON": sys.executable},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    rows, module = done.stdout.splitlines()[-2:]
    assert rows == "[('ok', None, 3), ('failed', 'exception', None)]"
    assert module == "pyspark.sql.connect.session"
