"""Which models are explained, which are refused, and that the closed form agrees with very many points."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from lime_grid import Data, spec_of
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression

from lib.errors import UsageError
from lib.lime.engine import Ask
from lib.lime.exact import exact_engine
from lib.lime.explainer import _labels
from lib.lime.neighborhood import Neighborhood
from lib.lime.options import ExplainRows
from lib.lime.sampled import Bank
from lib.model.files import ModelFile, load

ASK = Ask(num_samples=20_000, feature_selection="none", std_error=True)
MODELS = {
    "forest": (RandomForestRegressor(10, max_depth=5, random_state=0), load_diabetes),
    "forest's probabilities": (RandomForestClassifier(10, max_depth=5, random_state=0), load_breast_cancer),
    "boosting": (GradientBoostingRegressor(n_estimators=20, random_state=0), load_diabetes),
    "histograms": (HistGradientBoostingRegressor(max_iter=20), load_diabetes),
    "boosted log-odds": (GradientBoostingClassifier(n_estimators=20, random_state=0), load_breast_cancer),
    "histograms' log-odds": (HistGradientBoostingClassifier(max_iter=20), load_breast_cancer),
}


def hood_of(x: np.ndarray, y: np.ndarray) -> Neighborhood:
    return Neighborhood(spec_of(Data("", x, y, (), True, len), ("quartile",)), "quartile", "fixed", False)


@pytest.mark.parametrize("name", MODELS)
def test_many_points_tend_to_the_exact_weights(name: str) -> None:
    made, fetch = MODELS[name]
    x, y = fetch(return_X_y=True)
    model, hood, block, label = made.fit(x, y), hood_of(x, y), x[:16], int("odds" in name or "prob" in name)
    said: Callable[[Any], Any] = model.decision_function if "odds" in name else model.predict
    if "prob" in name:
        said = lambda values: model.predict_proba(values)[:, 1]  # noqa: E731

    def column(values: np.ndarray) -> np.ndarray:
        return said(values).reshape(-1, 1)

    sampled = Bank(hood, column, ASK).explain(block, column(block), np.zeros((16, 1), int), 16)
    exact = exact_engine(hood, model, ASK).explain(block, column(block), np.full((16, 1), label), 16)

    def by_feature(found: Any, values: np.ndarray) -> np.ndarray:
        return np.take_along_axis(values, np.argsort(found.features, axis=2), axis=2)

    off = by_feature(sampled, sampled.weights) - by_feature(exact, exact.weights)
    errors = by_feature(sampled, sampled.std_errors)
    moved = errors > 1e-9  # a feature that no tree uses has neither weight nor error
    assert 0.6 < np.sqrt(np.mean((off[moved] / errors[moved]) ** 2)) < 1.4


@pytest.mark.parametrize(
    "model, line",
    [
        (LogisticRegression(max_iter=5000), "the model is a LogisticRegression"),
        (GradientBoostingClassifier(n_estimators=2), "boosted log-odds of two classes, the model has more"),
        (HistGradientBoostingClassifier(max_iter=2), "boosted log-odds of two classes, the model has more"),
    ],
)
def test_the_closed_form_refuses_what_is_no_sum_of_trees(model: Any, line: str) -> None:
    x, y = load_iris(return_X_y=True)

    with pytest.raises(UsageError, match=line):
        exact_engine(hood_of(x, y), model.fit(x, y), ASK)


def test_the_closed_form_needs_the_metric_of_a_product() -> None:
    x, y = load_iris(return_X_y=True)
    model = RandomForestRegressor(2).fit(x, y)

    with pytest.raises(UsageError, match="exact needs distance_metric euclidean, got cosine"):
        exact_engine(hood_of(x, y), model, replace(ASK, distance_metric="cosine"))


def test_a_skops_file_loads_with_the_types_that_the_config_trusts(tmp_path: Path) -> None:
    x, y = load_iris(return_X_y=True)
    model, path = GradientBoostingClassifier(n_estimators=2, random_state=0).fit(x, y), tmp_path / "model.skops"
    skops.io.dump(model, path)
    types = tuple(skops.io.get_untrusted_types(file=path))
    file = ModelFile(path=f"file://{path}", sha256=hashlib.sha256(path.read_bytes()).hexdigest())

    with pytest.raises(UsageError, match=r"model.skops: holds types that model.trusted does not name: .*Tree"):
        load(file)
    loaded = load(replace(file, trusted=types))

    assert np.array_equal(loaded.predict_proba(x), model.predict_proba(x))


def test_top_labels_are_the_likeliest_classes_of_each_row() -> None:
    probabilities = np.array([[0.1, 0.6, 0.3], [0.5, 0.2, 0.3]])

    assert _labels(probabilities, ExplainRows(top_labels=2)).tolist() == [[1, 2], [0, 2]]
    assert _labels(probabilities, ExplainRows(labels=(2,))).tolist() == [[2], [2]]
