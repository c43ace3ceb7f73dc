"""The two engines that draw points: one bank for all rows, or points of each row's own."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances

from lib.lime.engine import Ask, Explained, Local, Metric, Predict, explain_block
from lib.lime.linear import Floats, Ints
from lib.lime.neighborhood import Neighborhood, Points, row_seed


def root_weights(distances: Floats, kernel_width: float) -> Floats:
    """The root of lime's kernel, sqrt(exp(-distance^2 / width^2))."""
    return np.exp(-(distances**2) / (4.0 * kernel_width**2))


class Encoding(Protocol):
    """Points as the local model sees them, apart from the row they are compared with."""

    def numbers(self, codes: Floats) -> NDArray[Any]:
        """Codes of rows (B x d) in the form that the points' own are kept in."""
        ...

    def about(self, row: Floats, numbers: NDArray[Any]) -> Local:
        """About one row: its values and its numbers (d each). The answer's arrays are overwritten by the next call."""
        ...


class Matches:
    """All columns encoded: a point's feature is 1 where it shares the row's bin or category.

    Every metric of two 0/1 vectors, one of them all ones, depends on the number of matches alone: d + 1 weights.
    """

    def __init__(self, codes: Floats, outputs: Floats, kernel_width: float, metric: Metric) -> None:
        n, d = codes.shape
        self.values = [np.unique(codes[:, j]) for j in range(d)]
        # One byte a point: a column has few bins; categories are numbered by their place among those drawn.
        kind = np.uint8 if max(map(len, self.values)) < 255 else np.uint16
        self.nothing = np.iinfo(kind).max
        self.codes = np.empty((d, n), kind)
        for j, values in enumerate(self.values):
            self.codes[j] = np.searchsorted(values, codes[:, j])
        count = np.tri(d + 1, d, -1)
        self.roots: Floats = root_weights(
            pairwise_distances(count, np.ones((1, d)), metric=metric).ravel(), kernel_width
        )
        self.shift = outputs.mean(axis=0)
        self.outputs = np.ascontiguousarray((outputs - self.shift).T)
        self.scaled = np.empty((d + 1 + outputs.shape[1], n))
        self.match = np.empty((d, n), bool)
        self.matches: NDArray[Any] = np.empty(n, np.uint8 if d < 256 else np.uint16)
        self.own = np.ones(d)

    def numbers(self, codes: Floats) -> NDArray[Any]:
        """A code's place among those drawn in its column; one that no point has matches nothing."""
        out = np.full(codes.shape, self.nothing, self.codes.dtype)
        for j, values in enumerate(self.values):
            place = np.minimum(np.searchsorted(values, codes[:, j]), len(values) - 1)
            known = (values[place] == codes[:, j]) | (np.isnan(values[place]) & np.isnan(codes[:, j]))
            out[known, j] = place[known]
        return out

    def about(self, row: Floats, numbers: NDArray[Any]) -> Local:
        """See Encoding."""
        d = len(self.own)
        np.equal(self.codes, numbers[:, None], out=self.match)
        np.add.reduce(self.match.view(np.uint8), axis=0, dtype=self.matches.dtype, out=self.matches)
        root = np.take(self.roots, self.matches, mode="clip")  # twice as fast as indexing
        np.copyto(self.scaled[:d], self.match)  # multiplying truths by numbers takes numpy twice as long
        self.scaled[:d] *= root
        self.scaled[d] = root
        np.multiply(self.outputs, root, out=self.scaled[d + 1 :])
        return Local(self.scaled, self.own, self.shift)


