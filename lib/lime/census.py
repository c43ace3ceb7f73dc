"""Counts a whole table into a spec: exact sums, so that parts counted anywhere add up to the same numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import sqrt
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lib.lime.neighborhood import Floats
from lib.lime.spec import Bins, Column, Discretizer

PERCENTILES: dict[str, tuple[int, ...]] = {"quartile": (25, 50, 75), "decile": (10, 20, 30, 40, 50, 60, 70, 80, 90)}
MANTISSA_BITS = 53
EXPONENTS = 1 << 12  # doubles have 2098 of them, subnormal ones included


def edges(values: Floats, discretizer: Discretizer, labels: NDArray[Any] | None = None, seed: int = 0) -> list[float]:
    """Where lime's discretiser cuts a column without missing values. `entropy` needs the labels."""
    if discretizer == "entropy":
        return _entropy_edges(values, labels, seed)
    return [float(edge) for edge in np.unique(np.percentile(values, PERCENTILES[discretizer]))]


def _entropy_edges(values: Floats, labels: NDArray[Any] | None, seed: int) -> list[float]:
    """The thresholds of a small tree that predicts the label from this column alone."""
    from sklearn.tree import DecisionTreeClassifier

    if labels is None:
        raise ValueError("discretizer entropy needs the labels")
    tree = DecisionTreeClassifier(criterion="entropy", max_depth=3, random_state=seed).fit(values[:, None], labels)
    found = tree.tree_.threshold[tree.tree_.children_left > -1]
    return [float(edge) for edge in np.unique(found if len(found) else [np.median(values)])]


