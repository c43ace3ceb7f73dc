"""LIME without sampling noise: what the answer tends to with infinitely many points, for sums of trees.

Under LIME's kernel, a product over columns, the columns of the points stay independent. So the weighted regression
falls apart (Garreau & von Luxburg, arXiv 2008.11092): the weight of feature j is E[f | j in the row's bin] less
E[f | j elsewhere], and for a tree the chance of a leaf is a product over the features on its path.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import truncnorm

from lib.errors import UsageError
from lib.lime.engine import Ask, Explained
from lib.lime.linear import Floats, Ints, resolved
from lib.lime.neighborhood import Choices, Neighborhood

Box = dict[int, tuple[float, float]]  # by feature: low < value <= high


@dataclass(frozen=True)
class Leaf:
    """Where a leaf lies, and what it adds to each output."""

    box: Box
    values: Floats


@dataclass(frozen=True)
class Trees:
    """f(x) = base + the sum of the values of the leaves that x falls into; one output, or one a class."""

    base: Floats
    leaves: list[Leaf]
    explained: str


def exact_engine(hood: Neighborhood, model: Any, ask: Ask) -> Exact:
    """Raises UsageError for a model that is no sum of trees, or a metric whose kernel is no product."""
    if ask.distance_metric != "euclidean":
        raise UsageError(f"explain_rows.engine exact needs distance_metric euclidean, got {ask.distance_metric}")
    kind = type(model).__name__
    if kind not in _TREES:
        raise UsageError(f"explain_rows.engine exact knows {', '.join(sorted(_TREES))}; the model is a {kind}")
    return Exact(hood, _TREES[kind](model), ask)


class Exact:
    """Population weights; there is no standard error, and R^2 has no closed form."""

    block_rows = 16

    def __init__(self, hood: Neighborhood, trees: Trees, ask: Ask) -> None:
        self.hood, self.ask, self.explained, self.base = hood, ask, trees.explained, trees.base
        d, leaves = hood.width, trees.leaves
        depth = max((len(leaf.box) for leaf in leaves), default=0) or 1
        bins = max(len(choice.codes) for choice in hood.choices.values())
        # Feature d stands for none: its factor is always 1.
        self.features = np.full((len(leaves), depth), d)
        self.inside = np.ones((len(leaves), depth, bins))
        self.values = np.array([leaf.values for leaf in leaves]).reshape(len(leaves), -1)
        known: dict[tuple[int, float], Floats] = {}

        def below(j: int, x: float) -> Floats:
            if (j, x) not in known:
                known[j, x] = _below(hood.choices[j], x)
            return known[j, x]

        for i, leaf in enumerate(leaves):
            for q, (j, (low, high)) in enumerate(leaf.box.items()):
                chance = below(j, high) - below(j, low)
                self.features[i, q] = j
                self.inside[i, q] = 0.0
                self.inside[i, q, : len(chance)] = chance

    def explain(self, rows: Floats, outputs: Floats, labels: Ints, real: int) -> Explained:
        """See Engine; labels beyond the sum's outputs (log-odds have one) mean its only one."""
        codes = self.hood.encode(rows)
        found = [self._one(code) for code in codes[:real]]
        k = min(self.ask.num_features, self.hood.width)
        if self.ask.feature_selection == "none":
            k = self.hood.width
        shape = (*labels.shape, k)
        features, weights = np.empty(shape, np.int64), np.empty(shape)
        intercept, local = np.empty(labels.shape), np.empty(labels.shape)
        for i, (beta, share, mean) in enumerate(found):
            for slot, label in enumerate(labels[i]):
                column, sign = (int(label), 1.0) if beta.shape[1] > 1 else (0, -1.0 if self._other(label) else 1.0)
                slope = sign * beta[:, column]
                picks = self._picks(slope, share)[:k]
                picks = picks[np.argsort(-np.abs(slope[picks]), kind="stable")]
                features[i, slot], weights[i, slot] = picks, slope[picks]
                intercept[i, slot] = sign * mean[column] - (slope * share)[picks].sum()
                local[i, slot] = intercept[i, slot] + slope[picks].sum()
        return Explained(
            features, weights, np.full(shape, np.nan), intercept, np.full(labels.shape, np.nan), local,
            np.full(labels.shape, None, object), None,
        )  # fmt: skip

    def _other(self, label: int) -> bool:
        """Log-odds are those of class 1; class 0's are their negative."""
        return self.explained == "log_odds" and int(label) == 0

    def _picks(self, slope: Floats, share: Floats) -> Ints:
        """In the order in which each method takes independent columns."""
        spread = share * (1 - share)
        method = resolved(self.ask.feature_selection, self.ask.num_features)
        rank = {"forward_selection": slope**2 * spread, "lasso_path": np.abs(slope) * spread}.get(method, np.abs(slope))
        return np.argsort(-rank, kind="stable")

    def _one(self, code: Floats) -> tuple[Floats, Floats, Floats]:
        """d x o weights, d shares of points in the row's bins, o means: all under the kernel."""
        d, bins = self.hood.width, self.inside.shape[2]
        rho = np.exp(-1 / (2 * self.ask.width(d) ** 2))  # what a column elsewhere costs
        law, difference, share = np.zeros((d + 1, bins)), np.zeros((d + 1, bins)), np.ones(d + 1)
        law[d, 0] = 1.0
        for j, choice in self.hood.choices.items():
            same = (choice.codes == code[j]) | (np.isnan(choice.codes) & np.isnan(code[j]))
            q = np.where(same, choice.frequencies, choice.frequencies * rho)
            q = q / q.sum()
            share[j] = q[same].sum()
            law[j, : len(q)] = q
            if 0 < share[j] < 1:
                difference[j, : len(q)] = np.where(same, q / share[j], -q / (1 - share[j]))
        factor = (self.inside * law[self.features]).sum(axis=2)
        slope = (self.inside * difference[self.features]).sum(axis=2)
        before, behind = np.ones_like(factor), np.ones_like(factor)
        before[:, 1:] = np.cumprod(factor[:, :-1], axis=1)
        behind[:, :-1] = np.cumprod(factor[:, :0:-1], axis=1)[:, ::-1]
        leaf_slopes = (before * behind * slope).ravel()
        beta: Floats = np.stack(
            [
                np.bincount(self.features.ravel(), leaf_slopes * np.repeat(value, factor.shape[1]), d + 1)[:d]
                for value in self.values.T
            ],
            axis=1,
        )
        return beta.astype(float), share[:d], self.base + factor.prod(axis=1) @ self.values


