"""Random configurations of lime, and how far our answers are from the library's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from lime.lime_tabular import LimeTabularExplainer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor, HistGradientBoostingClassifier

from lib.lime.census import CategoryCensus, NumericCensus, edges
from lib.lime.engine import Ask, Explained
from lib.lime.neighborhood import Neighborhood, row_seed
from lib.lime.sampled import Bank, PerRow
from lib.lime.spec import TableSpec


@dataclass(frozen=True)
class Data:
    name: str
    x: np.ndarray
    y: np.ndarray
    categorical: tuple[int, ...]
    regression: bool
    predict: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Case:
    data: str
    discretizer: str
    selection: str
    num_features: int
    num_samples: int
    metric: str
    kernel_width: float | None
    label: int
    around: bool
    seed: int


WIDTHS = {"cancer": 30, "iris": 4, "diabetes": 10, "mixed": 6}
TYPICAL: dict[str, Callable[[int], float]] = {
    "euclidean": lambda d: d**0.5,
    "manhattan": lambda d: d,
    "sqeuclidean": lambda d: d,
    "chebyshev": lambda d: 1.5,
    "cosine": lambda d: 0.5,
    "hamming": lambda d: 0.7,
}


def mixed_table(n: int = 1500) -> tuple[np.ndarray, np.ndarray]:
    """Ages, skewed money with many zeros, and categories of which some are rare."""
    r = np.random.default_rng(0)
    age, money = r.integers(17, 80, n), np.where(r.random(n) < 0.6, 0, r.lognormal(8, 1, n))
    kind = r.choice(7, n, p=[0.3, 0.25, 0.2, 0.1, 0.08, 0.05, 0.02])
    place, sex = r.integers(0, 14, n), r.integers(0, 2, n)
    score = 0.05 * (age - 40) + 0.7 * (money > 0) - 0.5 * (kind == 1) + 0.6 * sex + 0.3 * (place > 8)
    x = np.column_stack([age, money, kind, place, sex, r.normal(size=n)]).astype(float)
    return x, (r.random(n) < 1 / (1 + np.exp(-score))).astype(int)


def data_sets() -> dict[str, Data]:
    cancer, iris, diabetes, (mixed_x, mixed_y) = load_breast_cancer(), load_iris(), load_diabetes(), mixed_table()
    boosted = GradientBoostingClassifier(n_estimators=20, random_state=0)
    mixed = GradientBoostingClassifier(n_estimators=20, random_state=0).fit(mixed_x, mixed_y)
    plain = HistGradientBoostingClassifier(max_iter=10).fit(iris.data, iris.target)
    regressor = GradientBoostingRegressor(n_estimators=20, random_state=0).fit(diabetes.data, diabetes.target)
    boosted.fit(cancer.data, cancer.target)
    return {
        d.name: d
        for d in (
            Data("cancer", cancer.data, cancer.target, (), False, boosted.predict_proba),
            Data("iris", iris.data, iris.target, (), False,
                 plain.predict_proba),
            Data("diabetes", diabetes.data, diabetes.target, (), True,
                 regressor.predict),
            Data("mixed", mixed_x, mixed_y, (2, 3, 4), False,
                 mixed.predict_proba),
        )
    }  # fmt: skip


def cases(count: int, seed: int = 1, widths: tuple[float, float] = (0.5, 2)) -> Iterator[Case]:
    """Kernels of `widths` times a typical distance; below a fifth, all points together weigh nothing beside the row."""
    r = np.random.default_rng(seed)
    for _ in range(count):
        data = str(r.choice(["cancer", "iris", "diabetes", "mixed"]))
        kinds = ["quartile", "decile", "none"] + ([] if data == "diabetes" else ["entropy"])
        metric = str(r.choice(["euclidean", "euclidean", "manhattan", "cosine", "sqeuclidean", "chebyshev", "hamming"]))
        width = float(r.uniform(*widths) * TYPICAL[metric](WIDTHS[data]))
        yield Case(
            data=data,
            discretizer=str(r.choice(kinds)),
            selection=str(r.choice(["auto", "forward_selection", "highest_weights", "lasso_path", "none"])),
            num_features=int(r.integers(1, 9)),
            num_samples=int(r.choice([200, 500])),
            metric=metric,
            kernel_width=None if metric == "euclidean" and r.random() < 0.7 else width,
            label=0 if data == "diabetes" else int(r.integers(0, 2)),
            around=bool(r.random() < 0.4),
            seed=int(r.integers(0, 1 << 31)),
        )  # fmt: skip


def spec_of(data: Data, discretizers: tuple[str, ...]) -> TableSpec:
    columns = []
    for j in range(data.x.shape[1]):
        name, values = f"f{j}", data.x[:, j]
        if j in data.categorical:
            categories = CategoryCensus()
            categories.add(pa.array(values))
            columns.append(categories.column(name))
            continue
        cuts = {d: edges(values, d, data.y) for d in discretizers if d != "none"}
        numbers = NumericCensus(cuts)
        numbers.add(values)
        columns.append(numbers.column(name))
    return TableSpec(len(data.x), tuple(columns))


def ours(data: Data, case: Case, rows: np.ndarray, seed: int | None = None) -> Explained:
    spec = spec_of(data, (case.discretizer,))
    ask = Ask(case.num_features, case.num_samples, case.selection, case.kernel_width, case.metric,
              case.seed if seed is None else seed)  # fmt: skip
    hood = Neighborhood(spec, case.discretizer, "lime", missing_bin=False)
    predict = as_matrix(data.predict)
    engine: Any = PerRow(hood, predict, ask, True) if own_points(case) else Bank(hood, predict, ask)
    return engine.explain(rows, predict(rows), np.full((len(rows), 1), case.label), len(rows))


def own_points(case: Case) -> bool:
    return case.around and case.discretizer == "none"


def as_matrix(predict: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: predict(x).reshape(len(x), -1)


def explainer(data: Data, case: Case) -> LimeTabularExplainer:
    return LimeTabularExplainer(
        data.x, mode="regression" if data.regression else "classification", training_labels=data.y,
        categorical_features=list(data.categorical), kernel_width=case.kernel_width,
        feature_selection=case.selection, discretize_continuous=case.discretizer != "none",
        discretizer=case.discretizer if case.discretizer != "none" else "quartile",
        sample_around_instance=case.around, random_state=0,
    )  # fmt: skip


def theirs(data: Data, case: Case, row: np.ndarray, known: LimeTabularExplainer) -> Any:
    """lime's explanation, with a fresh random stream of the case's seed."""
    random = np.random.RandomState(row_seed(case.seed, row) if own_points(case) else case.seed)
    known.random_state = known.base.random_state = random
    if known.discretizer is not None:
        known.discretizer.random_state = random
    return known.explain_instance(row, data.predict, labels=(case.label,), num_features=case.num_features,
                                  num_samples=case.num_samples, distance_metric=case.metric)  # fmt: skip


def difference(data: Data, case: Case, count: int = 3, seed: int | None = None) -> float:
    """The largest relative difference of all that lime answers; infinite where the features differ."""
    rows = data.x[np.random.default_rng(case.seed).choice(len(data.x), count, replace=False)]
    mine, known = ours(data, case, rows, seed), explainer(data, case)
    worst = 0.0
    for i, row in enumerate(rows):
        told = theirs(data, case, row, known)
        label = 1 if data.regression else case.label
        weights = dict(told.local_exp[label])
        found = {int(f): w for f, w in zip(mine.features[i, 0], mine.weights[i, 0], strict=True) if f >= 0}
        if set(found) != set(weights):
            return float("inf")
        scale = max(abs(w) for w in weights.values()) or 1.0
        worst = max(
            worst,
            max(abs(found[f] - weights[f]) for f in weights) / scale,
            abs(mine.intercept[i, 0] - told.intercept[label]) / max(1, abs(told.intercept[label])),
            abs(mine.r2[i, 0] - told.score),
            abs(mine.local_prediction[i, 0] - told.local_pred[0]) / max(1, abs(told.local_pred[0])),
        )
    return worst
