"""Reads a table by parts, anywhere: what there is, a sample to find where columns are cut, then all rows to count."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lib.errors import UsageError
from lib.lime.census import CategoryCensus, NumericCensus, edges
from lib.lime.features import matrix
from lib.lime.neighborhood import Floats
from lib.lime.spec import Column, Discretizer, TableSpec
from lib.scatter import Scatter
from lib.sources.inputs import expand_inputs
from lib.sources.table import TableSource
from lib.split import Piece, ReadLimits, Split

Hashes = NDArray[np.uint64]
T = TypeVar("T")
PART_BYTES = 64 << 20
LIMITS = ReadLimits(batch_rows=1 << 14, batch_bytes=64 << 20, max_record_bytes=1 << 62)
MANY_CLASSES = 20  # whole numbers of more kinds than this are a quantity
MANY_CATEGORIES = 50_000  # of one column: they are held in memory, and a model that takes them is none
BUCKET_SHIFT = 48  # a hash's bucket is its first 16 bits


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
    """The rows of some files, read as often as asked, part by part; `scatter` says where.

    `prefix`: where relative lines of lists start.
    """

    def __init__(self, inputs: Sequence[str], columns: Sequence[str], scatter: Scatter, prefix: str = "") -> None:
        source = TableSource()
        self.files = [found for found in expand_inputs(inputs, prefix) if source.claims(found.uri)]
        if not self.files:
            raise UsageError(f"{', '.join(inputs)}: no table among the files")
        self.source, self.scatter = TableSource(columns=tuple(columns)), scatter

    def each(self, count: Callable[[Iterator[pa.StructArray]], T]) -> Iterator[T]:
        """What `count` makes of the rows of each part, in order."""
        return self.scatter(_Reading(self.source, count), self._parts)

    @cached_property
    def _parts(self) -> list[tuple[Piece, ...]]:
        return list(self.source.plan(self.files, PART_BYTES))

    @property
    def fields(self) -> list[pa.Field]:
        """The columns of the first file."""
        return TableSource().fields(self.files[0].uri)


def first_fields(inputs: Sequence[str], prefix: str = "") -> list[pa.Field]:
    """The columns of the first file that is a table by its name, later ones are not looked up; none where none is."""
    source = TableSource()
    uris = (found.uri for found in expand_inputs(inputs, prefix) if source.claims(found.uri))
    return next((source.fields(uri) for uri in uris), [])


@dataclass(frozen=True)
class _Reading(Generic[T]):
    """Called with the pieces of one part."""

    source: TableSource
    count: Callable[[Iterator[pa.StructArray]], T]

    def __call__(self, pieces: tuple[Piece, ...]) -> T:
        return self.count(self._rows(pieces))

    def _rows(self, pieces: tuple[Piece, ...]) -> Iterator[pa.StructArray]:
        for batch, _ in self.source.read(Split("", "table", pieces), LIMITS, lambda _: None):
            if batch["error_code"].null_count < len(batch):
                row = batch.slice(0, 1).to_pylist()[0]
                raise UsageError(f"{row['source_path']} row {row['source_offset']}: {row['error_detail']}")
            yield batch["row"]


def guessed(fields: Sequence[pa.Field], names: Sequence[str]) -> tuple[Feature, ...]:
    """Features by name, or all columns that hold numbers (booleans too) or text; text is categories."""
    known = {field.name: field.type for field in fields}
    for name in names:
        if name not in known:
            raise UsageError(f"the table has no column {name}; it has {', '.join(known)}")
    found = []
    for name in names or known:
        kind = known[name]
        if is_number(kind):
            found.append(Feature(name))
        elif is_text(kind):
            found.append(Feature(name, "categorical"))
        elif names:
            raise UsageError(f"column {name} is {kind}: expected numbers or text")
    return tuple(found)


def is_number(kind: pa.DataType) -> bool:
    """Whether a column of this type can be asked for as doubles."""
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean)
    return any(test(kind) for test in tests)


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type can be taken for categories."""
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_dictionary)
    return any(test(kind) for test in tests)


def _field(rows: pa.StructArray, name: str) -> pa.Array:
    if name not in [field.name for field in rows.type]:
        raise UsageError(f"the table has no column {name}; it has {', '.join(f.name for f in rows.type)}")
    found = rows.field(name)
    return found.cast(found.type.value_type) if pa.types.is_dictionary(found.type) else found