class Mixed:
    """Continuous columns as scaled values, categories as matches: distances are computed point by point."""

    def __init__(
        self, points: Points, hood: Neighborhood, outputs: Floats, kernel_width: float, metric: Metric
    ) -> None:
        self.hood, self.kernel_width, self.metric = hood, kernel_width, metric
        self.codes = points.codes[1:]
        self.design = (points.values[1:] - hood.mean) / hood.scale
        self.shift = outputs.mean(axis=0)
        self.outputs = outputs - self.shift

    def numbers(self, codes: Floats) -> NDArray[Any]:
        """Codes compare as they are."""
        return codes

    def about(self, row: Floats, numbers: NDArray[Any]) -> Local:
        """See Encoding."""
        encoded = ~self.hood.continuous
        own = np.where(encoded, 1.0, (row - self.hood.mean) / self.hood.scale)
        # Not 1 where NaN meets NaN: a missing category is refused at the door without a discretiser.
        self.design[:, encoded] = self.codes[:, encoded] == numbers[encoded]
        distances = pairwise_distances(self.design, own[None], metric=self.metric).ravel()
        root = root_weights(distances, self.kernel_width)
        stacked = np.concatenate([self.design, np.ones((len(root), 1)), self.outputs], axis=1)
        return Local(np.ascontiguousarray((stacked * root[:, None]).T), own, self.shift)


def encoding(hood: Neighborhood, points: Points, outputs: Floats, ask: Ask) -> Encoding:
    """The fast way where all columns are encoded, and the general one. `outputs` are those of points 1 and on."""
    width = ask.width(hood.width)
    if hood.continuous.any():
        return Mixed(points, hood, outputs, width, ask.distance_metric)
    return Matches(points.codes[1:], outputs, width, ask.distance_metric)


class Bank:
    """Points that do not depend on the row: drawn, and predicted, once for the whole table.

    With several banks, a row's values choose its own, so that sampling error is not the same for all rows.
    """

    block_rows = 64

    def __init__(self, hood: Neighborhood, predict: Predict, ask: Ask, banks: int = 1) -> None:
        self.hood, self.ask, self.encodings = hood, ask, []
        for number in range(banks):
            points = self._draw(number)
            self.encodings.append(encoding(hood, points, predict(points.values[1:]), ask))

    def explain(self, rows: Floats, outputs: Floats, labels: Ints, real: int) -> Explained:
        """See Engine."""
        codes = self.hood.encode(rows)
        numbers = [encoding.numbers(codes) for encoding in self.encodings]
        bank = [self._bank(row) for row in rows]

        def local(i: int) -> Local:
            return self.encodings[bank[i]].about(rows[i], numbers[bank[i]][i])

        return explain_block(local, outputs, labels, self.ask, real)

    def points(self, row: Floats) -> Points:
        """Those that explain a row."""
        return self._draw(self._bank(row))

    def _draw(self, number: int) -> Points:
        return self.hood.draw(self.ask.num_samples, self.ask.seed + number)

    def _bank(self, row: Floats) -> int:
        return row_seed(self.ask.seed, row) % len(self.encodings) if len(self.encodings) > 1 else 0


class PerRow:
    """Points of each row's own, from a seed made of the row's values."""

    block_rows = 8

    def __init__(self, hood: Neighborhood, predict: Predict, ask: Ask, around: bool) -> None:
        self.hood, self.predict, self.ask, self.around = hood, predict, ask, around

    def explain(self, rows: Floats, outputs: Floats, labels: Ints, real: int) -> Explained:
        """See Engine."""
        codes = self.hood.encode(rows)
        drawn = [self.points(row) for row in rows[:real]]
        # Row by row: as many points a call whatever the block holds.
        parts = [self.predict(points.values[1:]) for points in drawn]
        about = []
        for i, (points, part) in enumerate(zip(drawn, parts, strict=True)):
            own = encoding(self.hood, points, part, self.ask)
            about.append(own.about(rows[i], own.numbers(codes[i : i + 1])[0]))
        return explain_block(about.__getitem__, outputs, labels, self.ask, real)

    def points(self, row: Floats) -> Points:
        """Those that explain a row."""
        return self.hood.draw(self.ask.num_samples, row_seed(self.ask.seed, row), row if self.around else None)
