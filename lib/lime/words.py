"""What explanations say of features: conditions, values, and what a reader should be warned of."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from lib.lime.neighborhood import Floats, Neighborhood
from lib.lime.options import ExplainRows
from lib.lime.spec import Bins, Column, TableSpec

LOW_FIT = 0.1  # of R^2: the local model says little about the model


class Words:
    """Of one run: its spec, its classes."""

    def __init__(
        self, config: ExplainRows, spec: TableSpec, hood: Neighborhood, classes: Sequence[str], explained: str
    ) -> None:
        self.config, self.spec, self.hood, self.classes, self.explained = config, spec, hood, classes, explained
        self.spec_id = spec.id
        self.names = [column.name for column in spec.columns]
        self.conditions = [self._conditions(j, column) for j, column in enumerate(spec.columns)]
        self.low = np.array([c.minimum if c.numeric else -np.inf for c in spec.columns])
        self.high = np.array([c.maximum if c.numeric else np.inf for c in spec.columns])
        self.degenerate = {j: np.array([*c.bins.degenerate, False]) for j, c in hood.choices.items() if c.bins}
        self.text = [
            dict(zip(c.codes, map(str, c.categories or ()), strict=True)) if not c.numeric else {} for c in spec.columns
        ]

    def _conditions(self, j: int, column: Column) -> list[str]:
        if not self.hood.discretised or not column.numeric:
            return []
        return _bin_names(column.name, self.hood.choices[j].bins, "%.2f" if self.config.compat == "lime" else "%.4g")

    def condition(self, j: int, value: float, code: float) -> str:
        """In lime's words: `1.2 < length <= 3.4`, `colour=red`."""
        if self.conditions[j]:
            return self.conditions[j][int(code)]
        if self.spec.columns[j].numeric:
            return self.names[j]
        return f"{self.names[j]}={self.value(j, value)}"

    def value(self, j: int, value: float) -> str | None:
        """As it stood in the table; None where missing."""
        if np.isnan(value):
            return None
        if not self.spec.columns[j].numeric:
            return self.text[j].get(value, "(unseen)" if self.text[j] else str(value))
        return repr(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))

    def warnings(self, values: Floats, codes: Floats, r2: Floats) -> list[list[str]]:
        """For each row; `r2` B x L."""
        out: list[list[str]] = [[] for _ in values]
        for i in np.flatnonzero((r2 < LOW_FIT).any(axis=1)):
            out[i].append("low_fit")
        with np.errstate(invalid="ignore"):
            self._add(out, "outside_training", (values < self.low) | (values > self.high))
        self._add(out, "missing", np.isnan(values))
        for j, known in enumerate(self.text):
            if known:
                unseen = np.array([v == v and v not in known for v in values[:, j].tolist()], bool)
                self._add(out, "unseen_category", unseen[:, None], j)
        for j, flags in self.degenerate.items():
            self._add(out, "degenerate_bin", flags[codes[:, j].astype(int)][:, None], j)
        return out

    def _add(self, out: list[list[str]], what: str, found: np.ndarray, first: int = 0) -> None:
        for i, j in np.argwhere(found):
            out[i].append(f"{what}: {self.names[first + j]}")


def _bin_names(name: str, bins: Bins | None, form: str) -> list[str]:
    edges = [form % edge for edge in (bins.edges if bins else ())]
    inner = [f"{low} < {name} <= {high}" for low, high in pairwise(edges)]
    return [f"{name} <= {edges[0]}", *inner, f"{name} > {edges[-1]}", f"{name} is missing"]
