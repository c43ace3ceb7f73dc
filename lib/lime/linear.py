"""The local linear model, from weighted second moments: which features, what weights, how sure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Selection = Literal["auto", "forward_selection", "highest_weights", "lasso_path", "none"]
ALPHA = 1.0  # of lime's Ridge
SELECTION_ALPHA = 0.01  # of the Ridge that highest_weights ranks by
NOTHING_LEFT = 1e-10  # of a column's variance: what remains is rounding


@dataclass(frozen=True)
class Moments:
    """For B rows, one output: centred weighted moments of d encoded features x and the model's output y.

    The row itself is one of the points, with weight 1.
    """

    gram: Floats  # B x d x d: sum w (x - mean x)(x - mean x)'
    cross: Floats  # B x d: sum w (x - mean x)(y - mean y)
    mean_x: Floats  # B x d
    mean_y: Floats  # B
    variance: Floats  # B: sum w (y - mean y)^2
    own: Floats  # B x d: the row's own encoding
    points: int


@dataclass(frozen=True)
class Fit:
    """B local models of up to k features, in order of falling |weight|; feature -1 and weight NaN fill up."""

    features: Ints  # B x k
    weights: Floats  # B x k
    intercept: Floats  # B
    r2: Floats  # B
    local_prediction: Floats  # B


def resolved(method: Selection, k: int) -> Selection:
    """What `auto` means."""
    return method if method != "auto" else "forward_selection" if k <= 6 else "highest_weights"


def select(method: Selection, moments: Moments, k: int) -> Ints:
    """B x (up to k) feature numbers, filled up with -1."""
    k = min(k, moments.cross.shape[1])
    return _SELECT[resolved(method, k)](moments, k)


def _all(moments: Moments, k: int) -> Ints:
    rows, d = moments.cross.shape
    return np.tile(np.arange(d), (rows, 1))


def _forward(moments: Moments, k: int) -> Ints:
    """Greedy R^2. The gain of a feature is (residual covariance)^2 / residual variance, swept pick by pick.

    lime fits d * k unpenalised regressions for the same answer.
    """
    rows, d = moments.cross.shape
    every = np.arange(rows)
    residual, left = moments.cross.copy(), np.einsum("bii->bi", moments.gram).copy()
    floor = NOTHING_LEFT * np.maximum(left, 1e-300)
    picks, swept = np.empty((rows, k), np.int64), np.zeros((rows, k, d))
    used = np.zeros((rows, d), bool)
    for t in range(k):
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = np.where(left > floor, residual * residual / left, 0.0)
        gain[used] = -1.0
        picks[:, t] = j = gain.argmax(axis=1)
        used[every, j] = True
        pivot = left[every, j]
        inverse = np.where(pivot > floor[every, j], 1.0 / np.where(pivot > 0, pivot, 1.0), 0.0)
        # The picked feature's Gram row, less what earlier picks explain of it; rows are scaled to unit pivot.
        row = moments.gram[every, j] - np.einsum("btd,bt->bd", swept[:, :t], swept[every, :t, j])
        swept[:, t] = row * np.sqrt(inverse)[:, None]
        residual = residual - row * (inverse * residual[every, j])[:, None]
        left = left - swept[:, t] ** 2
    return picks


def _highest(moments: Moments, k: int) -> Ints:
    weights = solve(moments.gram, moments.cross, SELECTION_ALPHA)
    return np.argsort(-np.abs(weights * moments.own), axis=1, kind="stable")[:, :k]


def _lasso(moments: Moments, k: int) -> Ints:
    picks = np.full((len(moments.cross), moments.cross.shape[1]), -1, np.int64)
    for i, (gram, cross) in enumerate(zip(moments.gram, moments.cross, strict=True)):
        found = _lasso_one(gram, cross, moments.points, k)
        picks[i, : len(found)] = found
    return picks[:, : max(1, int((picks >= 0).sum(axis=1).max()))]


def _lasso_one(gram: Floats, cross: Floats, points: int, k: int) -> Ints:
    """The last step of the lasso path that has up to k features."""
    from sklearn.linear_model import lars_path_gram

    coefficients = lars_path_gram(cross, gram, n_samples=points, method="lasso")[2]
    found: Ints = np.arange(len(cross))
    for step in range(coefficients.shape[1] - 1, 0, -1):
        found = coefficients[:, step].nonzero()[0]
        if len(found) <= k:
            break
    return found


_SELECT = {"none": _all, "forward_selection": _forward, "highest_weights": _highest, "lasso_path": _lasso}


def solve(gram: Floats, cross: Floats, alpha: float) -> Floats:
    """(gram + alpha I) w = cross, for each of B."""
    answer: Any = np.linalg.solve(gram + alpha * np.eye(gram.shape[-1]), cross[..., None])
    return cast(Floats, answer[..., 0])


def ridge(moments: Moments, picks: Ints) -> Fit:
    """Ridge(alpha=1) with an intercept on the picked features, its weighted R^2, its prediction for the row."""
    at = np.arange(len(picks))[:, None]
    real = picks >= 0
    both = real[:, :, None] & real[:, None, :]
    gram = np.where(both, moments.gram[at[:, :, None], picks[:, :, None], picks[:, None, :]], 0.0)
    cross = np.where(real, moments.cross[at, picks], 0.0)
    weights = solve(gram, cross, ALPHA)
    intercept = moments.mean_y - (moments.mean_x[at, picks] * weights).sum(axis=1)
    unexplained = moments.variance - 2 * (weights * cross).sum(axis=1)
    unexplained += np.einsum("bi,bij,bj->b", weights, gram, weights)
    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = np.where(moments.variance > 0, 1 - unexplained / moments.variance, 1.0)
    local = intercept + (moments.own[at, picks] * weights).sum(axis=1)
    order = np.argsort(-np.where(real, np.abs(weights), -1.0), axis=1, kind="stable")
    features, kept = picks[at, order], np.where(real, weights, np.nan)[at, order]
    return Fit(features, kept, intercept, r2, local)


def inverted(gram: Floats) -> Floats:
    """(gram + alpha I)^-1, of one or of many."""
    return cast(Floats, np.linalg.inv(gram + ALPHA * np.eye(gram.shape[-1])))


@dataclass(frozen=True)
class Spread:
    """How ridge weights of k features would move with other points: H^-1 (sum w^2 e^2 x x') H^-1, H = gram + alpha I.

    White (1980); x is centred. `design` ((k + 1) x n: k features and 1) and `residual` (n) are multiplied by the root
    of each point's weight.
    """

    design: Floats
    residual: Floats
    mean_x: Floats
    weights: Floats
    inverse: Floats

    @classmethod
    def of(
        cls, design: Floats, output: Floats, mean_x: Floats, mean_y: float, weights: Floats, inverse: Floats
    ) -> Spread:
        """`output` (n) is multiplied by the root of each point's weight."""
        residual = output - np.append(weights, mean_y - mean_x @ weights) @ design
        return cls(design, residual, mean_x, weights, inverse)

    def covariance(self) -> Floats:
        """Of all weights, k x k."""
        room = self.design * self.residual
        squares = room @ room.T
        # The means are taken off afterwards: two passes over n points less.
        off = np.outer(self.mean_x, squares[:-1, -1])
        meat = squares[:-1, :-1] - off - off.T + squares[-1, -1] * np.outer(self.mean_x, self.mean_x)
        covariance: Floats = self.inverse @ meat @ self.inverse
        return covariance

    def deviations(self, factors: Floats) -> Floats:
        """Of sums of factors * weights (m x k): without the covariance of all the others."""
        leaned = factors @ self.inverse
        moved = np.column_stack([leaned, -leaned @ self.mean_x]) @ self.design
        moved *= self.residual
        deviations: Floats = np.sqrt(np.einsum("mn,mn->m", moved, moved))
        return deviations


def separated(chosen: NDArray[np.bool_], scale: Floats, spread: Spread, z: float) -> bool | None:
    """Whether each chosen feature beats each other one by z standard deviations of their difference.

    Features are ranked by |weight * scale|. None where all are chosen.
    """
    if chosen.all():
        return None
    sizes = np.abs(spread.weights * scale)
    signs = np.where(spread.weights * scale < 0, -1.0, 1.0) * scale
    # The closest pair first: where it overlaps, as it does in most rows, no other pair matters.
    last, next_ = np.where(chosen, sizes, np.inf).argmin(), np.where(chosen, -np.inf, sizes).argmax()
    factors = np.zeros(len(sizes))
    factors[last], factors[next_] = signs[last], -signs[next_]
    if sizes[last] - sizes[next_] < z * spread.deviations(factors[None])[0]:
        return False
    noise = np.einsum("ij,i,j->ij", spread.covariance(), signs, signs)
    variances = np.diag(noise)
    difference = sizes[chosen][:, None] - sizes[~chosen][None, :]
    variance = variances[chosen][:, None] + variances[~chosen][None, :] - 2 * noise[np.ix_(chosen, ~chosen)]
    return bool((difference >= z * np.sqrt(np.maximum(variance, 0))).all())
