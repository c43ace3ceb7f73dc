"""The lime library itself, row by row: slow, for those who want to see that the others agree."""

from __future__ import annotations

from typing import Any

import numpy as np
from lime.discretize import BaseDiscretizer
from lime.lime_tabular import LimeTabularExplainer

from lib.lime.engine import Ask, Explained
from lib.lime.linear import Floats, Ints
from lib.lime.neighborhood import Neighborhood, row_seed
from lib.lime.spec import TableSpec
from lib.model.ask import answers, classifies


class Library:
    """lime's explainer, given a spec in place of training data; its random stream starts anew for each row."""

    block_rows = 1

    def __init__(self, hood: Neighborhood, spec: TableSpec, model: Any, ask: Ask, around: bool) -> None:
        self.hood, self.ask, self.around = hood, ask, around and not hood.discretised
        self.predict, self.classes = answers(model), classifies(model)
        self.explainer = _explainer(hood, spec, ask, self.around, self.classes)

    def explain(self, rows: Floats, outputs: Floats, labels: Ints, real: int) -> Explained:
        """See Engine."""
        told = self._told(rows[0], labels[0])
        # lime keeps score and prediction of its last label only (its issue 173): each label has its own call.
        width = max(len(weights) for weights, *_ in told)
        features, weights = np.full((1, len(told), width), -1), np.full((1, len(told), width), np.nan)
        for slot, (found, *_) in enumerate(told):
            features[0, slot, : len(found)] = [j for j, _ in found]
            weights[0, slot, : len(found)] = [weight for _, weight in found]
        intercept, r2, local = (np.array([[one[k] for one in told]], float) for k in (1, 2, 3))
        return Explained(
            features, weights, np.full(weights.shape, np.nan), intercept, r2, local,
            np.full((1, len(told)), None, object), self.ask.num_samples,
        )  # fmt: skip

    def _told(self, row: Floats, labels: Ints) -> list[tuple[Any, Any, Any, Any]]:
        found = []
        for label in labels.tolist():
            random = np.random.RandomState(row_seed(self.ask.seed, row) if self.around else self.ask.seed)
            self.explainer.random_state = self.explainer.base.random_state = random
            if self.explainer.discretizer is not None:
                self.explainer.discretizer.random_state = random
            one = self.explainer.explain_instance(
                row, self.predict if self.classes else lambda x: self.predict(x)[:, 0], labels=(label,),
                num_features=self.ask.num_features, num_samples=self.ask.num_samples,
                distance_metric=self.ask.distance_metric,
            )  # fmt: skip
            at = label if self.classes else 1
            found.append((one.local_exp[at], one.intercept[at], one.score, one.local_pred[0]))
        return found


class _Known(BaseDiscretizer):  # type: ignore[misc]
    """A discretiser whose numbers are given."""

    def __init__(self, hood: Neighborhood, names: list[str]) -> None:
        binned = {j: choice.bins for j, choice in hood.choices.items() if choice.bins is not None}
        self.to_discretize = list(binned)
        self.lambdas = {j: lambda x, cut=np.array(b.edges): np.searchsorted(cut, x) for j, b in binned.items()}
        self.names = {j: [names[j]] * len(b.counts) for j, b in binned.items()}
        self.mins = {j: list(b.mins) for j, b in binned.items()}
        self.maxs = {j: list(b.maxs) for j, b in binned.items()}
        self.means = {j: list(b.means) for j, b in binned.items()}
        self.stds = {j: list(b.stds) for j, b in binned.items()}


def _explainer(hood: Neighborhood, spec: TableSpec, ask: Ask, around: bool, classes: bool) -> Any:
    """Built on one row of zeros, then told what the spec knows."""
    names = [column.name for column in spec.columns]
    known = _Known(hood, names) if hood.discretised else None
    explainer = LimeTabularExplainer(
        np.zeros((1, hood.width)), mode="classification" if classes else "regression", feature_names=names,
        categorical_features=[j for j, c in enumerate(spec.columns) if not c.numeric],
        kernel_width=ask.width(hood.width), feature_selection=ask.feature_selection,
        discretize_continuous=hood.discretised, discretizer=known, sample_around_instance=around,
    )  # fmt: skip
    explainer.scaler.mean_, explainer.scaler.scale_ = hood.mean.copy(), hood.scale.copy()
    for j, choice in hood.choices.items():
        explainer.feature_values[j] = choice.codes
        explainer.feature_frequencies[j] = choice.frequencies
    return explainer
