"""A table to a fitted model, what its columns look like, how well it does, and a manifest that ties them together."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import joblib
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import sklearn
from sklearn import metrics
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.inspection import permutation_importance
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

from lib import storage
from lib.errors import UsageError
from lib.lime.spec import Discretizer, TableSpec
from lib.lime.survey import Feature, Question, Sample, Tables, census, guessed, look, named, sample
from lib.model.ask import first_line
from lib.model.charts import bars, curves
from lib.model.options import TrainModel
from lib.scatter import Scatter

IMPORTANCE_REPEATS = 5
FEW_VALUES = 1_000_000  # below, threads wait for each other longer than they work, on a busy machine a hundred times


@dataclass(frozen=True)
class Parts:
    """What the model sees, and what it is judged by."""

    x: Any
    y: Any
    x_validation: Any
    y_validation: Any


def run(
    config: TrainModel, inputs: Sequence[str], output: str, scatter: Scatter, prefix: str = ""
) -> dict[str, Any]:  # fmt: skip
    """Fit on a sample, count the whole table, write all below `output`; returns what is worth a line.

    Raises UsageError where table and config do not fit together.
    """
    tables = Tables(inputs, (), scatter, prefix)
    wanted = {"auto": None, "classification": True, "regression": False}[config.task]
    question = Question(_features(config, tables), config.label, config.key, config.class_floor, wanted)
    looked = look(tables, question)
    features, classes = named(question.features, looked), looked.classes is not None
    drawn = sample(tables, replace(question, features=features), looked, config.max_rows)
    labels = _labels(drawn, classes, config)
    parts = _divide(drawn.values, labels, classes, config)
    threads = 1 if parts.x.size < FEW_VALUES else None
    with threadpool_limits(threads):
        model = _fit(config, parts, features, classes)
        measured = _judge(model, parts, features, classes, config)
    cuts: list[Discretizer] = ["quartile", "decile", *(["entropy"] if classes else [])]  # type: ignore[list-item]
    spec = census(tables, features, looked, drawn, cuts, labels if classes else None)
    with TemporaryDirectory() as folder:
        _write(Path(folder), config, model, spec, features, drawn, measured, parts)
        for file in sorted(Path(folder).iterdir()):
            storage.write_file(f"{output}/{file.name}", file)
    return {
        "records": drawn.rows,
        "sampled": len(drawn.values),
        **measured["validation"],
        "report": f"{output}/manifest.json",
    }


def _features(config: TrainModel, tables: Tables) -> tuple[Feature, ...]:
    fields = tables.fields
    if config.label not in [field.name for field in fields]:
        raise UsageError(f"train_model.label {config.label}: no such column; the table has "
                         f"{', '.join(field.name for field in fields)}")  # fmt: skip
    left_out = {config.label, config.key, *config.exclude}
    return config.features or guessed([field for field in fields if field.name not in left_out], ())


def _labels(drawn: Sample, classes: bool, config: TrainModel) -> Any:
    if not classes:
        try:
            return drawn.labels.astype(float)
        except ValueError:
            raise UsageError(f"train_model.label {config.label}: a regression needs numbers") from None
    text = any(isinstance(label, str) for label in drawn.labels)
    labels = np.array([str(v) for v in drawn.labels]) if text else drawn.labels.astype(int)
    kinds, counts = np.unique(labels, return_counts=True)
    if len(kinds) < 2 or counts.min() < 2:
        raise UsageError(f"train_model.label {config.label}: expected at least two classes of two rows each, got "
                         f"{dict(zip(kinds.tolist(), counts.tolist(), strict=True))}")  # fmt: skip
    return labels


def _divide(values: Any, labels: Any, classes: bool, config: TrainModel) -> Parts:
    """A validation part of the same classes in the same shares."""
    x, x_validation, y, y_validation = train_test_split(
        values, labels, test_size=config.validation_fraction, random_state=config.seed,
        stratify=labels if classes and _enough(labels, config) else None,
    )  # fmt: skip
    if classes and len(np.unique(y)) < len(np.unique(labels)):
        raise UsageError("train_model.validation_fraction takes all rows of a class; lower it, or raise class_floor")
    return Parts(x, y, x_validation, y_validation)


def _enough(labels: Any, config: TrainModel) -> bool:
    """Whether each class can be in both parts."""
    return min(1 - config.validation_fraction, config.validation_fraction) * len(labels) >= len(np.unique(labels))


def _fit(config: TrainModel, parts: Parts, features: Sequence[Feature], classes: bool) -> Any:
    common = {
        "learning_rate": config.learning_rate, "random_state": config.seed, "tol": config.tol,
        "n_iter_no_change": config.n_iter_no_change, "validation_fraction": config.validation_fraction,
    }  # fmt: skip
    if config.model == "gradient_boosting":
        if np.isnan(parts.x).any():
            raise UsageError("train_model.model gradient_boosting takes no missing values; use hist_gradient_boosting")
        kind = GradientBoostingClassifier if classes else GradientBoostingRegressor
        made = kind(n_estimators=config.max_iter, max_depth=config.max_depth or 3, subsample=config.subsample, **common)
        return _fitted(made, parts)
    common["n_iter_no_change"] = config.n_iter_no_change or 10
    categorical = [j for j, feature in enumerate(features) if _bitset(feature)]
    kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    made = kind(max_iter=config.max_iter, max_depth=config.max_depth, categorical_features=categorical or None,
                early_stopping=config.n_iter_no_change is not None, **common)  # fmt: skip
    return _fitted(made, parts)


def _fitted(made: Any, parts: Parts) -> Any:
    try:
        return made.fit(parts.x, parts.y)
    except ValueError as error:  # n_iter_no_change holds rows back once more, and may leave a rare class without any
        raise UsageError(f"train_model cannot be fitted: {first_line(error)}") from None


def _bitset(feature: Feature) -> bool:
    """HistGradientBoosting splits up to 255 unordered categories by itself."""
    text = any(isinstance(category, str) for category in feature.categories)
    return feature.type == "categorical" and text and len(feature.categories) < 255


def _judge(model: Any, parts: Parts, features: Sequence[Feature], classes: bool, config: TrainModel) -> dict[str, Any]:
    importance = permutation_importance(
        model, parts.x_validation, parts.y_validation, n_repeats=IMPORTANCE_REPEATS, random_state=config.seed
    )
    found: dict[str, Any] = {
        "training": _scores(model, parts.x, parts.y, classes),
        "validation": _scores(model, parts.x_validation, parts.y_validation, classes),
        "curves": _curves(model, parts, classes),
        "permutation_importance": {
            f.name: {"mean": float(m), "std": float(s)}
            for f, m, s in zip(features, importance.importances_mean, importance.importances_std, strict=True)
        },
    }
    if hasattr(model, "feature_importances_"):
        names = [feature.name for feature in features]
        found["impurity_importance"] = dict(zip(names, model.feature_importances_.tolist(), strict=True))
    if classes:
        confusion = metrics.confusion_matrix(
            parts.y_validation, model.predict(parts.x_validation), labels=model.classes_
        )
        found["confusion"] = {"classes": [str(c) for c in model.classes_], "rows_are_true": confusion.tolist()}
    return found


def _scores(model: Any, x: Any, y: Any, classes: bool) -> dict[str, float | None]:
    if classes:
        said = model.predict_proba(x)
        # A class too rare to be in this part has no curve.
        seen = len(np.unique(y)) == said.shape[1]
        area = metrics.roc_auc_score(y, said[:, 1] if said.shape[1] == 2 else said, multi_class="ovr") if seen else None
        return {
            "accuracy": float(metrics.accuracy_score(y, model.predict(x))),
            "log_loss": float(metrics.log_loss(y, said, labels=model.classes_)),
            "roc_auc": None if area is None else float(area),
        }
    said = model.predict(x)
    return {"r2": float(metrics.r2_score(y, said)), "rmse": float(metrics.root_mean_squared_error(y, said))}


def _curves(model: Any, parts: Parts, classes: bool) -> dict[str, list[float]]:
    """Loss after each stage; out-of-bag improvement where rows were drawn."""
    found = {
        "training": list(_staged(model, parts.x, parts.y, classes)),
        "validation": list(_staged(model, parts.x_validation, parts.y_validation, classes)),
    }
    if hasattr(model, "oob_improvement_"):
        found["out_of_bag_improvement"] = model.oob_improvement_.tolist()
    return found


def _staged(model: Any, x: Any, y: Any, classes: bool) -> Iterator[float]:
    if classes:
        yield from (float(metrics.log_loss(y, p, labels=model.classes_)) for p in model.staged_predict_proba(x))
    else:
        yield from (float(metrics.mean_squared_error(y, p)) for p in model.staged_predict(x))


def _write(
    folder: Path, config: TrainModel, model: Any, spec: TableSpec, features: Sequence[Feature], drawn: Sample,
    measured: dict[str, Any], parts: Parts,
) -> None:  # fmt: skip
    buffer = io.BytesIO()
    joblib.dump(model, buffer, compress=("zlib", 9))
    (folder / "model.joblib").write_bytes(buffer.getvalue())
    manifest = {
        "model": {
            "path": "model.joblib", "format": "joblib", "sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
            "type": type(model).__name__, "classes": [str(c) for c in getattr(model, "classes_", ())],
        },
        "features": msgspec.to_builtins(tuple(features)),
        "label": config.label,
        "seed": config.seed,
        "sample": {"rows": len(drawn.values), "of": drawn.rows, "share": drawn.share},
        "spec": {"path": "spec.json", "id": spec.id},
        "versions": {"scikit-learn": sklearn.__version__, "numpy": np.__version__},
        "config": msgspec.to_builtins(config),
    }  # fmt: skip
    for name, value in (("manifest", manifest), ("spec", spec.plain()), ("metrics", measured)):
        (folder / f"{name}.json").write_text(json.dumps(value, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    loss = "log loss" if measured.get("confusion") else "mean squared error"
    kept = dict(measured["curves"])
    if out_of_bag := kept.pop("out_of_bag_improvement", None):
        picture = curves("out-of-bag improvement of the loss by stage", {"out of bag": out_of_bag})
        (folder / "out_of_bag.svg").write_text(picture, encoding="utf-8")
    (folder / "curves.svg").write_text(curves(f"{loss} by stage", kept), encoding="utf-8")
    ranked = sorted(measured["permutation_importance"].items(), key=lambda item: -item[1]["mean"])[:20]
    (folder / "importances.svg").write_text(
        bars(
            "validation score lost when a column is shuffled; whiskers: 1.96 standard deviations between shuffles",
            [(n, v["mean"], v["std"]) for n, v in ranked],
        ),
        encoding="utf-8",
    )
    if config.leaf_rows:
        leaves = model.apply(parts.x_validation[: config.leaf_rows]).reshape(-1, len(model.estimators_), 1)
        flat = leaves.reshape(len(leaves), -1).astype(np.int32)
        pq.write_table(pa.table({"leaves": list(flat)}), folder / "leaves.parquet")
