"""explain_rows from the door to the rows, without Spark."""

import hashlib
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import Ridge
from sklearn.tree import DecisionTreeRegressor

from lib.errors import UsageError
from lib.ledger import Ledger
from lib.lime.explainer import make_kernel
from lib.lime.options import ExplainRows
from lib.lime.points import _read, write_points
from lib.lime.prepare import prepare
from lib.lime.survey import Feature
from lib.model.files import ModelFile
from lib.output import Output
from lib.sources.table import TableSource

SAMPLE = Path(__file__).parents[2] / "samples" / "explain_rows"
QUICK = ExplainRows(keys=("id",), num_samples=400, num_features=4)


@pytest.fixture(scope="module")
def rows() -> pa.StructArray:
    return pq.read_table(f"{SAMPLE}/breast_cancer.parquet")[:70].to_struct_array().combine_chunks()


def batch(rows: pa.StructArray) -> pa.RecordBatch:
    return pa.record_batch([rows], names=["row"])


def changed(rows: pa.StructArray, name: str, values: list[object] | None) -> pa.StructArray:
    """The rows with another column, or without it."""
    table = pa.Table.from_struct_array(rows).drop_columns([name])
    table = table if values is None else table.append_column(name, pa.array(values))
    return table.to_struct_array().combine_chunks()


def test_a_row_says_why(rows: pa.StructArray) -> None:
    row = make_kernel(prepare(QUICK, [str(SAMPLE)]))(batch(rows.slice(0, 1))).to_pylist()[0]

    assert (row["keys"], row["predicted_class"], row["status"]) == (["patient-000"], "malignant", "ok")
    first = row["explanations"][0]["weights"][0]
    assert (first["condition"], first["value"]) == ("worst_perimeter > 125.4", "184.6")
    assert 0.3 < first["weight"] < 0.5 and 0 < first["std_error"] < 0.1


@pytest.mark.parametrize("engine", ["bank", "per_row", "exact"])
def test_a_row_never_sees_its_batch(rows: pa.StructArray, engine: str) -> None:
    kernel = make_kernel(prepare(replace(QUICK, engine=engine), [str(SAMPLE)]))  # type: ignore[arg-type]

    whole = kernel(batch(rows))
    ones = [kernel(batch(rows.slice(i, 1))) for i in range(0, 70, 9)]
    sevens = pa.concat_batches([kernel(batch(rows.slice(i, 7))) for i in range(0, 70, 7)])

    assert sevens.equals(whole)
    assert pa.concat_batches(ones).equals(whole.take(pa.array(range(0, 70, 9))))


def test_a_missing_value_fails_its_row_only(rows: pa.StructArray) -> None:
    radius = [None, *rows.field("mean_radius").to_pylist()[1:3]]
    kernel = make_kernel(prepare(QUICK, [str(SAMPLE)]))

    out = kernel(batch(changed(rows.slice(0, 3), "mean_radius", radius)))

    assert out["status"].to_pylist() == ["failed", "ok", "ok"]
    assert out["error_code"].to_pylist() == ["missing_value", None, None]
    assert out["explanations"].is_valid().to_pylist() == [False, True, True]


def test_a_table_without_the_column_fails_by_name(rows: pa.StructArray) -> None:
    kernel = make_kernel(prepare(QUICK, [str(SAMPLE)]))

    out = kernel(batch(changed(rows.slice(0, 2), "mean_radius", None)))

    assert out["error_detail"].to_pylist() == ["no column mean_radius", "no column mean_radius"]


def test_a_value_beyond_the_training_range_is_warned_of(rows: pa.StructArray) -> None:
    kernel = make_kernel(prepare(QUICK, [str(SAMPLE)]))

    out = kernel(batch(changed(rows.slice(0, 1), "mean_radius", [1e6])))

    assert out["warnings"].to_pylist() == [["outside_training: mean_radius"]]


