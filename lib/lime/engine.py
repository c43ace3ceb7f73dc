"""What every engine takes and gives, and the block by block work that sampled engines share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from lib.lime.linear import Fit, Floats, Ints, Moments, Selection, Spread, inverted, resolved, ridge, select, separated

Metric = Literal["euclidean", "sqeuclidean", "manhattan", "chebyshev", "cosine", "hamming"]
Predict = Callable[[Floats], Floats]  # m x d values to m x o outputs


@dataclass(frozen=True)
class Ask:
    """How a local model is made."""

    num_features: int = 10
    num_samples: int = 5000
    feature_selection: Selection = "auto"
    kernel_width: float | None = None
    distance_metric: Metric = "euclidean"
    seed: int = 0
    std_error: bool = False
    stability_z: float = 0.0  # 0: do not ask whether the features would be chosen again

    def width(self, features: int) -> float:
        """Of the kernel; lime's default is 0.75 sqrt(d)."""
        return self.kernel_width or float(np.sqrt(features) * 0.75)


@dataclass(frozen=True)
class Explained:
    """L local models for each of B rows; `stable` holds None where it was not asked."""

    features: Ints  # B x L x k, -1 fills up
    weights: Floats  # B x L x k, NaN fills up
    std_errors: Floats  # B x L x k, NaN where not asked
    intercept: Floats  # B x L
    r2: Floats  # B x L
    local_prediction: Floats  # B x L
    stable: NDArray[np.object_]  # B x L
    points: int | None  # None: infinitely many


class Engine(Protocol):
    """Explains blocks of rows; a row's answer depends on itself and on the block's length, never on its neighbours."""

    block_rows: int

    def explain(self, rows: Floats, outputs: Floats, labels: Ints, real: int) -> Explained:
        """The first `real` rows are asked for, the others fill the block up and cost next to nothing.

        `rows` B x d as the model takes them, `outputs` B x o what it says of them, `labels` B x L of its outputs.
        """
        ...


class Local(NamedTuple):
    """The n points about one row, each multiplied by the root of its kernel weight."""

    scaled: Floats  # (d + 1 + o) x n: encoded features, one, outputs less `shift`
    own: Floats  # d: the row's own encoding
    shift: Floats  # o: taken off the outputs, so that R^2 does not cancel


def explain_block(local: Callable[[int], Local], outputs: Floats, labels: Ints, ask: Ask, real: int) -> Explained:
    """Local models for B rows; `local(i)` may be asked more than once, for the first `real` rows only."""
    d = len(local(0).own)
    scatter, own, shift = [], [], []
    for i in range(real):
        points = local(i)
        scatter.append(points.scaled @ points.scaled.T)
        own.append(points.own)
        shift.append(points.shift)
    for kept in (scatter, own, shift):
        kept.extend([kept[0]] * (len(outputs) - real))
    centre = _centred(np.stack(scatter), np.stack(own), outputs - np.stack(shift))
    every = np.arange(len(outputs))
    slots = []
    for label in labels.T:
        moments = Moments(
            gram=centre.scatter[:, :d, :d],
            cross=centre.scatter[every, d + 1 + label, :d],
            mean_x=centre.mean[:, :d],
            mean_y=centre.mean[every, d + 1 + label],
            variance=centre.scatter[every, d + 1 + label, d + 1 + label],
            own=np.stack(own),
            points=ask.num_samples,
        )
        fit = ridge(moments, select(ask.feature_selection, moments, ask.num_features))
        slots.append((moments, fit))
    errors, stable = _doubts(local, labels, slots, ask, real)
    width = max(fit.features.shape[1] for _, fit in slots)
    moved = np.stack(shift)[every[:, None], labels]
    return Explained(
        features=np.stack([_filled(fit.features, width, -1) for _, fit in slots], axis=1),
        weights=np.stack([_filled(fit.weights, width, np.nan) for _, fit in slots], axis=1),
        std_errors=np.stack([_filled(error, width, np.nan) for error in errors], axis=1),
        intercept=np.stack([fit.intercept for _, fit in slots], axis=1) + moved,
        r2=np.stack([fit.r2 for _, fit in slots], axis=1),
        local_prediction=np.stack([fit.local_prediction for _, fit in slots], axis=1) + moved,
        stable=np.stack(stable, axis=1),
        points=ask.num_samples,
    )


class _Centred(NamedTuple):
    scatter: Floats
    mean: Floats


def _centred(scatter: Floats, own: Floats, outputs: Floats) -> _Centred:
    """Add the row itself, with weight 1, and take the weighted means off."""
    d = own.shape[1]
    row = np.concatenate([own, np.ones((len(own), 1)), outputs], axis=1)
    scatter = scatter + row[:, :, None] * row[:, None, :]
    total = scatter[:, d, d]
    mean = scatter[:, d] / total[:, None]
    return _Centred(scatter - total[:, None, None] * mean[:, :, None] * mean[:, None, :], mean)


def _doubts(
    local: Callable[[int], Local], labels: Ints, slots: list[tuple[Moments, Fit]], ask: Ask, real: int
) -> tuple[list[Floats], list[NDArray[np.object_]]]:
    """Standard errors, and whether the choice of features would stand, for each label."""
    errors = [np.full(fit.weights.shape, np.nan) for _, fit in slots]
    stable = [np.full(len(labels), None, object) for _ in slots]
    if not ask.std_error and not ask.stability_z:
        return errors, stable
    inverses = [inverted(moments.gram) for moments, _ in slots if ask.stability_z]
    for i in range(real):
        points = local(i)
        for slot, (moments, fit) in enumerate(slots):
            if ask.std_error:
                errors[slot][i] = _std_errors(points, int(labels[i, slot]), moments, fit, i)
            if ask.stability_z:
                stable[slot][i] = _stable(points, int(labels[i, slot]), moments, fit, i, inverses[slot][i], ask)
    return errors, stable


def _std_errors(points: Local, label: int, moments: Moments, fit: Fit, i: int) -> Floats:
    d, picks = len(points.own), fit.features[i]
    real = picks >= 0
    picks = picks[real]
    spread = Spread.of(
        points.scaled[[*picks, d]], points.scaled[d + 1 + label], moments.mean_x[i, picks], float(moments.mean_y[i]),
        fit.weights[i, real], inverted(moments.gram[i][np.ix_(picks, picks)]),
    )  # fmt: skip
    out = np.full(len(real), np.nan)
    out[: len(picks)] = spread.deviations(np.eye(len(picks)))
    return out


def _stable(
    points: Local, label: int, moments: Moments, fit: Fit, i: int, inverse: Floats, ask: Ask
) -> bool | None:  # fmt: skip
    d = len(points.own)
    chosen = np.zeros(d, bool)
    chosen[fit.features[i][fit.features[i] >= 0]] = True
    if chosen.all():
        return None
    spread = Spread.of(
        points.scaled[: d + 1], points.scaled[d + 1 + label], moments.mean_x[i], float(moments.mean_y[i]),
        inverse @ moments.cross[i], inverse,
    )  # fmt: skip
    by_weight = resolved(ask.feature_selection, ask.num_features) == "highest_weights"
    scale = np.abs(moments.own[i]) if by_weight else np.sqrt(np.maximum(np.diag(moments.gram[i]), 0))
    return separated(chosen, scale, spread, ask.stability_z)


def _filled(values: NDArray[np.generic], width: int, filler: float) -> NDArray[np.generic]:
    """Widen the last axis to `width`."""
    out = np.full((*values.shape[:-1], width), filler, values.dtype)
    out[..., : values.shape[-1]] = values
    return out
