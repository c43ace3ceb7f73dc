"""A table to a model, its spec and its manifest."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sklearn

from lib.errors import UsageError
from lib.lime.options import ExplainRows
from lib.lime.prepare import prepare
from lib.lime.survey import Feature, Question, Tables, look, sample
from lib.model.ask import refuse_moods
from lib.model.files import ModelFile, load
from lib.model.options import TrainModel
from lib.model.train import run
from lib.scatter import here


@pytest.fixture
def table(tmp_path: Path) -> Path:
    r = np.random.default_rng(0)
    x, colour = r.normal(size=600), r.choice(["red", "green", "blue"], 600)
    label = np.where(x + (colour == "red") + 0.3 * r.normal(size=600) > 0.5, "yes", "no")
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"x": x, "noise": r.normal(size=600), "colour": colour, "target": label}), path)
    return path


@pytest.mark.parametrize("kind", ["hist_gradient_boosting", "gradient_boosting"])
def test_a_manifest_is_all_that_explain_rows_needs(table: Path, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "model"

    told = run(TrainModel(label="target", model=kind, max_iter=20), [str(table)], f"file://{out}", here)  # type: ignore[arg-type]
    config = prepare(ExplainRows(model=ModelFile(manifest=f"{out}/manifest.json")), [str(table)])

    assert told["accuracy"] > 0.85
    assert [f.name for f in config.features] == ["x", "noise", "colour"]
    assert config.features[2].categories == ("blue", "green", "red")
    metrics = json.loads((out / "metrics.json").read_text())
    assert len(metrics["curves"]["validation"]) == 20
    assert metrics["permutation_importance"]["x"]["mean"] > metrics["permutation_importance"]["noise"]["mean"]


def test_the_same_table_cut_otherwise_gives_the_same_model(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = pq.read_table(table)
    (tmp_path / "parts").mkdir()
    for i in (2, 1, 0):
        pq.write_table(whole.slice(200 * i, 200), tmp_path / "parts" / f"part-{2 - i}.parquet")
    pq.write_table(whole.take(pa.array(range(599, -1, -1))), tmp_path / "groups.parquet", row_group_size=70)
    config = TrainModel(label="target", max_iter=5, max_rows=300)

    for name, source, part_bytes in (("a", table, 1 << 30), ("b", tmp_path / "parts", 1), ("c", "groups.parquet", 1)):
        monkeypatch.setattr("lib.lime.survey.PART_BYTES", part_bytes)
        run(config, [str(tmp_path / source)], f"file://{tmp_path}/{name}", map)

    for name in ("model.joblib", "spec.json", "metrics.json", "manifest.json"):
        assert len({(tmp_path / way / name).read_bytes() for way in "abc"}) == 1


def trained(table: Path, out: Path, **config: Any) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """The model, its manifest and its metrics."""
    run(TrainModel(label="target", **config), [str(table)], f"file://{out}", here)
    known = json.loads((out / "manifest.json").read_text())
    model = load(ModelFile(path=f"file://{out}/model.joblib", sha256=known["model"]["sha256"]))
    return model, known, json.loads((out / "metrics.json").read_text())


@pytest.mark.parametrize("kind", ["hist_gradient_boosting", "gradient_boosting"])
def test_settings_reach_the_model(table: Path, tmp_path: Path, kind: str) -> None:
    own = {"subsample": 0.5} if kind == "gradient_boosting" else {}

    model, known, metrics = trained(
        table, tmp_path / "m", model=kind, learning_rate=0.5, n_iter_no_change=2, tol=0.01, validation_fraction=0.3,
        max_depth=2, seed=5, **own,
    )  # fmt: skip

    wanted = {"learning_rate": 0.5, "n_iter_no_change": 2, "tol": 0.01, "validation_fraction": 0.3, "max_depth": 2}
    assert wanted | own | {"random_state": 5} == {k: model.get_params()[k] for k in [*wanted, *own, "random_state"]}
    assert len(metrics["curves"]["training"]) == len(metrics["curves"]["validation"]) < 50  # it stopped early
    assert (known["seed"], known["sample"], known["label"]) == (5, {"rows": 600, "of": 600, "share": 1.0}, "target")
    assert known["versions"]["scikit-learn"] == sklearn.__version__


def test_drawn_rows_show_the_improvement_out_of_bag_and_leaves_are_kept(table: Path, tmp_path: Path) -> None:
    model, _, metrics = trained(
        table, tmp_path / "m", model="gradient_boosting", subsample=0.5, max_iter=12, leaf_rows=7
    )

    assert metrics["curves"]["out_of_bag_improvement"] == model.oob_improvement_.tolist()
    assert (tmp_path / "m/out_of_bag.svg").exists()
    leaves = np.array(pq.read_table(tmp_path / "m/leaves.parquet")["leaves"].to_pylist())
    assert leaves.shape == (7, 12)
    assert set(leaves[:, 0]) <= set(np.flatnonzero(model.estimators_[0, 0].tree_.children_left == -1))
    assert sum(metrics["impurity_importance"].values()) == pytest.approx(1)


def test_the_validation_part_has_the_classes_shares(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    x = np.random.default_rng(0).normal(size=100)
    pq.write_table(pa.table({"x": x, "target": ["rare"] * 10 + ["common"] * 90}), path)

    _, _, metrics = trained(path, tmp_path / "m", max_iter=3)

    assert metrics["confusion"]["classes"] == ["common", "rare"]
    assert [sum(row) for row in metrics["confusion"]["rows_are_true"]] == [18, 2]


def test_a_class_too_rare_to_be_held_back_twice_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"x": np.arange(100.0), "target": ["rare"] * 2 + ["common"] * 98}), path)

    with pytest.raises(UsageError, match="train_model cannot be fitted: The least populated class"):
        trained(path, tmp_path / "m", model="gradient_boosting", n_iter_no_change=2, validation_fraction=0.5)


def test_a_class_that_the_validation_part_lacks_has_no_curve(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"x": np.arange(100.0), "target": ["rare"] * 2 + ["common"] * 98}), path)

    _, _, metrics = trained(path, tmp_path / "m", max_iter=3)

    assert metrics["validation"]["roc_auc"] is None
    assert metrics["confusion"]["rows_are_true"] == [[20, 0], [0, 0]]


def test_a_regression_is_judged_by_its_own_measures(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    x = np.random.default_rng(0).normal(size=300)
    pq.write_table(pa.table({"x": x, "target": 3 * x}), path)

    _, known, metrics = trained(path, tmp_path / "m", max_iter=40)

    assert (known["model"]["type"], known["model"]["classes"]) == ("HistGradientBoostingRegressor", [])
    assert metrics["validation"]["r2"] > 0.9
    assert "confusion" not in metrics


def test_a_rare_class_keeps_its_floor(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"x": np.arange(1000.0), "y": ["rare"] * 10 + ["common"] * 990}), path)

    tables, question = Tables([str(path)], (), here), Question((Feature("x"),), "y", floor=8)
    drawn = sample(tables, question, look(tables, question), limit=50)

    assert sorted(np.unique(drawn.labels.astype(str), return_counts=True)[1].tolist()) == [8, 42]
    assert drawn.share == 0.05


def test_a_quantity_has_no_classes_to_keep(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"x": np.arange(1000.0), "y": np.arange(1000.0) / 2}), path)
    tables, question = Tables([str(path)], (), here), Question((Feature("x"),), "y", floor=8)

    looked = look(tables, question)

    assert looked.classes is None
    assert len(sample(tables, question, looked, limit=50).values) == 50


def test_rows_of_one_key_are_told_apart_by_their_values(tmp_path: Path) -> None:
    rows = pa.table({"x": np.arange(100.0), "k": ["the same"] * 100})
    for name, order in (("a", range(100)), ("b", range(99, -1, -1))):
        pq.write_table(rows.take(pa.array(order)), tmp_path / f"{name}.parquet")

    def drawn(name: str) -> list[float]:
        tables, question = Tables([f"{tmp_path}/{name}.parquet"], (), here), Question((Feature("x"),), key="k")
        return list(sample(tables, question, look(tables, question), limit=5).values[:, 0])

    assert len(drawn("a")) == 5
    assert drawn("a") == drawn("b")


def test_rows_of_one_key_come_in_one_order_though_their_labels_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pa.table({"x": [0.0, 1.0] * 500, "k": ["the same"] * 1000, "y": [i // 7 % 3 for i in range(1000)]})
    pq.write_table(rows, tmp_path / "a.parquet")
    pq.write_table(rows.take(pa.array(range(999, -1, -1))), tmp_path / "b.parquet", row_group_size=100)

    def drawn(name: str, part_bytes: int) -> tuple[list[float], list[int]]:
        monkeypatch.setattr("lib.lime.survey.PART_BYTES", part_bytes)
        tables = Tables([f"{tmp_path}/{name}.parquet"], (), map)
        question = Question((Feature("x"),), "y", "k", floor=5, classes=True)
        found = sample(tables, question, look(tables, question), limit=50)
        return found.values[:, 0].tolist(), found.labels.tolist()

    assert len(drawn("a", 1 << 30)[1]) == 50
    assert drawn("a", 1 << 30) == drawn("b", 1)


def test_no_part_gives_more_rows_than_may_be_chosen(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    labels = ["rare"] * 10 + ["common"] * 49_990
    pq.write_table(pa.table({"x": np.arange(50_000.0), "k": ["the same"] * 50_000, "y": labels}), path)
    answers: list[Any] = []

    def watched(function: Any, parts: Any) -> Any:
        for part in parts:
            answers.append(function(part))
            yield answers[-1]

    tables, question = Tables([str(path)], (), watched), Question((Feature("x"),), "y", "k", floor=8)
    drawn = sample(tables, question, look(tables, question), limit=100)

    assert len(drawn.values) == 100
    assert len(answers[-1].values) <= 100 + 2 * 8


def test_a_column_of_names_is_no_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lib.lime.survey.MANY_CATEGORIES", 99)
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"x": np.arange(100.0), "y": [f"n{i}" for i in range(100)]}), path, row_group_size=60)

    for part_bytes in (1, 1 << 30):
        monkeypatch.setattr("lib.lime.survey.PART_BYTES", part_bytes)
        with pytest.raises(UsageError, match="column y: more than 99 different labels are no classes"):
            look(Tables([str(path)], (), map), Question((Feature("x"),), "y"))
    assert look(Tables([str(path)], (), map), Question((Feature("x"),), "y", classes=False)).classes is None
    assert look(Tables([str(path)], (), map), Question((Feature("x"),), "y", floor=0, classes=True)).classes == {}


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        ([1.0, float("inf"), 2.0], "column y: a label is infinite"),
        ([date(2020, 1, 1)] * 3, "column y is date32.day.: a label is a number or text"),
    ],
)
def test_a_label_that_is_no_answer_is_refused(tmp_path: Path, labels: list[Any], why: str) -> None:
    pq.write_table(pa.table({"x": [1.0, 2.0, 3.0], "y": labels}), tmp_path / "rows.parquet")

    with pytest.raises(UsageError, match=why):
        look(Tables([f"{tmp_path}/rows.parquet"], (), map), Question((Feature("x"),), "y"))


def test_a_column_of_names_is_no_category(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lib.lime.survey.MANY_CATEGORIES", 99)
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"name": [f"n{i}" for i in range(100)]}), path)

    with pytest.raises(UsageError, match="column name: more than 99 different texts; leave it out"):
        look(Tables([str(path)], (), here), Question((Feature("name", "categorical"),)))


def test_an_unknown_label_is_refused_with_the_columns_there_are(table: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such column; the table has x, noise, colour, target"):
        run(TrainModel(label="price"), [str(table)], f"file://{tmp_path}/m", here)


def test_a_moody_model_is_refused() -> None:
    random = np.random.default_rng(0)

    with pytest.raises(UsageError, match="differently the second time"):
        refuse_moods(lambda x: random.random((len(x), 1)), np.zeros((3, 2)))