def test_each_doubt_about_a_row_is_a_warning(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    year = np.where(random.random(400) < 0.5, 2000.0, random.integers(2001, 2020, 400))
    colour, noise = random.choice([3, 5], 400), random.normal(size=400)
    pq.write_table(pa.table({"year": year, "colour": colour, "noise": noise}), tmp_path / "training.parquet")
    # Where both others agree: no line says that.
    model = DecisionTreeRegressor().fit(np.column_stack([year, colour, noise]), (year > 2000) * (colour == 5) * noise)
    joblib.dump(model, tmp_path / "m.joblib")
    file = ModelFile(
        path=f"{tmp_path}/m.joblib", sha256=hashlib.sha256((tmp_path / "m.joblib").read_bytes()).hexdigest()
    )
    features = (Feature("year"), Feature("colour", "categorical"), Feature("noise"))
    config = ExplainRows(file, features, num_samples=300, num_features=1, training=(f"{tmp_path}/training.parquet",))
    rows = pa.array([{"year": 2000.0, "colour": 5, "noise": 0.1}, {"year": 2030.0, "colour": 4, "noise": 0.1}])

    out = make_kernel(prepare(config, []))(batch(rows)).to_pylist()

    assert out[0]["warnings"] == ["low_fit", "degenerate_bin: year"]
    assert sorted(out[1]["warnings"]) == ["low_fit", "outside_training: year", "unseen_category: colour"]
    assert [row["compat"] for row in out] == ["fixed", "fixed"]


def test_the_library_and_the_bank_agree(rows: pa.StructArray) -> None:
    plain = replace(QUICK, compat="lime", std_error=False, stability_z=0.0, num_samples=300)
    answers = [
        make_kernel(prepare(replace(plain, engine=engine), [str(SAMPLE)]))(batch(rows.slice(5, 2))).to_pylist()  # type: ignore[arg-type]
        for engine in ("bank", "lime")
    ]

    weights = [[w["weight"] for row in rows for w in row["explanations"][0]["weights"]] for rows in answers]
    names = [[w["feature"] for row in rows for w in row["explanations"][0]["weights"]] for rows in answers]
    assert names[0] == names[1]
    np.testing.assert_allclose(weights[0], weights[1], rtol=1e-9)


def test_a_model_of_another_hash_is_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    path.write_bytes(b"not even a model")
    config = ExplainRows()
    config = replace(config, model=replace(config.model, path=str(path), sha256="0" * 64))

    with pytest.raises(UsageError, match=r"model.sha256 must be the hash of file://.*model.joblib, which is "):
        prepare(config, [str(SAMPLE)])


@pytest.mark.parametrize(
    "config",
    [
        replace(QUICK, banks=3),
        replace(QUICK, engine="per_row", discretizer="none", sample_around_instance=True, feature_selection="none"),
    ],
)
def test_weights_can_be_had_from_the_points_again(rows: pa.StructArray, tmp_path: Path, config: ExplainRows) -> None:
    config = prepare(replace(config, points=True), [str(SAMPLE)])
    told = make_kernel(config)(batch(rows.slice(2, 1))).to_pylist()[0]
    place = {"source_path": f"file://{SAMPLE}/breast_cancer.parquet", "source_offset": 2, "keys": None}
    Ledger(f"file://{tmp_path}").claim({"format": 1, "job": "explain_rows", "sources": {"table": {}}}, False)

    write_points(tmp_path, Output(f"file://{tmp_path}"), config, [place])

    table = pq.read_table(tmp_path / "row-0000.parquet")
    x, mask, weight, answer = (np.array(table[name].to_pylist()) for name in ("x", "mask", "weight", "answer"))
    assert (x[0, 0], weight[0]) == (rows.field("mean_radius")[2].as_py(), pytest.approx(1.0))
    weights = told["explanations"][0]["weights"]
    picks = [w["feature_index"] for w in weights]
    again = Ridge(1.0).fit(mask[:, picks], answer[:, 1], weight)
    np.testing.assert_allclose(again.coef_, [w["weight"] for w in weights], rtol=1e-8, atol=1e-12)


def test_points_around_the_row_need_their_own_engine() -> None:
    with pytest.raises(ValueError, match="sample_around_instance needs engine per_row or lime, got bank"):
        ExplainRows(sample_around_instance=True, discretizer="none")


def test_a_row_of_a_csv_file_is_found_again_for_its_points(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n3,4\n5,6\n")

    assert _read(TableSource(), f"file://{tmp_path}/rows.csv", 1).to_pylist() == [{"a": 3, "b": 4}]