@dataclass(frozen=True)
class Question:
    """What the table is read for. The hash of column `key`, or else of all that is read, orders the rows.

    Rows whose label is missing are left out. `floor` rows of each class come first; `classes`: whether labels are any,
    None: if they are text, or few whole numbers; labels are counted only where one of the two asks for it.
    """

    features: tuple[Feature, ...]
    label: str = ""
    key: str = ""
    floor: int = 0
    classes: bool | None = None

    def known(self, rows: pa.StructArray) -> tuple[pa.StructArray, pa.Array]:
        """The rows with a label, and their labels. Raises UsageError where these are no numbers, nor text."""
        if not self.label:
            return rows, pa.nulls(len(rows))
        labels = _field(rows, self.label)
        kind = labels.type
        if not (is_number(kind) or is_text(kind) or pa.types.is_null(kind)):
            raise UsageError(f"column {self.label} is {kind}: a label is a number or text")
        if pa.types.is_floating(kind) and pc.any(pc.is_inf(labels.cast(pa.float64()))).as_py():
            raise UsageError(f"column {self.label}: a label is infinite")
        there = pc.and_(labels.is_valid(), pc.invert(pc.is_null(labels, nan_is_null=True)))
        return rows.filter(there), labels.filter(there)

    def hashes(self, rows: pa.StructArray) -> Hashes:
        """One for each row, of its values alone."""
        names = [self.key] if self.key else [*(f.name for f in self.features), *([self.label] if self.label else [])]
        mixed = np.zeros(len(rows), np.uint64)
        for name in names:
            mixed = mixed * np.uint64(0x9E3779B97F4A7C15) + _hashed(_field(rows, name))
        return pd.util.hash_array(mixed)

    def refuse_names(self, labels: Collection[Any]) -> None:
        """More labels than any model has classes are no classes, and are held in memory."""
        if len(labels) > MANY_CATEGORIES:
            raise UsageError(f"column {self.label}: more than {MANY_CATEGORIES:,} different labels are no classes")

    @property
    def counts_labels(self) -> bool:
        """Whether the table is looked through for its labels."""
        return bool(self.label) and (self.classes is None or (self.classes and self.floor > 0))


def _hashed(values: pa.Array) -> Hashes:
    """Numbers as doubles, whatever their width in this file; everything else as text."""
    if is_number(values.type):
        small = values.cast(pa.int8()) if pa.types.is_boolean(values.type) else values
        numbers = small.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return pd.util.hash_array(np.where(np.isnan(numbers), np.nan, numbers))
    texts = values.cast(pa.string()).fill_null("")
    return pd.util.hash_array(texts.to_numpy(zero_copy_only=False))


@dataclass
class Looked:
    """What a part of a table, or all of it, holds: rows by the first bits of their hashes, classes, categories."""

    buckets: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1 << (64 - BUCKET_SHIFT), np.int64))
    classes: dict[Any, Hashes] | None = field(
        default_factory=dict
    )  # the smallest hashes; None: the label is a quantity
    categories: dict[str, CategoryCensus] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """With a label, where one is asked for."""
        return int(self.buckets.sum())

    def merge(self, other: Looked, floor: int) -> None:
        """Add another part."""
        self.buckets += other.buckets
        if self.classes is None or other.classes is None:
            self.classes = None
        else:
            for label, hashes in other.classes.items():
                self._keep(label, hashes, floor)
        for name, census in other.categories.items():
            self.categories.setdefault(name, CategoryCensus()).merge(census)
        self._refuse_names()

    def add_categories(self, name: str, values: pa.Array) -> None:
        """Of one column."""
        self.categories.setdefault(name, CategoryCensus()).add(values)
        self._refuse_names()

    def _refuse_names(self) -> None:
        for name, census in self.categories.items():
            if len(census.counts) > MANY_CATEGORIES:
                raise UsageError(f"column {name}: more than {MANY_CATEGORIES:,} different texts; leave it out")

    def add_classes(self, labels: pa.Array, hashes: Hashes, floor: int) -> None:
        """Of rows with these labels."""
        coded = labels.dictionary_encode()
        places = coded.indices.to_numpy(zero_copy_only=False)
        order = np.argsort(places, kind="stable")
        by_label = np.split(hashes[order], np.searchsorted(places[order], np.arange(1, len(coded.dictionary))))
        for label, found in zip(coded.dictionary.to_pylist(), by_label, strict=True):
            self._keep(label, found, floor)

    def _keep(self, label: Any, hashes: Hashes, floor: int) -> None:
        assert self.classes is not None
        held = np.concatenate([self.classes.get(label, np.empty(0, np.uint64)), hashes])
        self.classes[label] = np.sort(held)[:floor]


