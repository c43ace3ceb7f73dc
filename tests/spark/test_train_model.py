"""A task's parts are read on executors, and give what they give here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from lib import storage
from lib.errors import UsageError
from lib.ledger import Ledger, alive
from lib.model.options import TrainModel
from lib.model.train import run
from lib.options import RunOptions
from lib.request import Request
from lib.scatter import here
from lib.spark.scatter import scatter

pytestmark = pytest.mark.spark


def take_the_places(output: str) -> None:
    """Put folders where the answers are to be written."""
    (run,) = Path(output).glob("_tmp/*")
    for number in range(2):
        (run / str(number)).mkdir(exist_ok=True)


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


def test_the_folder_of_the_answers_is_known_as_a_living_run_s(spark: SparkSession, tmp_path: Path) -> None:
    ledger = Ledger(f"file://{tmp_path}")

    for _ in scatter(request(tmp_path))(abs, [1, 2]):
        ledger.sweep()
        (run,) = storage.names(f"file://{tmp_path}/_tmp")
        assert alive(ledger.load(f"_tmp/{run}/lease.json"))
    assert storage.names(f"file://{tmp_path}/_tmp") == []
    assert ledger.run_state() is None


def test_trouble_with_storage_on_an_executor_is_the_same_here(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="/no/such/file"):
        list(scatter(request(tmp_path))(storage.read_bytes, [f"file://{__file__}", "file:///no/such/file"]))
    assert storage.names(f"file://{tmp_path}/_tmp") == []


def test_trouble_with_writing_an_answer_is_the_same_here(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        list(scatter(request(tmp_path))(take_the_places, [str(tmp_path)] * 2))


def test_a_refusal_on_an_executor_is_one_line_here(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^not 1$"):
        list(scatter(request(tmp_path))(refuse, [1, 2]))
