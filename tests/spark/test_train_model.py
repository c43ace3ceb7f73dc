"""A task's parts are read on executors, and give what they give here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from lib.errors import UsageError
from lib.model.options import TrainModel
from lib.model.train import run
from lib.options import RunOptions
from lib.request import Request
from lib.scatter import here
from lib.spark.scatter import scatter

pytestmark = pytest.mark.spark


def refuse(value: int) -> None:
    raise UsageError(f"not {value}")


def request(folder: Path) -> Request:
    return Request("jobs.train_model", {}, {}, RunOptions(), (), f"file://{folder}", master="local[2]", quiet=True)


def test_a_model_is_the_same_wherever_the_table_was_read(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lib.lime.survey.PART_BYTES", 1)
    random = np.random.default_rng(0)
    rows = {"x": random.normal(size=900), "kind": random.choice(["a", "b"], 900), "y": random.choice([0, 1], 900)}
    pq.write_table(pa.table(rows), tmp_path / "rows.parquet", row_group_size=250)
    config = TrainModel(label="y", max_iter=3, max_rows=400, class_floor=20)

    run(config, [f"{tmp_path}/rows.parquet"], f"file://{tmp_path}/here", here)
    run(config, [f"{tmp_path}/rows.parquet"], f"file://{tmp_path}/there", scatter(request(tmp_path / "there")))

    for name in ("model.joblib", "spec.json", "manifest.json", "metrics.json"):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()
    assert list((tmp_path / "there/_tmp").iterdir()) == []


def test_a_refusal_on_an_executor_is_one_line_here(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^not 1$"):
        list(scatter(request(tmp_path))(refuse, [1, 2]))
