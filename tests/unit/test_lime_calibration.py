"""Standard errors are as large as they say: 95% intervals cover the answer of very many points."""

from __future__ import annotations

import numpy as np
import pytest
from lime_grid import as_matrix, data_sets, spec_of

from lib.lime.engine import Ask
from lib.lime.neighborhood import Neighborhood
from lib.lime.sampled import Bank


@pytest.mark.figures
@pytest.mark.parametrize("name", ["cancer", "diabetes", "mixed"])
def test_intervals_cover_as_often_as_they_should(name: str) -> None:
    data = data_sets()[name]
    hood = Neighborhood(spec_of(data, ("quartile",)), "quartile", "fixed", False)
    predict = as_matrix(data.predict)
    rows = data.x[np.random.default_rng(0).choice(len(data.x), 8, replace=False)]
    labels = np.full((8, 1), 0 if data.regression else 1)

    def weights(points: int, seed: int):
        ask = Ask(num_samples=points, feature_selection="none", seed=seed, std_error=True)
        found = Bank(hood, predict, ask).explain(rows, predict(rows), labels, 8)
        order = np.argsort(found.features, axis=2)
        return (np.take_along_axis(values, order, axis=2) for values in (found.weights, found.std_errors))

    truth, _ = weights(200_000, 1)
    covered = [np.abs(w - truth) < 1.96 * e for w, e in (weights(5000, seed) for seed in range(2, 42))]
    print(f"{name}: {np.mean(covered):.3f} of {np.size(covered)} intervals cover")

    assert 0.92 < np.mean(covered) < 0.98