def _below(choice: Choices, x: float) -> Floats:
    """The chance that a value of each bin or category is at most x."""
    if np.isinf(x):
        return np.full(len(choice.codes), float(x > 0))
    if choice.bins is None:
        return (choice.codes <= x).astype(float)
    bins = choice.bins
    means, stds = np.array(bins.means), np.array(bins.stds)
    low, high = (np.array(bins.mins) - means) / stds, (np.array(bins.maxs) - means) / stds
    flat = low == high
    inside = truncnorm.cdf((x - means) / stds, np.where(flat, -1, low), np.where(flat, 1, high))
    found: Floats = np.where(flat, (np.array(bins.mins) <= x).astype(float), inside)
    if len(choice.codes) > len(found):
        raise UsageError("explain_rows.engine exact does not know missing values; set missing: error")
    return found


def _walk(tree: Any, factor: float) -> Iterator[Leaf]:
    """The leaves of a scikit-learn tree."""
    waiting: list[tuple[int, Box]] = [(0, {})]
    while waiting:
        node, box = waiting.pop()
        if tree.children_left[node] == -1:
            values = tree.value[node, 0]
            yield Leaf(box, factor * np.atleast_1d(values))
            continue
        j, threshold = int(tree.feature[node]), float(tree.threshold[node])
        low, high = box.get(j, (-np.inf, np.inf))
        waiting.append((tree.children_left[node], {**box, j: (low, min(high, threshold))}))
        waiting.append((tree.children_right[node], {**box, j: (max(low, threshold), high)}))


def _forest(model: Any) -> Trees:
    """A mean of trees: values, or probabilities."""
    share = 1.0 / len(model.estimators_)
    leaves = [
        leaf if not hasattr(model, "classes_") else Leaf(leaf.box, share * leaf.values / leaf.values.sum())
        for tree in model.estimators_
        for leaf in _walk(tree.tree_, 1.0 if hasattr(model, "classes_") else share)
    ]
    kind = "probability" if hasattr(model, "classes_") else "value"
    return Trees(np.zeros(len(leaves[0].values)), leaves, kind)


def _boosting(model: Any) -> Trees:
    """GradientBoosting*: a value, or the log-odds of class 1."""
    _binary(model)
    leaves = [leaf for stage in model.estimators_ for leaf in _walk(stage[0].tree_, model.learning_rate)]
    base = float(model._raw_predict_init(np.zeros((1, model.n_features_in_)))[0, 0])
    return Trees(np.array([base]), leaves, "log_odds" if hasattr(model, "classes_") else "value")


def _histogram(model: Any) -> Trees:
    """HistGradientBoosting*, without its own categories."""
    _binary(model)
    leaves = [leaf for stage in model._predictors for leaf in _nodes(stage[0].nodes)]
    base = np.ravel(model._baseline_prediction).astype(float)
    return Trees(base, leaves, "log_odds" if hasattr(model, "classes_") else "value")


def _nodes(nodes: Any) -> Iterator[Leaf]:
    waiting: list[tuple[int, Box]] = [(0, {})]
    while waiting:
        at, box = waiting.pop()
        node = nodes[at]
        if node["is_leaf"]:
            yield Leaf(box, np.array([float(node["value"])]))
            continue
        if node["is_categorical"]:
            raise UsageError("explain_rows.engine exact does not know HistGradientBoosting's own categories")
        j, threshold = int(node["feature_idx"]), float(node["num_threshold"])
        low, high = box.get(j, (-np.inf, np.inf))
        waiting.append((int(node["left"]), {**box, j: (low, min(high, threshold))}))
        waiting.append((int(node["right"]), {**box, j: (max(low, threshold), high)}))


def _binary(model: Any) -> None:
    if len(getattr(model, "classes_", (0, 1))) > 2:
        raise UsageError("explain_rows.engine exact explains boosted log-odds of two classes, the model has more")
    if getattr(model, "init", None) is not None:
        raise UsageError("explain_rows.engine exact does not know GradientBoosting that starts from another model")
    link = getattr(model, "loss", "squared_error")
    if link not in ("squared_error", "log_loss", "absolute_error", "huber", "quantile"):
        raise UsageError(f"explain_rows.engine exact does not know loss {link}")


_TREES = {
    "RandomForestClassifier": _forest,
    "RandomForestRegressor": _forest,
    "ExtraTreesClassifier": _forest,
    "ExtraTreesRegressor": _forest,
    "GradientBoostingClassifier": _boosting,
    "GradientBoostingRegressor": _boosting,
    "HistGradientBoostingClassifier": _histogram,
    "HistGradientBoostingRegressor": _histogram,
}
