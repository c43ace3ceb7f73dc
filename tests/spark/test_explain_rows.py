"""A row's explanation is the same bit by bit, however the table was cut, batched and read."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from lib.lime.options import ExplainRows
from lib.lime.prepare import prepare
from lib.options import RunOptions
from lib.request import Request
from lib.spark.run import execute

pytestmark = pytest.mark.spark
SAMPLE = Path(__file__).parents[2] / "samples/explain_rows/breast_cancer.parquet"


def explained(source: Path, out: Path, run: RunOptions) -> pa.Table:
    """The rows of a run, by their names."""
    config = prepare(ExplainRows(keys=("id",), num_samples=300, points=True, pages=2), [str(source)])
    request = Request(
        "jobs.explain_rows", msgspec.to_builtins(asdict(config)), {"table": {}}, run, (f"file://{source}",),
        f"file://{out}", master="local[2]", quiet=True,
    )  # fmt: skip
    assert execute(request).exit_code == 0
    rows = ds.dataset(str(out), exclude_invalid_files=True).to_table()
    names = pa.array([keys[0] for keys in rows["keys"].to_pylist()])
    kept = [name for name in rows.column_names if not name.startswith("source_")]
    return rows.select(kept).append_column("name", names).sort_by("name").combine_chunks()


def test_three_ways_of_splitting_give_the_same_rows(spark: SparkSession, tmp_path: Path) -> None:
    table = pq.read_table(SAMPLE)
    (tmp_path / "files").mkdir()
    for i in range(3):
        pq.write_table(table.slice(67 * i, 67), tmp_path / "files" / f"{i}.parquet")
    pq.write_table(table.take(pa.array(range(199, -1, -1))), tmp_path / "groups.parquet", row_group_size=23)

    whole = explained(SAMPLE, tmp_path / "a", RunOptions())
    files = explained(tmp_path / "files", tmp_path / "b", RunOptions(batch_rows=7, split_bytes=1))
    groups = explained(tmp_path / "groups.parquet", tmp_path / "c", RunOptions(batch_rows=13, split_bytes=1))

    assert whole.num_rows == 200
    assert files.equals(whole)
    assert groups.equals(whole)
    pages = tmp_path / "b/_extra/explanations/index.html"
    assert pages.read_text().count("<section>") == 2
    points = pq.read_table(tmp_path / "b/_extra/points/row-0001.parquet")
    assert points.num_rows == 300