class ExactSums:
    """Sums of doubles, cell by cell, without rounding: whole numbers by exponent."""

    def __init__(self) -> None:
        self.parts: Counter[tuple[int, int]] = Counter()  # (cell, exponent) -> sum of mantissas

    def add(self, cells: NDArray[np.int64], values: Floats) -> None:
        """Add finite values to their cells."""
        mantissas, exponents = np.frexp(values)
        whole = np.ldexp(mantissas, MANTISSA_BITS).astype(np.int64)
        keys, place = np.unique(cells * EXPONENTS + (exponents + EXPONENTS // 2), return_inverse=True)
        # In two halves: 2^36 of them fit into 64 bits.
        high, low = np.zeros(len(keys), np.int64), np.zeros(len(keys), np.int64)
        np.add.at(high, place, whole >> 26)
        np.add.at(low, place, whole & ((1 << 26) - 1))
        for key, h, l in zip(keys.tolist(), high.tolist(), low.tolist(), strict=True):  # noqa: E741
            self.parts[divmod(key, EXPONENTS)] += (h << 26) + l

    def merge(self, other: ExactSums) -> None:
        """Add another's sums."""
        self.parts.update(other.parts)

    def totals(self, cells: int) -> list[Fraction]:
        """The exact sum of each cell."""
        out = [Fraction(0)] * cells
        for (cell, exponent), whole in self.parts.items():
            power = exponent - EXPONENTS // 2 - MANTISSA_BITS
            out[cell] += Fraction(whole << power) if power >= 0 else Fraction(whole, 1 << -power)
        return out


def squares(values: Floats) -> tuple[Floats, Floats]:
    """x * x as the sum of two doubles, exactly (Dekker 1971); for |x| below 1e150."""
    split = values * 134217729.0
    high = split - (split - values)
    low = values - high
    product = values * values
    return product, ((high * high - product) + 2 * high * low) + low * low


class NumericCensus:
    """One numeric column, counted in the cells between the edges of all its discretisers."""

    def __init__(self, cuts: Mapping[str, Sequence[float]]) -> None:
        self.cuts = {name: np.array(cut, float) for name, cut in cuts.items()}
        self.borders = np.unique(np.concatenate([*self.cuts.values(), np.array([])]))
        self.counts = np.zeros(len(self.borders) + 1, np.int64)
        self.sums, self.squares = ExactSums(), ExactSums()
        self.missing, self.low, self.high = 0, np.inf, -np.inf

    def add(self, values: Floats) -> None:
        """Count values; NaN is missing. Infinite values are the caller's to refuse."""
        known = values[~np.isnan(values)]
        self.missing += len(values) - len(known)
        if not len(known):
            return
        cells = np.searchsorted(self.borders, known).astype(np.int64)
        self.counts += np.bincount(cells, minlength=len(self.counts))
        self.sums.add(cells, known)
        for part in squares(known):
            self.squares.add(cells, part)
        self.low, self.high = min(self.low, float(known.min())), max(self.high, float(known.max()))

    def merge(self, other: NumericCensus) -> None:
        """Add another part of the same column, cut at the same edges."""
        self.counts += other.counts
        self.sums.merge(other.sums)
        self.squares.merge(other.squares)
        self.missing += other.missing
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)

    def column(self, name: str) -> Column:
        """What was counted."""
        sums, squared = self.sums.totals(len(self.counts)), self.squares.totals(len(self.counts))
        count = int(self.counts.sum())
        mean, variance = _mean_and_variance(count, sum(sums, Fraction(0)), sum(squared, Fraction(0)))
        return Column(
            name, self.missing, minimum=float(self.low), maximum=float(self.high), mean=mean,
            scale=_scale(count, mean, variance),
            bins={name: self._bins(cut, sums, squared) for name, cut in self.cuts.items()},
        )  # fmt: skip

    def _bins(self, cut: Floats, sums: list[Fraction], squared: list[Fraction]) -> Bins:
        # A cell lies in the bin that its upper border lies in.
        owner = np.searchsorted(cut, np.append(self.borders, np.inf))
        counts, means, stds = [], [], []
        for i in range(len(cut) + 1):
            cells = np.flatnonzero(owner == i)
            count = int(self.counts[cells].sum())
            mean, variance = _mean_and_variance(
                count, sum((sums[c] for c in cells), Fraction(0)), sum((squared[c] for c in cells), Fraction(0))
            )
            counts.append(count)
            means.append(mean)
            stds.append(sqrt(variance) + 1e-11)  # lime's own guard against 0
        inner = cut.tolist()
        return Bins(
            tuple(inner),
            tuple(counts),
            (float(self.low), *inner),
            (*inner, float(self.high)),
            tuple(means),
            tuple(stds),
        )


class CategoryCensus:
    """One column of categories."""

    def __init__(self) -> None:
        self.counts: Counter[str | int | float] = Counter()
        self.missing = 0

    def add(self, values: pa.Array) -> None:
        """Count values; null and NaN are missing."""
        for entry in pc.value_counts(values).to_pylist():
            value = entry["values"]
            if value is None or value != value:
                self.missing += entry["counts"]
            else:
                self.counts[value] += entry["counts"]

    def merge(self, other: CategoryCensus) -> None:
        """Add another part of the same column."""
        self.counts.update(other.counts)
        self.missing += other.missing

    def column(self, name: str, categories: Sequence[str | int | float] = ()) -> Column:
        """What was counted; `categories` fixes their order, and which there are."""
        order = tuple(categories) or tuple(sorted(self.counts))
        return Column(name, self.missing, order, tuple(self.counts[value] for value in order))


def _mean_and_variance(count: int, total: Fraction, squared: Fraction) -> tuple[float, float]:
    if not count:
        return 0.0, 0.0
    mean = total / count
    return float(mean), float(squared / count - mean * mean)


def _scale(count: int, mean: float, variance: float) -> float:
    """The standard deviation; 1 where what is left of it is rounding, as in StandardScaler."""
    epsilon = float(np.finfo(float).eps)
    constant = variance <= count * epsilon * variance + (count * mean * epsilon) ** 2
    return 1.0 if constant else sqrt(variance)
