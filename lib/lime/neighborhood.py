"""The points that LIME draws: the same random stream as lime 0.2.0.1's, from a table's spec alone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import truncnorm

from lib.lime.spec import Bins, Discretizer, TableSpec

Floats = NDArray[np.float64]
Compat = Literal["lime", "fixed"]


class Points(NamedTuple):
    """n x d: `codes` are what a row's code is compared with (bin or category), `values` what the model sees.

    Row 0 is a placeholder for the row that is explained, as in lime.
    """

    codes: Floats
    values: Floats


@dataclass(frozen=True)
class Choices:
    """How one column is drawn: `codes[i]` with probability `frequencies[i]`."""

    codes: Floats
    frequencies: Floats
    bins: Bins | None  # None: a category, whose code is its value


class Neighborhood:
    """Draws points around nothing (the whole table's distribution), or around a row."""

    def __init__(self, spec: TableSpec, discretizer: Discretizer, compat: Compat, missing_bin: bool) -> None:
        self.width = len(spec.columns)
        self.discretised = discretizer != "none"
        self.compat = compat
        numeric = [column.numeric for column in spec.columns]
        self.continuous = np.array([n and not self.discretised for n in numeric], bool)
        # Encoded columns are not scaled: lime sets their mean to 0 and their scale to 1.
        self.mean = np.array([c.mean if cont else 0.0 for c, cont in zip(spec.columns, self.continuous, strict=True)])
        self.scale = np.array([c.scale if cont else 1.0 for c, cont in zip(spec.columns, self.continuous, strict=True)])
        self.choices: dict[int, Choices] = {}
        for i, column in enumerate(spec.columns):
            missing = [column.missing] if missing_bin and column.missing else []
            if column.numeric and self.discretised:
                bins = column.bins[discretizer]
                codes = np.arange(len(bins.counts) + len(missing), dtype=float)
                self.choices[i] = Choices(codes, _shares([*bins.counts, *missing]), bins)
            elif not column.numeric:
                codes = np.array([*column.codes, *([np.nan] if missing else [])])
                self.choices[i] = Choices(codes, _shares([*column.counts, *missing]), None)
        self.edges = {i: np.array(c.bins.edges) for i, c in self.choices.items() if c.bins is not None}

    def encode(self, rows: Floats) -> Floats:
        """Values (B x d) to codes: bins, one more for NaN; categories and continuous values stay what they are."""
        codes = np.array(rows, float, copy=True)
        for i, edges in self.edges.items():
            codes[:, i] = np.searchsorted(edges, rows[:, i])
            codes[np.isnan(rows[:, i]), i] = len(edges) + 1
        return codes

    def draw(self, n: int, seed: int, around: Floats | None = None) -> Points:
        """n points; `around`: one row that continuous columns are centred on, where they are not discretised."""
        random = np.random.RandomState(seed)
        codes, values = np.zeros((n, self.width)), np.zeros((n, self.width))
        if not self.discretised:
            centre = self.mean if around is None else np.where(self.continuous, around, 0.0)
            codes = random.normal(0, 1, n * self.width).reshape(n, self.width)
            values = codes * self.scale + centre
        for i, choice in self.choices.items():
            codes[:, i] = values[:, i] = _choose(random, choice, n)
        for i, choice in self.choices.items():
            if choice.bins is not None:
                values[1:, i] = self._inside(random, choice.bins, codes[1:, i].astype(int))
        return Points(codes, values)

    def _inside(self, random: np.random.RandomState, bins: Bins, chosen: NDArray[np.int_]) -> Floats:
        """A value inside each chosen bin, from a normal distribution cut at the bin's borders (NaN: missing)."""
        mins, maxs, means, stds = (np.array([*v, np.nan]) for v in (bins.mins, bins.maxs, bins.means, bins.stds))
        low, high = (mins - means) / stds, (maxs - means) / stds
        # Where both borders are one, lime 0.2.0.1 leaves the z-score in place of the value.
        values = (low if self.compat == "lime" else mins)[chosen]
        open_ = chosen[wide := (low != high)[chosen] & (chosen < len(bins.counts))]
        u = random.uniform(size=open_.size)
        values[wide] = truncated_normal(u, low[open_], high[open_]) * stds[open_] + means[open_]
        return values


def row_seed(seed: int, row: Floats) -> int:
    """A seed of 32 bits from the config's and the row's values: the same wherever the row stands."""
    digest = hashlib.sha256(seed.to_bytes(8, "little", signed=True) + np.ascontiguousarray(row, "<f8").tobytes())
    return int.from_bytes(digest.digest()[:4], "little")


def truncated_normal(u: Floats, low: Floats, high: Floats) -> Floats:
    """scipy.stats.truncnorm.ppf at a sixth of its price; asks scipy itself far out in the tails."""
    left = low < 0
    below = ndtr(np.where(left, low, -high))
    mass = ndtr(np.where(left, high, -low)) - below
    with np.errstate(divide="ignore", invalid="ignore"):
        x = ndtri(below + np.where(left, u, 1.0 - u) * mass)
    x = np.where(left, x, -x)
    far = ~np.isfinite(x) | (np.where(left, low, -high) < -30) | (mass < 1e-280)
    if far.any():
        x[far] = truncnorm.ppf(u[far], low[far], high[far])
    values: Floats = x
    return values


def _shares(counts: list[int]) -> Floats:
    return np.array(counts) / float(sum(counts))


def _choose(random: np.random.RandomState, choice: Choices, n: int) -> Floats:
    """RandomState.choice(codes, n, p=frequencies), without its checks."""
    cdf = choice.frequencies.cumsum()
    cdf /= cdf[-1]
    return choice.codes[cdf.searchsorted(random.random_sample(n), side="right")]