def is_quantity(labels: Sequence[Any]) -> bool:
    """Whether different labels, finite ones, are numbers of too many kinds, or broken ones."""
    if any(isinstance(label, str | bool) for label in labels):
        return False
    return len(labels) > MANY_CLASSES or any(float(label) != int(label) for label in labels)


@dataclass(frozen=True)
class _Look:
    """Counts one part."""

    question: Question

    def __call__(self, parts: Iterator[pa.StructArray]) -> Looked:
        question = self.question
        found = Looked(classes={} if question.label and question.classes is not False else None)
        for every in parts:
            for feature in question.features:
                if feature.type == "categorical":
                    found.add_categories(feature.name, _field(every, feature.name))
            rows, labels = question.known(every)
            hashes = question.hashes(rows)
            found.buckets += np.bincount(hashes >> np.uint64(BUCKET_SHIFT), minlength=len(found.buckets))
            if question.counts_labels and found.classes is not None:
                if question.classes is None and is_quantity([*found.classes, *labels.unique().to_pylist()]):
                    found.classes = None
                else:
                    found.add_classes(labels, hashes, question.floor)
                    question.refuse_names(found.classes)
        return found


def look(tables: Tables, question: Question) -> Looked:
    """Read the whole table once. Raises UsageError where no row has a label."""
    whole = Looked(classes={} if question.label and question.classes is not False else None)
    for part in tables.each(_Look(question)):
        whole.merge(part, question.floor)
        question.refuse_names(whole.classes or ())
    if not whole.rows:
        raise UsageError(
            f"{tables.files[0].uri}: no rows" + (f" with a value in {question.label}" if question.label else "")
        )
    if whole.classes is not None and question.classes is None and is_quantity(list(whole.classes)):
        whole.classes = None
    return whole


def named(features: Sequence[Feature], looked: Looked) -> tuple[Feature, ...]:
    """The same, with categories where they have none."""
    return tuple(
        Feature(f.name, f.type, f.categories or tuple(looked.categories[f.name].column(f.name).categories or ()))
        if f.type == "categorical" else f
        for f in features
    )  # fmt: skip


@dataclass
class Sample:
    """The rows with the smallest hashes, in their order: the same rows, however the table is cut."""

    values: Floats
    labels: NDArray[Any]
    hashes: Hashes
    rows: int  # of the table

    @property
    def share(self) -> float:
        """How much of the table it is."""
        return len(self.values) / self.rows if self.rows else 0.0


class _Rows(NamedTuple):
    """Rows of a table, and what orders them."""

    values: Floats
    labels: NDArray[Any]
    hashes: Hashes
    label_hashes: Hashes

    def taken(self, which: NDArray[Any]) -> _Rows:
        return _Rows(*(column[which] for column in self))

    def order(self) -> NDArray[np.int64]:
        """By hash; rows of one hash (a key that repeats) are told apart by their values, then by their labels."""
        return np.lexsort((self.label_hashes, _row_hashes(self.values), self.hashes))


class _First:
    """Of all rows added, those that may be chosen: the first `limit`, and the first `floor` of each class."""

    def __init__(self, width: int, limit: int, floor: int) -> None:
        nothing = np.empty(0, np.uint64)
        self.held = [_Rows(np.empty((0, width)), np.empty(0, object), nothing, nothing)]
        self.limit, self.floor = limit, floor

    def add(self, rows: _Rows) -> None:
        """The others are forgotten once they are as many as those that are kept."""
        self.held.append(rows)
        if sum(len(rows.hashes) for rows in self.held[1:]) > max(self.limit, len(self.held[0].hashes)):
            self.held = [self.rows()]

    def rows(self) -> _Rows:
        """In their order."""
        every = _Rows(*(np.concatenate(column) for column in zip(*self.held, strict=True)))
        found = every.taken(every.order())
        return found.taken(_floors(found.labels, self.floor) | (np.arange(len(found.hashes)) < self.limit))


