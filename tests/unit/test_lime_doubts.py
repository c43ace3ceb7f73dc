"""What a local model says of its own doubts: standard errors, and whether its features would be chosen again."""

from __future__ import annotations

import numpy as np
import pytest
from lime_grid import as_matrix, data_sets, spec_of

from lib.lime.engine import Ask
from lib.lime.linear import Spread, separated
from lib.lime.neighborhood import Neighborhood
from lib.lime.sampled import Bank

MEAN = np.array([0.5, -0.2, 0.1])


def spread(weights: list[float], deviations: list[float]) -> Spread:
    """Of three weights whose errors are independent and of these sizes, up to what 100,000 points leave over."""
    x = np.random.default_rng(0).normal(size=(3, 100_000))
    inverse = np.diag(deviations) / np.sqrt(100_000)
    return Spread(np.vstack([x + MEAN[:, None], np.ones(100_000)]), np.ones(100_000), MEAN, np.array(weights), inverse)


def test_one_deviation_is_that_of_the_whole_covariance() -> None:
    doubt = spread([1.0, 2.0, 3.0], [0.1, 0.2, 0.3])

    found = doubt.deviations(np.array([[1.0, 0.0, -2.0]]))[0]

    assert found == pytest.approx(np.sqrt([1, 0, -2] @ doubt.covariance() @ [1, 0, -2]), rel=1e-12)
    assert found == pytest.approx(np.hypot(0.1, 0.6), rel=0.02)


@pytest.mark.parametrize(
    "weights, deviations, stable",
    [
        ([2.0, 1.0, 0.5], [0.1, 0.1, 0.1], True),
        ([1.1, 1.0, 0.5], [0.1, 0.1, 0.1], False),  # the closest pair overlaps
        ([2.0, 1.0, 0.5], [0.1, 0.1, 5.0], False),  # another pair does
        ([-2.0, 1.0, 0.5], [0.1, 0.1, 0.1], True),  # sizes count, not signs
        ([1.0, 2.0, 0.5], [0.1, 0.1, 0.1], False),  # the greater one was not chosen
    ],
)
def test_a_choice_is_stable_where_no_pair_overlaps(weights: list[float], deviations: list[float], stable: bool) -> None:
    chosen = np.array([True, False, False])

    assert separated(chosen, np.ones(3), spread(weights, deviations), 1.645) is stable


def test_errors_that_move_two_sizes_alike_leave_their_order() -> None:
    alike = spread([-2.0, 1.7, 0.5], [1.0, 1.0, 0.01])
    alike.inverse[:] = np.array([[0.5, -0.5, 0.0], [-0.5, 0.5, 0.0], [0.0, 0.0, 0.01]]) / np.sqrt(100_000)

    assert separated(np.array([True, False, False]), np.ones(3), alike, 1.645) is True


@pytest.mark.figures
@pytest.mark.parametrize("name", ["cancer", "diabetes", "mixed"])
def test_intervals_cover_as_often_as_they_should(name: str) -> None:
    found = _many(name, "none", 10)
    order = np.argsort(found[0].features, axis=2)
    truth = np.take_along_axis(found[0].weights, order, axis=2)
    covered = []
    for one in found[1:]:
        order = np.argsort(one.features, axis=2)
        off = np.abs(np.take_along_axis(one.weights, order, axis=2) - truth)
        covered.append(off < 1.96 * np.take_along_axis(one.std_errors, order, axis=2))
    print(f"{name}: {np.mean(covered):.3f} of {np.size(covered)} intervals cover")

    assert 0.92 < np.mean(covered) < 0.98


@pytest.mark.figures
@pytest.mark.parametrize("name", ["cancer", "diabetes", "mixed"])
def test_a_stable_choice_is_that_of_very_many_points(name: str) -> None:
    found = _many(name, "highest_weights", 3)
    right = [
        set(one.features[i, 0]) == set(found[0].features[i, 0])
        for one in found[1:] for i in np.flatnonzero(one.stable[:, 0])
    ]  # fmt: skip
    print(f"{name}: {len(right)} of 320 choices say stable, {np.mean(right):.3f} of them are right")

    assert np.mean(right) > 0.95


def _many(name: str, selection: str, k: int):
    """Explanations of eight rows by 200,000 points, then by 5,000 of 40 seeds."""
    data = data_sets()[name]
    hood = Neighborhood(spec_of(data, ("quartile",)), "quartile", "fixed", False)
    predict = as_matrix(data.predict)
    rows = data.x[np.random.default_rng(0).choice(len(data.x), 8, replace=False)]
    labels = np.full((8, 1), 0 if data.regression else 1)

    def explained(points: int, seed: int):
        ask = Ask(k, points, selection, seed=seed, std_error=True, stability_z=1.645)  # type: ignore[arg-type]
        return Bank(hood, predict, ask).explain(rows, predict(rows), labels, 8)

    return [explained(200_000, 1), *(explained(5000, seed) for seed in range(2, 42))]
