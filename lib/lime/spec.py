"""What a table looks like, in the few numbers that LIME draws its points from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

Discretizer = Literal["quartile", "decile", "entropy", "none"]


@dataclass(frozen=True)
class Bins:
    """A numeric column cut at `edges`: bin i holds edges[i-1] < value <= edges[i], in the way of lime.discretize.

    `mins` and `maxs` are the bin's borders, not its extremes, but for the first and last bin.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    mins: tuple[float, ...]
    maxs: tuple[float, ...]
    means: tuple[float, ...]
    stds: tuple[float, ...]

    @property
    def degenerate(self) -> tuple[bool, ...]:
        """Which bins hold one value only, because their borders are one: lime 0.2.0.1 draws z-scores there."""
        pairs = zip(self.mins, self.maxs, self.counts, strict=True)
        return tuple(low == high and count > 0 for low, high, count in pairs)


@dataclass(frozen=True)
class Column:
    """One feature over a whole table; `missing` counts its nulls and NaNs, which no other number counts.

    Numeric: mean, standard deviation (1 where constant, as StandardScaler has it), bins by discretizer.
    Categorical: `categories` in the order of their codes, and how often each occurs.
    """

    name: str
    missing: int = 0
    categories: tuple[str | int | float, ...] | None = None
    counts: tuple[int, ...] = ()
    minimum: float = 0.0
    maximum: float = 0.0
    mean: float = 0.0
    scale: float = 1.0
    bins: dict[str, Bins] = field(default_factory=dict)

    @property
    def numeric(self) -> bool:
        """Whether its values are numbers on a scale."""
        return self.categories is None

    @property
    def codes(self) -> tuple[float, ...]:
        """What the model gets for each category: numbers as they are, text by its place in the list."""
        values = self.categories or ()
        if any(isinstance(value, str) for value in values):
            return tuple(float(i) for i in range(len(values)))
        return tuple(float(value) for value in values)


@dataclass(frozen=True)
class TableSpec:
    """All columns that a model takes, in its order."""

    rows: int
    columns: tuple[Column, ...]

    @property
    def id(self) -> str:
        """Twelve hex digits that change when any number does."""
        return hashlib.sha256(msgspec.json.encode(self.plain(), order="sorted")).hexdigest()[:12]

    def plain(self) -> dict[str, Any]:
        """As JSON values; floats survive the way there and back."""
        return dict(msgspec.to_builtins(self))

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> TableSpec:
        """Raises msgspec.ValidationError."""
        return msgspec.convert(values, cls)

    def only(self, discretizer: Discretizer) -> TableSpec:
        """The same without the bins of other discretizers."""
        kept = tuple(
            Column(
                c.name, c.missing, c.categories, c.counts, c.minimum, c.maximum, c.mean, c.scale,
                {name: bins for name, bins in c.bins.items() if name == discretizer},
            )
            for c in self.columns
        )  # fmt: skip
        return TableSpec(self.rows, kept)