@dataclass(frozen=True)
class _Take:
    """The first rows of one part, among those whose hashes are small enough, or small enough for their class."""

    question: Question
    most: int
    by_class: Mapping[Any, int]
    limit: int
    floor: int

    def __call__(self, parts: Iterator[pa.StructArray]) -> _Rows:
        columns = [feature.column for feature in self.question.features]
        first = _First(len(columns), self.limit, self.floor)
        for every in parts:
            rows, labels = self.question.known(every)
            hashes = self.question.hashes(rows)
            keep = hashes <= np.uint64(self.most)
            if self.by_class:
                kinds = np.array([self.by_class.get(label, 0) for label in labels.to_pylist()], np.uint64)
                keep |= hashes <= kinds
            values, failures = matrix(rows.filter(pa.array(keep)), columns, missing_ok=True)
            if failures:
                raise UsageError(next(iter(failures.values()))[1])
            labels = labels.filter(pa.array(keep))
            first.add(_Rows(values, np.array(labels.to_pylist(), object), hashes[keep], _hashed(labels)))
        return first.rows()


def sample(tables: Tables, question: Question, looked: Looked, limit: int) -> Sample:
    """Up to `limit` rows, at least `floor` of each class where the table has them."""
    upto = int(np.searchsorted(np.cumsum(looked.buckets), limit))  # the first bucket that fills the limit
    most = min(upto + 1 << BUCKET_SHIFT, 1 << 64) - 1
    by_class = {label: int(hashes[-1]) for label, hashes in (looked.classes or {}).items() if len(hashes)}
    floor = question.floor if looked.classes else 0
    first = _First(len(question.features), limit, floor)
    for part in tables.each(_Take(question, most, by_class, limit, floor)):
        first.add(part)
    rows = first.rows()
    kept = rows.taken(_chosen(rows.labels, limit, floor))
    return Sample(kept.values, kept.labels, kept.hashes, looked.rows)


def _row_hashes(values: Floats) -> Hashes:
    hashed: Hashes = pd.util.hash_pandas_object(pd.DataFrame(values), index=False).to_numpy().astype(np.uint64)
    return hashed


def _floors(labels: NDArray[Any], floor: int) -> NDArray[np.bool_]:
    """Of rows in their order: the first `floor` of each class."""
    if not floor:
        return np.zeros(len(labels), bool)
    kinds = pd.Series(pd.factorize(labels)[0])
    return np.asarray(kinds.groupby(kinds).cumcount() < floor)


def _chosen(labels: NDArray[Any], limit: int, floor: int) -> NDArray[np.bool_]:
    """Of rows in their order: the first `floor` of each class, then the first of all."""
    chosen = _floors(labels, floor)
    rest = np.flatnonzero(~chosen)
    chosen[rest[: max(0, limit - int(chosen.sum()))]] = True
    return chosen


@dataclass(frozen=True)
class _Count:
    """All numeric columns of one part, between the same edges."""

    columns: tuple[Column, ...]
    cuts: Mapping[str, Mapping[str, Sequence[float]]]

    def __call__(self, parts: Iterator[pa.StructArray]) -> tuple[int, dict[str, NumericCensus]]:
        found = {name: NumericCensus(cuts) for name, cuts in self.cuts.items()}
        total = 0
        for rows in parts:
            values, _ = matrix(rows, self.columns, missing_ok=True)
            total += len(rows)
            for j, column in enumerate(self.columns):
                found[column.name].add(values[:, j])
        return total, found


def census(
    tables: Tables, features: Sequence[Feature], looked: Looked, drawn: Sample,
    discretizers: Sequence[Discretizer], labels: NDArray[Any] | None,
) -> TableSpec:  # fmt: skip
    """Count all rows between the edges that the sample gives."""
    cuts: dict[str, dict[str, list[float]]] = {}
    for j, feature in enumerate(features):
        if feature.type == "numeric":
            known = ~np.isnan(drawn.values[:, j])
            if not known.any():
                raise UsageError(f"column {feature.name} holds no value at all")
            own = None if labels is None else labels[known]
            cuts[feature.name] = {d: edges(drawn.values[known, j], d, own) for d in discretizers}
    numeric = {name: NumericCensus(cut) for name, cut in cuts.items()}
    total = 0
    for rows, part in tables.each(_Count(tuple(f.column for f in features if f.name in cuts), cuts)):
        total += rows
        for name, found in part.items():
            numeric[name].merge(found)
    made = [
        numeric[f.name].column(f.name) if f.name in numeric
        else looked.categories[f.name].column(f.name, f.categories)
        for f in features
    ]  # fmt: skip
    return TableSpec(total, tuple(made))
