"""What explain_rows refuses at the door, in one line, before there is any cluster."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import skops.io
from sklearn.base import BaseEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, Perceptron

from lib.errors import UsageError
from lib.lime.options import ExplainRows
from lib.lime.prepare import prepare
from lib.model.files import ModelFile

X = np.random.default_rng(0).normal(size=(60, 2))
ROWS: dict[str, Any] = {"a": X[:, 0], "b": X[:, 1]}


class Moody(BaseEstimator):
    """Answers with whatever comes to its mind."""

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.random.default_rng().random(len(x))


class Loud:
    """Leaves a file behind where it is loaded."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return Path.touch, (Path(self.path),)  # type: ignore[return-value]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pq.write_table(pa.table(ROWS), tmp_path / "rows.parquet")
    return tmp_path


def save(path: Path, model: Any) -> ModelFile:
    (skops.io.dump if path.suffix == ".skops" else joblib.dump)(model, path)
    return ModelFile(path=str(path), sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def refusal(folder: Path, file: ModelFile, **config: Any) -> str:
    with pytest.raises(UsageError) as found:
        prepare(ExplainRows(model=file, **config), [f"{folder}/rows.parquet"])
    assert "\n" not in str(found.value)
    return str(found.value)


def test_nothing_is_loaded_before_its_hash_is_known_to_be_right(folder: Path) -> None:
    loud = save(folder / "m.joblib", Loud(str(folder / "was loaded")))

    assert "model.sha256 must be the hash of" in refusal(folder, replace(loud, sha256="0" * 64))
    assert "explain_rows needs model.sha256" in refusal(folder, replace(loud, sha256=""))
    assert not (folder / "was loaded").exists()
    assert "it has no predict" in refusal(folder, loud)
    assert (folder / "was loaded").exists()  # the file does what it says: the hash is what kept it from that


@pytest.mark.parametrize("kind", ["joblib", "skops"])
def test_another_scikit_learn_is_named(folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("sklearn.base.__version__", "1.0.1")
        file = save(folder / f"m.{kind}", LinearRegression().fit(X, X[:, 0]))

    assert "fitted by scikit-learn 1.0.1, here is " in refusal(folder, file)


def test_a_file_that_is_no_model(folder: Path) -> None:
    (folder / "m.joblib").write_bytes(b"no model")
    file = ModelFile(path=f"{folder}/m.joblib", sha256=hashlib.sha256(b"no model").hexdigest())

    assert "m.joblib: cannot be loaded: " in refusal(folder, file)


def test_a_model_that_names_classes_only(folder: Path) -> None:
    file = save(folder / "m.joblib", Perceptron().fit(X, X[:, 0] > 0))

    assert refusal(folder, file) == "model: Perceptron gives no probabilities (predict_proba)"


def test_a_model_that_answers_twice_differently(folder: Path) -> None:
    assert "answers the same rows differently the second time" in refusal(folder, save(folder / "m.joblib", Moody()))


def test_a_feature_that_the_table_lacks(folder: Path) -> None:
    model = LinearRegression().fit(pa.table(ROWS | {"c": ROWS["a"]}).to_pandas(), X[:, 0])

    assert refusal(folder, save(folder / "m.joblib", model)) == "the table has no column c; it has a, b"


def test_more_features_than_columns(folder: Path) -> None:
    file = save(folder / "m.joblib", LinearRegression().fit(X[:, :1], X[:, 0]))

    assert refusal(folder, file) == "explain_rows.features: the model takes 1, there are 2: a, b"


def test_text_where_the_model_takes_numbers(folder: Path) -> None:
    file = save(folder / "m.joblib", LinearRegression().fit(X, X[:, 0]))
    pq.write_table(pa.table(ROWS), folder / "training.parquet")
    pq.write_table(pa.table(ROWS | {"b": ["one"] * 60}), folder / "rows.parquet")

    said = refusal(folder, file, training=(f"{folder}/training.parquet",))

    assert said == "column b is string: the model takes a number"


def test_a_column_that_only_the_training_table_has(folder: Path) -> None:
    file = save(folder / "m.joblib", LinearRegression().fit(X, X[:, 0]))
    pq.write_table(pa.table(ROWS), folder / "training.parquet")
    pq.write_table(pa.table({"a": ROWS["a"]}), folder / "rows.parquet")

    said = refusal(folder, file, training=(f"{folder}/training.parquet",))

    assert said == "the input has no column b; it has a"


def test_a_column_of_no_values_yet_is_let_in(folder: Path) -> None:
    file = save(folder / "m.joblib", LinearRegression().fit(X, X[:, 0]))
    pq.write_table(pa.table(ROWS), folder / "training.parquet")
    (folder / "rows.csv").write_text("a,b\n1.5,\n")
    config = ExplainRows(model=file, missing="error", training=(f"{folder}/training.parquet",))

    assert prepare(config, [f"{folder}/rows.csv"]).spec["rows"] == 60


def test_the_survey_finds_a_list_s_tables_by_the_prefix(folder: Path) -> None:
    file = save(folder / "m.joblib", LinearRegression().fit(X, X[:, 0]))
    (folder / "lists").mkdir()
    (folder / "lists/all.paths").write_text("rows.parquet\n")

    assert prepare(ExplainRows(model=file), [f"{folder}/lists/all.paths"], f"file://{folder}").spec["rows"] == 60


def test_missing_values_without_a_policy(folder: Path) -> None:
    file = save(folder / "m.joblib", LinearRegression().fit(X, X[:, 0]))
    pq.write_table(pa.table(ROWS | {"b": [None, *X[1:, 1]]}), folder / "rows.parquet")

    assert refusal(folder, file).startswith("explain_rows.missing must say what to do with missing values (b 1): ")
    assert "Input X contains NaN" in refusal(folder, file, missing="bin")
    config = prepare(ExplainRows(model=file, missing="error"), [f"{folder}/rows.parquet"])
    assert config.spec["columns"][1]["missing"] == 1


def test_a_label_that_the_model_has_not(folder: Path) -> None:
    file = save(folder / "m.joblib", LogisticRegression().fit(X, X[:, 0] > 0))

    assert refusal(folder, file, labels=(2,)) == "explain_rows.labels must be below 2, the model's classes; got 2"
