"""A table's rows as the matrix that the model takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lib.lime.neighborhood import Floats
from lib.lime.spec import Column

Failures = dict[int, tuple[str, str]]  # by row: error_code and error_detail


def matrix(rows: pa.StructArray, columns: Sequence[Column], missing_ok: bool) -> tuple[Floats, Failures]:
    """B x d values, NaN where missing; and the rows that cannot be asked for.

    A category that is not in its column's list becomes a code that no other has.
    """
    values = np.full((len(rows), len(columns)), np.nan)
    failures: Failures = {}
    names = [field.name for field in rows.type]
    for j, column in enumerate(columns):
        if column.name not in names:
            failures.update(dict.fromkeys(range(len(rows)), ("missing_column", f"no column {column.name}")))
            continue
        found, wrong = _numbers(rows.field(column.name), column)
        values[:, j] = found
        failures.update({int(i): ("wrong_type", f"{column.name}: {detail}") for i, detail in wrong.items()})
    infinite = np.isinf(values)
    for i, j in np.argwhere(infinite):
        failures.setdefault(int(i), ("wrong_type", f"{columns[j].name}: infinite"))
    if not missing_ok:
        for i, j in np.argwhere(np.isnan(values)):
            failures.setdefault(int(i), ("missing_value", f"{columns[j].name} is missing; see the key missing"))
    return values, failures


def _numbers(values: pa.Array, column: Column) -> tuple[Floats, dict[int, str]]:
    if column.numeric:
        return _numeric(values)
    return _coded(values, column), {}


def _numeric(values: pa.Array) -> tuple[Floats, dict[int, str]]:
    kind = values.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
        return values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), {}
    if pa.types.is_boolean(kind):
        return values.cast(pa.int8()).cast(pa.float64()).to_numpy(zero_copy_only=False), {}
    return np.full(len(values), np.nan), dict.fromkeys(range(len(values)), f"expected a number, the column is {kind}")


def _coded(values: pa.Array, column: Column) -> Floats:
    codes = dict(zip(column.categories or (), column.codes, strict=True))
    unseen = max(codes.values(), default=-1.0) + 1.0
    text = any(isinstance(category, str) for category in codes)

    def code(value: Any) -> float:
        if value is None or value != value:
            return np.nan
        if text:
            return codes.get(str(value), unseen)
        return codes.get(value, unseen) if isinstance(value, str) else float(value)

    unique = pc.dictionary_encode(values) if not pa.types.is_dictionary(values.type) else values
    table = np.array([*(code(v) for v in unique.dictionary.to_pylist()), np.nan])
    places: Floats = table[unique.indices.fill_null(len(table) - 1).to_numpy(zero_copy_only=False)]
    return places
