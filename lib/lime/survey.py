"""Reads a table twice, in bounded memory: a sample to find where columns are cut, then all rows to count."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from lib.errors import UsageError
from lib.lime.census import CategoryCensus, NumericCensus, edges
from lib.lime.features import matrix
from lib.lime.neighborhood import Floats
from lib.lime.spec import Column, Discretizer, TableSpec
from lib.sources.inputs import expand_inputs
from lib.sources.table import TableSource


@dataclass(frozen=True)
class Feature:
    """A column that the model takes; categories fix their codes, else they are those that occur, in order."""

    name: str
    type: Literal["numeric", "categorical"] = "numeric"
    categories: tuple[str | int | float, ...] = ()

    @property
    def column(self) -> Column:
        """Its values' meaning, without any counts."""
        return Column(self.name, categories=self.categories if self.type == "categorical" else None)


class Tables:
    """The rows of some files, read as often as asked."""

    def __init__(self, inputs: Sequence[str], columns: Sequence[str] = ()) -> None:
        source = TableSource()
        self.uris = [found.uri for found in expand_inputs(inputs) if source.claims(found.uri)]
        if not self.uris:
            raise UsageError(f"{', '.join(inputs)}: no table among the files")
        self.source = TableSource(columns=tuple(columns))

    def __iter__(self) -> Iterator[pa.StructArray]:
        for uri in self.uris:
            yield from self.source.rows(uri)

    @property
    def fields(self) -> list[pa.Field]:
        """The columns of the first file. Raises UsageError where it has no rows."""
        first = next(iter(TableSource().rows(self.uris[0])), None)
        if first is None:
            raise UsageError(f"{self.uris[0]}: no rows")
        return list(first.type)


def guessed(fields: Sequence[pa.Field], names: Sequence[str]) -> tuple[Feature, ...]:
    """Features by name, or all columns that hold numbers (booleans too) or text; text is categories."""
    known = {field.name: field.type for field in fields}
    for name in names:
        if name not in known:
            raise UsageError(f"the table has no column {name}; it has {', '.join(known)}")
    found = []
    for name in names or known:
        kind = known[name]
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            found.append(Feature(name))
        elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
            found.append(Feature(name, "categorical"))
        elif pa.types.is_boolean(kind):
            found.append(Feature(name))
        elif names:
            raise UsageError(f"column {name} is {kind}: expected numbers or text")
    return tuple(found)


def complete(tables: Tables, features: Sequence[Feature]) -> tuple[tuple[Feature, ...], dict[str, CategoryCensus]]:
    """Give every categorical feature its categories, and count them over the whole table."""
    counts = {f.name: CategoryCensus() for f in features if f.type == "categorical"}
    if counts:
        for rows in tables:
            for name, census in counts.items():
                census.add(_field(rows, name))
    named = tuple(
        Feature(f.name, f.type, f.categories or tuple(counts[f.name].column(f.name).categories or ()))
        if f.type == "categorical" else f
        for f in features
    )  # fmt: skip
    return named, counts


def _field(rows: pa.StructArray, name: str) -> pa.Array:
    if name not in [field.name for field in rows.type]:
        raise UsageError(f"the table has no column {name}; it has {', '.join(f.name for f in rows.type)}")
    found = rows.field(name)
    return found.cast(found.type.value_type) if pa.types.is_dictionary(found.type) else found


@dataclass
class Sample:
    """The rows with the smallest hashes of their values: the same rows, however the table is cut."""

    values: Floats
    labels: np.ndarray[Any, Any]
    hashes: np.ndarray[Any, Any]
    rows: int  # of the table

    @property
    def share(self) -> float:
        """How much of the table it is."""
        return len(self.values) / self.rows if self.rows else 0.0


def sample(
    tables: Tables, features: Sequence[Feature], limit: int, label: str = "", floor: int = 0, key: str = ""
) -> Sample:
    """Up to `limit` rows, at least `floor` of each label where the table has them, in order of their hashes.

    The hash is of column `key`, or else of all values. Rows whose label is missing are left out.
    """
    columns = [feature.column for feature in features]
    held: list[tuple[Any, Any, Any]] = []
    count = kept = 0
    for rows in tables:
        values, failures = matrix(rows, columns, missing_ok=True)
        if failures:
            raise UsageError(next(iter(failures.values()))[1])
        labels = np.array(_field(rows, label).to_pylist(), object) if label else np.zeros(len(rows), object)
        known = np.array([v is not None and v == v for v in labels], bool)
        hashes = _hashes(values, labels, _field(rows, key).to_pylist() if key else None)
        held.append((values[known], labels[known], hashes[known]))
        count, kept = count + int(known.sum()), kept + int(known.sum())
        if kept > 4 * limit:
            held = [_smallest(held, limit, floor)]
            kept = len(held[0][0])
    if not count:
        raise UsageError(f"{tables.uris[0]}: no rows" + (f" with a value in {label}" if label else ""))
    values, labels, hashes = _smallest(held, limit, floor)
    return Sample(values, labels, hashes, count)


def _smallest(held: list[tuple[Any, Any, Any]], limit: int, floor: int) -> tuple[Any, Any, Any]:
    values, labels, hashes = (np.concatenate(part) for part in zip(*held, strict=True))
    order = np.lexsort((np.arange(len(hashes)), hashes))
    chosen = np.zeros(len(order), bool)
    if floor:
        for label in set(labels.tolist()):
            chosen[np.flatnonzero(labels[order] == label)[:floor]] = True
    rest = np.flatnonzero(~chosen)
    chosen[rest[: max(0, limit - int(chosen.sum()))]] = True
    kept = order[chosen]
    return values[kept], labels[kept], hashes[kept]


def _hashes(values: Floats, labels: np.ndarray[Any, Any], keys: list[Any] | None) -> np.ndarray[Any, Any]:
    texts = (
        (row.tobytes() + repr(label).encode() for row, label in zip(np.ascontiguousarray(values), labels, strict=True))
        if keys is None else (repr(key).encode() for key in keys)
    )  # fmt: skip
    digests = b"".join(hashlib.blake2b(text, digest_size=8).digest() for text in texts)
    return np.frombuffer(digests, "<u8")


def census(
    tables: Tables, features: Sequence[Feature], counts: dict[str, CategoryCensus], drawn: Sample,
    discretizers: Sequence[Discretizer], labels: np.ndarray[Any, Any] | None,
) -> TableSpec:  # fmt: skip
    """Count all rows between the edges that the sample gives."""
    numeric: dict[str, NumericCensus] = {}
    for j, feature in enumerate(features):
        if feature.type == "numeric":
            known = ~np.isnan(drawn.values[:, j])
            if not known.any():
                raise UsageError(f"column {feature.name} holds no value at all")
            own = None if labels is None else labels[known]
            numeric[feature.name] = NumericCensus({d: edges(drawn.values[known, j], d, own) for d in discretizers})
    columns = [feature.column for feature in features]
    total = 0
    for rows in tables:
        values, _ = matrix(rows, columns, missing_ok=True)
        total += len(rows)
        for j, feature in enumerate(features):
            if feature.name in numeric:
                numeric[feature.name].add(values[:, j])
    made = [
        numeric[f.name].column(f.name) if f.name in numeric else counts[f.name].column(f.name, f.categories)
        for f in features
    ]
    return TableSpec(total, tuple(made))
